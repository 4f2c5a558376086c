"""ONNX: search from ids to ids, for ONNX Runtime and whatever else reads it."""

import dataclasses
import logging
import os
from contextlib import contextmanager
from pathlib import Path

import keras

from kseq2seq import __version__
from kseq2seq.decoding import Search
from kseq2seq.export import ids as id_export
from kseq2seq.export.readme import README_FILE
from kseq2seq.export.readme_composing import about_composing, with_composing
from kseq2seq.export.readme_copying import onnx_copying
from kseq2seq.export.readme_features import onnx_features
from kseq2seq.export.readme_templates import fill_template
from kseq2seq.export.search_words import search_in_words
from kseq2seq.inference import text_constraints
from kseq2seq.models import copied_ids_of, portable_copy
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.utils import PathLike, check_installed

# It has all operations that are needed, and runtimes read it since December 2021 (ONNX
# Runtime 1.10). The newest of tf2onnx, 18, makes no smaller models, and needs a runtime
# of 2023.
OPSET = 15
GREEDY_FILE, BEAM_FILE, WEIGHTS_FILE = "greedy.onnx", "beam.onnx", "weights.bin"
# Tensors of at least so many bytes go into the file of the weights, once for all
# graphs that have them. Each begins there at a multiple of the alignment.
LEAST_SHARED, ALIGNMENT = 256, 64
# Environment variable of tf2onnx: if it is set, to any value, failed optimizations are
# errors, and the graph is not copied before each of them.
CATCH_ERRORS = "TF2ONNX_CATCH_ERRORS"


def export_onnx(
    folder: PathLike,
    model: keras.Model,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    search: Search | None = None,
    features: FeatureVocabulary | None = None,
) -> Path:
    """Writes the next version of a model in ONNX, from ids to ids.

    The version is a folder of `greedy.onnx`, of `beam.onnx` if the search is no
    greedy one itself, of `weights.bin`, which both share, of the tokenizers
    `source.model` and `target.model`, which SentencePiece reads, and of a README.md
    that says how to run it. Each graph takes `source`, int32 of shape `(batch,
    source_length)`: ids with EOS, and 0 behind it; and gives `ids`, int32 of shape
    `(batch, n, length)`, `scores`, float32 of shape `(batch, n)`, and `lengths`,
    int32 of shape `(batch, n)`: what `kseq2seq.decoding.Hypotheses` has under these
    names. It computes in float32.

    A graph of a model that copies also gives `copied`, int32 of the shape of `ids`:
    for UNK the place in the source of what it is a copy of, and -1 for all others.

    Args:
        folder: Path of the folder of versions, in which are no SavedModels; made if
            it is not there. The next number under it, from 1 on, is written whole or
            not at all.
        model: A model of `kseq2seq.build_model`, trained.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        search: The `kseq2seq.Search` that is fixed in the graphs, n being its
            `num_hypotheses`; its defaults if `None`. Of the greedy one, n is 1.
        features: The `kseq2seq.FeatureVocabulary` of a model with features, whose
            graphs also take `features`, int32 of shape `(batch, features_length)`: ids
            that `kseq2seq.json` has, and 0 behind them.

    Returns:
        The `Path` of the new version.

    Raises:
        OSError: If it cannot be written.
        ValueError: If packages are missing, `folder` holds SavedModels, or the model
            has an operation that ONNX lacks.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "saved_model.pb").touch()
    ...     try:
    ...         export_onnx(folder, None, None, None)
    ...     except ValueError as error:
    ...         print(str(error)[:37])
    `folder` must hold no SavedModels, si
    """
    check_installed("onnx")
    folder, search = id_export.check_folder(folder), search or Search()
    searches = {GREEDY_FILE: id_export.greedy(search)}
    if search.beam_size > 1:
        searches[BEAM_FILE] = search
    copy, constraints = portable_copy(model), text_constraints(search, target_tokenizer)
    graphs = {
        name: _convert(copy, search, features is not None, constraints)
        for name, search in searches.items()
    }
    tokenizers = (source_tokenizer, target_tokenizer)
    copies = copied_ids_of(model) is not None
    composing = about_composing(copies, *tokenizers)
    files: dict[str, bytes | str] = {
        WEIGHTS_FILE: _share_weights(graphs.values()),
        **{name: graph.SerializeToString() for name, graph in graphs.items()},
        README_FILE: _readme(searches, features, copies, composing),
    }
    about = {
        "format": "onnx",
        "opset": OPSET,
        "searches": {
            name: dataclasses.asdict(search) for name, search in searches.items()
        },
        **id_export.about_features(source_tokenizer, features),
        **composing,
    }
    return id_export.add_export(folder, tokenizers, files, about, check=_check)


