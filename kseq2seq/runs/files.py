"""Files of a run folder: their names, the model and its tokenizers."""

import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kseq2seq.utils import PathLike, atomic_path, numbered_folders, write_text

if TYPE_CHECKING:
    from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer

# The translator, by `Translator.save` and by each better epoch of a training.
MODEL_FILE = "model.keras"
SOURCE_FILE, TARGET_FILE = "source.model", "target.model"
# Of a model with features alone.
FEATURES_FILE = "features.json"
# Written by `kseq2seq shortlist`.
SHORTLIST_FILE = "shortlist.npz"
# Of a `Transcriber` that reads waveforms.
LOG_MEL_FILE = "log_mel.json"
# Not in a run folder, but in the SavedModel that is exported from it: the graph, and
# what it does not tell, of which servers take no notice.
SAVED_MODEL_FILE = "saved_model.pb"
EXPORT_SETTINGS_FILE = Path("assets.extra", "kseq2seq.json")
# Written when a training begins.
SETTINGS_FILE, CONFIG_FILE = "settings.json", "config.json"
RECORD_FILE = "training.json"
# Written after each epoch, beside the checkpoint and, if asked for, TensorBoard's logs.
HISTORY_FILE, TABLE_FILE, CURVES_FILE = "history.json", "history.csv", "curves.png"
TENSORBOARD_FOLDER = "tensorboard"
# Written at the end of a training.
SCORES_FILE, TRANSLATIONS_FILE = "scores.json", "translations.txt"
COMPARISON_FILE = "translations.tsv"
ALIGNMENT_FILE = "alignment.png"

_FILES = (
    MODEL_FILE,
    SOURCE_FILE,
    TARGET_FILE,
    FEATURES_FILE,
    SHORTLIST_FILE,
    LOG_MEL_FILE,
    CONFIG_FILE,
    RECORD_FILE,
    HISTORY_FILE,
    TABLE_FILE,
    CURVES_FILE,
    SCORES_FILE,
    TRANSLATIONS_FILE,
    COMPARISON_FILE,
    ALIGNMENT_FILE,
    # The last one to be deleted: what lies about without it is of no training.
    SETTINGS_FILE,
)
# A number stands in the place of the star.
_CHECKPOINTS = "checkpoint-*.keras"
# Folders, each written inside of an epoch.
STEP_CHECKPOINTS = "checkpoint-step-*"
# Weights of the best epochs, until they are averaged.
_BEST_WEIGHTS = "best-*.npz"
# A kill may leave a file that was being written beside its place: a hidden one, with
# the number of its process in its name; or such a folder.
_INCOMPLETE = re.compile(r"\.(.+)\.\d+(\.\w+)?")
_INCOMPLETE_FOLDERS = ".incomplete-*"


def is_run_folder(path: PathLike) -> bool:
    """Whether a folder holds a model, as a training or `Translator.save` writes it.

    Args:
        path: Path of a folder, which need not exist.
    """
    return (Path(path) / MODEL_FILE).is_file()


def is_transcriber(path: PathLike) -> bool:
    """Whether a folder holds a model of frames, as of `kseq2seq.Transcriber`.

    Such a folder has a tokenizer of the target alone.

    Args:
        path: Path of a folder, which need not exist.
    """
    folder = Path(path)
    has_source = (folder / SOURCE_FILE).is_file()
    has_target = (folder / TARGET_FILE).is_file()
    return is_run_folder(folder) and has_target and not has_source


def find_saved_model(path: PathLike) -> Path | None:
    """The folder of the SavedModel at a path, the newest if there are versions.

    Args:
        path: Path of a SavedModel, or of a folder with versions of it.

    Returns:
        The `Path` that holds `saved_model.pb`; `None` if there is none.

    Example:

    >>> find_saved_model("no/such/folder") is None
    True
    """
    folders = [Path(path), *reversed(numbered_folders(path))]
    saved = (folder for folder in folders if (folder / SAVED_MODEL_FILE).is_file())
    return next(saved, None)


def save_model(model: Any, path: PathLike) -> None:
    """Writes a Keras model, complete or not at all.

    Args:
        model: The `keras.Model`.
        path: Path of the file, ending in `.keras`.
    """
    with atomic_path(path) as beside:
        model.save(beside)


