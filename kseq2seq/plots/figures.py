"""Figures of an alignment and of a training: each function returns a Figure.

Made without pyplot, so nothing is shown or left open: notebooks show a returned
figure by themselves, and `save` writes one to a file.
"""

import math
import os
import unicodedata
from pathlib import Path

import numpy as np

# Families that begin so are looked at, in this order, for characters that the
# user's own font lacks.
FALLBACK_FONTS = (
    *("DejaVu Sans", "Noto Sans", "Source Han Sans", "Droid Sans", "WenQuanYi"),
    *("Lohit", "FreeSans", "FreeSerif", "Arial Unicode", "Segoe UI", "Nirmala UI"),
    *("Microsoft YaHei", "Yu Gothic", "Meiryo", "Malgun Gothic", "SimHei", "Tahoma"),
    *("Leelawadee UI", "Ebrima", "PingFang", "Hiragino Sans", "Apple SD Gothic Neo"),
    *("Geeza Pro", "Kohinoor", "Devanagari", "Thonburi", "Symbola", "Unifont"),
)
LONGEST_LABEL = 24
TRAINING_COLOR, VALIDATION_COLOR, BEST_COLOR = "#8b98a9", "#1769aa", "#d1495b"
NAMES = {"bleu": "BLEU", "chrf": "chrF", "ter": "TER"}
FORMATS = (".png", ".svg", ".pdf")
SCREEN_DPI, FILE_DPI = 100, 200


def alignment_heatmap(alignment, source_tokens, target_tokens, title=None):
    """Heatmap of attention weights, a row for each target token.

    The size of the figure follows the number and the length of the tokens. Colours
    run from 0 to 1 (to the largest weight, if that is more), so that figures can be
    compared. Tokens are drawn as text, `$` included; a character that no installed
    font has is drawn as its code point, `U+4E2D` say, a blank token as `␣`, and
    what is longer than 24 characters is cut.

    Args:
        alignment: Weights of shape `(target_length, source_length)`: an array or
            tensor.
        source_tokens: List of `source_length` strings.
        target_tokens: List of `target_length` strings.
        title: Text above the figure, wrapped to its width, or `None`.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If `alignment` has not the shape of the tokens or holds a
            negative, infinite or missing weight.

    Example:

    >>> weights = [[0.9, 0.1, 0.0], [0.1, 0.2, 0.7]]
    >>> figure = alignment_heatmap(weights, ["ein", "Hund", "läuft"], ["a", "dog"])
    >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
    ['ein', 'Hund', 'läuft']

    Reference:
        [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473), figure 3.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    weights = _weights(alignment, source_tokens, target_tokens)
    rows, columns = weights.shape
    # Composed, since more fonts have "é" than an accent of its own.
    texts = [*source_tokens, *target_tokens, title or ""]
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    families, missing = _fonts("".join(texts))
    *labels, title = [_clean(text, missing) for text in texts]
    cell = min(max(12 / max(rows, columns), 0.16), 0.34)  # inches
    text = {
        "fontsize": min(10.5, 0.62 * cell * 72),
        "fontfamily": families,
        "parse_math": False,
        "usetex": False,
    }
    # Text is a little wider at high resolution than at 100 dots an inch.
    figure = Figure((columns * cell, rows * cell), dpi=SCREEN_DPI)
    FigureCanvasAgg(figure)  # measures text; a bare figure would be slow at it
    axes = figure.add_axes((0, 0, 1, 1))
    mesh = _draw_cells(axes, weights)
    axes.set_yticks(np.arange(rows) + 0.5, _shorten(labels[columns:]), **text)
    axes.set_xticks(np.arange(columns) + 0.5, _shorten(labels[:columns]), **text)
    _turn_if_crowded(axes.get_xticklabels(), cell * figure.dpi)
    _fit(figure, axes, mesh, title, text)
    return figure


def training_curves(history):
    """Curves of a training over its epochs, one panel a quantity.

    Training and validation (`loss` and `val_loss`) share a panel. The best epoch,
    by validation where there is any, is marked and told: the lowest of losses,
    perplexities and error rates, the highest of all else; none of a learning rate.
    A quantity to lower that spans a factor of 30 is drawn on a logarithmic axis.
    Epochs count from 1.

    Args:
        history: Dict from name to one number an epoch, as in `History.history`;
            NaN, infinity or `None` where an epoch has no number to draw.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If there is no number to draw, or one is not a number.

    Example:

    >>> figure = training_curves({"loss": [3, 2], "val_loss": [4, 3], "bleu": [1, 9]})
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['loss', 'BLEU']
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels = _panels(history)
    last = max(len(x) for curves in panels.values() for x in curves.values())
    slack = 0.04 * (last - 1) or 0.5
    columns = min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(4.4 * columns, 3.1 * rows), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    for place, (name, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, columns, place)
        _draw_panel(axes, name, curves)
        axes.set_xlim(1 - slack, last + slack)
        axes.xaxis.set_major_locator(
            MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
        )
    return figure


