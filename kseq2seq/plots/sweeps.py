"""Curves of many trainings together, and a score for each setting."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kseq2seq.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Settings that have a colour of their own; the others are grey.
_MOST_COLORS = 10


def sweep_curves(
    trainings: Mapping[str, tuple[Sequence[Sequence[float]], Sequence[float]]],
    label: str,
) -> "Figure":
    """The curves of many trainings in one panel, and beside it their scores.

    Args:
        trainings: Dict from a setting, in words, to the curves of its trainings, a
            number for each epoch, and their scores; NaN where there is none. The first
            ten have colours of their own.
        label: Name of the metric.

    Returns:
        A `matplotlib.figure.Figure`, which notebooks show by themselves.

    Raises:
        ValueError: If there is no training.

    Example:

    >>> curves = [[1.0, 3.0], [2.0, 4.0]]
    >>> figure = sweep_curves({"units 8": (curves, [3.0, 4.0])}, "BLEU")
    >>> [axes.get_xlabel() for axes in figure.axes]
    ['epoch', 'BLEU']
    """
    from matplotlib import colormaps
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if not trainings:
        raise ValueError(
            "`trainings` must hold a setting, with the curves and scores of its "
            "trainings. Received: none"
        )
    height = max(3.4, 0.28 * len(trainings) + 1)
    figure = new_figure((9.6, height), layout=ConstrainedLayoutEngine())
    left, right = figure.subplots(1, 2)
    palette = colormaps["tab10"]
    for place, (curves, scores) in enumerate(trainings.values()):
        color = palette(place) if place < _MOST_COLORS else "0.75"
        order = len(trainings) - place  # the best above the others
        for values in curves:
            epochs = np.arange(1, len(values) + 1)
            marker = "o" if len(values) == 1 else ""
            left.plot(
                epochs, values, color=color, linewidth=1.5, marker=marker, zorder=order
            )
        right.plot(scores, [place] * len(scores), "o", color=color, alpha=0.6)
        right.plot([np.mean(scores)], [place], "|", color=color, markersize=14, mew=2.5)
    right.set_yticks(range(len(trainings)), list(trainings), fontsize=8)
    right.set_ylim(len(trainings) - 0.4, -0.6)
    left.set_xlabel("epoch")
    left.set_ylabel(label)
    right.set_xlabel(label)
    for axes in (left, right):
        axes.grid(alpha=0.2)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
