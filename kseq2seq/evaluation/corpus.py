"""BLEU, chrF and TER by sacreBLEU, and exact match: scores of a whole corpus.

Every metric takes the hypotheses, one string a sentence, and their references: one
string a sentence, or several accepted ones, as many as each sentence happens to
have. All scores are in percent.

>>> references = [["A dog runs.", "The dog is running."], ["Yes!"]]
>>> print(bleu(["A dog runs.", "Yes!"], references))  # doctest: +ELLIPSIS
BLEU|nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:... = 100.00
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

from kseq2seq.evaluation.score import (
    DEFAULT_SEED,
    References,
    Score,
    check_texts,
    ratio_score,
)
from kseq2seq.utils import check_choice


def bleu(
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
    tokenize: str = "13a",
) -> Score:
    """BLEU of detokenised text, by sacreBLEU with its default settings.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval is sacreBLEU's: the mean of the resamples' scores, plus
            and minus half the width that holds 95 % of them.
        seed: Seed of the resampling.
        tokenize: sacreBLEU's tokenizer, such as `"13a"`, `"intl"`, `"zh"` or
            `"char"`. For `"flores200"` and its like, sacreBLEU downloads a model when
            it is first used.

    Returns:
        A `Score`, in percent; higher is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references
            differ in number, a sentence has no reference, or `tokenize` is not
            known, needs a package that is not installed, or a model that cannot be
            downloaded.

    Example:

    >>> score = bleu(["the cat sat on a mat"], ["the cat sat on the mat"])
    >>> round(score.value, 1)
    53.7

    Reference:
        [Papineni et al., 2002](https://aclanthology.org/P02-1040), and
        [Post, 2018](https://aclanthology.org/W18-6319) for the signature.
    """
    from sacrebleu.metrics.bleu import BLEU

    check_choice("tokenize", tokenize, sorted(BLEU.TOKENIZERS))
    check_texts(hypotheses, references, bootstrap)  # before a download
    try:
        metric = BLEU(tokenize=tokenize)
    # No network; no package; and sacreBLEU ends the process where a certificate fails.
    except (OSError, RuntimeError, ImportError, SystemExit) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            "`tokenize` must name a tokenizer that sacreBLEU can load. Received: "
            f"tokenize={tokenize!r}, for which it says: {reason} Install the package "
            "that it names, connect this computer once so that it can download the "
            "model, or use tokenize='13a'"
        ) from error
    return _score_with_sacrebleu(metric, hypotheses, references, bootstrap, seed)


def chrf(
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
) -> Score:
    """chrF2, the F-score of character n-grams up to 6, by sacreBLEU.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval is sacreBLEU's, as for `bleu`.
        seed: Seed of the resampling.

    Returns:
        A `Score`, in percent; higher is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references differ in
            number, or a sentence has no reference.

    Example:

    >>> score = chrf(["the cat sat on a mat"], ["the cat sat on the mat"])
    >>> score.name, round(score.value, 1)
    ('chrF2', 66.0)

    Reference:
        [Popović, 2015](https://aclanthology.org/W15-3049).
    """
    return _score_with_sacrebleu(
        _chrf_metric(), hypotheses, references, bootstrap, seed
    )


def _chrf_metric():
    """SacreBLEU's chrF, whose scores are all of one type."""
    from sacrebleu.metrics.chrf import CHRF

    class ChrfOfFloats(CHRF):
        # A resample without a match scores 0.0, others a number of NumPy. The mean of
        # both, for the interval, ends in a TypeError.
        def _compute_score_from_stats(self, stats):
            score = super()._compute_score_from_stats(stats)
            score.score = float(score.score)
            return score

    return ChrfOfFloats()


def ter(
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
) -> Score:
    """Translation edit rate, where a shifted phrase is one edit, by sacreBLEU.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval is sacreBLEU's, as for `bleu`.
        seed: Seed of the resampling.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references differ in
            number, or a sentence has no reference.

    Example:

    >>> score = ter(["on the mat the cat sat"], ["the cat sat on the mat"])
    >>> round(score.value, 1)
    16.7

    Reference:
        [Snover et al., 2006](https://aclanthology.org/2006.amta-papers.25).
    """
    from sacrebleu.metrics.ter import TER

    return _score_with_sacrebleu(TER(), hypotheses, references, bootstrap, seed)


def exact_match(
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
) -> Score:
    """Share of the hypotheses that equal one of their references.

    Character for character: case, blanks and Unicode composition count. What
    grapheme-to-phoneme work calls the word error rate is 100 less this.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval runs from the 2.5th to the 97.5th percentile of their scores.
        seed: Seed of the resampling.

    Returns:
        A `Score`, in percent; higher is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references differ in
            number, or a sentence has no reference.

    Example:

    >>> exact_match(["2024-05-01", "1999-1-2"], ["2024-05-01", "1999-01-02"]).value
    50.0
    """
    lists = check_texts(hypotheses, references, bootstrap)
    counts = [
        (int(hypothesis in accepted), 1)
        for hypothesis, accepted in zip(hypotheses, lists, strict=True)
    ]
    settings = "refs:any|case:mixed"
    return ratio_score("exact_match", settings, counts, lists, bootstrap, seed)


def _score_with_sacrebleu(
    metric: Any,
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int,
    seed: int,
) -> Score:
    lists = check_texts(hypotheses, references, bootstrap)
    # The first reference of every sentence, then the second of every sentence, and
    # so on, with None where a sentence has no more.
    streams = list(zip_longest(*lists))
    with _sacrebleu_seed(seed):
        score = metric.corpus_score(list(hypotheses), streams, n_bootstrap=bootstrap)
    signature = str(metric.get_signature())
    interval = None
    if bootstrap:
        # The only public way to the interval; it leaves out one of zeros.
        report = json.loads(score.format(12, signature=signature, is_json=True))
        mean = report.get("confidence_mean", 0.0)
        half_width = report.get("confidence_var", 0.0)
        interval = mean - half_width, mean + half_width
    return Score(score.name, float(score.score), signature, interval)


@contextmanager
def _sacrebleu_seed(seed: int) -> Iterator[None]:
    """Gives sacreBLEU its seed, which it takes from the environment alone."""
    name = "SACREBLEU_SEED"
    before = {name: os.environ[name]} if name in os.environ else {}
    os.environ[name] = str(seed)
    try:
        yield
    finally:
        del os.environ[name]
        os.environ.update(before)