def _convert(model, search, has_features, constraints):
    """One search as an ONNX model, its weights inside."""
    import tf2onnx

    shapes = [[None, None]] * (2 if has_features else 1)
    function = id_export.search_function(
        model, search, *shapes, constraints=constraints
    )
    # Errors of the search itself come here, ahead of the conversion.
    function.get_concrete_function()
    try:
        with _settings_of_tf2onnx():
            converted, _ = tf2onnx.convert.from_function(
                function, input_signature=function.input_signature, opset=OPSET
            )
    except Exception as error:  # it raises whatever it happens to come across
        raise ValueError(
            "The model could not be converted to ONNX; export it as a SavedModel "
            f"instead. tf2onnx says: {error or type(error).__name__}"
        ) from error
    _check_operations(converted)
    for value in converted.graph.input:
        _name_axes([value], ["batch", f"{value.name}_length"])
    _name_axes(converted.graph.output, ["batch", None, "length"])
    return converted


@contextmanager
def _settings_of_tf2onnx():
    """A scope in which tf2onnx logs nothing, and copies no graphs.

    Copies take two thirds of its time. What matters of its log becomes an error.
    """
    logger = logging.getLogger("tf2onnx")
    level, variable = logger.level, os.environ.get(CATCH_ERRORS)
    logger.setLevel(logging.CRITICAL + 1)
    os.environ[CATCH_ERRORS] = "FALSE"
    try:
        yield
    finally:
        logger.setLevel(level)
        os.environ.pop(CATCH_ERRORS)
        if variable is not None:
            os.environ[CATCH_ERRORS] = variable


def _check_operations(converted):
    """Refuses operations of TensorFlow that were left as they are."""
    import onnx

    nodes = [node for graph in _graphs(converted.graph) for node in graph.node]
    unknown = sorted(
        {
            node.op_type
            for node in nodes
            if node.domain or not onnx.defs.has(node.op_type, OPSET)
        }
    )
    if unknown:
        raise ValueError(
            "The graph must hold only operations that ONNX has. Received: a model that "
            f"needs {', '.join(unknown)}; replace the layers that call them, or "
            "export a SavedModel"
        )


def _graphs(graph):
    """A graph, and those of its loops and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _graphs(attribute.g)


def _name_axes(values, names):
    for value in values:
        axes = value.type.tensor_type.shape.dim
        for axis, name in zip(axes, names, strict=False):
            if name and not axis.HasField("dim_value"):
                axis.dim_param = name


def _share_weights(models):
    """Moves large tensors out of models; the content of the file of all of them."""
    from onnx.external_data_helper import set_external_data

    places, weights = {}, bytearray()
    for model in models:
        for graph in _graphs(model.graph):
            for tensor in graph.initializer:
                content = tensor.raw_data
                if len(content) < LEAST_SHARED:
                    continue
                if content not in places:
                    weights += bytes(-len(weights) % ALIGNMENT)
                    places[content] = len(weights)
                    weights += content
                set_external_data(
                    tensor, WEIGHTS_FILE, places[content], length=len(content)
                )
                tensor.ClearField("raw_data")
    return bytes(weights)


def _check(path):
    """Sees that what was written is ONNX, the file of the weights included."""
    import onnx

    for file in path.glob("*.onnx"):
        try:
            onnx.checker.check_model(file, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as e:
            raise ValueError(
                "The model could not be converted to ONNX; export it as a SavedModel "
                f"instead. onnx.checker says of {file.name}: {e}"
            ) from e


def _readme(searches, features, copies, composing):
    graphs = [
        f"- `{name}`: {search_in_words(search)}. n is {search.num_hypotheses}."
        for name, search in searches.items()
    ]
    return fill_template(
        "onnx",
        graphs="\n".join(graphs),
        file=list(searches)[-1],
        opset=OPSET,
        version=__version__,
        **onnx_features(features),
        **with_composing(onnx_copying(copies), composing),
    )
