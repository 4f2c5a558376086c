"""Callbacks that count the steps of a training, and write checkpoints of steps."""

import logging
import math
import time
from collections.abc import Mapping
from typing import Any, cast

import keras

from kseq2seq.models import has_nan
from kseq2seq.runs import save_step_checkpoint
from kseq2seq.trainer.batches import TrainingBatches
from kseq2seq.utils import PathLike

_logger = logging.getLogger("kseq2seq")


class Progress(keras.callbacks.Callback):
    """Counts the steps of a training, and resumes it within an epoch.

    Keras begins each `fit` with a whole epoch. If an epoch was interrupted, this
    callback ends the first epoch of `fit` after the remaining steps, and adds the
    metrics of the steps before. Put it before all callbacks that read metrics or stop
    the training.

    Args:
        batches: The `TrainingBatches`; `fit` gets their dataset from `step` on.
        epoch: Number of whole epochs so far.
        state: The state to resume, as `state` returned it; empty to begin an epoch.

    Attributes:
        step: Number of steps so far, in all epochs.
        place: Place of the next batch in the data.
    """

    def __init__(
        self, batches: TrainingBatches, epoch: int, state: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.batches = batches
        steps = batches.steps_per_epoch
        self.step, self.place, self._metrics = epoch * steps, {}, []
        if state and state["steps_per_epoch"] != steps:
            _logger.warning(
                "The data have changed: epochs had %d batches, now %d. Going on at the "
                "beginning of epoch %d, in another order.",
                state["steps_per_epoch"],
                steps,
                epoch + 1,
            )
        elif state:
            self.step, self.place = state["step"], state["place"]
            self._metrics = state["metrics"]
        self._first, self._is_rest = self.step, self.step % steps > 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keeps the first step of the epoch, or of its remaining steps."""
        self._first = self.step

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Counts the step, and ends an interrupted epoch after its last one.

        Args:
            batch: Index of the batch in this part of the epoch.
            logs: Dict from name to number.
        """
        model: Any = self.model
        self.step = self._first + batch + 1
        if self._metrics:
            # Sums and counts of the steps before the interruption. Here, since Keras
            # makes the variables in the first step.
            for variable, value in zip(
                model.metrics_variables, self._metrics, strict=True
            ):
                variable.assign(variable + value)
            self._metrics = []
            if logs is not None:
                results = model.get_metrics_result()
                logs.update({name: float(x) for name, x in results.items()})
        if self._is_rest and self.step % self.batches.steps_per_epoch == 0:
            model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Lets `fit` go on with whole epochs."""
        if self._is_rest:
            model: Any = self.model
            model.stop_training = self._is_rest = False
        left_out = self.batches.left_out
        if left_out:
            counts = ", ".join(f"{n:,} {reason}" for reason, n in left_out.items())
            _logger.info("pairs left out so far: %s", counts)

    def state(self) -> dict[str, Any]:
        """The state of the training, as a dict for JSON."""
        model: Any = self.model
        steps = self.batches.steps_per_epoch
        inside = self.step % steps > 0
        return {
            "step": self.step,
            "epoch": self.step // steps,
            "steps_per_epoch": steps,
            "random": random_state(model),
            "metrics": _values(model.metrics_variables) if inside else [],
            "place": self.batches.place(self.step),
        }


class StepCheckpoints(keras.callbacks.Callback):
    """Writes checkpoints within epochs.

    None is written at the end of an epoch, when `RunFolder` writes one, or while the
    loss is not finite or a weight is NaN.

    Args:
        folder: Path of the run folder.
        progress: The `Progress` before this callback.
        steps: Number of steps from one to the next; 0 for none.
        minutes: Likewise, minutes.
        kept: Number of them that are kept, the newest ones.
    """

    def __init__(
        self,
        folder: PathLike,
        progress: Progress,
        steps: int = 0,
        minutes: float = 0.0,
        kept: int = 2,
    ) -> None:
        super().__init__()
        self.folder, self.progress, self.kept = folder, progress, kept
        self.steps, self.seconds = steps, 60 * minutes
        self._step, self._time = progress.step, time.monotonic()

    def on_train_batch_end(
        self, batch: int, logs: dict[str, Any] | None = None
    ) -> None:
        """Writes a checkpoint where it is time.

        Args:
            batch: Index of the batch.
            logs: Dict from name to number.
        """
        step = self.progress.step
        due = self.steps and step // self.steps > self._step // self.steps
        if self.seconds and time.monotonic() - self._time >= self.seconds:
            due = True
        # At the end of an epoch `RunFolder` writes a checkpoint.
        ends = step % self.progress.batches.steps_per_epoch == 0
        if not due and not ends:
            return
        self._step, self._time = step, time.monotonic()
        loss = float((logs or {}).get("loss", 0.0))
        if not ends and math.isfinite(loss) and not has_nan(cast(Any, self.model)):
            state = self.progress.state()
            save_step_checkpoint(self.model, self.folder, state, self.kept)


def random_state(model: Any) -> list[list[int]]:
    """The state of the random numbers of a model's layers, which Keras does not save.

    Args:
        model: The `keras.Model`.
    """
    return [[int(x) for x in values] for values in _values(_random_variables(model))]


def set_random_state(model: Any, state: list[list[int]]) -> None:
    """Sets the state of the random numbers of a model's layers.

    Args:
        model: The `keras.Model`.
        state: The result of `random_state`.
    """
    for variable, value in zip(_random_variables(model), state, strict=True):
        variable.assign(value)


def _random_variables(model: Any) -> list[Any]:
    others = {id(x) for x in (*model.weights, *model.metrics_variables)}
    return [x for x in model.variables if id(x) not in others]


def _values(variables: list[Any]) -> list[Any]:
    return [keras.ops.convert_to_numpy(x).tolist() for x in variables]
