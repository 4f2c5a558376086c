"""One training at a time in a run folder."""

import os
from pathlib import Path

from kseq2seq.utils import PathLike

try:
    import fcntl
except ImportError:  # not of Unix
    fcntl = None

# The open folders that this process holds, by device and inode. The system lets go of
# them when the process ends, even by SIGKILL, and no file is left to be cleaned up.
_held: dict[tuple[int, int], int] = {}


def hold(folder: PathLike) -> None:
    """Holds a run folder for the training of this process.

    Within the process it may be called again. Nothing is done where the file system has
    no such locks.

    Args:
        folder: Path of the run folder, which must exist.

    Raises:
        ValueError: If another process holds it.
    """
    if fcntl is None:
        return
    file = os.open(folder, os.O_RDONLY)
    key = _key(os.fstat(file))
    if key in _held:
        os.close(file)
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise ValueError(
            f"another process trains in {os.fspath(folder)}: wait until it ends, end "
            "it, or train in another folder."
        ) from error
    except OSError:
        os.close(file)
    else:
        _held[key] = file


def release(folder: PathLike) -> None:
    """Lets go of a run folder that this process may hold.

    Args:
        folder: Path of the run folder, which need not exist.
    """
    if Path(folder).is_dir():
        file = _held.pop(_key(Path(folder).stat()), None)
        if file is not None:
            os.close(file)


def check_is_free(folder: PathLike) -> None:
    """Checks that no other process trains in a folder.

    Args:
        folder: Path of the run folder, which need not exist.

    Raises:
        ValueError: If one does.
    """
    if Path(folder).is_dir():
        hold(folder)
        release(folder)


def _key(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
