"""Callback that keeps a training in its run folder."""

import csv
import io
import json
import math
import re
from pathlib import Path

import keras

from kseq2seq import plots
from kseq2seq.losses import MaskedCrossentropy as _MaskedCrossentropy
from kseq2seq.losses import SampledCrossentropy as _SampledCrossentropy
from kseq2seq.optimizers import Adam as _Adam
from kseq2seq.runs import HISTORY_FILE, MODEL_FILE, save_model
from kseq2seq.utils import write_text

TABLE_FILE, CURVES_FILE = "history.csv", "curves.png"

CHECKPOINTS = "checkpoint-*.keras"

# What a checkpoint holds has to be imported before it is loaded.
_IN_CHECKPOINTS = _Adam, _MaskedCrossentropy, _SampledCrossentropy

# What a kill may leave of a file that was being written beside its place.
HALF_WRITTEN = re.compile(r"\..+\.\d+(\.keras)?")


class RunFolder(keras.callbacks.Callback):
    """Keeps a training in a folder, so that it can be killed and resumed.

    After each epoch the folder holds `model.keras`, the best model so far;
    `checkpoint-N.keras`, the last one with its optimizer; the history as JSON,
    CSV and a picture. Every file is written beside and renamed, and the history,
    written after the models, names the checkpoint it belongs to: a kill at any
    moment leaves a whole epoch to go on from.

    An epoch whose loss is no finite number leaves the folder as it was and stops
    the training: `diverged` is then true.

    Args:
        folder: Path of the run folder.
        monitor: Name of the log that tells which epoch is best.
        higher_is_better: Whether more of it is better.
        patience: Number of epochs without a better one after which training
            stops; `None` for never.

    Raises:
        ValueError: If the epoch's logs lack `monitor`.
    """

    def __init__(self, folder, monitor, higher_is_better, patience=None):
        super().__init__()
        self.folder = Path(folder)
        self.monitor = monitor
        self.higher_is_better = higher_is_better
        self.patience = patience
        self.history = []
        self.diverged = False

    @property
    def num_epochs(self):
        """Number of epochs that the folder has seen."""
        return len(self.history)

    @property
    def best_epoch(self):
        """Index of the best epoch so far, the first of equals, or `None`."""
        sign = 1 if self.higher_is_better else -1
        scored = [
            (sign * row[self.monitor], -index)
            for index, row in enumerate(self.history)
            if math.isfinite(row.get(self.monitor, math.nan))
        ]
        return -max(scored)[1] if scored else None

    def restore(self):
        """Reads the history of an earlier training in the folder.

        Returns:
            The model as it was after the last whole epoch, compiled; `None` if no
            epoch was finished.
        """
        for path in self.folder.glob(".*"):
            if HALF_WRITTEN.fullmatch(path.name):
                path.unlink()
        if not (self.folder / HISTORY_FILE).is_file():
            return None
        saved = _read_history(self.folder)
        self.history = saved["epochs"]
        return keras.saving.load_model(self.folder / saved["checkpoint"])

    def is_done(self):
        """Whether `patience` epochs have gone by without a better one."""
        if self.patience is None or self.best_epoch is None:
            return False
        return self.num_epochs - 1 - self.best_epoch >= self.patience

    def on_epoch_end(self, epoch, logs=None):
        if self.monitor not in logs:
            raise ValueError(
                f"`monitor` must be among the epoch's logs: {', '.join(logs)}. "
                f"Received: monitor={self.monitor!r}"
            )
        if not math.isfinite(logs.get("loss", 0.0)):
            self.diverged = self.model.stop_training = True
            return
        self.history.append({name: float(value) for name, value in logs.items()})
        if self.best_epoch == self.num_epochs - 1:
            save_model(self.model, self.folder / MODEL_FILE)
        checkpoint = f"checkpoint-{self.num_epochs}.keras"
        save_model(self.model, self.folder / checkpoint)
        saved = {
            "checkpoint": checkpoint,
            "epochs": [_as_json(x) for x in self.history],
        }
        text = json.dumps(saved, indent=1, allow_nan=False) + "\n"
        write_text(self.folder / HISTORY_FILE, text)
        for old in self.folder.glob(CHECKPOINTS):
            if old.name != checkpoint:
                old.unlink()
        write_text(self.folder / TABLE_FILE, self._table())
        curves = plots.training_curves(read_history(self.folder))
        plots.save(curves, self.folder / CURVES_FILE)
        if self.is_done():
            self.model.stop_training = True

    def _table(self):
        text = io.StringIO()
        names = dict.fromkeys(name for row in self.history for name in row)
        writer = csv.DictWriter(text, ["epoch", *names], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {"epoch": index + 1, **row} for index, row in enumerate(self.history)
        )
        return text.getvalue()


def read_history(folder):
    """The history that a training has left in its run folder.

    Args:
        folder: Path of the run folder.

    Returns:
        A dict from name to one number an epoch, NaN where there is none.

    Raises:
        FileNotFoundError: If the folder holds no history.
    """
    rows = _read_history(folder)["epochs"]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name, math.nan) for row in rows] for name in names}


def _read_history(folder):
    path = Path(folder) / HISTORY_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file; only a training that has finished an epoch "
            "leaves a history."
        )
    saved = json.loads(path.read_text(encoding="utf-8"))
    for row in saved["epochs"]:
        row.update({name: math.nan for name, value in row.items() if value is None})
    return saved


def _as_json(row):
    """An epoch's logs without NaN and infinity, which JSON does not have."""
    return {name: x if math.isfinite(x) else None for name, x in row.items()}
