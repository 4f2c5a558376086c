"""Corpus scores, each with the signature that lets another repeat it.

Every metric takes the hypotheses, one string a sentence, and their references: one
string a sentence, or several accepted ones, as many as each sentence happens to
have. BLEU, chrF and TER are sacreBLEU's. All scores are in percent.

>>> references = [["A dog runs.", "The dog is running."], ["Yes!"]]
>>> print(bleu(["A dog runs.", "Yes!"], references))  # doctest: +ELLIPSIS
BLEU|nrefs:var|case:mixed|eff:no|tok:13a|smooth:exp|version:... = 100.00
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from importlib import metadata
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from sacrebleu.metrics import BLEU, CHRF, TER


class Score(NamedTuple):
    """One corpus score; printed as sacreBLEU prints its own, on one line.

    Attributes:
        name: Name of the metric.
        value: The score, in percent.
        signature: What another needs to repeat it, `key:value` parts between `|`.
        interval: `(low, high)`, the 95 % bootstrap confidence interval, or `None`.
    """

    name: str
    value: float
    signature: str
    interval: tuple[float, float] | None = None

    def __str__(self):
        line = f"{self.name}|{self.signature} = {self.value:.2f}"
        if self.interval is None:
            return line
        low, high = self.interval
        return f"{line} (95 % between {low:.2f} and {high:.2f})"


def bleu(hypotheses, references, bootstrap=0, seed=12345, tokenize="13a"):
    """BLEU of detokenised text, by sacreBLEU with its default settings.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval is sacreBLEU's: the mean of the resamples' scores, plus
            and minus half the width that holds 95 % of them.
        seed: Seed of the resampling.
        tokenize: sacreBLEU's tokenizer, such as `"13a"`, `"intl"`, `"zh"` or
            `"char"`.

    Returns:
        A `Score`, in percent; higher is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references
            differ in number, a sentence has no reference, or `tokenize` is not
            known.

    Example:

    >>> score = bleu(["the cat sat on a mat"], ["the cat sat on the mat"])
    >>> round(score.value, 1)
    53.7

    Reference:
        [Papineni et al., 2002](https://aclanthology.org/P02-1040), and
        [Post, 2018](https://aclanthology.org/W18-6319) for the signature.
    """
    if tokenize not in BLEU.TOKENIZERS:
        raise ValueError(
            f"`tokenize` must be one of {sorted(BLEU.TOKENIZERS)}. "
            f"Received: tokenize={tokenize!r}"
        )
    metric = BLEU(tokenize=tokenize)
    return _score_with_sacrebleu(metric, hypotheses, references, bootstrap, seed)


def chrf(hypotheses, references, bootstrap=0, seed=12345):
    """chrF2, the F-score of character n-grams up to 6, by sacreBLEU.

    The arguments are those of `bleu`.

    Returns:
        A `Score`, in percent; higher is better.

    Example:

    >>> score = chrf(["the cat sat on a mat"], ["the cat sat on the mat"])
    >>> score.name, round(score.value, 1)
    ('chrF2', 66.0)

    Reference:
        [Popović, 2015](https://aclanthology.org/W15-3049).
    """
    return _score_with_sacrebleu(CHRF(), hypotheses, references, bootstrap, seed)


def ter(hypotheses, references, bootstrap=0, seed=12345):
    """Translation edit rate, where a shifted phrase is one edit, by sacreBLEU.

    The arguments are those of `bleu`.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Example:

    >>> score = ter(["on the mat the cat sat"], ["the cat sat on the mat"])
    >>> round(score.value, 1)
    16.7

    Reference:
        [Snover et al., 2006](https://aclanthology.org/2006.amta-papers.25).
    """
    return _score_with_sacrebleu(TER(), hypotheses, references, bootstrap, seed)


def exact_match(hypotheses, references, bootstrap=0, seed=12345):
    """Share of the hypotheses that equal one of their references.

    Character for character: case, blanks and Unicode composition count. What
    grapheme-to-phoneme work calls the word error rate is 100 less this.

    The arguments are those of `bleu`, but that the interval runs from the 2.5th to
    the 97.5th percentile of the resamples' scores.

    Returns:
        A `Score`, in percent; higher is better.

    Example:

    >>> exact_match(["2024-05-01", "1999-1-2"], ["2024-05-01", "1999-01-02"]).value
    50.0
    """
    references = _check(hypotheses, references, bootstrap)
    counts = [
        (int(hypothesis in accepted), 1)
        for hypothesis, accepted in zip(hypotheses, references, strict=True)
    ]
    setting = "refs:any|case:mixed"
    return _ratio("exact_match", setting, counts, references, bootstrap, seed)


def word_error_rate(hypotheses, references, bootstrap=0, seed=12345):
    """Edits of words per reference word, against the nearest reference.

    Words are what stands between blanks; inserting, deleting and replacing one
    is an edit each. Of several references the one with the fewest edits counts,
    the longest if several have as few. Edits and lengths are summed over the
    corpus before they are divided.

    The arguments are those of `exact_match`.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Example:

    >>> accepted = ["the dog runs fast", "a dog ran"]  # 2 edits of 4, 1 of 3
    >>> round(word_error_rate(["a dog runs"], [accepted]).value, 1)
    33.3
    """
    return _error_rate("word", hypotheses, references, bootstrap, seed)


def character_error_rate(hypotheses, references, bootstrap=0, seed=12345):
    """Edits of characters per reference character, against the nearest reference.

    As `word_error_rate`, in Unicode code points: blanks count, and a letter with
    a combining accent is two.

    The arguments are those of `exact_match`.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Example:

    >>> round(character_error_rate(["kitten"], ["sitting"]).value, 1)  # 3 of 7
    42.9
    """
    return _error_rate("character", hypotheses, references, bootstrap, seed)


def phone_error_rate(hypotheses, references, bootstrap=0, seed=12345):
    """Edits of phones per reference phone, against the nearest pronunciation.

    As `word_error_rate`, on pronunciations written as phones between blanks.
    Stress marks are part of a phone: take them off first if they do not matter.

    The arguments are those of `exact_match`.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Example:

    >>> accepted = ["T AH M EY T OW", "T AH M AA T OW"]
    >>> round(phone_error_rate(["T AH M AA D OW"], [accepted]).value, 1)  # 1 of 6
    16.7
    """
    return _error_rate("phone", hypotheses, references, bootstrap, seed)


ERROR_RATES = (word_error_rate, character_error_rate, phone_error_rate)
METRICS: dict[str, Callable[..., Score]] = {
    metric.__name__: metric for metric in (bleu, chrf, ter, exact_match, *ERROR_RATES)
}


def higher_is_better(name):
    """Whether a larger score of this metric, a name in `METRICS`, is the better.

    Example:

    >>> higher_is_better("bleu"), higher_is_better("phone_error_rate")
    (True, False)
    """
    _check_metric(name)
    return METRICS[name] is not ter and METRICS[name] not in ERROR_RATES


def evaluate(
    hypotheses, references, metrics=("bleu", "chrf"), bootstrap=0, seed=12345
) -> dict[str, Score]:
    """Several scores of the same hypotheses.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        metrics: Names in `METRICS`, or one of them.
        bootstrap: Number of resamples for the confidence intervals, or 0.
        seed: Seed of the resampling.

    Returns:
        A dict from metric name to `Score`, in the order of `metrics`.

    Raises:
        ValueError: If a metric is not known; and as in `bleu`.

    Example:

    >>> evaluate(["a cat"], ["a cat"], ["exact_match", "ter"])["ter"].value
    0.0
    """
    names = [metrics] if isinstance(metrics, str) else metrics
    for name in names:
        _check_metric(name)
    return {
        name: METRICS[name](hypotheses, references, bootstrap, seed) for name in names
    }


def edit_distance(first: Sequence, second: Sequence) -> int:
    """Fewest insertions, deletions and replacements that make one the other.

    For two sequences of hashable symbols: strings, lists of words. The usual table
    is gone through column by column, each as the bits of two integers: which cells
    are one more, and which one less, than the cell above them.

    Example:

    >>> edit_distance("kitten", "sitting")
    3
    >>> edit_distance(["a", "dog"], ["a", "big", "dog"])
    1

    Reference:
        [Myers, 1999](https://doi.org/10.1145/316542.316550), in the form that
        [Hyyrö, 2003](http://www.stringology.org/event/2002/p6.html) gives it for
        whole sequences.
    """
    if not first:
        return len(second)
    places = {}
    for position, symbol in enumerate(first):
        places[symbol] = places.get(symbol, 0) | 1 << position
    every, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    # Vertical differences of +1 and -1; the first column counts up from 0.
    rise, fall, distance = every, 0, len(first)
    for symbol in second:
        equal = places.get(symbol, 0)
        diagonal = (((equal & rise) + rise) ^ rise) | equal | fall
        across_rise = fall | (every & ~(diagonal | rise))
        across_fall = rise & diagonal
        distance += bool(across_rise & last) - bool(across_fall & last)
        across_rise, across_fall = across_rise << 1 | 1, across_fall << 1
        rise = every & (across_fall | ~(diagonal | across_rise))
        fall = every & across_rise & diagonal
    return distance


def _error_rate(unit, hypotheses, references, bootstrap, seed):
    """Summed edits to the nearest references over their summed length."""
    references = _check(hypotheses, references, bootstrap)
    split = list if unit == "character" else str.split
    counts = []
    for hypothesis, accepted in zip(hypotheses, references, strict=True):
        symbols = split(hypothesis)
        # The longest of the nearest, so that their order does not matter.
        edits, minus_length = min(
            (edit_distance(symbols, reference), -len(reference))
            for reference in map(split, accepted)
        )
        counts.append((edits, -minus_length))
    setting = f"refs:nearest|case:mixed|unit:{unit}"
    return _ratio(f"{unit}_error_rate", setting, counts, references, bootstrap, seed)


def _ratio(name, setting, counts, references, bootstrap, seed):
    """Score of the summed numerators over the summed denominators, in percent."""
    counts = np.array(counts)  # (sentences, 2)
    interval = None
    numbers = {len(accepted) for accepted in references}
    signature = [f"nrefs:{numbers.pop() if len(numbers) == 1 else 'var'}"]
    if bootstrap:
        random = np.random.default_rng(seed)
        resamples = [
            _percent(counts[random.integers(len(counts), size=len(counts))])
            for _ in range(bootstrap)
        ]
        low, high = np.percentile(resamples, [2.5, 97.5])
        interval = float(low), float(high)
        signature += [f"bs:{bootstrap}", f"seed:{seed}"]
    signature += [setting, f"kseq2seq:{_version()}"]
    return Score(name, _percent(counts), "|".join(signature), interval)


def _percent(counts):
    numerator, denominator = counts.sum(axis=0).tolist()
    if denominator == 0:  # nothing but empty references, as in sacreBLEU's TER
        return 100.0 if numerator else 0.0
    return 100 * numerator / denominator


def _score_with_sacrebleu(metric, hypotheses, references, bootstrap, seed):
    references = _check(hypotheses, references, bootstrap)
    # The first reference of every sentence, then the second of every sentence, and
    # so on, with None where a sentence has no more.
    streams = list(zip_longest(*references))
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
def _sacrebleu_seed(seed):
    """Give sacreBLEU its seed, which it takes from the environment alone."""
    name = "SACREBLEU_SEED"
    before = {name: os.environ[name]} if name in os.environ else {}
    os.environ[name] = str(seed)
    try:
        yield
    finally:
        del os.environ[name]
        os.environ.update(before)


def _check(hypotheses, references, bootstrap):
    """Check what every metric receives; return references as lists of strings."""
    if isinstance(hypotheses, str) or isinstance(references, str):
        raise ValueError(
            "Hypotheses and references must be lists, even for one sentence. "
            f"Received: hypotheses={hypotheses!r}, references={references!r}"
        )
    if not 0 < len(hypotheses) == len(references):
        raise ValueError(
            "There must be hypotheses, and as many entries in `references`. Received: "
            f"{len(hypotheses)} hypotheses, {len(references)} references"
        )
    if not isinstance(bootstrap, int) or bootstrap < 0 or bootstrap == 1:
        raise ValueError(
            "`bootstrap` must be 0, for no interval, or a number of resamples of at "
            f"least 2. Received: bootstrap={bootstrap!r}"
        )
    references = [[x] if isinstance(x, str) else list(x) for x in references]
    for number, texts in enumerate(zip(hypotheses, references, strict=True), 1):
        hypothesis, accepted = texts
        if not accepted or not all(isinstance(x, str) for x in [hypothesis, *accepted]):
            raise ValueError(
                "Every sentence must have one hypothesis and at least one reference, "
                f"strings all. Received, for sentence {number}: "
                f"hypothesis={hypothesis!r}, references={accepted!r}"
            )
    return references


def _check_metric(name):
    if name not in METRICS:
        raise ValueError(
            f"There is no metric of that name; there are {', '.join(METRICS)}. "
            f"Received: {name!r}"
        )


def _version():
    try:
        return metadata.version("kseq2seq")
    except metadata.PackageNotFoundError:  # run from a checkout, not installed
        return "unknown"
