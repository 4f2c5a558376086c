"""Reranking of n-best lists by other models."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from kseq2seq.inference.base import BaseTranslator
from kseq2seq.inference.batches import check_texts, features_of_texts
from kseq2seq.inference.results import Translation
from kseq2seq.utils import check_number

# Function from pairs of text and translation, or from triples with features, to one
# score for each.
Scorer = Callable[[list[Any]], Sequence[float]]


def rerank(
    texts: Iterable[str],
    translations: Sequence[Sequence[Translation]],
    scorers: Sequence[Scorer],
    weights: Sequence[float] | None = None,
    features: Iterable[str] | None = None,
) -> list[list[Translation]]:
    """N-best lists, ordered by weighted sums of scores.

    The first weight is that of the translations' own scores, by which the search
    ranked them; the others are those of the scorers. `forward_score`, `reverse_score`
    and `right_to_left_score` make scorers of translators.

    Args:
        texts: List of `str`, the sources.
        translations: The n-best list of each text, as `Translator.translate` gives it.
        scorers: Functions from `(text, translation)` pairs to a number for each, of
            which higher is better.
        weights: One number more than there are scorers; 1 each if `None`. What has the
            weight 0 has no part in the sums, even if it is -inf.
        features: List of `str`, the features of each text, if there are any: scorers
            are then given `(text, translation, features)`.

    Returns:
        The same lists in another order, whose `Translation`s have the sums as `score`.
        Where sums are equal, the former order stays.

    Raises:
        ValueError: If there are not as many lists or features as texts, as many
            weights, or as many scores as pairs, or a score is NaN.

    Example:

    >>> lists = [[Translation("ein Hund", -1.0), Translation("der Hund", -1.5)]]
    >>> def prefer_articles(pairs):
    ...     return [float(target.startswith("der")) for _, target in pairs]
    >>> ((best, _),) = rerank(["the dog"], lists, [prefer_articles])
    >>> best.text, best.score
    ('der Hund', -0.5)

    Reference:
        [Liu et al., 2016](https://aclanthology.org/N16-1046), for right to left, and
        [Li et al., 2016](https://aclanthology.org/N16-1014), for the reverse.
    """
    texts = check_texts(texts)
    if len(texts) != len(translations):
        raise ValueError(
            "`translations` must be a list for each text. Received: "
            f"{len(translations)} lists for {len(texts)} texts"
        )
    weights = [1.0] * (len(scorers) + 1) if weights is None else [*weights]
    if len(weights) != len(scorers) + 1:
        raise ValueError(
            "`weights` must be one for the translations' own scores, and one for each "
            f"scorer, {len(scorers) + 1} in all. Received: {len(weights)}"
        )
    own, *factors = [check_number("weights", weight) for weight in weights]
    others: list[tuple[str, ...]] = [()] * len(texts)
    if features is not None:
        named = features_of_texts(features, len(texts), has_features=True)
        others = [(one,) for one in named["features"]]
    pairs = [
        (text, translation.text, *more)
        for text, best_first, more in zip(texts, translations, others, strict=True)
        for translation in best_first
    ]
    totals = _weighted(
        own, [x.score for best_first in translations for x in best_first]
    )
    for scorer, weight in zip(scorers, factors, strict=True):
        scores = [float(score) for score in scorer(pairs)]
        if len(scores) != len(pairs):
            raise ValueError(
                f"`scorers` must return one score for each of {len(pairs)} pairs. "
                f"Received: {len(scores)}"
            )
        if any(map(math.isnan, scores)):
            pair = pairs[list(map(math.isnan, scores)).index(True)]
            raise ValueError(
                "`scorers` must return numbers, since there is no order without. "
                f"Received: NaN for the pair {pair!r:.200}"
            )
        scores = _weighted(weight, scores)
        totals = [x + y for x, y in zip(totals, scores, strict=True)]
    sums = iter(totals)
    return [
        sorted(
            [x._replace(score=next(sums)) for x in best_first],
            key=lambda x: -x.score,
        )
        for best_first in translations
    ]


def _weighted(weight, scores):
    """Scores times their weight; none of them, such as -inf, has a part by a 0."""
    return [weight * score if weight else 0.0 for score in scores]


def forward_score(translator: BaseTranslator, **options: Any) -> Scorer:
    """A scorer: log-probabilities of translations by another translator.

    Args:
        translator: A translator from the texts' language. One with features needs
            those of `rerank`.
        **options: Others of `BaseTranslator.score`.

    Example:

    >>> class ShortTexts:  # in place of a translator
    ...     def score(self, pairs):
    ...         return [(-float(len(target)), len(target)) for _, target in pairs]
    >>> forward_score(ShortTexts())([("a dog", "ein Hund")])
    [-8.0]
    """
    return lambda pairs: _log_probs(translator, pairs, options)


def reverse_score(translator: BaseTranslator, **options: Any) -> Scorer:
    """A scorer: log-probabilities of the texts, given their translations.

    Args:
        translator: A translator into the texts' language. One with features needs
            those of `rerank`.
        **options: Others of `BaseTranslator.score`.

    Example:

    >>> class ShortTexts:  # in place of a translator
    ...     def score(self, pairs):
    ...         return [(-float(len(target)), len(target)) for _, target in pairs]
    >>> reverse_score(ShortTexts())([("a dog", "ein Hund")])
    [-5.0]
    """
    return lambda pairs: _log_probs(
        translator, [(y, x, *more) for x, y, *more in pairs], options
    )


def right_to_left_score(translator: BaseTranslator, **options: Any) -> Scorer:
    """A scorer: log-probabilities of translations, written from their last word on.

    Args:
        translator: A translator that was trained with the words of its targets in
            reverse order. One with features needs those of `rerank`.
        **options: Others of `BaseTranslator.score`.

    Example:

    >>> class ShortTexts:  # in place of a translator
    ...     def score(self, pairs):
    ...         return [(-float(len(target)), len(target)) for _, target in pairs]
    >>> right_to_left_score(ShortTexts())([("a dog", "ein Hund")])
    [-8.0]
    """

    def score(pairs):
        turned = [(x, " ".join(reversed(y.split())), *more) for x, y, *more in pairs]
        return _log_probs(translator, turned, options)

    return score


def _log_probs(translator, pairs, options):
    if not pairs:  # which is no list that a translator takes
        return []
    if not getattr(translator, "has_features", False):
        pairs = [(x, y) for x, y, *_ in pairs]
    elif len(pairs[0]) == 2:
        raise ValueError(
            "`features` must be given to `rerank`, a string for each text, an empty "
            "one where they are missing: a scorer's translator reads them. Received: "
            f"a pair without, {pairs[0]!r:.200}"
        )
    return [log_prob for log_prob, _ in translator.score(pairs, **options)]
