"""Numbered versions of something in a folder, each of them whole or not there."""

import os
import tempfile
from pathlib import Path


def versions(folder):
    """The versions in a folder: what has a number for its name.

    Args:
        folder: Path of the folder, which need not be there.

    Returns:
        List of `Path`, the newest last.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return []
    paths = [x for x in folder.iterdir() if x.name.isascii() and x.name.isdigit()]
    return sorted(paths, key=lambda path: int(path.name))


def add_version(folder, write):
    """Adds the next version to a folder, at once and whole.

    It is written into a hidden folder beside the versions, whose name nobody takes
    for one, and renamed when all of it is there. So an error or a full disk leaves
    nothing; a kill leaves no more than that hidden folder, `.incomplete-*`, which
    may be deleted. Of several processes each gets a number of its own.

    Args:
        folder: Path of the folder; made if it is not there.
        write: Function that writes the version into a folder of the path that it
            is given, which it has to make.

    Returns:
        The `Path` of the new version, `folder/1` for the first.

    Example:

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for _ in range(2):
    ...         print(add_version(folder, Path.mkdir).name)
    1
    2
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Only its owner may look into a temporary folder; into the one inside, all may.
    with tempfile.TemporaryDirectory(
        prefix=".incomplete-", dir=folder, ignore_cleanup_errors=True
    ) as beside:
        whole = Path(beside) / "version"
        write(whole)
        while True:
            numbers = [int(path.name) for path in versions(folder)]
            version = folder / str(max(numbers, default=0) + 1)
            try:
                os.rename(whole, version)
            except OSError:
                # Another process was quicker: on to the number behind its own.
                if not os.path.lexists(version):
                    raise
            else:
                return version
