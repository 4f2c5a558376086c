"""Heatmaps of the attention of each word over a picture."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.plots.alignment import check_weights
from kseq2seq.plots.figures import new_figure
from kseq2seq.plots.fonts import drawable
from kseq2seq.utils import Tensor, as_array, check_boolean, check_integers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# In inches: the longer side of a panel, the line of its word, the width of a figure.
LONGER_SIDE, LINE, WIDTH = 2.4, 0.3, 10.0
COLOR = "#d1495b"
# How far colours may lie beyond 0 and 1, as those of a picture resized by splines do.
MARGIN = 0.1


def picture_heatmap(
    picture: Tensor,
    words: Sequence[str],
    alignment: Any,
    grid: Sequence[int] | None = None,
    hard: bool = False,
    title: str | None = None,
) -> "Figure":
    """The picture once for each word, and over it what the word was read from.

    Args:
        picture: Array of shape `(height, width)` or `(height, width, 1)`, of greys; or
            `(height, width, 3)`, of colours as numbers from 0 to 1 or integers from 0
            to 255.
        words: List of strings, one for each row of the alignment.
        alignment: Weights of shape `(words, rows, columns)` of a grid of features; or
            flattened, `(words, rows * columns)`, as attention gives them.
        grid: `(rows, columns)` of a flattened alignment, row by row.
        hard: Whether a frame shows the one cell of the grid that has the largest
            weight, in place of a veil over the others, as deep as their weights are
            small.
        title: Text above the figure, or `None`.

    Returns:
        The `matplotlib.figure.Figure`, which notebooks show by themselves.

    Raises:
        ValueError: If picture, words, alignment and grid have not the shapes that
            belong together, a weight is negative, infinite or missing, or colours are
            of another range.

    Example:

    >>> picture, weights = np.random.rand(8, 12), np.random.rand(2, 6)
    >>> figure = picture_heatmap(picture, ["two", "one"], weights, grid=(2, 3))
    >>> [axes.get_title() for axes in figure.axes]
    ['two', 'one']

    Reference:
        [Xu et al., 2015](https://arxiv.org/abs/1502.03044), figures 2 and 3.
    """
    pixels = _pixels(picture)
    weights = _weights(alignment, len(words), grid)
    is_hard = check_boolean("hard", hard)
    height, width = pixels.shape[:2]
    scale = LONGER_SIDE / max(height, width)
    columns = min(len(words), max(1, int(WIDTH / (width * scale))))
    rows = math.ceil(len(words) / columns)
    lines = rows * (height * scale + LINE) + (LINE if title else 0)
    figure = new_figure((columns * width * scale, lines), layout="constrained")
    (*labels, heading), families = drawable([*words, title or ""])
    text = {"fontfamily": families, "parse_math": False, "usetex": False}
    for place, (label, cells) in enumerate(zip(labels, weights, strict=True), 1):
        axes = figure.add_subplot(rows, columns, place)
        axes.imshow(pixels, cmap="gray", extent=(0, width, height, 0))
        (_draw_frame if is_hard else _draw_veil)(axes, cells, height, width)
        axes.set_title(label, fontsize=10, **text)
        axes.set_axis_off()
    if heading:
        figure.suptitle(heading, fontsize=12, x=0.01, ha="left", **text)
    return figure


def _draw_veil(axes, cells, height, width):
    """A layer of black, thinner where weights are larger."""
    opacity = 0.8 * (1 - cells / max(float(cells.max()), 1e-12))
    axes.imshow(
        np.zeros_like(cells),
        cmap="gray",
        vmin=0,
        vmax=1,
        alpha=opacity,
        interpolation="bilinear",
        extent=(0, width, height, 0),
    )


def _draw_frame(axes, cells, height, width):
    """A frame around the cell with the largest weight."""
    from matplotlib.patches import Rectangle

    row, column = np.unravel_index(np.argmax(cells), cells.shape)
    tall, wide = height / cells.shape[0], width / cells.shape[1]
    corner = float(column * wide), float(row * tall)
    axes.add_patch(
        Rectangle(corner, wide, tall, fill=False, edgecolor=COLOR, linewidth=2)
    )


def _pixels(picture):
    """The picture as an array that Matplotlib draws."""
    pixels = as_array(picture, "picture")
    if pixels.dtype.kind == "b":
        pixels = pixels.astype("float32")
    if pixels.dtype.kind not in "fiu":
        raise ValueError(
            "`picture` must hold numbers. Received: an array of "
            f"{pixels.dtype} of shape {pixels.shape}"
        )
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.size and (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
        return _in_range(pixels)
    raise ValueError(
        "`picture` must have the shape (height, width), or (height, width, 1 or 3): "
        f"pick one of a batch. Received: picture.shape={pixels.shape}"
    )


def _in_range(pixels):
    """Pixels that Matplotlib would not clip to a picture all but white."""
    least, most = float(pixels.min()), float(pixels.max())
    is_grey = pixels.ndim == 2
    if pixels.dtype.kind in "iu":
        fits, lowest, highest = is_grey or (least >= 0 and most <= 255), 0, 255
    else:
        fits, lowest, highest = least >= -MARGIN and most <= 1 + MARGIN, 0, 1
        fits = np.isfinite([least, most]).all() if is_grey else fits
    if fits:
        return pixels if is_grey else np.clip(pixels, lowest, highest)
    raise ValueError(
        "`picture` must hold finite numbers, and of colours numbers from 0 to 1 or "
        "integers from 0 to 255: divide by 255, or undo what was done for the model. "
        f"Received: {pixels.dtype} from {least:g} to {most:g}"
    )


def _weights(alignment, num_words, grid):
    """The weights as an array of shape (words, rows, columns), checked."""
    weights = np.asarray(alignment, "float32")
    shape = weights.shape
    if grid is not None:
        rows, columns = check_integers("grid", grid, least=1, count=2)
        if shape == (num_words, rows * columns):
            weights = weights.reshape(num_words, rows, columns)
    fits = weights.ndim == 3 and weights.size and len(weights) == num_words
    if not fits or grid not in (None, weights.shape[1:], [*weights.shape[1:]]):
        raise ValueError(
            "`alignment` must have the shape (words, rows, columns), or (words, rows * "
            f"columns) with `grid=(rows, columns)`, for the {num_words} `words`. "
            f"Received: alignment.shape={shape}, grid={grid}"
        )
    rows, columns = weights.shape[1:]
    flat = weights.reshape(num_words, -1)
    return check_weights(flat, rows * columns, num_words, "cells").reshape(
        weights.shape
    )
