"""Traced functions as a SavedModel on disk."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from kseq2seq.utils import PathLike


def save_graphs(
    graphs: Mapping[str, Any], variables: Sequence[tf.Variable], path: PathLike
) -> None:
    """Writes a SavedModel of functions that are traced already.

    They are written as they are. Functions that could be traced for other shapes, as
    those of a `keras.export.ExportArchive`, are traced once more while they are saved.

    Args:
        graphs: Dict from the name of each signature, also that of the function of what
            is loaded again, to a concrete function of named tensors.
        variables: Those that the functions use, which hold them no longer than anybody
            else does; `used_variables` finds them.
        path: Path of the folder.

    Raises:
        tf.errors.OpError: If it could not be written.

    Example:

    >>> import tempfile
    >>> double = tf.function(lambda x: {"y": 2.0 * x})
    >>> graph = double.get_concrete_function(tf.TensorSpec([None], name="x"))
    >>> folder = tempfile.mkdtemp()
    >>> save_graphs({"double": graph}, used_variables([graph]), folder)
    >>> loaded = tf.saved_model.load(folder)
    >>> loaded.signatures["double"](x=tf.constant([1.5]))["y"].numpy().tolist()
    [3.0]
    """
    module = tf.Module()
    for name, graph in graphs.items():
        setattr(module, name, graph)
    module.used_variables = variables
    logger = tf.get_logger()
    level = logger.level
    # In a notebook it tells where assets are, in a folder that is renamed at once.
    logger.setLevel(max(level, logging.WARNING))
    try:
        tf.saved_model.save(module, str(path), signatures=graphs)
    finally:
        logger.setLevel(level)


def used_variables(graphs: Iterable[Any]) -> list[tf.Variable]:
    """The variables that concrete functions use, each once.

    Args:
        graphs: Concrete functions.
    """
    return list({id(x): x for graph in graphs for x in graph.variables}.values())
