"""Checks of the path that a verb was given, before anything slow."""

from pathlib import Path

from kseq2seq.runs import MODEL_FILE, SAVED_MODEL_FILE, find_saved_model, is_run_folder


def check_model(path: Path) -> None:
    """Checks that a path is a run folder or a SavedModel.

    Args:
        path: The path.

    Raises:
        ValueError: If it is neither.
    """
    if is_run_folder(path) or find_saved_model(path) is not None:
        return
    wrong = "holds no model" if path.is_dir() else "is no folder"
    raise ValueError(
        f"{path} {wrong}: give a run folder, in which is {MODEL_FILE}, or a "
        f"SavedModel, in which is {SAVED_MODEL_FILE}."
    )


def check_run_folder(path: Path, purpose: str) -> None:
    """Checks that a path is a run folder.

    Args:
        path: The path.
        purpose: Aim of the verb, such as "to draw".

    Raises:
        ValueError: If it is none.
    """
    check_model(path)
    if not is_run_folder(path):
        raise ValueError(
            f"{path} is a SavedModel: give the run folder that it came from {purpose}."
        )


def check_saved_model(path: Path, purpose: str) -> None:
    """Checks that a path is a SavedModel.

    Args:
        path: The path.
        purpose: Aim of the verb, such as "to serve".

    Raises:
        ValueError: If it is none.
    """
    check_model(path)
    if is_run_folder(path):
        raise ValueError(
            f"{path} is a run folder: give the SavedModel that 'kseq2seq export "
            f"{path}' writes {purpose}."
        )
