"""Attention between pieces as weights and links between words."""

import numpy as np

from kseq2seq.data import words_of_spans
from kseq2seq.inference.results import Alignment
from kseq2seq.utils import check_number


def word_weights(source: str, target: str, alignment: Alignment) -> np.ndarray:
    """The attention of the words of a translation to those of its source.

    Of a source word it is the sum over its pieces, of a target word the mean. Words are
    what stands between blanks.

    Args:
        source: A text.
        target: Its translation.
        alignment: Their `Alignment`, as `Translator.align` gives it.

    Returns:
        Array of shape `(target words, source words)`. A row sums to less than 1 where
        EOS or blanks are attended to.

    Example:

    >>> spans = [(0, 3), (4, 7), (7, 7)]
    >>> pieces = ["the", "dog", "</s>"]
    >>> weights = np.float32([[0.5, 0.25, 0.25], [0, 1, 0], [0, 0, 1]])
    >>> alignment = Alignment(pieces, pieces, spans, spans, weights, [0, 1, 2])
    >>> word_weights("the dog", "the dog", alignment).tolist()
    [[0.5, 0.25], [0.0, 1.0]]

    Reference:
        [Koehn & Knowles, 2017](https://arxiv.org/abs/1706.03872), section 3.5.
    """
    sources = _is_in_word(source, alignment.source_spans)  # (source words, pieces)
    targets = _is_in_word(target, alignment.target_spans)
    targets /= np.maximum(targets.sum(axis=1, keepdims=True), 1)
    return targets @ np.asarray(alignment.weights, float) @ sources.T


def word_links(
    source: str, target: str, alignment: Alignment, least: float | None = None
) -> frozenset[tuple[int, int]]:
    """The words of a text and its translation that belong together, by attention.

    Args:
        source: A text.
        target: Its translation.
        alignment: Their `Alignment`, as `Translator.align` gives it.
        least: Links all words with this weight or more, of `word_weights`; if `None`,
            each target word with the source word that it attends to most, if to any.

    Returns:
        Set of `(source word, target word)`, counted from 0.

    Raises:
        ValueError: If `least` is not above 0, or above 1.

    Example:

    >>> spans = [(0, 3), (4, 7), (7, 7)]
    >>> pieces = ["the", "dog", "</s>"]
    >>> weights = np.float32([[0.5, 0.25, 0.25], [0, 1, 0], [0, 0, 1]])
    >>> alignment = Alignment(pieces, pieces, spans, spans, weights, [0, 1, 2])
    >>> sorted(word_links("the dog", "the dog", alignment))
    [(0, 0), (1, 1)]
    >>> sorted(word_links("the dog", "the dog", alignment, least=0.25))
    [(0, 0), (1, 0), (1, 1)]
    """
    least = check_number("least", least, above=0, most=1, optional=True)
    weights = word_weights(source, target, alignment)
    if not weights.size:
        return frozenset()
    if least is None:
        largest = weights.argmax(axis=1)[:, None] == np.arange(weights.shape[1])
        is_linked = largest & (weights > 0)
    else:
        is_linked = weights >= least
    return frozenset(zip(*(x.tolist() for x in np.nonzero(is_linked.T)), strict=True))


def _is_in_word(text, spans):
    """Floats of shape (words, pieces): 1 where a piece is of a word."""
    words = np.array(words_of_spans(text, spans), int)
    return np.float64(words == np.arange(len(text.split()))[:, None])
