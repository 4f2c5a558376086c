"""Traced functions as a SavedModel on disk."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from kseq2seq.runs import SAVED_MODEL_FILE
from kseq2seq.utils import PathLike, numbered_folders

# All that `kseq2seq.tokenizers` uses of TF Text; TensorFlow Serving has them built in.
TEXT_OPERATIONS = {
    "SentencepieceOp",
    "SentencepieceTokenizeWithOffsetsOp",
    "SentencepieceDetokenizeOp",
    "NormalizeUTF8",
}
# Operations of TensorFlow that not every server has: of GPUs, and of Python itself.
UNSERVABLE = ("Cudnn", "PyFunc")


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


def check_versions(folder: Path) -> None:
    """Refuses a folder that is no folder of versions of a SavedModel.

    Args:
        folder: Path of the folder, which need not be there.

    Raises:
        ValueError: If it is itself a SavedModel, or holds something else.

    Example:

    >>> check_versions(Path("saved_models/dates"))
    """
    if (folder / SAVED_MODEL_FILE).is_file():
        raise ValueError(
            "`folder` must be a folder of versions, which are numbered 1, 2, and so "
            f"on. Received: {folder}, which is itself a SavedModel"
        )
    others = [x for x in numbered_folders(folder) if any(x.iterdir())]
    if not all((x / SAVED_MODEL_FILE).is_file() for x in others):
        raise ValueError(
            "`folder` must hold SavedModels alone, since a server takes every version "
            f"in it for one: name another folder. Received: {folder}"
        )


def check_operations(path: Path) -> None:
    """Refuses a SavedModel that some servers could not load.

    Args:
        path: Path of the SavedModel.

    Raises:
        ValueError: If it holds operations that some server lacks.
    """
    used = operations(path)
    refused = sorted(
        name
        for name in used
        if not (hasattr(tf.raw_ops, name) or name in TEXT_OPERATIONS)
        or any(word in name for word in UNSERVABLE)
    )
    if refused:
        raise ValueError(
            "The exported graph must hold only operations that every server has, "
            "those of TensorFlow for CPUs and of TF Text. Received: a model that "
            f"needs {', '.join(refused)}; replace the layers that call them"
        )


def operations(path: Path) -> set[str]:
    """Names of the operations in a SavedModel's graphs and their functions.

    Args:
        path: Path of the SavedModel.
    """
    saved = saved_model_pb2.SavedModel.FromString(
        (path / SAVED_MODEL_FILE).read_bytes()
    )
    used, functions = set(), set()
    for graph in (meta_graph.graph_def for meta_graph in saved.meta_graphs):
        used.update(node.op for node in graph.node)
        for function in graph.library.function:
            functions.add(function.signature.name)
            used.update(node.op for node in function.node_def)
    return used - functions
