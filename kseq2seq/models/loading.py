"""Models from files."""

import json
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import cast

import keras

# Keras finds the classes of a file by the names that they registered when they were
# imported. These are all that a saved model may hold.
from kseq2seq import layers, losses, optimizers  # noqa: F401
from kseq2seq.models import seq2seq_model  # noqa: F401
from kseq2seq.utils import PathLike


def load_model(path: PathLike, compile: bool = True) -> keras.Model:
    """`keras.saving.load_model`, with the classes of this package registered.

    It works in any order of imports. `keras.saving.load_model` does the same once the
    classes have been imported, which is when `kseq2seq` is imported after `keras`, or
    when something that runs on Keras has been taken from it, such as `kseq2seq.layers`
    or `kseq2seq.Adam`. It fails where `kseq2seq` was imported first and nothing taken
    from it: the import starts no Keras, so that commands are quick, and Keras imports
    no modules by the names in a file but its own.

    Args:
        path: Path of a `.keras` file.
        compile: Whether to compile the model as it was when it was saved.

    Returns:
        The `keras.Model`, a `kseq2seq.models.Seq2SeqModel` if it was one.

    Raises:
        ValueError: If there is no such file, it is not a file of Keras, or a newer
            Keras wrote it and this one cannot read it.

    Example:

    >>> import pathlib, tempfile
    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> path = pathlib.Path(tempfile.mkdtemp(), "model.keras")
    >>> model.save(path)
    >>> load_model(path).name
    'seq2seq'
    """
    is_damaged = Path(path).suffix == ".keras" and not zipfile.is_zipfile(path)
    if Path(path).is_dir() or (Path(path).is_file() and is_damaged):
        raise ValueError(
            "`path` must be a .keras file, as `model.save` writes it; a run folder or "
            f"a SavedModel is loaded by `Translator.load`. Received: {path}, which is "
            + ("a folder" if Path(path).is_dir() else "none of Keras, or is damaged")
        )
    try:
        return cast(keras.Model, keras.saving.load_model(path, compile=compile))
    except TypeError as error:
        # A setting that this version of Keras does not know.
        writer, reader = _keras_version(path), version("keras")
        if _numbers(writer) <= _numbers(reader):
            raise
        raise ValueError(
            f"A file of Keras {writer} needs that version or a later one. "
            f"Received: {path}, to read with Keras {reader}. Install the "
            "newer Keras (3.13 and later need Python 3.11), or call `save_to_preset` "
            "there and `from_preset` here"
        ) from error


def _keras_version(path):
    """The version of Keras that wrote a file, such as "3.15.1"."""
    with zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read("metadata.json"))["keras_version"])


def _numbers(text):
    """The major and the minor number of a version, for comparing."""
    return [int(number) for number in text.split(".")[:2]]
