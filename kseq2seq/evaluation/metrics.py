"""The table of metrics: name, function, label and direction."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from kseq2seq.evaluation.corpus import bleu, chrf, exact_match, ter
from kseq2seq.evaluation.edit_rates import (
    character_error_rate,
    phone_error_rate,
    word_error_rate,
)
from kseq2seq.evaluation.score import DEFAULT_SEED, References, Score
from kseq2seq.utils import check_choice


class Metric(NamedTuple):
    """A metric of a corpus, as commands, callbacks and figures use it.

    Attributes:
        function: Function `(hypotheses, references, bootstrap, seed)` that returns a
            `Score`; see `bleu`.
        label: Its name in figures.
        higher_is_better: Whether a larger score is the better one.
    """

    function: Callable[..., Score]
    label: str
    higher_is_better: bool


# Add a metric here, or from outside: `METRICS["name"] = Metric(...)`.
METRICS = {
    "bleu": Metric(bleu, "BLEU", True),
    "chrf": Metric(chrf, "chrF", True),
    "ter": Metric(ter, "TER", False),
    "exact_match": Metric(exact_match, "exact match", True),
    "word_error_rate": Metric(word_error_rate, "word error rate", False),
    "character_error_rate": Metric(character_error_rate, "character error rate", False),
    "phone_error_rate": Metric(phone_error_rate, "phone error rate", False),
}
DEFAULT_METRICS = ("bleu", "chrf")


def check_metrics(names: str | Sequence[str]) -> list[str]:
    """Checks names of metrics.

    Args:
        names: Names in `METRICS`, or one of them.

    Returns:
        The names as a list.

    Raises:
        ValueError: If there is no name, or one is not in `METRICS`.

    Example:

    >>> check_metrics("bleu")
    ['bleu']
    """
    names = [names] if isinstance(names, str) else list(names)
    if not names:
        raise ValueError(
            f"`metrics` must name at least one of {', '.join(METRICS)}. Received: none"
        )
    return [check_choice("metrics", name, METRICS) for name in names]


def evaluate(
    hypotheses: Sequence[str],
    references: References,
    metrics: str | Sequence[str] = DEFAULT_METRICS,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
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
    return {
        name: METRICS[name].function(hypotheses, references, bootstrap, seed)
        for name in check_metrics(metrics)
    }
