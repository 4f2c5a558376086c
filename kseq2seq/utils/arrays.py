"""Files of NumPy arrays."""

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kseq2seq.utils.types import PathLike

# What NumPy raises for files that are missing, damaged or of another kind.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,  # also of compression that NumPy does not know
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


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
            raise any of `UNREADABLE`.

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


def as_array(values: Any, name: str) -> Any:
    """Values as a NumPy array; of a subclass, such as a `numpy.memmap`, as it is.

    Args:
        values: An array, or lists.
        name: Name of the argument, for the error.

    Raises:
        ValueError: If rows differ in length, or values of a masked array are missing.

    Example:

    >>> as_array([[1, 2], [3, 4]], "frames").shape
    (2, 2)
    """
    import numpy as np

    try:
        array = np.asanyarray(values)
    except ValueError as error:
        raise ValueError(
            f"`{name}` must be an array, or lists of the same length each. "
            f"Received: {values!r:.80}"
        ) from error
    if np.ma.is_masked(array):
        raise ValueError(
            f"`{name}` must have no missing values: put a number in the place of each, "
            f"as by x.filled(0). Received: {np.ma.count_masked(array)} of {array.size} "
            "that are masked"
        )
    return array