def is_whole_model(path: PathLike) -> bool:
    """Whether a file of Keras is there, and every part of it as it was written.

    Args:
        path: Path of the `.keras` file.

    Raises:
        OSError: If it cannot be read.

    Example:

    >>> is_whole_model("no/such/model.keras")
    False
    """
    if not Path(path).is_file():
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
        return False


def save_tokenizers(
    folder: PathLike, source_tokenizer: "Tokenizer", target_tokenizer: "Tokenizer"
) -> None:
    """Writes both tokenizers into a run folder.

    Args:
        folder: Path of the run folder.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
    """
    source_tokenizer.save(Path(folder) / SOURCE_FILE)
    target_tokenizer.save(Path(folder) / TARGET_FILE)


def load_tokenizers(folder: PathLike) -> "tuple[Tokenizer, Tokenizer]":
    """Both tokenizers of a run folder.

    Args:
        folder: Path of the run folder.

    Returns:
        A tuple `(source, target)` of `kseq2seq.Tokenizer`s.

    Raises:
        FileNotFoundError: If one of them is missing.
    """
    from kseq2seq.tokenizers import Tokenizer  # starts TensorFlow

    source, target = Path(folder) / SOURCE_FILE, Path(folder) / TARGET_FILE
    if target.is_file() and not source.is_file():
        raise FileNotFoundError(
            f"`folder` must have a tokenizer of the source, {SOURCE_FILE}; one of a "
            "model of frames is loaded by `kseq2seq.Transcriber.load`. Received: "
            f"{folder}"
        )
    return Tokenizer.load(source), Tokenizer.load(target)


def save_features(folder: PathLike, features: "FeatureVocabulary | None") -> None:
    """Writes the vocabulary of features into a run folder, or takes one away.

    Args:
        folder: Path of the run folder.
        features: The `kseq2seq.FeatureVocabulary`; `None` for a model without features.
    """
    path = Path(folder) / FEATURES_FILE
    if features is None:
        path.unlink(missing_ok=True)
    else:
        features.save(path)


def load_features(folder: PathLike) -> "FeatureVocabulary | None":
    """The vocabulary of features of a run folder.

    Args:
        folder: Path of the run folder.

    Returns:
        A `kseq2seq.FeatureVocabulary`; `None` if the folder has none.

    Raises:
        ValueError: If the file cannot be read.
    """
    from kseq2seq.tokenizers import FeatureVocabulary  # starts TensorFlow

    path = Path(folder) / FEATURES_FILE
    return FeatureVocabulary.load(path) if path.is_file() else None


def save_log_mel(folder: PathLike, config: Mapping[str, Any] | None) -> None:
    """Writes how a run's model makes frames of waveforms, or takes it away.

    Args:
        folder: Path of the run folder.
        config: The config of the `kseq2seq.layers.LogMel`; `None` for a model without.
    """
    path = Path(folder) / LOG_MEL_FILE
    if config is None:
        path.unlink(missing_ok=True)
    else:
        write_text(path, json.dumps(config, indent=2) + "\n")


def load_log_mel(folder: PathLike) -> dict[str, Any] | None:
    """The config of the `kseq2seq.layers.LogMel` of a run folder.

    Args:
        folder: Path of the run folder.

    Returns:
        A dict; `None` if the folder has none.
    """
    path = Path(folder) / LOG_MEL_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def save_checkpoint(model: Any, folder: PathLike, epoch: int) -> str:
    """Writes the model after an epoch, with its optimizer.

    Args:
        model: The compiled `keras.Model`.
        folder: Path of the run folder.
        epoch: Number of the epoch, from 1.

    Returns:
        The name of the file in the folder.
    """
    name = _CHECKPOINTS.replace("*", str(epoch))
    save_model(model, Path(folder) / name)
    return name


def remove_other_checkpoints(folder: PathLike, kept: str) -> None:
    """Deletes all checkpoints but one.

    Args:
        folder: Path of the run folder.
        kept: Name of the checkpoint that stays.
    """
    for path in numbered_paths(folder, _CHECKPOINTS):
        if path.name != kept:
            path.unlink()


