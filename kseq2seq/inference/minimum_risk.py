"""Minimum-risk decoding: the translation that is most like all that may be right."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from kseq2seq.decoding import Search
from kseq2seq.evaluation import UTILITIES, pairwise_scores
from kseq2seq.inference.base import BaseTranslator
from kseq2seq.inference.batches import check_texts, features_of_texts
from kseq2seq.inference.results import Translation
from kseq2seq.utils import check_choice, check_integer

# Function from hypotheses and references to scores of shape `(hypotheses, references)`.
Utility = Callable[[Sequence[str], Sequence[str]], Any]


def minimum_risk(
    translator: BaseTranslator,
    texts: Iterable[str],
    utility: str | Utility = "chrf",
    samples: int = 32,
    n_best: int = 0,
    search: Search | None = None,
    features: Iterable[str] | None = None,
    batch_size: int = 64,
    progress: bool = False,
    **sampling: Any,
) -> list[list[Translation]]:
    """Translations by the highest utility that the model expects, the best first.

    Samples stand for what people might have written: each of them is a reference, and
    the candidate that is most like them on average is the best. Candidates are the
    samples and, if wanted, the n best of a search, which alone are both where there are
    no samples, each counting by its probability.

    Args:
        translator: A `Translator` or a `SavedTranslator`.
        texts: List of `str`.
        utility: A word of `kseq2seq.evaluation.UTILITIES`: "chrf", "bleu" or "edit"; or
            a function from lists of hypotheses and references to an array of shape
            `(hypotheses, references)`, of which higher is better.
        samples: Number of samples of each text.
        n_best: Number of translations by search that are candidates, too.
        search: Their `kseq2seq.Search`; the default one of the translator if `None`.
        features: List of `str`, the features of each text; missing if `None`.
        batch_size: Texts translated at a time.
        progress: Whether to draw a progress bar on standard error.
        **sampling: `seed`, `temperature`, `top_k` and `top_p`, as
            `BaseTranslator.sample` takes them.

    Returns:
        For each text its candidates, each once, as `Translation`s of which `text`,
        `score`, the expected utility, and `log_prob` are given.

    Raises:
        ValueError: If an argument is not as described or has no effect, if there are
            neither samples nor an n-best list, or if this alone has no probabilities,
            as of a SavedModel.

    Example:

    >>> from kseq2seq import Translator
    >>> translator = Translator.from_preset("dates")
    >>> ((best, *_),) = minimum_risk(translator, ["4 mai 1989"], top_p=0.8)
    >>> best.text
    '1989-05-04'

    Reference:
        [Kumar and Byrne, 2004](https://aclanthology.org/N04-1022), and
        [Eikema and Aziz, 2020](https://aclanthology.org/2020.coling-main.398), for
        samples.
    """
    texts = check_texts(texts)
    if not callable(utility):
        utility = check_choice("utility", utility, UTILITIES)
    samples = check_integer("samples", samples, 0)
    n_best = check_integer("n_best", n_best, 0)
    if not samples + n_best:
        raise ValueError(
            "`samples` or `n_best` must be above 0. Received: samples=0, n_best=0"
        )
    if sampling and not samples:
        raise ValueError(
            "`samples` must be above 0 to be drawn by arguments of sampling: leave "
            f"these out. Received: samples=0, {', '.join(sampling)}"
        )
    if search is not None and not n_best:
        raise ValueError(
            "`n_best` must be above 0 for candidates of a search: leave `search` out. "
            f"Received: n_best=0, search={search!r}"
        )
    options: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    others = {}
    if features is not None:
        others = features_of_texts(features, len(texts), translator.has_features)
    drawn = searched = [[] for _ in texts]
    if samples:
        drawn = _samples(translator, texts, samples, others, options | sampling)
    if n_best:
        options |= others
        searched = translator.translate(
            texts, search, num_hypotheses=n_best, alignments=False, **options
        )
    return [
        _ranked(utility, *candidates)
        for candidates in zip(drawn, searched, strict=True)
    ]


def _samples(translator, texts, samples, others, options):
    """Lists of so many samples, one for each text."""
    inputs = {
        name: [x for x in values for _ in range(samples)]
        for name, values in {"texts": texts, **others}.items()
    }
    drawn = translator.sample(**inputs, **options)
    return [drawn[n * samples :][:samples] for n in range(len(texts))]


def _ranked(
    utility: str | Utility,
    drawn: Sequence[Translation],
    searched: Sequence[Translation],
) -> list[Translation]:
    """The candidates by expected utility, the best first."""
    candidates = {x.text: x for x in (*searched, *drawn)}
    weights = dict.fromkeys([x.text for x in drawn], 0.0)
    for x in drawn:
        weights[x.text] += 1 / len(drawn)
    if not drawn:
        weights = _probabilities(searched)
    texts, references = [*candidates], [*weights]
    if callable(utility):
        scores = np.asarray(utility(texts, references), "float64")
        if scores.shape != (len(texts), len(references)):
            raise ValueError(
                "`utility` must return an array of shape (hypotheses, references), "
                f"{(len(texts), len(references))}. Received: shape={scores.shape}"
            )
        if np.isnan(scores).any():
            raise ValueError(
                "`utility` must return numbers, since there is no order without. "
                f"Received: NaN for {np.isnan(scores).sum()} of {scores.size} pairs"
            )
    else:
        scores = pairwise_scores(utility, texts, references)
    expected = scores @ np.array([*weights.values()])
    order = np.argsort(-expected, kind="stable")
    return [
        Translation(texts[n], float(expected[n]), candidates[texts[n]].log_prob)
        for n in order
    ]


def _probabilities(searched):
    """Dict from texts of an n-best list to their probabilities among themselves."""
    if any(x.log_prob is None for x in searched):
        raise ValueError(
            "`samples` must be above 0 for a SavedModel, whose n-best list has no "
            "probabilities; or load the run folder. Received: samples=0"
        )
    highest = max(x.log_prob for x in searched)
    if highest == -math.inf:  # nothing keeps to the rules of the search
        return {x.text: 1 / len(searched) for x in searched}
    weights = dict.fromkeys([x.text for x in searched], 0.0)
    for x in searched:  # pieces of several kinds may give one text
        weights[x.text] += math.exp(x.log_prob - highest)
    total = sum(weights.values())
    return {text: weight / total for text, weight in weights.items()}
