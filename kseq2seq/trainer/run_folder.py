"""Callback that keeps a training in its run folder."""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import keras

import kseq2seq.trainer.schedules  # noqa: F401  # checkpoints hold them
from kseq2seq import plots
from kseq2seq.callbacks import AveragedWeights
from kseq2seq.models import has_nan, load_model
from kseq2seq.runs import (
    CURVES_FILE,
    HISTORY_FILE,
    MODEL_FILE,
    History,
    average_best_weights,
    hold,
    is_whole_model,
    load_history,
    load_step_checkpoint,
    ranked_epochs,
    read_history,
    release,
    remove_incomplete,
    remove_other_best_weights,
    remove_other_checkpoints,
    save_best_weights,
    save_checkpoint,
    save_model,
    write_history,
)
from kseq2seq.trainer.progress import Progress, set_random_state
from kseq2seq.utils import PathLike, check_integer


class RunFolder(keras.callbacks.Callback):
    """Keeps a training in a folder, so that it can be killed and resumed.

    After each epoch the folder holds `model.keras`, the best model so far;
    `checkpoint-N.keras`, the last one with its optimizer; the history as JSON,
    CSV and a picture. Every file is written beside its place and renamed, and the
    history, written after the models, names the checkpoint it belongs to: a kill at any
    moment leaves a whole epoch to go on from, or a step inside of the next one where
    `StepCheckpoints` stands before this callback.

    An epoch whose loss is no finite number, or behind which a weight is NaN, leaves
    the folder as it was and stops the training: `diverged` is then true.

    Args:
        folder: Path of the run folder; made if it is not there.
        monitor: Name of the log that tells which epoch is best.
        higher_is_better: Whether more of it is better.
        patience: Number of epochs without a better one after which training
            stops; `None` for never.
        average_best: Number of best epochs whose weights are kept in the folder, for
            `keep_average`; 0 for none.
        averaged: The `AveragedWeights` before this callback, if there is one: the best
            model then has the average, the checkpoint the weights of the training.

    Attributes:
        history: List of the logs of each epoch, dicts from name to number.
        diverged: Whether the loss was no finite number, or a weight NaN.
        state: Of a training that was restored: the `Progress.state` to go on from;
            empty where it is not known.
        progress: The `Progress` before this callback, whose state is written beside
            checkpoints; `None` without.
        average: The result of `keep_average`, as in `kseq2seq.runs.History`, or `None`.

    Raises:
        ValueError: If `patience` is no positive integer, `average_best` is negative,
            the folder holds epochs that were not restored when training begins,
            another process trains in it, or the epoch's logs lack `monitor`. The epoch
            is then kept, so that a training with another `monitor` goes on behind it.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile("adam", loss="mse")
    >>> callback = RunFolder(tempfile.mkdtemp(), "loss", higher_is_better=False)
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[callback])
    >>> callback.num_epochs, callback.best_epoch
    (1, 0)
    """

    def __init__(
        self,
        folder: PathLike,
        monitor: str,
        higher_is_better: bool,
        patience: int | None = None,
        average_best: int = 0,
        averaged: AveragedWeights | None = None,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.monitor = monitor
        self.higher_is_better = higher_is_better
        self.patience = check_integer("patience", patience, least=1, optional=True)
        self.average_best = check_integer("average_best", average_best)
        self.averaged = averaged
        self.history: list[dict[str, float]] = []
        self.diverged = False
        self.average: dict[str, Any] | None = None
        self.state: dict[str, Any] = {}
        self.progress: Progress | None = None

    @property
    def num_epochs(self) -> int:
        """Number of epochs that the folder has seen."""
        return len(self.history)

    @property
    def best_epoch(self) -> int | None:
        """Index of the best epoch so far, as `runs.ranked_epochs` ranks, or `None`."""
        return next(iter(self._ranked()), None)

    def _ranked(self) -> list[int]:
        return ranked_epochs(self.history, self.monitor, self.higher_is_better)

    def restore(self) -> Any:
        """Reads the history of an earlier training in the folder.

        Of a damaged checkpoint inside of an epoch the log warns, and the one before it
        is taken.

        Returns:
            The `keras.Model` as it was at the newest checkpoint, behind the last whole
            epoch or inside of the next one, compiled; `None` if there is none.

        Raises:
            ValueError: If the history, or the checkpoint behind the last whole epoch,
                is damaged or missing.
        """
        path, state = None, None
        if (self.folder / HISTORY_FILE).is_file():
            former = load_history(self.folder)
            self.history, self.average = former.epochs, former.average
            path, state = self.folder / former.checkpoint, former.state
        # Others may be left, of data that had more batches an epoch.
        inside = load_step_checkpoint(self.folder, epoch=self.num_epochs)
        if inside is not None:
            path, state = inside
        elif path is None:
            return None
        elif not is_whole_model(path):
            raise ValueError(
                f"{path} must be the checkpoint behind the last epoch. Received: "
                f"{'a damaged file' if path.is_file() else 'no file'}. Begin another "
                f"training with the best model, by --from {self.folder} and --run, or "
                "start anew with --fresh."
            )
        self.state = state or {}
        model = load_model(path)
        if self.state:
            set_random_state(model, self.state["random"])
        return model

    def is_done(self) -> bool:
        """Whether `patience` epochs have gone by without a better one."""
        if self.patience is None or self.best_epoch is None:
            return False
        return self.num_epochs - 1 - self.best_epoch >= self.patience

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Makes the folder, and refuses to write over another training in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        hold(self.folder)
        there = (self.folder / HISTORY_FILE).is_file()
        num_epochs = len(load_history(self.folder).epochs) if there else 0
        if num_epochs > self.num_epochs:
            release(self.folder)
            raise ValueError(
                "`folder` must hold no training but the one that goes on. Train the "
                "model that `restore` returns, with initial_epoch=num_epochs, name "
                f"another folder, or delete this one. Received: {self.folder}, with a "
                f"{HISTORY_FILE} of {num_epochs} epochs, and here num_epochs="
                f"{self.num_epochs}"
            )
        remove_incomplete(self.folder)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Lets other processes train in the folder."""
        release(self.folder)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes what the epoch has changed.

        Args:
            epoch: Index of the epoch.
            logs: Dict from name to number.
        """
        logs = logs or {}
        model: Any = self.model
        # The last step may be the one that diverges: its loss is that of before.
        if not math.isfinite(logs.get("loss", 0.0)) or has_nan(model):
            self.diverged = model.stop_training = True
            return
        self.history.append({name: float(value) for name, value in logs.items()})
        is_scored = self.monitor in logs
        # Of the first one the best is known without a score.
        ranked = self._ranked() if is_scored else [0]
        if self.num_epochs - 1 in ranked[: self.average_best]:
            weights = [keras.ops.convert_to_numpy(x) for x in model.trainable_variables]
            save_best_weights(weights, self.folder, self.num_epochs)
        if ranked[:1] == [self.num_epochs - 1]:
            save_model(model, self.folder / MODEL_FILE)
        with self.averaged.own_weights() if self.averaged else nullcontext():
            checkpoint = save_checkpoint(model, self.folder, self.num_epochs)
            state = self.progress.state() if self.progress else None
        write_history(self.folder, History(self.history, checkpoint, state=state))
        remove_other_checkpoints(self.folder, checkpoint)
        if not is_scored:
            raise ValueError(
                f"`monitor` must be among the epoch's logs: {', '.join(logs)}. Name "
                "one of them, and train the model that `restore` returns: the epoch is "
                f"in {self.folder}. Received: monitor={self.monitor!r}"
            )
        best = ranked[: self.average_best]
        remove_other_best_weights(self.folder, [index + 1 for index in best])
        curves = plots.training_curves(read_history(self.folder))
        plots.save(curves, self.folder / CURVES_FILE)
        if self.is_done():
            model.stop_training = True

    def keep_average(
        self, model: Any, score: Callable[[Any], Mapping[str, float]]
    ) -> None:
        """Averages the best epochs' weights, and keeps them if they score better.

        It is called when training has ended. A kill in between leaves what it takes to
        do it again; afterwards the weights of single epochs are gone.

        Args:
            model: The `keras.Model` that was trained; it has the average then.
            score: Function from the model to its scores, `monitor` among them.

        Reference:
            [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), section 6.1, who
            average the last checkpoints.
        """
        best = sorted(index + 1 for index in self._ranked()[: self.average_best])
        if self.average is None and len(best) > 1:
            means = average_best_weights(self.folder, best)
            for variable, mean in zip(model.trainable_variables, means, strict=True):
                variable.assign(mean)
            scores = {name: float(value) for name, value in score(model).items()}
            former = self.history[self._ranked()[0]][self.monitor]
            gain = scores[self.monitor] - former
            kept = gain > 0 if self.higher_is_better else gain < 0
            if kept:
                save_model(model, self.folder / MODEL_FILE)
            self.average = {"epochs": best, "scores": scores, "kept": kept}
            history = load_history(self.folder)._replace(average=self.average)
            write_history(self.folder, history)
        remove_other_best_weights(self.folder, ())
