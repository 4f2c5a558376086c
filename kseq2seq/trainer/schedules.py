"""Learning-rate schedules: one table, from the word of the settings to a function."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import keras
from keras import ops

from kseq2seq.utils import Tensor, check_integer

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule
LearningRate: TypeAlias = float | LearningRateSchedule


class Schedule(NamedTuple):
    """A kind of schedule.

    Attributes:
        make: Function from the learning rate, the number of steps in all and the number
            of steps of the warm-up to what an optimizer of Keras takes.
        has_end: Whether it depends on the number of steps in all, so that a training
            cannot be resumed for more of them.
        on_plateau: Whether the rate is reduced when the first of the metrics does not
            get better.
    """

    make: Callable[[float, int, int], LearningRate]
    has_end: bool
    on_plateau: bool = False


@keras.saving.register_keras_serializable(package="kseq2seq")
class WarmUp(LearningRateSchedule):
    """A rate that rises from 0 by a line, and then follows another schedule.

    Args:
        learning_rate: The rate at the end of the warm-up.
        warmup_steps: Number of steps of the warm-up.
        schedule: `LearningRateSchedule` for the steps behind, the first of which is its
            step 0; the rate stays as it is if `None`.

    Example:

    >>> rate = WarmUp(0.4, warmup_steps=4)
    >>> [round(float(rate(step)), 3) for step in (0, 1, 4, 9)]
    [0.0, 0.1, 0.4, 0.4]
    """

    def __init__(
        self,
        learning_rate: float,
        warmup_steps: int,
        schedule: LearningRateSchedule | None = None,
    ) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, least=1)
        self.schedule = schedule

    def __call__(self, step: Tensor) -> Tensor:
        """The rate at a step, a scalar of integer type; float32."""
        step = ops.cast(step, "float32")
        rate = ops.cast(self.learning_rate, "float32")
        after = rate
        if self.schedule is not None:
            after = self.schedule(ops.maximum(step - self.warmup_steps, 0))
        rising = rate * (step / self.warmup_steps)
        return ops.where(step < self.warmup_steps, rising, after)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "learning_rate": self.learning_rate,
            "warmup_steps": self.warmup_steps,
            "schedule": keras.saving.serialize_keras_object(self.schedule),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "WarmUp":
        """A schedule of what `get_config` returned."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(**{**config, "schedule": schedule})


@keras.saving.register_keras_serializable(package="kseq2seq")
class InverseSquareRoot(LearningRateSchedule):
    """A rate that falls with the root of the step.

    Args:
        learning_rate: The rate at step 0.
        steps: Number of steps; at step `3 * steps` the rate is half of it.

    Example:

    >>> rate = InverseSquareRoot(0.4, steps=10)
    >>> [round(float(rate(step)), 3) for step in (0, 30, 150)]
    [0.4, 0.2, 0.1]

    Reference:
        [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), section 5.3.
    """

    def __init__(self, learning_rate: float, steps: int) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.steps = check_integer("steps", steps, least=1)

    def __call__(self, step: Tensor) -> Tensor:
        """The rate at a step, a scalar of integer type; float32."""
        step = ops.cast(step, "float32")
        return self.learning_rate * ops.rsqrt(1 + step / self.steps)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"learning_rate": self.learning_rate, "steps": self.steps}


def constant(learning_rate: float, num_steps: int, warmup_steps: int) -> LearningRate:
    """The same rate in all steps behind the warm-up."""
    return WarmUp(learning_rate, warmup_steps) if warmup_steps else learning_rate


def cosine(learning_rate: float, num_steps: int, warmup_steps: int) -> LearningRate:
    """Half a cosine, to 0 at the last step.

    Reference:
        [Loshchilov & Hutter, 2017](https://arxiv.org/abs/1608.03983), equation 5,
        without restarts.
    """
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup_steps else learning_rate,
        max(1, num_steps - warmup_steps),
        warmup_target=learning_rate if warmup_steps else None,
        warmup_steps=warmup_steps,
    )


def linear(learning_rate: float, num_steps: int, warmup_steps: int) -> LearningRate:
    """A line, to 0 at the last step."""
    decay_steps = max(1, num_steps - warmup_steps)
    decay = keras.optimizers.schedules.PolynomialDecay(
        learning_rate, decay_steps, end_learning_rate=0.0
    )
    return WarmUp(learning_rate, warmup_steps, decay) if warmup_steps else decay


def inverse_square_root(
    learning_rate: float, num_steps: int, warmup_steps: int
) -> LearningRate:
    """The root of the number of steps, inverted.

    With a warm-up it is the schedule of Vaswani et al.: the full rate at the last step
    of the warm-up, half of it at four times that step. Without one it begins as if
    behind a warm-up of a thousand steps.
    """
    decay = InverseSquareRoot(learning_rate, warmup_steps or 1000)
    return WarmUp(learning_rate, warmup_steps, decay) if warmup_steps else decay


def plateau(learning_rate: float, num_steps: int, warmup_steps: int) -> LearningRate:
    """The rate that a `ReduceOnPlateau` begins with."""
    if warmup_steps:
        raise ValueError(
            "optimizer.warmup_steps must be 0 with optimizer.schedule = 'plateau', "
            "whose rate is a number that a callback lowers. Take the schedule "
            f"'inverse_square_root', or no warm-up. Received: {warmup_steps}"
        )
    return learning_rate


SCHEDULES = {
    "constant": Schedule(constant, has_end=False),
    "cosine": Schedule(cosine, has_end=True),
    "linear": Schedule(linear, has_end=True),
    "inverse_square_root": Schedule(inverse_square_root, has_end=False),
    "plateau": Schedule(plateau, has_end=False, on_plateau=True),
}
