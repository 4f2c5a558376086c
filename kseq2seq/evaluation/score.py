"""A corpus score with its signature, and what all metrics of this package share."""

import functools
import logging
from collections.abc import Sequence
from importlib import metadata
from typing import NamedTuple, TypeAlias

from kseq2seq.utils import check_integer, is_blank

_logger = logging.getLogger("kseq2seq")
# The references of all sentences: each a string, or several accepted ones.
References: TypeAlias = Sequence[str | Sequence[str]]
DEFAULT_SEED = 12345


class Score(NamedTuple):
    """One corpus score; printed as sacreBLEU prints its own, on one line.

    Attributes:
        name: Name of the metric.
        value: The score, in percent.
        signature: The settings needed to repeat it, `key:value` parts between `|`.
        interval: `(low, high)`, the 95 % bootstrap confidence interval, or `None`.
    """

    name: str
    value: float
    signature: str
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        line = f"{self.name}|{self.signature} = {_rounded(self.value)}"
        if self.interval is None:
            return line
        low, high = map(_rounded, self.interval)
        return f"{line} (95 % between {low} and {high})"


def _rounded(value: float) -> str:
    # What lies just below 0 rounds to -0.0, and -0.0 + 0.0 is 0.0.
    return f"{round(value, 2) + 0.0:.2f}"


def check_texts(
    hypotheses: Sequence[str], references: References, bootstrap: int
) -> list[list[str]]:
    """Checks the arguments that all metrics have.

    Blank references are scored as they are, as sacreBLEU does, and reported by a
    warning of the logger "kseq2seq".

    Args:
        hypotheses: See `bleu`.
        references: See `bleu`.
        bootstrap: See `bleu`.

    Returns:
        The references, each a list of strings.

    Raises:
        ValueError: If an argument is not as `bleu` describes it.
    """
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
    if check_integer("bootstrap", bootstrap, least=0) == 1:
        raise ValueError(
            "`bootstrap` must be 0, for no interval, or a number of resamples of at "
            f"least 2. Received: bootstrap={bootstrap!r}"
        )
    lists = [
        [accepted] if isinstance(accepted, str) else list(accepted)
        for accepted in references
    ]
    for number, texts in enumerate(zip(hypotheses, lists, strict=True), 1):
        hypothesis, accepted = texts
        if not accepted or not all(
            isinstance(text, str) for text in (hypothesis, *accepted)
        ):
            raise ValueError(
                "Every sentence must have one hypothesis and at least one reference, "
                f"strings all. Received, for sentence {number}: "
                f"hypothesis={hypothesis!r}, references={accepted!r}"
            )
    blank = [
        number
        for number, accepted in enumerate(lists, 1)
        if any(map(is_blank, accepted))
    ]
    if blank:
        _warn_of_blank(len(blank), len(lists), blank[0])
    return lists


# Cached, so that the same references give one warning, not one for each metric and
# epoch.
@functools.lru_cache(maxsize=128)
def _warn_of_blank(count: int, total: int, first: int) -> None:
    _logger.warning(
        "%d of %d sentences have a blank reference, which no translation matches; the "
        "first is number %d. Leave such sentences out, or look whether the lines of "
        "the references fit those of the sources.",
        count,
        total,
        first,
    )


def ratio_score(
    name: str,
    settings: str,
    counts: Sequence[tuple[int, int]],
    references: Sequence[Sequence[str]],
    bootstrap: int,
    seed: int,
) -> Score:
    """Score of the summed numerators over the summed denominators, in percent.

    Args:
        name: Name of the metric.
        settings: Its part of the signature.
        counts: Numerator and denominator of each sentence.
        references: The references of each sentence.
        bootstrap: Number of resamples, or 0. The interval runs from the 2.5th to the
            97.5th percentile of their scores.
        seed: Seed of the resampling.

    Returns:
        The `Score`.

    Example:

    >>> counts, references = [(1, 2), (1, 2)], [["a"], ["b"]]
    >>> score = ratio_score("half", "case:mixed", counts, references, 0, 1)
    >>> score.value, score.signature.split("|")[:2]
    (50.0, ['nrefs:1', 'case:mixed'])
    """
    import numpy as np  # the command names the metrics in its help, without it

    pairs = np.array(counts)  # (sentences, 2)
    interval = None
    numbers = {len(accepted) for accepted in references}
    signature = [f"nrefs:{numbers.pop() if len(numbers) == 1 else 'var'}"]
    if bootstrap:
        random = np.random.default_rng(seed)
        resamples = [
            _percent(pairs[random.integers(len(pairs), size=len(pairs))])
            for _ in range(bootstrap)
        ]
        low, high = np.percentile(resamples, [2.5, 97.5])
        interval = float(low), float(high)
        signature += [f"bs:{bootstrap}", f"seed:{seed}"]
    signature += [settings, f"kseq2seq:{_version()}"]
    return Score(name, _percent(pairs), "|".join(signature), interval)


def _percent(counts):
    numerator, denominator = counts.sum(axis=0).tolist()
    if denominator == 0:  # nothing but empty references, as in sacreBLEU's TER
        return 100.0 if numerator else 0.0
    return 100 * numerator / denominator


def _version():
    try:
        return metadata.version("kseq2seq")
    except metadata.PackageNotFoundError:  # run from a checkout, not installed
        return "unknown"
