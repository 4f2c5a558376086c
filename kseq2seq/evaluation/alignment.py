"""Statistics of alignments: whether a model has learnt to align, and how."""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple


class AlignmentStatistics(NamedTuple):
    """Means over the texts of a corpus, of how attention joins target and source.

    Attributes:
        information: How much a place in the target tells of the place in the source
            that is attended to: their mutual information, as a share of the most that
            there can be. 0 for the same attention at all steps, uniform or not; 1 for
            each step at a token of its own.
        sharpness: 0 for attention that is uniform, 1 for attention to single tokens
            (1 less the entropy of a step's attention over its largest value).
        coverage: 0 where all steps attend to one and the same source token, 1 where all
            source tokens get the same attention in sum (entropy of the mean attention,
            over its largest value).
        monotonicity: Correlation of the places in target and source that belong
            together: 1 for the same order, -1 for the reversed one, 0 for none.
    """

    information: float
    sharpness: float
    coverage: float
    monotonicity: float


def alignment_statistics(alignments: Iterable[Any]) -> AlignmentStatistics:
    """The statistics of alignments.

    Args:
        alignments: For each text an array of shape `(target_length, source_length)`,
            whose rows are attention to source tokens, as in `Translation.alignment`. A
            row of zeros counts nothing; texts with fewer than two tokens on one side
            neither.

    Returns:
        The `AlignmentStatistics`, NaN if there is no text to tell by.

    Example:

    >>> import numpy as np
    >>> statistics = alignment_statistics([np.eye(3)])
    >>> [round(value, 3) + 0.0 for value in statistics]
    [1.0, 1.0, 1.0, 1.0]
    >>> statistics = alignment_statistics([np.full((3, 5), 0.2)])
    >>> [round(value, 3) + 0.0 for value in statistics]
    [0.0, 0.0, 1.0, 0.0]

    Reference:
        [Cover & Thomas, 2006](https://doi.org/10.1002/047174882X), section 2.3, mutual
        information.
    """
    import numpy as np

    rows = [statistics for x in alignments if (statistics := _of_text(x)) is not None]
    if not rows:
        return AlignmentStatistics(*[math.nan] * 4)
    return AlignmentStatistics(*np.mean(rows, axis=0).tolist())


def _of_text(alignment):
    import numpy as np

    alignment = np.asarray(alignment, dtype="float64")  # (T, S)
    sums = alignment.sum(axis=1)
    steps = np.flatnonzero(sums > 0)
    if len(steps) < 2 or alignment.shape[1] < 2:
        return None
    attention = alignment[steps] / sums[steps, None]
    mean = attention.mean(axis=0)
    of_steps, of_mean = _entropy(attention).mean(), _entropy(mean)
    most, shared = math.log(len(mean)), math.log(min(attention.shape))
    return (
        # Rounding may leave less than nothing.
        max(0.0, of_mean - of_steps) / shared,
        max(0.0, 1 - of_steps / most),
        of_mean / most,
        _correlation(steps, attention, mean),
    )


def _entropy(probabilities):
    import numpy as np

    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return -(probabilities * logs).sum(axis=-1)


def _correlation(steps, attention, mean):
    """Pearson's, of steps and source positions weighted by attention."""
    import numpy as np

    positions = np.arange(len(mean))
    from_mean = positions - mean @ positions
    variance = mean @ from_mean**2
    if variance <= 1e-12:
        return 0.0
    together = ((steps - steps.mean()) * (attention @ from_mean)).mean()
    return together / math.sqrt(variance * steps.var())
