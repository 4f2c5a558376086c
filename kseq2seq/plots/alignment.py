"""Heatmap of an alignment."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.plots.figures import new_figure
from kseq2seq.plots.fonts import drawable
from kseq2seq.utils import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LONGEST_LABEL = 24
# In inches: around the figure; from the cells to the scale; the scale itself.
MARGIN, GAP, SCALE_WIDTH, SCALE_HEIGHT = 0.12, 0.2, 0.12, 1.6


def alignment_heatmap(
    alignment: Any,
    source_tokens: Sequence[str] | None = None,
    target_tokens: Sequence[str] | None = None,
    title: str | None = None,
    ax: "Axes | None" = None,
) -> "Figure":
    """Heatmap of attention weights, a row for each target token.

    The size of the figure follows the number and the length of the tokens. Colours
    run from 0 to 1 (to the largest weight, if that is more), so that figures can be
    compared. Tokens are drawn as text, `$` included; a character that no installed
    font has is drawn as its code point, `U+4E2D` say, a blank token as `␣`, and
    labels are cut at 24 characters.

    Args:
        alignment: A `Translation` or an `Alignment` of a translator; or weights of
            shape `(target_length, source_length)`, an array or tensor.
        source_tokens: List of `source_length` strings, for weights alone. Without
            tokens an array is labelled by positions, from 0.
        target_tokens: List of `target_length` strings, likewise.
        title: Text above the figure, wrapped to its width, or `None`.
        ax: `matplotlib.axes.Axes` to draw into; a figure of its own if `None`.

    Returns:
        The `matplotlib.figure.Figure`. A new one is shown by notebooks by itself.

    Raises:
        ValueError: If `alignment` has not the shape of the tokens or holds a
            negative, infinite or missing weight, or if the translation has no
            alignment.

    Example:

    >>> weights = [[0.9, 0.1, 0.0], [0.1, 0.2, 0.7]]
    >>> figure = alignment_heatmap(weights, ["ein", "Hund", "läuft"], ["a", "dog"])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['ein', 'Hund', 'läuft']

    Reference:
        [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473), figure 3.
    """
    weights, source, target = _weights_and_tokens(
        alignment, source_tokens, target_tokens
    )
    rows, columns = weights.shape
    (*labels, heading), families = drawable([*source, *target, title or ""])
    if ax is None:
        cell = min(max(12 / max(rows, columns), 0.16), 0.34)  # inches
        figure = new_figure((columns * cell, rows * cell))
        axes = figure.add_subplot()
        figure.subplots_adjust(left=0, bottom=0, right=1, top=1)
    else:
        axes: Any = ax
        figure = axes.get_figure()
        box = axes.get_window_extent()
        cell = min(box.width / columns, box.height / rows) / figure.dpi
    text = {
        "fontsize": min(10.5, 0.62 * cell * 72),
        "fontfamily": families,
        "parse_math": False,
        "usetex": False,
    }
    mesh = _draw_cells(axes, weights)
    axes.set_xticks(np.arange(columns) + 0.5, shorten(labels[:columns]), **text)
    axes.set_yticks(np.arange(rows) + 0.5, shorten(labels[columns:]), **text)
    _turn_if_crowded(axes.get_xticklabels(), cell * figure.dpi)
    _draw_scale(axes, mesh, columns * cell, rows * cell)
    text["fontsize"] = 12
    if ax is None:
        _fit(figure, axes, heading, text)
    else:
        axes.set_title(heading, loc="left", **text)
    return figure


def _weights_and_tokens(alignment, source_tokens, target_tokens):
    """The weights, checked, as a NumPy array (target, source), and both tokens."""
    if source_tokens is None and target_tokens is None:
        # A `Translation` has an alignment, an `Alignment` has weights.
        source_tokens = getattr(alignment, "source_tokens", None)
        target_tokens = getattr(alignment, "target_tokens", None)
        given = alignment
        alignment = getattr(given, "alignment", getattr(given, "weights", None))
        shape = getattr(given, "shape", ())
        if len(shape) == 2:  # an array or a tensor
            alignment = given
            target_tokens, source_tokens = (list(map(str, range(x))) for x in shape)
        if alignment is None or source_tokens is None or target_tokens is None:
            raise ValueError(
                "`alignment` must be weights, given with `source_tokens` and "
                "`target_tokens`, or a translation with an alignment, as "
                "`translate(texts, alignments=True)` of a model with attention gives. "
                f"Received: alignment={given!r:.200}"
            )
    if source_tokens is None or target_tokens is None:
        raise ValueError(
            "`source_tokens` and `target_tokens` must be given together. Received: "
            f"source_tokens={source_tokens!r}, target_tokens={target_tokens!r}"
        )
    weights = check_weights(
        alignment, len(source_tokens), len(target_tokens), "source tokens"
    )
    return weights, source_tokens, target_tokens


def check_weights(
    alignment: Tensor, columns: int, rows: int, of_columns: str
) -> np.ndarray:
    """The weights of an alignment as a checked NumPy array.

    Args:
        alignment: Weights of shape `(rows, columns)`.
        columns: Number of columns that there must be.
        rows: Number of rows, the target tokens, likewise.
        of_columns: Name of the columns.

    Returns:
        float32 array of shape `(rows, columns)`.

    Raises:
        ValueError: If it has another shape, or holds a negative, infinite or missing
            weight.
    """
    weights = np.asarray(alignment, dtype="float32")
    expected = rows, columns
    if weights.shape != expected or not weights.size:
        raise ValueError(
            f"`alignment` must have the shape (target tokens, {of_columns}), with at "
            f"least one of each: {expected} here. "
            f"Received: alignment.shape={weights.shape}"
        )
    if not (np.all(np.isfinite(weights)) and np.all(weights >= 0)):
        raise ValueError(
            "`alignment` must hold finite weights of at least 0. Received: "
            f"alignment with minimum {weights.min()} and maximum {weights.max()}"
        )
    return weights


def _draw_cells(axes, weights):
    mesh = axes.pcolormesh(
        weights,
        cmap="Blues",
        vmin=0,
        vmax=max(1, weights.max()),
        edgecolors="#dfe3e8",
        linewidth=0.5,
    )
    axes.invert_yaxis()
    axes.set_aspect("equal", anchor="NW")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=4, top=True, labeltop=True, labelbottom=False)
    return mesh


def shorten(labels: Sequence[str]) -> list[str]:
    """Labels cut at `LONGEST_LABEL` characters.

    Args:
        labels: List of strings.
    """
    return [
        label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
        for label in labels
    ]


def _turn_if_crowded(labels, space):
    """Turns all the labels if one is wider than its column; the last one alone."""
    wide = [label for label in labels if label.get_window_extent().width > 0.9 * space]
    # The last is often a long mark of the end, after characters, and has room.
    turned = wide if not wide or wide[0] is labels[-1] else labels
    for label in turned:
        label.set(rotation=45, rotation_mode="anchor", ha="left", va="baseline")


def _draw_scale(axes, mesh, width, height):
    """The scale of the colours, right of cells of this size in inches."""
    tall = min(height, SCALE_HEIGHT)
    box = (1 + GAP / width, 1 - tall / height, SCALE_WIDTH / width, tall / height)
    scale = axes.inset_axes(box)
    axes.get_figure().colorbar(mesh, cax=scale, ticks=[])
    largest = mesh.norm.vmax
    text = {"fontsize": 8, "color": "0.4", "usetex": False}
    scale.set_yticks([0, largest], ["0", f"{largest:g}"], **text)
    scale.tick_params(length=0, pad=3)
    scale.spines[:].set_visible(False)


def _fit(figure, axes, heading, text):
    """Gives the figure the size that cells, labels, scale and title need.

    So far the cells fill the figure, and everything else stands outside of it.
    """
    renderer = figure.canvas.get_renderer()
    width, height = axes.get_tightbbox(renderer).size / figure.dpi
    if heading:
        # 40 letters at least.
        letters = max(40, int((width + 2 * MARGIN) * 72 / 7))
        lines = textwrap.fill(
            heading, letters, break_long_words=False, break_on_hyphens=False
        )
        text = {"x": 0, "ha": "left", "linespacing": 1.3, **text}
        box = figure.suptitle(lines, **text).get_window_extent(renderer)
        width = max(width, box.width / figure.dpi)
        height += box.height / figure.dpi + 2 * MARGIN
    size = width + 2 * MARGIN, height + 2 * MARGIN
    figure.set_size_inches(size)
    figure.set_layout_engine("constrained", w_pad=MARGIN, h_pad=MARGIN)
    if heading:
        figure.texts[0].set_x(MARGIN / size[0])
