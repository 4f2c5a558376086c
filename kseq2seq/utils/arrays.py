"""Files of several NumPy arrays."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kseq2seq.utils.types import PathLike


@contextmanager
def open_npz(path: PathLike) -> Iterator[Any]:
    """Opens a `.npz` file.

    Args:
        path: Path of the file.

    Yields:
        The `numpy.lib.npyio.NpzFile`, from names to arrays.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is none, but a file of one array, for example. Damaged ones
            raise `EOFError`, `KeyError` or `zipfile.BadZipFile`, too.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "arrays.npz"
    >>> np.savez(path, a=np.arange(3))
    >>> with open_npz(path) as arrays:
    ...     arrays["a"].tolist()
    [0, 1, 2]
    """
    import numpy as np

    # Opened here, since NumPy leaves a file open that is damaged.
    with Path(path).open("rb") as file:
        arrays = np.load(file)
        if isinstance(arrays, np.ndarray):
            raise ValueError(f"a single array, of shape {arrays.shape}")
        yield arrays
