"""Curves of a training."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kseq2seq.evaluation import METRICS
from kseq2seq.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRAINING_COLOR, VALIDATION_COLOR, BEST_COLOR = "#8b98a9", "#1769aa", "#d1495b"
# Rates of learning have no best epoch, and stand last.
LEARNING_RATES = ("learning_rate", "lr")


class Quantity(NamedTuple):
    """A quantity of a training.

    Attributes:
        label: Title of its panel.
        higher_is_better: Whether a larger value is the better one; `None` if there is
            no better one, or it is not known.
    """

    label: str
    higher_is_better: bool | None


# The quantities that Keras logs for this package's losses and metrics. Those of
# `kseq2seq.evaluation` are in its own table.
QUANTITIES = {
    "loss": Quantity("loss", False),
    "perplexity": Quantity("perplexity", False),
    "token_accuracy": Quantity("token accuracy", True),
}


def training_curves(
    history: Mapping[str, Sequence[float | None]],
    higher_is_better: Mapping[str, bool] | None = None,
) -> "Figure":
    """Curves of a training over its epochs, one panel a quantity.

    Training and validation (`loss` and `val_loss`) share a panel. The best epoch,
    by validation where there is any, is marked and named, if it is known whether the
    quantity is to rise or to fall: for the loss, the perplexity, the token accuracy
    and the metrics of `kseq2seq.evaluation.METRICS`. A quantity to lower that spans a
    factor of 30 is drawn on a logarithmic axis. Epochs count from 1.

    Args:
        history: Dict from name to one number an epoch, as in `History.history`;
            NaN, infinity or `None` where an epoch has no number to draw.
        higher_is_better: Dict from the names of other quantities, without `val_`, to
            whether a larger value is the better one.

    Returns:
        A `matplotlib.figure.Figure`, which notebooks show by themselves.

    Raises:
        ValueError: If there is no number to draw, or one is not a number.

    Example:

    >>> figure = training_curves({"loss": [3, 2], "val_loss": [4, 3], "bleu": [1, 9]})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['loss', 'BLEU']
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import MaxNLocator

    panels = _panels(history)
    last = max(len(values) for curves in panels.values() for values in curves.values())
    slack = 0.04 * (last - 1) or 0.5
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = new_figure((4.4 * columns, 3.1 * rows), layout=layout)
    for place, (name, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, columns, place)
        _draw_panel(axes, _quantity(name, higher_is_better), curves)
        axes.set_xlim(1 - slack, last + slack)
        axes.xaxis.set_major_locator(
            MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
        )
    return figure


def _panels(history):
    """Dict from quantity to its curves, `{"training": array, "validation": array}`."""
    panels: dict[str, dict[str, Any]] = {}
    for name, values in history.items():
        try:
            values = np.array(values, dtype="float64")  # None becomes NaN
        except (TypeError, ValueError):
            values = np.zeros((0, 0))
        if values.ndim != 1:
            raise ValueError(
                "`history` must hold one list of numbers a name. "
                f"Received: history[{name!r}]={history[name]!r}"
            )
        values[np.isinf(values)] = np.nan
        label = "validation" if name.startswith("val_") else "training"
        if not np.all(np.isnan(values)):
            panels.setdefault(name.removeprefix("val_"), {})[label] = values
    if not panels:
        raise ValueError(
            "`history` must hold at least one number. "
            f"Received: a history of {', '.join(history) or 'nothing'}"
        )
    # The loss first, the learning rate last, the rest as they came.
    return dict(sorted(panels.items(), key=lambda panel: _rank(panel[0])))


def _rank(name):
    return 0 if name == "loss" else 2 if name in LEARNING_RATES else 1


def _quantity(name, higher_is_better):
    """Label and direction of a quantity, by the tables."""
    if name in METRICS:
        return Quantity(METRICS[name].label, METRICS[name].higher_is_better)
    label = name.replace("_", " ")
    return QUANTITIES.get(name, Quantity(label, (higher_is_better or {}).get(name)))


def _draw_panel(axes, quantity, curves):
    """Training and validation of one quantity over the epochs."""
    axes.set_title(quantity.label, loc="left", fontsize=11, parse_math=False)
    for label, values in curves.items():
        is_training = label == "training" and len(curves) > 1
        seen = ~np.isnan(values)
        epochs = np.arange(1, len(values) + 1)[seen]
        axes.plot(
            epochs,
            values[seen],
            color=TRAINING_COLOR if is_training else VALIDATION_COLOR,
            linewidth=1.8,
            marker="o",
            markersize=3.5 if len(epochs) < 40 else 0,
            label=label,
        )
    if quantity.higher_is_better is False:
        _scale(axes, np.concatenate(list(curves.values())))
    if quantity.higher_is_better is not None:
        values = curves.get("validation", curves.get("training"))
        _mark_best(axes, values, quantity.higher_is_better)
    axes.set_xlabel("epoch", fontsize=9, color="0.4")
    axes.tick_params(labelsize=9, color="0.7")
    axes.grid(axis="y", color="0.5", alpha=0.18, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.7")
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9)


def _scale(axes, values):
    """A logarithmic axis for values that fall by orders of magnitude."""
    low, high = np.nanmin(values), np.nanmax(values)
    if 0 < low < high / 30:
        axes.set_yscale("log")


def _mark_best(axes, values, higher_is_better):
    """Ring around the best epoch, its value beside it."""
    best = np.nanargmax(values) if higher_is_better else np.nanargmin(values)
    axes.plot(
        [best + 1],
        [values[best]],
        "o",
        markersize=8,
        markerfacecolor="none",
        markeredgecolor=BEST_COLOR,
        markeredgewidth=1.8,
    )
    axes.set_title(
        f"best {values[best]:.4g} at epoch {best + 1}",
        loc="right",
        fontsize=9,
        color=BEST_COLOR,
    )
