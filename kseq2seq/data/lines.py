"""Text files, packed or not, read line by line."""

import bz2
import gzip
import logging
import lzma
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from kseq2seq.utils import PathLike

_logger = logging.getLogger("kseq2seq")
# What reading a damaged file raises; RuntimeError is zipfile's, for a password.
PACKING_ERRORS = (
    OSError, EOFError, RuntimeError, zlib.error, lzma.LZMAError, zipfile.BadZipFile
)  # fmt: skip
_SUFFIXES_IN_ZIP = (".txt", ".tsv")
# How packed files begin (regular expressions) and their names end, and what opens them.
_PACKED: tuple[tuple[bytes, str, Any], ...] = (
    (rb"\x1f\x8b", ".gz", gzip.open),
    (rb"BZh\d1AY&SY", ".bz2", bz2.open),
    (rb"\xfd7zXZ\0", ".xz", lzma.open),
)
PACKED_SUFFIXES = tuple(suffix for _, suffix, _ in _PACKED)
_UNPACK = "Unpack it, and name a file of text"
# How files begin, in lower case, that are no text or not the text they stand for.
_NO_TEXT = (
    (b"7z\xbc\xaf\x27\x1c", f"a 7z archive. {_UNPACK}"),
    (b"rar!\x1a\x07", f"a RAR archive. {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"a file packed by zstd. {_UNPACK}"),
    (b"\x1f\x9d", f"a file packed by compress. {_UNPACK}"),
    (b"\x1f\x8b", f"a file packed twice. {_UNPACK}"),
    (b"par1", "a Parquet file. Read it with pandas: its data frames hold pairs, too"),
    (b"%pdf-", "a PDF. Name a file of text"),
    (b"version https://git-lfs", "a pointer of Git LFS. Run git lfs pull"),
    (b"<!doctype html", "a page of HTML. Fetch the data itself"),
    (b"<html", "a page of HTML. Fetch the data itself"),
)
# The part of a file that tells its kind: the first header of a tar archive.
_START = 512


class DataError(ValueError):
    """Error of data that cannot be used; the message names file and line."""


def unpacked_name(path: PathLike) -> str:
    """The name of a file in lower case, without the suffix of a packed one.

    Args:
        path: Path of the file.

    Example:

    >>> unpacked_name("shards/Train.TSV.gz")
    'train.tsv'
    """
    name = Path(path).name.lower()
    for suffix in PACKED_SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def read_lines(path: PathLike | None = None) -> list[str]:
    r"""The lines of a file in UTF-8, without their ends.

    Lines end with `\n` or `\r\n`, or in a file without any `\n` with `\r`. Byte order
    marks are left out wherever they stand, as joined files have them inside.

    Args:
        path: Path of a text file in UTF-8, plain, packed by gzip, bzip2 or xz, or in a
            zip, which may hold one file that ends in `.txt` or `.tsv`; standard input
            if `None`.

    Returns:
        List of `str`.

    Raises:
        DataError: If the file cannot be read or is no text in UTF-8; the message
            names the file and the line.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.txt"
    >>> _ = path.write_bytes(b"A dog.\r\nA cat.")
    >>> read_lines(path)
    ['A dog.', 'A cat.']
    """
    return list(stream_lines(path))


def stream_lines(
    path: PathLike | None = None, tell_of_cr: bool = True
) -> Iterator[str]:
    r"""The lines of a file one by one, so that it may be larger than memory.

    Args:
        path: As for `read_lines`.
        tell_of_cr: Whether a warning tells of CR inside of lines, at the end.

    Yields:
        The lines as `read_lines` gives them.

    Raises:
        DataError: As `read_lines` does, at the line that cannot be read.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "two.txt"
    >>> _ = path.write_bytes(b"A dog.\r\nA cat.")
    >>> next(stream_lines(path))
    'A dog.'
    """
    if path is None:
        if sys.stdin is None:
            raise DataError("standard input is closed: name a file to read.")
        yield from iter_lines(sys.stdin.buffer, "standard input", tell_of_cr)
        return
    count = 0
    try:
        with open_binary(path) as file:
            for line in iter_lines(file, str(path), tell_of_cr):
                count += 1
                yield line
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file. Expected the path of a file, absolute or from the "
            "working folder on."
        ) from error
    except IsADirectoryError as error:
        raise DataError(
            f"{path}: expected a file. Received: a folder; name a file in it"
        ) from error
    except PACKING_ERRORS as error:
        raise DataError(
            f"{path}:{count + 1}: cannot be read from this line on: {error}"
        ) from error


