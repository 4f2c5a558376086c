"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from kseq2seq.utils.types import PathLike


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yields a path beside `path`, of a file that then takes its place.

    Readers see the former file until the new one is complete, and an error leaves
    the former file as it was. Of a link, the file that it points to is replaced.
    What exists and is no file, such as a pipe, is yielded as it is.

    Args:
        path: Path of the file.

    Yields:
        The path to write to, with the same suffix as `path`.

    Raises:
        FileNotFoundError: If nothing has been written to the path yielded.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.txt"
    >>> with atomic_path(path) as beside:
    ...     _ = beside.write_text("A dog.")
    ...     path.exists()
    False
    >>> path.read_text()
    'A dog.'
    """
    place = Path(os.path.realpath(path))
    if place.exists() and not place.is_file():
        yield place
        return
    beside = place.with_name(f".{place.stem}.{os.getpid()}{place.suffix}")
    try:
        yield beside
        os.replace(beside, place)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def atomic_write(path: PathLike) -> Iterator[TextIO]:
    r"""Opens a text file for writing in UTF-8, by way of `atomic_path`.

    Args:
        path: Path of the file.

    Yields:
        The open file.

    Raises:
        ValueError: If the file cannot be opened.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.txt"
    >>> with atomic_write(path) as file:
    ...     _ = file.write("A dog.\n")
    >>> path.read_text()
    'A dog.\n'
    """
    with atomic_path(path) as beside:
        try:
            file = beside.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise ValueError(
                f"{path}: cannot be written: {error.strerror}. Name another file."
            ) from error
        with file:
            yield file


def write_text(path: PathLike, text: str) -> None:
    """Writes a text file in UTF-8, by way of `atomic_path`.

    Args:
        path: Path of the file.
        text: Content of the file.

    Raises:
        OSError: If it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: PathLike, content: bytes) -> None:
    """Writes a binary file, by way of `atomic_path`.

    Args:
        path: Path of the file.
        content: Content of the file.

    Raises:
        OSError: If it cannot be written.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.bin"
    >>> write_bytes(path, b"12")
    >>> path.read_bytes()
    b'12'
    """
    try:
        with atomic_path(path) as beside:
            beside.write_bytes(content)
    except OSError as error:
        # The error of a full disk names no file, others the one beside.
        words = f"could not be written: {error.strerror}"
        raise OSError(error.errno, words, os.fspath(path)) from error
