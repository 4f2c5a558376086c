"""Text files, packed or not, read line by line."""

import gzip
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from kseq2seq.utils import PathLike

_SUFFIXES_IN_ZIP = (".txt", ".tsv")


class DataError(ValueError):
    """Error of data that cannot be used; the message names file and line."""


def read_lines(path: PathLike | None = None) -> list[str]:
    r"""The lines of a file in UTF-8, without their ends.

    Lines end with `\n` or `\r\n` and with nothing else; a byte order mark is
    skipped.

    Args:
        path: Path of a text file in UTF-8, plain, gzipped, or in a zip, which may
            hold one file that ends in `.txt` or `.tsv`; standard input if `None`.

    Returns:
        List of `str`.

    Raises:
        DataError: If the file cannot be read or is not UTF-8; the message names
            the file and the line.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.txt"
    >>> _ = path.write_bytes(b"A dog.\r\nA cat.")
    >>> read_lines(path)
    ['A dog.', 'A cat.']
    """
    if path is None:
        if sys.stdin is None:
            raise DataError("standard input is closed: name a file to read.")
        return list(iter_lines(sys.stdin.buffer, "standard input"))
    lines: list[str] = []
    try:
        with open_binary(path) as file:
            lines.extend(iter_lines(file, str(path)))
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError) as error:
        raise DataError(
            f"{path}:{len(lines) + 1}: cannot be read from this line on: {error}"
        ) from error
    return lines


def open_binary(path: PathLike) -> IO[bytes] | gzip.GzipFile:
    """Opens a file for reading bytes, unpacked if it is packed.

    Args:
        path: Path of a file, plain, gzipped, or in a zip with one text file.

    Returns:
        The open file.

    Raises:
        DataError: If a zip does not hold one text file.
        OSError: If the file cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(b"\x1f\x8b") or path.suffix == ".gz":
        return gzip.open(path, "rb")
    if start == b"PK\x03\x04" or path.suffix == ".zip":
        return _open_in_zip(path)
    return path.open("rb")


def _open_in_zip(path):
    """Opens the one text file in a zip."""
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in archive.namelist()
            if name.endswith(_SUFFIXES_IN_ZIP)
            and not name.rsplit("/")[-1].startswith(("_", "."))
        ]
        if len(names) != 1:
            raise DataError(
                f"{path}: expected one file ending in .txt or .tsv, besides those "
                f"that begin with '_'. Received: {names}. Unpack the one you mean."
            )
        return archive.open(names[0])


def iter_lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    r"""Decodes the lines of a stream of bytes in UTF-8, one by one.

    Args:
        stream: The lines as bytes, with their ends.
        name: Name of the stream, for errors.

    Yields:
        The lines as `read_lines` gives them.

    Raises:
        DataError: If a line is not UTF-8.

    Example:

    >>> list(iter_lines([b"A dog.\r\n", b"A cat."], "input"))
    ['A dog.', 'A cat.']
    """
    for number, line in enumerate(stream, 1):
        line = line.removesuffix(b"\n").removesuffix(b"\r")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}:{number}: not valid UTF-8 (byte {line[error.start]:#04x} at "
                f"offset {error.start} of the line). Convert it to UTF-8, for "
                "example with iconv."
            ) from error
        yield text.removeprefix("\ufeff") if number == 1 else text
