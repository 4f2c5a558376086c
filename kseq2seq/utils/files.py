"""Files and folders that are written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from kseq2seq.utils.types import PathLike


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yields a path beside `path`, of a file that then takes its place.

    Readers see the former file until the new one is complete, and an error leaves
    the former file as it was. A loss of power leaves one of the two, whole.
    Of a link, the file that it points to is replaced. What exists and is no file, such
    as a pipe, is yielded as it is.

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
        _sync(beside)
        os.replace(beside, place)
        _sync_names(place.parent)
    except OSError as error:
        if error.filename == str(beside) and error.filename2 is None:
            error.filename = str(path)  # the one that the user has named
        raise
    finally:
        with suppress(NotADirectoryError):  # of which the caller's own error tells
            beside.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: PathLike, replace: bool = False) -> Iterator[Path]:
    """Yields an empty folder beside `folder`, which then takes its place.

    An error leaves nothing; a killed process no more than a hidden folder,
    `.incomplete-*`, which may be deleted.

    Args:
        folder: Path of the folder, which must not exist yet, or be empty.
        replace: Whether it takes the place of a folder with files, which is deleted.

    Yields:
        The path of the folder to fill.

    Raises:
        FileExistsError: If there is a file at the path, or without `replace` a folder
            with files.
        OSError: If it cannot be written.

    Example:

    >>> folder = Path(tempfile.mkdtemp()) / "one"
    >>> with atomic_folder(folder) as beside:
    ...     _ = (beside / "one.txt").write_text("A dog.")
    ...     folder.exists()
    False
    >>> [path.name for path in folder.iterdir()]
    ['one.txt']
    """
    folder = Path(folder)
    may_be_replaced = folder.is_dir() and (replace or not any(folder.iterdir()))
    if folder.exists() and not may_be_replaced:
        raise FileExistsError(
            f"{folder} must not exist yet, or be an empty folder: name another one, or "
            "delete it first. Received: a "
            + ("folder with files" if folder.is_dir() else "file")
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Only its owner may look into a temporary folder; into the one inside, all may.
    with tempfile.TemporaryDirectory(
        prefix=".incomplete-", dir=folder.parent, ignore_cleanup_errors=True
    ) as hidden:
        beside = Path(hidden) / "complete"
        beside.mkdir()
        yield beside
        for path in (*beside.rglob("*"), beside):
            if path.is_dir():
                _sync_names(path)
            else:
                _sync(path)
        if replace and folder.exists():
            os.rename(folder, Path(hidden) / "former")
        os.rename(beside, folder)
        _sync_names(folder.parent)


def _sync(path: Path) -> None:
    """Returns when a file is on the disk, which it may not be when it is renamed."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _sync_names(folder: Path) -> None:
    # Some file systems know no such thing of folders.
    with suppress(OSError):
        _sync(folder)


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
