"""Models from files."""

from typing import cast

import keras

# Keras finds the classes of a file by the names that they registered when they were
# imported. These are all that a saved model may hold.
from kseq2seq import layers, losses, optimizers  # noqa: F401
from kseq2seq.models import seq2seq_model  # noqa: F401
from kseq2seq.utils import PathLike


def load_model(path: PathLike, compile: bool = True) -> keras.Model:
    """`keras.saving.load_model`, with the classes of this package registered.

    Keras's own function does the same once they have been imported: when `kseq2seq`
    was imported after `keras`, or when one of its models or layers has been used.

    Args:
        path: Path of a `.keras` file.
        compile: Whether to compile the model as it was when it was saved.

    Returns:
        The `keras.Model`, a `kseq2seq.models.Seq2SeqModel` if it was one.

    Raises:
        ValueError: If there is no such file, or it is not a file of Keras.

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
    return cast(keras.Model, keras.saving.load_model(path, compile=compile))
