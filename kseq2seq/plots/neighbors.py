"""Plot of words and of those whose vectors are nearest."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from kseq2seq.plots.figures import figure_and_axes
from kseq2seq.plots.fonts import drawable
from kseq2seq.utils import Tensor, check_integer

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 6.4, 5.2  # in inches


def nearest_words(
    vectors: Mapping[str, Tensor], word: str, count: int = 5
) -> list[tuple[str, float]]:
    """The words whose vectors point most nearly where a word's does.

    Args:
        vectors: Dict from words to vectors of shape `(size,)`, as
            `kseq2seq.data.load_word_vectors` reads them.
        word: One of these words.
        count: Number of words.

    Returns:
        List of tuples `(word, cosine)`, the nearest first.

    Raises:
        ValueError: If the word has no vector.

    Example:

    >>> vectors = {"dog": [1.0, 0.1], "cat": [1.0, 0.2], "run": [0.1, 1.0]}
    >>> [(word, round(cosine, 3)) for word, cosine in nearest_words(vectors, "dog", 1)]
    [('cat', 0.995)]
    """
    if word not in vectors:
        raise ValueError(
            "`word` must be one that has a vector; pieces that begin a word are "
            f"written '▁dog'. Received: word={word!r}"
        )
    words, matrix = list(vectors), _directions(vectors.values())
    cosines = matrix @ matrix[words.index(word)]
    order = np.argsort(-cosines, kind="stable")
    others = [i for i in order if words[i] != word]
    count = check_integer("count", count, 1)
    return [(words[i], float(cosines[i])) for i in others[:count]]


def neighbors_plot(
    vectors: Mapping[str, Tensor],
    words: Sequence[str],
    count: int = 5,
    ax: "Axes | None" = None,
) -> "Figure":
    """Words and their nearest neighbours in the plane that shows them best.

    The plane is that of the two first principal components of what is drawn, of
    vectors of length 1.

    Args:
        vectors: As for `nearest_words`.
        words: Words of which the neighbours are drawn, each in a colour of its own.
        count: Number of neighbours of each.
        ax: `matplotlib.axes.Axes` to draw into; a figure of its own if `None`.

    Returns:
        The `matplotlib.figure.Figure`. A new one is shown by notebooks by itself.

    Raises:
        ValueError: If a word has no vector, or there is none.

    Example:

    >>> vectors = {"dog": [1.0, 0.1], "cat": [1.0, 0.2], "run": [0.1, 1.0]}
    >>> figure = neighbors_plot(vectors, ["dog"], count=1)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['dog', 'cat']

    Reference:
        [Mikolov et al., 2013](https://arxiv.org/abs/1310.4546), figure 2.
    """
    from matplotlib import colormaps

    if not words:
        raise ValueError("`words` must name a word or more. Received: none")
    groups = {}  # of each word that is drawn, the first one that it belongs to
    for group, word in enumerate(words):
        near = nearest_words(vectors, word, count)
        for name in [word, *(name for name, _ in near)]:
            groups.setdefault(name, group)
    figure, axes = figure_and_axes(ax, (WIDTH, HEIGHT))
    places = _plane(_directions([vectors[name] for name in groups]))
    palette, (labels, families) = colormaps["tab10"], drawable(list(groups))
    rows = zip(groups.items(), labels, places, strict=True)
    for (name, group), label, (x, y) in rows:
        is_named = name in words
        axes.scatter(x, y, s=28 if is_named else 12, color=palette(group % 10))
        axes.annotate(
            label,
            (x, y),
            xytext=(4, 3),
            textcoords="offset points",
            fontsize=10 if is_named else 8.5,
            fontweight="bold" if is_named else "normal",
            fontfamily=families,
            parse_math=False,
        )
    axes.margins(0.12)
    axes.set_xticks([])
    axes.set_yticks([])
    return figure


def _directions(vectors):
    """The vectors below each other, each of length 1."""
    matrix = np.array([np.asarray(vector, "float64") for vector in vectors])
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(lengths > 0, lengths, 1.0)


def _plane(matrix):
    """Places in the plane of the two first principal components."""
    centred = matrix - matrix.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    places = centred @ axes[:2].T
    return np.pad(places, ((0, 0), (0, 2 - places.shape[1])))
