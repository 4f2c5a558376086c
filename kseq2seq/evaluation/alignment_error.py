"""Alignment error rate: word links beside those that people or programs have set."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from kseq2seq.utils import is_integer

# `(source word, target word)` of a pair of texts, counted from 0.
Links: TypeAlias = Iterable[tuple[int, int]]


class AlignmentErrorRate(NamedTuple):
    """Alignment error rate, precision and recall of word links, in percent.

    Attributes:
        error_rate: The alignment error rate; lower is better.
        precision: Share of the predicted links that are possible; NaN if there are
            none.
        recall: Share of the sure links that are predicted.
    """

    error_rate: float
    precision: float
    recall: float

    def __str__(self) -> str:
        return (
            f"alignment_error_rate = {self.error_rate:.2f} "
            f"(precision {self.precision:.2f}, recall {self.recall:.2f})"
        )


def alignment_error_rate(
    predicted: Sequence[Links],
    sure: Sequence[Links],
    possible: Sequence[Links] | None = None,
) -> AlignmentErrorRate:
    """The alignment error rate of word links.

    With the predicted links `A`, the sure ones `S` and the possible ones `P`, the sure
    ones among them, counted over all pairs of texts:

        1 - (|A and S| + |A and P|) / (|A| + |S|)

    Args:
        predicted: For each pair of texts its links, `(source word, target word)`.
        sure: For each pair the links that a prediction must have.
        possible: For each pair those that it may have besides; none if `None`.

    Returns:
        The `AlignmentErrorRate`.

    Raises:
        ValueError: If there are not as many pairs in each, there is no sure link, or a
            link is no tuple of two integers.

    Example:

    >>> predicted = [{(0, 0), (1, 1), (2, 1)}]
    >>> rate = alignment_error_rate(predicted, [{(0, 0), (1, 2)}], [{(1, 1)}])
    >>> print(rate)
    alignment_error_rate = 40.00 (precision 66.67, recall 50.00)

    Reference:
        [Och & Ney, 2003](https://aclanthology.org/J03-1002), section 5.1.
    """
    predicted = _links("predicted", predicted)
    sure = _links("sure", sure)
    possible = _links("possible", [()] * len(sure) if possible is None else possible)
    if not len(predicted) == len(sure) == len(possible):
        raise ValueError(
            "`predicted`, `sure` and `possible` must have an entry for each pair of "
            f"texts. Received: {len(predicted)}, {len(sure)} and {len(possible)}"
        )
    num_predicted = num_sure = both_sure = both_possible = 0
    for made, must, may in zip(predicted, sure, possible, strict=True):
        num_predicted += len(made)
        num_sure += len(must)
        both_sure += len(made & must)
        both_possible += len(made & must.union(may))
    if not num_sure:
        raise ValueError(
            "`sure` must have a link: of possible ones alone there is no error rate. "
            f"Received: {len(sure)} pairs without any"
        )
    precision = both_possible / num_predicted if num_predicted else math.nan
    right = (both_sure + both_possible) / (num_predicted + num_sure)
    return AlignmentErrorRate(
        100 * (1 - right), 100 * precision, 100 * both_sure / num_sure
    )


def _links(name, rows):
    """Links as sets of tuples, checked."""
    links = []
    for row in rows:
        # Of a string the characters, and of `data.WordLinks` its sets, are no links.
        pairs = [tuple(link) if isinstance(link, (tuple, list)) else () for link in row]
        if not all(len(link) == 2 and all(map(is_integer, link)) for link in pairs):
            raise ValueError(
                f"`{name}` must hold links for each pair of texts, tuples of two "
                "integers; of what `data.read_links` gives, take `sure` and `possible`."
                f" Received: {row!r:.80}"
            )
        links.append(frozenset(pairs))
    return links
