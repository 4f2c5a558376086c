"""Checkpoints that a training writes inside of an epoch: a folder for each."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kseq2seq.runs.files import (
    MODEL_FILE,
    STEP_CHECKPOINTS,
    is_whole_model,
    numbered_paths,
)
from kseq2seq.utils import PathLike, atomic_folder, atomic_path, write_text

STATE_FILE = "state.json"
_logger = logging.getLogger("kseq2seq")


def save_step_checkpoint(
    model: Any, folder: PathLike, state: Mapping[str, Any], kept: int
) -> None:
    """Writes the model inside of an epoch, complete or not at all.

    A run folder without a model, as there is none before the end of the first epoch,
    has a copy of it as the best one so far.

    Args:
        model: The compiled `keras.Model`.
        folder: Path of the run folder.
        state: State of the training, of values that JSON has; `step` is the number of
            steps so far.
        kept: Number of checkpoints that stay, the newest ones. Those of more steps are
            deleted: they are of data that had longer epochs.
    """
    folder = Path(folder)
    place = folder / STEP_CHECKPOINTS.replace("*", str(state["step"]))
    # One of as many steps may be there, of data that had other epochs.
    with atomic_folder(place, replace=True) as beside:
        model.save(beside / MODEL_FILE)
        write_text(beside / STATE_FILE, json.dumps(state) + "\n")
    if not (folder / MODEL_FILE).is_file():
        with atomic_path(folder / MODEL_FILE) as beside:
            shutil.copyfile(place / MODEL_FILE, beside)
    remove_step_checkpoints(folder, after=state["step"])
    for path in _step_checkpoints(folder)[:-kept]:
        shutil.rmtree(path)


def has_step_checkpoint(folder: PathLike) -> bool:
    """Whether a run folder has a checkpoint inside of an epoch, which may be damaged.

    Args:
        folder: Path of the run folder, which need not exist.
    """
    return any(_has_files(path) for path in _step_checkpoints(folder))


def load_step_checkpoint(
    folder: PathLike, epoch: int | None = None
) -> tuple[Path, dict[str, Any]] | None:
    """The newest whole checkpoint of a run folder that was written inside of an epoch.

    Of each damaged one the log warns.

    Args:
        folder: Path of the run folder.
        epoch: Number of whole epochs before it; `None` for any.

    Returns:
        A tuple of the path of the model and the state; `None` if there is none.
    """
    for path in filter(_has_files, reversed(_step_checkpoints(folder))):
        model, state = path / MODEL_FILE, _read_state(path / STATE_FILE)
        if state is not None and epoch not in (None, state["epoch"]):
            continue
        if state is not None and is_whole_model(model):
            return model, state
        _logger.warning("%s is damaged: the checkpoint before it is taken", path)
    return None


def remove_step_checkpoints(folder: PathLike, after: int = 0) -> None:
    """Deletes checkpoints that were written inside of an epoch.

    Args:
        folder: Path of the run folder.
        after: Number of steps; those of no more of them stay.
    """
    for path in _step_checkpoints(folder):
        if _step_of(path) > after:
            shutil.rmtree(path)


def _step_checkpoints(folder: PathLike) -> list[Path]:
    """The paths in the order of their steps."""
    return [x for x in numbered_paths(folder, STEP_CHECKPOINTS) if x.is_dir()]


def _has_files(path: Path) -> bool:
    # A kill may leave one that was just being deleted.
    return (path / MODEL_FILE).is_file() and (path / STATE_FILE).is_file()


def _read_state(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None


def _step_of(path: Path) -> int:
    return int(path.name.rpartition("-")[2])