def save(figure, path):
    """Write a figure, complete or not at all.

    The file is written beside its place under another name, then renamed. The same
    figure gives the same file again, no date in it.

    Args:
        figure: A `matplotlib.figure.Figure`.
        path: File to write, ending in `.png`, `.svg` or `.pdf`.

    Returns:
        The path, a `pathlib.Path`.

    Raises:
        ValueError: If the file's ending is another.
        FileNotFoundError: If its folder does not exist.

    Example:

    >>> import tempfile
    >>> figure = training_curves({"loss": [3.0, 2.0]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(figure, f"{folder}/curves.png").name
    'curves.png'
    """
    import matplotlib

    path = Path(path)
    kind = path.suffix.lower()
    if kind not in FORMATS:
        raise ValueError(
            f"A figure's file must end in {' or '.join(FORMATS)}. "
            f"Received: path={str(path)!r}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r}: create it.")
    undated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}.get(kind)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with matplotlib.rc_context({"svg.hashsalt": "kseq2seq"}):
            figure.savefig(unfinished, format=kind[1:], dpi=FILE_DPI, metadata=undated)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _weights(alignment, source_tokens, target_tokens):
    """The alignment as a checked NumPy array of shape (target, source)."""
    weights = np.asarray(alignment, dtype="float32")
    expected = len(target_tokens), len(source_tokens)
    if weights.shape != expected or not weights.size:
        raise ValueError(
            "`alignment` must have the shape (target tokens, source tokens), with at "
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
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, pad=4, top=True, labeltop=True, labelbottom=False)
    return mesh


def _fonts(text):
    """Font families to draw `text` with, and the characters that they lack."""
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties())  # the user's own
    font = font_manager.get_font(path)
    families, missing = [font.family_name], set(text)
    missing -= {chr(code) for code in font.get_charmap()}
    installed = sorted(
        {
            entry.name
            for entry in font_manager.fontManager.ttflist
            if (entry.style, entry.stretch) == ("normal", "normal")
            and entry.weight in (400, 500, "normal", "regular", "medium")
            and "Color" not in entry.name  # emoji that cannot be drawn
        }
    )
    for start in FALLBACK_FONTS:
        for family in installed:
            if not missing:
                return families, missing
            if family.startswith(start):
                wanted = font_manager.FontProperties(family=[family])
                font = font_manager.get_font(font_manager.findfont(wanted))
                covered = {x for x in missing if ord(x) in font.get_charmap()}
                families += [family] if covered else []
                missing -= covered
    return families, missing


def _clean(text, missing):
    """`text` as it can be drawn: code points for what no font has."""
    pieces = []
    for character in text:
        kind = unicodedata.category(character)
        if character in missing or kind in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp"):
            # What only joins, directs or varies others is invisible anyway.
            invisible = kind == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F
            pieces.append("" if invisible else f" U+{ord(character):04X} ")
        else:
            pieces.append(character)
    return "".join(pieces).replace("  ", " ").strip() or "␣" * len(text)


def _shorten(labels):
    return [
        x if len(x) <= LONGEST_LABEL else f"{x[: LONGEST_LABEL - 1]}…" for x in labels
    ]


