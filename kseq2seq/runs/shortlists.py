"""Shortlists: the target pieces that each source piece may give."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kseq2seq.runs.files import SHORTLIST_FILE
from kseq2seq.utils import PAD_ID, UNREADABLE, PathLike, atomic_path, open_npz

if TYPE_CHECKING:
    import numpy as np


class Shortlist(NamedTuple):
    """Target pieces by source piece, for a search among few of them.

    Attributes:
        table: int32 of shape `(source_vocabulary_size, pieces)`: for each source id the
            target ids that it gives most often, PAD behind them. The row of PAD is
            not read.
        frequent: int32 of shape `(count,)`: target ids that any source may give.

    Example:

    >>> import numpy as np
    >>> Shortlist(np.zeros((7, 2), "int32"), np.array([4, 5], "int32")).table.shape
    (7, 2)
    """

    table: "np.ndarray"
    frequent: "np.ndarray"


def save_shortlist(folder: PathLike, shortlist: Shortlist | None) -> None:
    """Writes a shortlist into a run folder, or takes one away.

    Args:
        folder: Path of the run folder.
        shortlist: The `Shortlist`; `None` for a model without.

    Raises:
        ValueError: If it is neither.
    """
    import numpy as np

    check_is_shortlist(shortlist)
    path = Path(folder) / SHORTLIST_FILE
    if shortlist is None:
        path.unlink(missing_ok=True)
        return
    with atomic_path(path) as beside:
        np.savez_compressed(beside, **shortlist._asdict())


def load_shortlist(folder: PathLike) -> Shortlist | None:
    """The shortlist of a run folder.

    Args:
        folder: Path of the run folder.

    Returns:
        A `Shortlist`; `None` if the folder has none.

    Raises:
        ValueError: If the file cannot be read.
    """
    path = Path(folder) / SHORTLIST_FILE
    try:
        with open_npz(path) as arrays:
            return Shortlist(arrays["table"], arrays["frequent"])
    except FileNotFoundError:
        return None
    except UNREADABLE as error:
        raise ValueError(
            f"{path} must hold a shortlist, as 'kseq2seq shortlist' writes it: write "
            "it again, or delete the file to do without. Received: "
            f"{type(error).__name__}: {error}"
        ) from error


def check_is_shortlist(shortlist: Shortlist | None) -> None:
    """Checks that a shortlist, if there is one, is no path of one or other arrays.

    Args:
        shortlist: The `Shortlist`, or `None`.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> check_is_shortlist(None)
    """
    if shortlist is not None and not isinstance(shortlist, Shortlist):
        raise ValueError(
            "`shortlist` must be `None` or a `kseq2seq.runs.Shortlist`; "
            "`kseq2seq.runs.load_shortlist(folder)` reads that of a run folder. "
            f"Received: shortlist={shortlist!r:.80} of type {type(shortlist).__name__}"
        )


def check_shortlist(shortlist: Shortlist, source_size: int, target_size: int) -> None:
    """Checks that a shortlist is of a model's vocabularies.

    Args:
        shortlist: The `Shortlist`.
        source_size: Number of source ids, features included.
        target_size: Number of target ids.

    Raises:
        ValueError: If it is of others, or no shortlist.

    Example:

    >>> import numpy as np
    >>> table, frequent = np.array([[0], [4]]), np.array([5])
    >>> check_shortlist(Shortlist(table, frequent), source_size=2, target_size=6)
    """
    check_is_shortlist(shortlist)
    table, frequent = shortlist
    ids = [PAD_ID, *frequent.tolist(), int(table.max(initial=PAD_ID))]
    lowest, highest = min(*ids, int(table.min(initial=PAD_ID))), max(ids)
    # A negative one would be a piece of the row above.
    if len(table) != source_size or highest >= target_size or lowest < 0:
        raise ValueError(
            f"`shortlist` must be of the model's {source_size} source and {target_size}"
            " target ids: make it anew by 'kseq2seq shortlist RUN'. Received: a table "
            f"of {len(table)} source ids, with target ids from {lowest} to {highest}"
        )
