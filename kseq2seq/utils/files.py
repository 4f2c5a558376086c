"""Files that are written whole or not at all."""

import os
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_whole(path):
    r"""Opens a text file to write, in UTF-8, which takes its place when complete.

    It is written beside and renamed, so that nobody ever sees half of it, and an
    error leaves what was there before. What is no file, such as a pipe, is written
    to as it is.

    Args:
        path: Path of the file.

    Raises:
        ValueError: If it cannot be written.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "one.txt"
    >>> with written_whole(path) as file:
    ...     _ = file.write("A dog.\n")
    ...     path.exists()
    False
    >>> path.exists()
    True
    """
    # Of a link, the file that it points to is replaced.
    place = Path(os.path.realpath(path))
    as_it_is = place.exists() and not place.is_file()
    beside = place if as_it_is else place.with_name(f".{place.name}.{os.getpid()}")
    try:
        file = beside.open("w", encoding="utf-8", newline="\n")
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written: {error.strerror}. Name another file."
        ) from error
    try:
        with file:
            yield file
        if not as_it_is:
            os.replace(beside, place)
    finally:
        if not as_it_is:
            beside.unlink(missing_ok=True)


def write_text(path, text):
    """Writes a file beside and renames it, so that it is never half there."""
    with written_whole(path) as file:
        file.write(text)
