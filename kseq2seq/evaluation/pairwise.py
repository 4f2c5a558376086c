"""Scores of sentences in pairs, as minimum-risk decoding compares them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from kseq2seq.evaluation.edit_rates import edit_distance
from kseq2seq.utils import check_choice

if TYPE_CHECKING:  # the command names the metrics in its help, without NumPy
    import numpy as np

CHRF_ORDER, CHRF_BETA = 6, 2
BLEU_ORDER = 4


def pairwise_scores(
    utility: str, hypotheses: Sequence[str], references: Sequence[str]
) -> "np.ndarray":
    """Scores of all hypotheses against all references, one sentence with another.

    N-grams of a sentence are counted once, however many it is compared with.

    Args:
        utility: A word of `UTILITIES`: "chrf" for sacreBLEU's sentence chrF2, "bleu"
            for its sentence BLEU (13a, exponential smoothing, effective order), or
            "edit" for 100 less the edits of characters, in percent of the longer one.
        hypotheses: List of `str`.
        references: List of `str`.

    Returns:
        float64 array of shape `(hypotheses, references)`, from 0 to 100.

    Raises:
        ValueError: If there is no such utility.

    Example:

    >>> pairwise_scores("edit", ["dogs", "fogs"], ["dogs", "do"]).tolist()
    [[100.0, 50.0], [75.0, 25.0]]
    """
    check_choice("utility", utility, UTILITIES)
    return UTILITIES[utility](hypotheses, references)


def _chrf(hypotheses, references):
    import numpy as np

    def ngrams(sentence, order):
        text = "".join(sentence.split())
        return (text[n : n + order] for n in range(len(text) - order + 1))

    precision, recall, orders = 0.0, 0.0, 0.0
    for order in range(1, CHRF_ORDER + 1):
        matches, own, theirs = _counts(
            hypotheses, references, lambda x, order=order: ngrams(x, order)
        )
        both = (own[:, None] > 0) & (theirs > 0)  # (H, R)
        orders = orders + both
        precision = precision + np.where(both, matches / np.fmax(own, 1)[:, None], 0)
        recall = recall + np.where(both, matches / np.fmax(theirs, 1), 0)
    precision, recall = precision / np.fmax(orders, 1), recall / np.fmax(orders, 1)
    weighted = CHRF_BETA**2 * precision + recall
    f_score = (1 + CHRF_BETA**2) * precision * recall / np.where(weighted, weighted, 1)
    return 100 * f_score


def _bleu(hypotheses, references):
    import numpy as np

    hypotheses = [*map(_words, hypotheses)]
    references = [*map(_words, references)]
    lengths = np.array([*map(len, hypotheses)])[:, None]  # (H, 1)
    others = np.array([*map(len, references)])  # (R,)
    smooth, logarithms, any_match = 1.0, 0.0, False
    for order in range(1, BLEU_ORDER + 1):
        matches, own, _ = _counts(
            hypotheses,
            references,
            lambda x, order=order: zip(*(x[n:] for n in range(order)), strict=False),
        )
        any_match = any_match | (matches > 0)
        total = own[:, None]
        # Where nothing matches, half as much as would be of the order before.
        smooth = np.where((matches == 0) & (total > 0), 2 * smooth, smooth)
        precision = np.where(matches > 0, matches, 1 / smooth) / np.fmax(total, 1)
        logarithms = logarithms + np.where(total > 0, np.log(precision), 0)
    orders = np.clip(lengths, 1, BLEU_ORDER)
    brevity = np.exp(np.fmin(0, 1 - others / np.fmax(lengths, 1)))
    return np.where(any_match, 100 * brevity * np.exp(logarithms / orders), 0)


@cache
def _word_tokenizer() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True).tokenizer


def _words(sentence):
    return _word_tokenizer()(sentence.rstrip()).split()


def _edit(hypotheses, references):
    import numpy as np

    def similarity(first, second):
        longer = max(len(first), len(second), 1)
        return 100 - 100 * edit_distance(first, second) / longer

    rows = [[similarity(x, y) for y in references] for x in hypotheses]
    return np.array(rows).reshape(len(hypotheses), len(references))


def _counts(
    hypotheses: Sequence[Any],
    references: Sequence[Any],
    ngrams: Callable[[Any], Iterable[Any]],
) -> tuple["np.ndarray", "np.ndarray", "np.ndarray"]:
    """N-grams that are in both, `(H, R)`, in hypotheses, and in references."""
    import numpy as np

    own, theirs = (
        [Counter(ngrams(x)) for x in side] for side in (hypotheses, references)
    )
    places = {ngram: n for n, ngram in enumerate({x for row in theirs for x in row})}
    tables = []
    for rows in (own, theirs):
        table = np.zeros((len(rows), len(places)), "int32")
        for n, row in enumerate(rows):
            known = [ngram for ngram in row if ngram in places]
            table[n, [places[x] for x in known]] = [row[x] for x in known]
        tables.append(table)
    matches = np.array([np.minimum(row, tables[1]).sum(axis=1) for row in tables[0]])
    own_totals = np.array([row.total() for row in own])
    their_totals = np.array([row.total() for row in theirs])
    return matches.reshape(len(own), len(theirs)), own_totals, their_totals


# Similarities of two sentences, by their words.
UTILITIES: dict[str, Callable[[Sequence[str], Sequence[str]], Any]] = {
    "chrf": _chrf,
    "bleu": _bleu,
    "edit": _edit,
}