@contextmanager
def open_binary(path: PathLike) -> Iterator[IO[bytes]]:
    """Opens a file for reading bytes, unpacked if it is packed.

    The file is read once, from beginning to end, so that it may be a pipe.

    Args:
        path: Path of a file: plain, by gzip, bzip2 or xz, or in a zip with one text
            file.

    Yields:
        The open file.

    Raises:
        DataError: If a zip does not hold one text file, or if it is no text that
            the file begins with.
        OSError: If the file cannot be opened.
    """
    path = Path(path)
    with ExitStack() as stack:
        # Of all readers of packed files only `peek` is asked, which no type has.
        file: Any = stack.enter_context(path.open("rb"))
        start = file.peek(_START)
        for beginning, suffix, unpack in _PACKED:
            if re.match(beginning, start) or path.suffix == suffix:
                file = stack.enter_context(unpack(file, "rb"))
                break
        else:
            if start.startswith(b"PK\x03\x04") or path.suffix == ".zip":
                archive = stack.enter_context(zipfile.ZipFile(file))
                file = stack.enter_context(_open_in_zip(archive, path))
        _check_is_text(file.peek(_START)[:_START], path)
        yield file


def _check_is_text(start: bytes, path: Path) -> None:
    """Refuses what is known by its beginning."""
    if start[257:262] == b"ustar":
        reason = f"a tar archive. {_UNPACK}"
    else:
        start = start.lstrip().lower()
        reasons = (why for beginning, why in _NO_TEXT if start.startswith(beginning))
        reason = next(reasons, None)
    if reason:
        raise DataError(f"{path}: expected lines of text. Received: {reason}.")


def _open_in_zip(archive, path):
    """Opens the one text file in a zip."""
    names = [
        name
        for name in archive.namelist()
        if name.endswith(_SUFFIXES_IN_ZIP)
        and not name.rsplit("/")[-1].startswith(("_", "."))
    ]
    if not names and "xl/workbook.xml" in archive.namelist():
        raise DataError(
            f"{path}: expected text. Received: a workbook of Excel. Save the sheet as "
            "CSV UTF-8, to a file that ends in .csv."
        )
    if len(names) != 1:
        held = ", ".join(names or archive.namelist()[:5]) or "nothing"
        raise DataError(
            f"{path}: expected one file ending in .txt or .tsv, besides those "
            f"that begin with '_'. Received: {held}. Unpack the one you mean."
        )
    return archive.open(names[0])


def iter_lines(
    stream: Iterable[bytes], name: str, tell_of_cr: bool = True
) -> Iterator[str]:
    r"""Decodes the lines of a stream of bytes in UTF-8, one by one.

    Args:
        stream: The lines as bytes, with their ends.
        name: Name of the stream, for errors.
        tell_of_cr: Whether a warning tells of CR inside of lines, at the end.

    Yields:
        The lines as `read_lines` gives them.

    Raises:
        DataError: If a line is not UTF-8, or holds NUL.

    Example:

    >>> list(iter_lines([b"A dog.\r\n", b"A cat."], "input"))
    ['A dog.', 'A cat.']
    """
    num_with_cr, first_with_cr = 0, 0
    for number, line in enumerate(_split_at_cr(stream), 1):
        line = line.rstrip(b"\r\n")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}:{number}: not valid UTF-8 (byte {line[error.start]:#04x} at "
                f"offset {error.start} of the line). Convert it to UTF-8, for "
                "example with iconv."
            ) from error
        if "\0" in text:
            raise DataError(
                f"{name}:{number}: expected text in UTF-8. Received: NUL at offset "
                f"{line.index(0)} of the line, as in binary files and in UTF-16. Name "
                "a file of text, or convert it, for example with iconv -f UTF-16LE."
            )
        if "\r" in text:
            num_with_cr += 1
            first_with_cr = first_with_cr or number
        yield text.replace("\ufeff", "")
    if num_with_cr and tell_of_cr:
        _logger.warning(
            "%s: CR, inside of %d lines, is read as a character of the text; the first "
            "is line %d.",
            name,
            num_with_cr,
            first_with_cr,
        )


def _split_at_cr(stream: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a stream; of one without any LF, those that end with CR."""
    for number, line in enumerate(stream):
        if number == 0 and b"\r" in line[:-1] and not line.endswith(b"\n"):
            yield from line.removesuffix(b"\r").split(b"\r")
        else:
            yield line
