"""Section [scheduled_sampling] of the settings of a training."""

import dataclasses

from kseq2seq.models import SAMPLING_SCHEDULES, ScheduledSampling
from kseq2seq.trainer.schema import boolean, choice, integer, number, setting


@dataclasses.dataclass(frozen=True)
class ScheduledSamplingSettings:
    """Section [scheduled_sampling]: predictions that the decoder reads in training."""

    schedule: str = setting(
        "none",
        choice(("none", *SAMPLING_SCHEDULES)),
        "Schedule of the share of tokens that are replaced by predictions; none for a "
        "decoder that reads only true tokens",
    )
    probability: float = setting(
        0.25, number(below=1), "Share of the tokens that are replaced at the end"
    )
    steps: int = setting(
        1000, integer(1), "Constant of the schedule: of linear the steps to its end"
    )
    draws: bool = setting(
        False,
        boolean(),
        "Whether predictions are drawn from the model's probabilities; if not, they "
        "are the most probable tokens",
    )


def make_scheduled_sampling(
    settings: ScheduledSamplingSettings, seed: int
) -> ScheduledSampling | None:
    """The scheduled sampling of a training; `None` if there is none.

    Args:
        settings: The section.
        seed: Seed of all that is drawn.

    Example:

    >>> make_scheduled_sampling(ScheduledSamplingSettings(), seed=1) is None
    True
    """
    if settings.schedule == "none":
        return None
    return ScheduledSampling(
        settings.schedule, settings.probability, settings.steps, settings.draws, seed
    )