def _turn_if_crowded(labels, space):
    """Turn all the labels if one is wider than its column; the last one alone."""
    wide = [x for x in labels if x.get_window_extent().width > 0.9 * space]
    # The last is often a long mark of the end, after characters, and has room.
    turned = wide if not wide or wide[0] is labels[-1] else labels
    for label in turned:
        label.set(rotation=45, rotation_mode="anchor", ha="left", va="baseline")


def _fit(figure, axes, mesh, title, text):
    """Give the figure the size that its cells, labels, scale and title need.

    So far the cells of `axes` fill it, and the labels stand outside of it.
    """
    margin, bar = 0.15, 0.12
    width, height = figure.get_size_inches()
    x, y, x_end, y_end = _inches(figure, axes.get_tightbbox)
    left, bottom, right, top = -x, -y, x_end - width, y_end - height
    total_width = 2 * margin + left + width + max(right, 0.2 + bar + 0.35)
    heading = figure.text(0, 0, _wrap(title, total_width), **text)
    heading.set(fontsize=12, va="top", linespacing=1.3)
    x, y, x_end, y_end = _inches(figure, heading.get_window_extent)
    long, tall = x_end - x, y_end - y
    total_width = max(total_width, long + 2 * margin)
    above = tall + 0.15 if title else 0
    total_height = 2 * margin + bottom + height + top + above
    figure.set_size_inches(total_width, total_height)
    heading.set_position((margin / total_width, 1 - margin / total_height))

    x, y = margin + left, margin + bottom
    size = total_width, total_height, total_width, total_height
    axes.set_position(np.divide((x, y, width, height), size))
    tall = min(height, 1.6)
    scale = (x + width + 0.2, y + height - tall, bar, tall)
    scale = figure.add_axes(np.divide(scale, size))
    figure.colorbar(mesh, cax=scale, ticks=[0, mesh.norm.vmax])
    scale.tick_params(length=0, labelsize=8, labelcolor="0.4", pad=3)
    scale.spines[:].set_visible(False)


def _inches(figure, measure):
    """The box that `measure(renderer)` gives, in inches: left, bottom, right, top.

    Letters are set to whole pixels: text is wider at one resolution than at another.
    """
    boxes = []
    for dpi in (FILE_DPI, SCREEN_DPI):
        figure.dpi = dpi
        # Text remembers a renderer, and with it a resolution, unless given one.
        boxes.append(measure(figure.canvas.get_renderer()).extents / dpi)
    return *np.min(boxes, axis=0)[:2], *np.max(boxes, axis=0)[2:]


def _wrap(title, width):
    """Break `title` into lines for a figure of `width` inches, 40 letters at least."""
    lines, room = [""], max(40, int(width * 72 / 7))
    for word in title.split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".lstrip()
    return "\n".join(lines)


def _panels(history):
    """Dict from quantity to its curves, `{"training": array, "validation": array}`."""
    panels = {}
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
    return dict(sorted(panels.items(), key=lambda x: _rank(x[0])))


def _rank(name):
    return {"loss": 0, "learning_rate": 2, "lr": 2}.get(name, 1)


def _lower_is_better(name):
    return name.split("_")[-1] in ("loss", "perplexity", "rate", "ter", "error")


def _draw_panel(axes, name, curves):
    """Training and validation of one quantity over the epochs."""
    title = NAMES.get(name, name.replace("_", " "))
    axes.set_title(title, loc="left", fontsize=11, parse_math=False)
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
    _scale(axes, name, np.concatenate(list(curves.values())))
    _mark_best(axes, name, curves.get("validation", values))
    axes.set_xlabel("epoch", fontsize=9, color="0.4")
    axes.tick_params(labelsize=9, color="0.7")
    axes.grid(axis="y", color="0.5", alpha=0.18, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.7")
    if len(curves) > 1:
        axes.legend(frameon=False, fontsize=9)


def _scale(axes, name, values):
    """A logarithmic axis for what falls by orders of magnitude."""
    low, high = np.nanmin(values), np.nanmax(values)
    if _lower_is_better(name) and 0 < low < high / 30:
        axes.set_yscale("log")


def _mark_best(axes, name, values):
    """Ring around the best epoch, its value beside it."""
    if _rank(name) == 2:
        return
    best = np.nanargmin(values) if _lower_is_better(name) else np.nanargmax(values)
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
