"""Calibration: scores of n-best lists as probabilities that can be trusted."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kseq2seq.utils import check_integer

if TYPE_CHECKING:
    import numpy as np

# Temperatures that are tried, and how near the best of them is found.
_LEAST, _MOST, _STEPS, _TOLERANCE = 1e-3, 1e3, 61, 1e-6
# A log-likelihood that changes by less is the same at all temperatures.
_FLAT = 1e-9


class Calibration(NamedTuple):
    """Parameters that turn the scores of an n-best list into probabilities.

    Attributes:
        temperature: Divisor of the scores, ahead of the softmax over the list; 1
            where all are as good, as for lists of one.
        share: Probability that one translation of the list is right.
        error: Expected calibration error of the best one's probability.
        error_before: The same without calibration, by a softmax of the scores alone.
    """

    temperature: float
    share: float
    error: float
    error_before: float

    def probabilities(self, scores: Sequence[float]) -> "np.ndarray":
        """The probability of each translation of one list that it is the right one.

        Args:
            scores: Its scores, of the kind that the calibration was fitted to.

        Returns:
            Array of as many float64, which sum to `share`; what is left is the
            probability that none of them is right.

        Raises:
            ValueError: If there is no score, or one is not finite.

        Example:

        >>> calibration = Calibration(2.0, 0.5, 0.0, 0.0)
        >>> calibration.probabilities([0.0, 0.0]).tolist()
        [0.25, 0.25]
        """
        import numpy as np

        padded = _padded([scores])
        return self.share * np.exp(_log_softmax(padded / self.temperature))[0]


def fit_calibration(
    scores: Sequence[Sequence[float]],
    correct: Sequence[Sequence[bool]],
    num_bins: int = 10,
) -> Calibration:
    """Fits a calibration to the n-best lists of a development set.

    A list holds a right translation with a probability that is the same for all, and
    each of its translations is the right one in proportion to `exp(score /
    temperature)`. Both numbers are those of maximum likelihood: the first is a share,
    the second is found by golden-section search.

    Args:
        scores: For each text the scores, or log-probabilities, of its n best
            translations, the best first. The lists may differ in length.
        correct: For each of them whether it is right.
        num_bins: Number of bins of `expected_calibration_error`.

    Returns:
        The `Calibration`.

    Raises:
        ValueError: If the lists do not fit together, a score is not finite, or no
            temperature is the best, as where the first is always the right one.

    Example:

    >>> scores = [[-0.5, -1.5], [-0.2, -2.0], [-0.7, -0.9], [-1.0, -4.0]]
    >>> correct = [[True, False], [True, False], [False, True], [False, False]]
    >>> calibration = fit_calibration(scores, correct)
    >>> round(calibration.temperature, 2), calibration.share
    (0.44, 0.75)
    >>> calibration.probabilities([-0.5, -1.5]).round(2).tolist()
    [0.68, 0.07]

    Reference:
        [Guo et al., 2017](https://arxiv.org/abs/1706.04599), section 4.2, temperature
        scaling.
    """
    import numpy as np

    padded, is_right = _padded(scores), _flags(correct, scores)
    has_right = is_right.any(axis=1)
    share = float(has_right.mean())

    def log_likelihood(log_temperature):
        log_probs = _log_softmax(padded[has_right] / np.exp(log_temperature))
        of_right = np.where(is_right[has_right], log_probs, -np.inf)
        return float(_log_sum(of_right).mean())

    temperature = float(np.exp(_best(log_likelihood))) if share else 1.0

    def error_at(temperature, share):
        best = share * np.exp(_log_softmax(padded / temperature))[:, 0]
        flags = is_right[:, 0].tolist()
        return expected_calibration_error(best, flags, num_bins)

    return Calibration(
        temperature, share, error_at(temperature, share), error_at(1.0, 1.0)
    )


def expected_calibration_error(
    probabilities: Sequence[float], correct: Sequence[bool], num_bins: int = 10
) -> float:
    """The mean distance between predicted probabilities and observed frequencies.

    Predictions are put into bins by their probability; within each the mean probability
    is compared with the share that is right.

    Args:
        probabilities: The probability of each prediction, from 0 to 1.
        correct: Whether each is right.
        num_bins: Number of bins, of equal width.

    Returns:
        The mean over all predictions, from 0 to 1.

    Raises:
        ValueError: If there is none, they are not as many, or one is no probability.

    Example:

    >>> expected_calibration_error([0.75, 0.75, 0.25], [True, False, False])
    0.25

    Reference:
        [Guo et al., 2017](https://arxiv.org/abs/1706.04599), eq. 3.
    """
    import numpy as np

    num_bins = check_integer("num_bins", num_bins, 1)
    given, is_right = np.asarray(probabilities, "float64"), np.asarray(correct)
    fits = given.ndim == 1 and given.shape == is_right.shape and given.size > 0
    if not fits or is_right.dtype != bool or not ((given >= 0) & (given <= 1)).all():
        raise ValueError(
            "`probabilities` must be numbers from 0 to 1, at least one, and `correct` "
            "as many booleans. Received: arrays of shapes "
            f"{given.shape} and {is_right.shape}, of {is_right.dtype}"
        )
    # Bins are open below and closed above; 0 is of the first one.
    bins = np.clip(np.ceil(given * num_bins).astype(int) - 1, 0, num_bins - 1)
    gaps = np.bincount(bins, given - is_right, num_bins)
    return float(np.abs(gaps).sum() / len(given))


def _best(function: Callable[[float], float]) -> float:
    """The logarithm of a temperature at which a function is highest."""
    import numpy as np

    grid = np.linspace(np.log(_LEAST), np.log(_MOST), _STEPS)
    tried = [function(point) for point in grid]
    best = int(np.argmax(tried))
    if max(tried) - min(tried) < _FLAT:
        return 0.0
    if best in (0, _STEPS - 1):
        raise ValueError(
            "`correct` must leave room for a temperature: in some lists another "
            "translation than the first must be right, and the scores must be higher "
            "for right ones in most; give more lists. Received: lists whose best "
            f"temperature is beyond {_LEAST if best == 0 else _MOST:g}"
        )
    low, high = grid[best - 1], grid[best + 1]
    ratio = (np.sqrt(5.0) - 1.0) / 2.0
    inner = [high - ratio * (high - low), low + ratio * (high - low)]
    values = [function(point) for point in inner]
    while high - low > _TOLERANCE:
        if values[0] >= values[1]:
            high = inner[1]
            inner = [high - ratio * (high - low), inner[0]]
            values = [function(inner[0]), values[0]]
        else:
            low = inner[0]
            inner = [inner[1], low + ratio * (high - low)]
            values = [values[1], function(inner[1])]
    return float((low + high) / 2.0)


def _padded(scores):
    """Lists of scores as rows, -inf behind them."""
    import numpy as np

    try:
        rows = [np.asarray(row, "float64") for row in scores]
    except (TypeError, ValueError):  # no numbers, or lists of them
        rows = []
    if not rows or not all(
        row.ndim == 1 and row.size and np.isfinite(row).all() for row in rows
    ):
        raise ValueError(
            "`scores` must hold lists of finite numbers, none of them empty: leave out "
            f"texts without a translation. Received: {scores!r:.200}"
        )
    padded = np.full((len(rows), max(map(len, rows))), -np.inf)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded


def _flags(correct, scores):
    """Lists of booleans as rows, False behind them."""
    import numpy as np

    rows = [np.asarray(row) for row in correct]
    lengths = [len(row) for row in scores]
    if [row.shape for row in rows] != [(n,) for n in lengths] or not all(
        row.dtype == bool for row in rows
    ):
        raise ValueError(
            "`correct` must hold a boolean for each of the `scores`. Received: "
            f"{correct!r:.200}"
        )
    padded = np.zeros((len(rows), max(lengths)), "bool")
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return padded


def _log_softmax(logits):
    return logits - _log_sum(logits)[:, None]


def _log_sum(logits):
    """The logarithms of the sums of exponentials, without overflow."""
    import numpy as np

    most = logits.max(axis=1, keepdims=True)
    return (most + np.log(np.exp(logits - most).sum(axis=1, keepdims=True)))[:, 0]
