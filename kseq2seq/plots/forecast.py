"""Plot of a series with a forecast and its intervals."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.plots.figures import figure_and_axes
from kseq2seq.utils import Tensor, as_array, check_quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.0, 3.2  # in inches
HISTORY_COLOR, FORECAST_COLOR, ACTUAL_COLOR = "#5b6776", "#1769aa", "#d1495b"
# Strength of the colour of the widest band, and the most of the narrowest.
PALEST, DARKEST = 0.2, 0.65


def forecast_plot(
    history: Tensor,
    forecast: Tensor,
    quantiles: Sequence[float] | None = None,
    actual: Tensor | None = None,
    times: Sequence[Any] | None = None,
    title: str | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Line of a series, then the forecast with a band for each interval.

    The first and the last quantile bound the widest interval, the second and the last
    but one the next, and so on. Of an odd number of quantiles the middle one is a line.

    Args:
        history: Values that are known, of shape `(history_length,)`; NaN where one is
            missing.
        forecast: Values of shape `(length,)`, or of shape `(length, quantiles)` with
            `quantiles`.
        quantiles: Probabilities that rise, those of a model's
            `kseq2seq.losses.QuantileLoss`; `None` for a forecast of single values.
        actual: The values that came, of shape `(length,)`, or `None`.
        times: Numbers or dates of history and forecast, `history_length + length` in
            all; by default the forecast begins at 1, and the history ends at 0.
        title: Text above the plot, or `None`.
        ax: `matplotlib.axes.Axes` to draw into; a figure of its own if `None`.

    Returns:
        The `matplotlib.figure.Figure`. A new one is shown by notebooks by itself.

    Raises:
        ValueError: If shapes do not belong together, `quantiles` are no rising
            probabilities, or the forecast holds a number that is not finite.

    Example:

    >>> history, forecast = [3.0, 4.0, 5.0], [[4.0, 6.0, 8.0], [3.0, 7.0, 9.0]]
    >>> figure = forecast_plot(history, forecast, quantiles=[0.1, 0.5, 0.9])
    >>> _, labels = figure.axes[0].get_legend_handles_labels()
    >>> labels
    ['history', '80 %', 'median']

    Reference:
        [Hyndman & Athanasopoulos, 2021](https://otexts.com/fpp3/prediction-intervals.html),
        section 5.5.
    """
    known = _series("history", history)
    levels = () if quantiles is None else check_quantiles("quantiles", quantiles)
    values = _forecast(forecast, levels)
    came = None if actual is None else _series("actual", actual, len(values))
    places = _times(times, len(known), len(values))
    figure, axes = figure_and_axes(ax, (WIDTH, HEIGHT))
    ahead = places[len(known) :]
    axes.plot(places[: len(known)], known, color=HISTORY_COLOR, label="history")
    _draw_forecast(axes, ahead, values, levels)
    if came is not None:
        line = {"color": ACTUAL_COLOR, "linewidth": 1.2, "linestyle": "--"}
        axes.plot(ahead, came, label="actual", **line)
    if title:
        axes.set_title(title, loc="left", fontsize=12, parse_math=False)
    axes.margins(x=0.01)
    axes.grid(axis="y", color="0.5", alpha=0.18, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9, loc="best")
    return figure


def _draw_forecast(axes, ahead, values, levels):
    from matplotlib.colors import to_rgb

    count = values.shape[1]
    bands = count // 2
    for first in range(bands):
        last = count - 1 - first
        strength = PALEST + (DARKEST - PALEST) * first / bands
        axes.fill_between(
            ahead,
            values[:, first],
            values[:, last],
            color=1 - strength * (1 - np.array(to_rgb(FORECAST_COLOR))),
            linewidth=0,
            label=f"{100 * (levels[last] - levels[first]):.4g} %",
        )
    if count % 2:
        level = levels[count // 2] if levels else None
        names = {None: "forecast", 0.5: "median"}
        label = names.get(level, f"quantile {level}")
        middle = values[:, count // 2]
        axes.plot(ahead, middle, color=FORECAST_COLOR, linewidth=1.8, label=label)


def _series(name, values, length=None):
    """A series as an array of one axis, of a length that is asked for."""
    array = np.asarray(as_array(values, name), "float64")
    if array.ndim == 1 and array.size and length in (None, len(array)):
        return array
    expected = "(length,), with at least one value" if length is None else (length,)
    raise ValueError(
        f"`{name}` must be one series of shape {expected}: pick a row and a column. "
        f"Received: {name}.shape={array.shape}"
    )


def _forecast(forecast, levels):
    """The forecast as an array of shape (length, quantiles), checked."""
    values = np.asarray(as_array(forecast, "forecast"), "float64")
    expected = "(length, quantiles)" if levels else "(length,)"
    fits = values.size and values.ndim == 1 + bool(levels)
    if not fits or (levels and values.shape[1] != len(levels)):
        raise ValueError(
            f"`forecast` must have the shape {expected}, and `quantiles` name each of "
            "its columns. "
            f"Received: forecast.shape={values.shape}, quantiles={levels or None}"
        )
    if not np.all(np.isfinite(values)):
        raise ValueError(
            "`forecast` must hold finite numbers. A forecast that is NaN comes of a "
            "model that has met NaN in training: look for missing values in its data. "
            f"Received: {np.sum(~np.isfinite(values))} numbers that are not finite"
        )
    return values if levels else values[:, None]


def _times(times, known, ahead):
    """The place of each value on the axis of time."""
    if times is None:
        return np.arange(1 - known, ahead + 1)
    places = np.asarray(times)
    if places.shape != (known + ahead,):
        raise ValueError(
            "`times` must name the time of each value of history and forecast, "
            f"{known} + {ahead} here. Received: times of shape {places.shape}"
        )
    return places
