"""Numbered folders in a folder, such as the versions of an export."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from kseq2seq.utils.types import PathLike


def numbered_folders(folder: PathLike) -> list[Path]:
    """The paths in a folder whose names are numbers.

    Args:
        folder: Path of the folder, which need not exist.

    Returns:
        The paths in order of their numbers, the newest last.

    Example:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("10", "9", "draft"):
    ...         Path(folder, name).mkdir()
    ...     [path.name for path in numbered_folders(folder)]
    ['9', '10']
    """
    folder = Path(folder)
    if not folder.is_dir():
        return []
    paths = [
        path for path in folder.iterdir() if path.name.isascii() and path.name.isdigit()
    ]
    return sorted(paths, key=lambda path: int(path.name))


def add_numbered_folder(folder: PathLike, write: Callable[[Path], object]) -> Path:
    """Adds the folder of the next number, complete from the moment it appears.

    It is written into a hidden folder beside the others and renamed when complete. So
    an error or a full disk leaves nothing; a killed process leaves no more than that
    hidden folder, `.incomplete-*`, which may be deleted. Several processes that write
    at once get a number each.

    Args:
        folder: Path of the folder; made if it does not exist.
        write: Function that makes and fills a folder of the path that it is given.

    Returns:
        The path of the new folder, `folder/1` for the first.

    Example:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for _ in range(2):
    ...         print(add_numbered_folder(folder, Path.mkdir).name)
    1
    2
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Only its owner may look into a temporary folder; into the one inside, all may.
    with tempfile.TemporaryDirectory(
        prefix=".incomplete-", dir=folder, ignore_cleanup_errors=True
    ) as hidden:
        complete = Path(hidden) / "complete"
        write(complete)
        while True:
            numbers = [int(path.name) for path in numbered_folders(folder)]
            numbered = folder / str(max(numbers, default=0) + 1)
            try:
                os.rename(complete, numbered)
            except OSError:
                # Another process was quicker: try the number after its own.
                if not os.path.lexists(numbered):
                    raise
            else:
                return numbered
