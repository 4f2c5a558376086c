"""Quantiles of forecasts: how often their intervals hold, and how to keep them so."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kseq2seq.utils import Tensor, as_array, check_number, check_quantiles

if TYPE_CHECKING:
    import numpy as np


def interval_coverage(
    forecasts: Tensor, targets: Tensor, quantiles: Sequence[float]
) -> dict[float, float]:
    """Share of the targets within each interval of a forecast, by its probability.

    The first and the last quantile bound the widest interval, the second and the last
    but one the next, and so on.

    Args:
        forecasts: Array of shape `(..., quantiles)`.
        targets: Array of shape `(...)`. NaN is a value that is missing, and left out.
        quantiles: Probabilities that rise, one for each column of `forecasts`.

    Returns:
        A dict from the probability of each interval to the share of the targets in it.

    Raises:
        ValueError: If the shapes do not fit, `quantiles` are no rising probabilities or
            fewer than two, a forecast is NaN, or all targets are.

    Example:

    >>> forecasts = [[1.0, 2.0, 5.0], [1.0, 3.0, 5.0]]
    >>> interval_coverage(forecasts, [4.0, 6.0], [0.1, 0.5, 0.9])
    {0.8: 0.5}
    """
    import numpy as np

    levels, given, true = _check(forecasts, targets, quantiles)
    if len(levels) < 2:
        raise ValueError(
            "`quantiles` must be two at least, the bounds of an interval. "
            f"Received: quantiles={quantiles!r}"
        )
    is_there, coverage = ~np.isnan(true), {}
    for first in range(len(levels) // 2):
        last = len(levels) - 1 - first
        inside = (given[..., first] <= true) & (true <= given[..., last])
        coverage[round(levels[last] - levels[first], 6)] = float(
            np.mean(inside[is_there])
        )
    return coverage


def track_quantiles(
    forecasts: Tensor, targets: Tensor, quantiles: Sequence[float], rate: float = 0.01
) -> "np.ndarray":
    """Quantiles of rolling forecasts, corrected by the values observed before each.

    The forecast of window `n` is for the steps behind time `n`, so that step `h` of the
    window `n - 1 - h` is the last one of its kind that is over. An offset for each step
    and quantile rises by `rate * quantile` where that value was above, and falls by
    `rate * (1 - quantile)` where it was not: a step down the gradient of the pinball
    loss. Whatever the series does, the share of values below a quantile that is tracked
    so approaches it.

    Args:
        forecasts: Array of shape `(windows, length, quantiles)`, of windows that begin
            one step after the other.
        targets: Array of shape `(windows, length)`: what came. NaN is a value that is
            missing, and moves nothing.
        quantiles: Probabilities that rise, one for each column of `forecasts`.
        rate: Size of a step, in the unit of the targets. Larger ones follow faster, and
            make the quantiles less sharp.

    Returns:
        Array of the shape of `forecasts`, in which quantiles are in order.

    Raises:
        ValueError: If the shapes do not fit, `quantiles` are no rising probabilities, a
            forecast is NaN, all targets are, or `rate` is not above 0.

    Example:

    >>> import numpy as np
    >>> forecasts, targets = np.zeros((4, 1, 1)), np.ones((4, 1))
    >>> track_quantiles(forecasts, targets, [0.5], rate=0.5)[:, 0, 0].tolist()
    [0.0, 0.25, 0.5, 0.75]

    Reference:
        [Angelopoulos et al., 2023](https://arxiv.org/abs/2307.16895), section 2.1.
    """
    import numpy as np

    levels, given, true = _check(forecasts, targets, quantiles)
    check_number("rate", rate, above=0)
    if true.ndim != 2:
        raise ValueError(
            "`targets` must have the shape (windows, length): stack rolling windows. "
            f"Received: targets.shape={true.shape}"
        )
    tracked, offset = given.copy(), np.zeros(given.shape[1:])
    steps = np.arange(true.shape[1])
    for time in range(len(given)):
        window = time - 1 - steps
        is_there, window = window >= 0, np.maximum(window, 0)
        came = true[window, steps]
        over = (is_there & ~np.isnan(came))[:, None]
        below = came[:, None] <= tracked[window, steps]
        offset += np.where(over, rate * (np.array(levels) - below), 0.0)
        tracked[time] = given[time] + offset
    return np.sort(tracked, axis=-1)


def _check(forecasts, targets, quantiles):
    """Quantiles, forecasts and targets, checked."""
    import numpy as np

    levels = check_quantiles("quantiles", quantiles)
    given = np.asarray(as_array(forecasts, "forecasts"), "float64")
    true = np.asarray(as_array(targets, "targets"), "float64")
    if given.shape != (*true.shape, len(levels)) or not true.size:
        raise ValueError(
            "`forecasts` must have the axes of `targets` and one more, with a number "
            f"for each of the {len(levels)} quantiles, and not be empty. "
            f"Received: forecasts.shape={given.shape}, targets.shape={true.shape}"
        )
    if np.isnan(given).any() or np.isnan(true).all():
        raise ValueError(
            "`forecasts` must hold no NaN, and `targets` at least one number: a model "
            "that forecasts NaN has met missing values in training. Received: "
            f"{np.isnan(given).sum()} forecasts and {np.isnan(true).sum()} targets of "
            f"{true.size} that are NaN"
        )
    return levels, given, true