def save_best_weights(weights: Sequence[Any], folder: PathLike, epoch: int) -> None:
    """Writes the weights after an epoch, to be averaged with others.

    Args:
        weights: List of arrays.
        folder: Path of the run folder.
        epoch: Number of the epoch, from 1.
    """
    import numpy as np

    with atomic_path(_best_weights(folder, epoch)) as beside:
        np.savez(beside, *weights)


def average_best_weights(folder: PathLike, epochs: Sequence[int]) -> list[Any]:
    """The mean of weights that `save_best_weights` wrote.

    Args:
        folder: Path of the run folder.
        epochs: Numbers of the epochs, from 1.

    Returns:
        List of arrays in float64, in the order that the weights had.

    Raises:
        FileNotFoundError: If the weights of an epoch are missing.
    """
    import numpy as np

    means: list[Any] = []
    for count, epoch in enumerate(epochs, 1):
        with np.load(_best_weights(folder, epoch)) as arrays:
            for place, name in enumerate(arrays.files):
                value = arrays[name].astype("float64")
                if count == 1:
                    means.append(value)
                else:
                    means[place] += (value - means[place]) / count
    return means


def remove_other_best_weights(folder: PathLike, kept: Collection[int]) -> None:
    """Deletes weights that `save_best_weights` wrote.

    Args:
        folder: Path of the run folder.
        kept: Numbers of the epochs whose weights stay.
    """
    names = {_best_weights(folder, epoch).name for epoch in kept}
    for path in numbered_paths(folder, _BEST_WEIGHTS):
        if path.name not in names:
            path.unlink()


def _best_weights(folder: PathLike, epoch: int) -> Path:
    return Path(folder) / _BEST_WEIGHTS.replace("*", str(epoch))


def remove_incomplete(folder: PathLike) -> None:
    """Deletes files and folders that a killed training was just writing.

    Args:
        folder: Path of the run folder.
    """
    for path in Path(folder).glob(".*"):
        match = _INCOMPLETE.fullmatch(path.name)
        if match and _is_written(match[1] + (match[2] or "")) and path.is_file():
            path.unlink()
    for path in Path(folder).glob(_INCOMPLETE_FOLDERS):
        shutil.rmtree(path, ignore_errors=True)


def _is_written(name: str) -> bool:
    """Whether a training writes a file of this name."""
    numbered = (_CHECKPOINTS, _BEST_WEIGHTS)
    return name in _FILES or any(_numbered(x).fullmatch(name) for x in numbered)


def _numbered(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", "([0-9]+)"))


def numbered_paths(folder: PathLike, pattern: str) -> list[Path]:
    """Paths in a folder, in the order of the numbers in their names.

    Args:
        folder: Path of the folder, which need not exist.
        pattern: Name with a star in the place of the number. Other names that a shell
            would match are left out: they are not a training's.
    """
    regex = _numbered(pattern)
    matches = ((regex.fullmatch(x.name), x) for x in Path(folder).glob(pattern))
    return [x for _, x in sorted((int(match[1]), x) for match, x in matches if match)]


def written_paths(folder: PathLike) -> list[Path]:
    """The files and folders that `clear` deletes, as far as they are there.

    Args:
        folder: Path of the folder, which need not exist.
    """
    folder = Path(folder)
    numbered = (_CHECKPOINTS, _BEST_WEIGHTS, STEP_CHECKPOINTS)
    paths = [folder / name for name in (*_FILES, TENSORBOARD_FOLDER)]
    paths += [path for pattern in numbered for path in numbered_paths(folder, pattern)]
    return [path for path in paths if path.exists()]


def clear(folder: PathLike) -> None:
    """Deletes what a training writes into its run folder, and nothing else.

    Args:
        folder: Path of the run folder, which need not exist.
    """
    folder = Path(folder)
    for pattern in (_CHECKPOINTS, _BEST_WEIGHTS):
        for path in numbered_paths(folder, pattern):
            path.unlink()
    for path in numbered_paths(folder, STEP_CHECKPOINTS):
        shutil.rmtree(path)
    shutil.rmtree(folder / TENSORBOARD_FOLDER, ignore_errors=True)
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
