"""Heatmap of an alignment below the frames that it reads, such as a spectrogram."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.plots.alignment import check_weights, shorten
from kseq2seq.plots.figures import new_figure
from kseq2seq.plots.fonts import drawable
from kseq2seq.utils import Tensor, check_integer, check_number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In inches: the width of the figure, the height of the frames and of a token's row.
WIDTH, FRAMES_HEIGHT, ROW_HEIGHT = 8.0, 1.8, 0.26


def frames_heatmap(
    frames: Tensor,
    alignment: Any,
    tokens: Sequence[str],
    frames_per_position: int = 1,
    seconds_per_frame: float | None = None,
    title: str | None = None,
) -> "Figure":
    """Frames over time, and below them the weights of each token, in the same scale.

    Args:
        frames: Array of shape `(num_frames, size)`, such as a spectrogram.
        alignment: Weights of shape `(tokens, positions)`, with as many positions as
            frames, or fewer where a model joins them.
        tokens: List of strings, one for each row of the alignment.
        frames_per_position: Frames that became one position.
        seconds_per_frame: Time from one frame to the next; the axis has seconds then,
            and numbers of frames if it is `None`.
        title: Text above the figure, or `None`.

    Returns:
        The `matplotlib.figure.Figure`.

    Raises:
        ValueError: If frames and alignment have not the shapes that belong together.

    Example:

    >>> frames, weights = np.random.rand(7, 20), [[0.9, 0.1, 0, 0], [0, 0.1, 0.9, 0]]
    >>> figure = frames_heatmap(frames, weights, ["a", "b"], frames_per_position=2)
    >>> [label.get_text() for label in figure.axes[1].get_yticklabels()]
    ['a', 'b']

    Reference:
        [Chan et al., 2016](https://arxiv.org/abs/1508.01211), figure 2.
    """
    frames = np.asarray(frames, "float32")
    joined = check_integer("frames_per_position", frames_per_position, 1)
    seconds = check_number(
        "seconds_per_frame", seconds_per_frame, above=0, optional=True
    )
    if alignment is None:
        raise ValueError(
            "`alignment` must be weights, which a model without attention does not "
            "give. Received: alignment=None"
        )
    if frames.ndim != 2 or not frames.size:
        raise ValueError(
            "`frames` must have the shape (num_frames, size), with at least one frame. "
            f"Received: frames.shape={frames.shape}"
        )
    if not np.isfinite(frames).all():
        raise ValueError(
            "`frames` must hold finite numbers. Received: "
            f"{np.sum(~np.isfinite(frames))} that are NaN or infinite"
        )
    positions = -(-len(frames) // joined)
    weights = check_weights(alignment, positions, len(tokens), "positions of frames")
    (*labels, heading), families = drawable([*tokens, title or ""])
    height = FRAMES_HEIGHT + ROW_HEIGHT * len(tokens)
    figure = new_figure((WIDTH, height + 0.9), layout="constrained")
    ratios = [FRAMES_HEIGHT, ROW_HEIGHT * len(tokens)]
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=ratios)
    scale = 1.0 if seconds is None else seconds
    end = len(frames) * scale
    _draw_frames(above, frames, end)
    edges = np.arange(positions + 1) * joined * scale
    below.pcolormesh(
        edges,
        np.arange(len(tokens) + 1),
        weights,
        cmap="Blues",
        vmin=0,
        vmax=max(1, weights.max()),
    )
    below.invert_yaxis()
    below.set_xlim(0, end)
    text = {"fontfamily": families, "parse_math": False, "usetex": False}
    below.set_yticks(np.arange(len(tokens)) + 0.5, shorten(labels), **text)
    below.set_xlabel("frames" if seconds is None else "seconds")
    for axes in (above, below):
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    if heading:
        above.set_title(heading, loc="left", fontsize=12, **text)
    return figure


def _draw_frames(axes, frames, end):
    axes.imshow(
        frames.T,
        aspect="auto",
        origin="lower",
        cmap="magma",
        # A few frames of silence would take most of the colours.
        vmin=float(np.percentile(frames, 2)),
        extent=(0, end, 0, frames.shape[1]),
    )
    axes.set_yticks([])
