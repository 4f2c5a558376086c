"""The folder of the model that a verb was given, before anything slow."""

from pathlib import Path

from kseq2seq.presets import find_preset, is_preset_name
from kseq2seq.runs import (
    MODEL_FILE,
    SAVED_MODEL_FILE,
    SETTINGS_FILE,
    find_saved_model,
    is_run_folder,
)


def find_model(path: str) -> Path:
    """The folder of a model.

    Args:
        path: Path of a run folder or a SavedModel, or the name of a preset, which is
            downloaded if it must be. A folder of the name comes first.

    Returns:
        The `Path` of the folder.

    Raises:
        OSError: If a preset cannot be had.
        ValueError: If the path is neither, or a preset is damaged.
    """
    if is_preset_name(path):
        return find_preset(path)
    folder = Path(path)
    if is_run_folder(folder) or find_saved_model(folder) is not None:
        return folder
    raise _no_model(
        path,
        f"a run folder, in which is {MODEL_FILE}, a SavedModel, in which is "
        f"{SAVED_MODEL_FILE}, or a preset, dates or hf://USER/NAME",
    )


def _no_model(path: str, wanted: str) -> ValueError:
    """The error for what is no model."""
    folder = Path(path)
    if (folder / SETTINGS_FILE).is_file() and not is_run_folder(folder):
        return ValueError(
            f"{path} holds a training that was stopped ahead of its first model: go on "
            "with 'kseq2seq train ... --resume'."
        )
    wrong = "holds no model" if folder.is_dir() else "is no folder"
    return ValueError(f"{path} {wrong}: give {wanted}.")


def find_run_folder(path: str, purpose: str) -> Path:
    """The run folder of a model.

    Args:
        path: Its path, or the name of a preset.
        purpose: Aim of the verb, such as "to draw".

    Returns:
        The `Path` of the folder.

    Raises:
        OSError: If a preset cannot be had.
        ValueError: If it is none.
    """
    folder = find_model(path)
    if not is_run_folder(folder):
        raise ValueError(
            f"{path} is a SavedModel: give the run folder that it came from {purpose}."
        )
    return folder


def find_served_model(path: str, purpose: str) -> Path:
    """The folder of a SavedModel.

    Args:
        path: Its path.
        purpose: Aim of the verb, such as "to serve".

    Returns:
        The `Path` of the folder.

    Raises:
        ValueError: If it is none.
    """
    if is_preset_name(path) or is_run_folder(path):
        kind = "preset" if is_preset_name(path) else "run folder"
        raise ValueError(
            f"{path} is a {kind}: give the SavedModel that 'kseq2seq export {path}' "
            f"writes {purpose}."
        )
    folder = Path(path)
    if find_saved_model(folder) is None:
        wanted = f"a SavedModel, in which is {SAVED_MODEL_FILE}, {purpose}"
        raise _no_model(path, wanted)
    return folder
