"""LiteRT (TensorFlow Lite): greedy search from ids to ids, for phones and the like."""

import dataclasses
import re
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from kseq2seq import __version__
from kseq2seq.decoding import Search, length_limits
from kseq2seq.export import ids as id_export
from kseq2seq.export.ids import NOT_COPIED
from kseq2seq.export.readme import README_FILE
from kseq2seq.export.readme_composing import about_composing, with_composing
from kseq2seq.export.readme_copying import litert_copying
from kseq2seq.export.readme_features import litert_features
from kseq2seq.export.readme_templates import fill_template
from kseq2seq.export.saved_graphs import save_graphs, used_variables
from kseq2seq.export.search_words import search_in_words
from kseq2seq.inference import text_constraints
from kseq2seq.models import copied_ids_of, portable_copy
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.utils import (
    EOS_ID,
    PAD_ID,
    PathLike,
    check_choice,
    check_installed,
    check_integer,
    hide_stderr,
)

GREEDY_FILE, SIGNATURE = "greedy.tflite", "greedy"
WEIGHTS = ("int8", "float16", "float32")


def export_litert(
    folder: PathLike,
    model: keras.Model,
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    search: Search | None = None,
    source_length: int = 64,
    weights: str = "int8",
    features: FeatureVocabulary | None = None,
    features_length: int = 16,
) -> Path:
    """Writes the next version of a model for LiteRT, greedy search from ids to ids.

    The version is a folder of `greedy.tflite`, of the tokenizers `source.model` and
    `target.model`, which SentencePiece reads, and of a README.md that says how to run
    it. The graph's signature `greedy` takes `source`, int32 of shape `(1,
    source_length)`: ids with EOS, and 0 behind it; and gives `ids`, int32 of shape
    `(1, 1, length)`, `scores`, float32 of shape `(1, 1)`, and `lengths`, int32 of
    shape `(1, 1)`: what `kseq2seq.decoding.Hypotheses` has under these names. All of
    it are operations that LiteRT has built in.

    The graph of a model that copies also gives `copied`, int32 of the shape of `ids`:
    for UNK the place in the source of what it is a copy of, and -1 for all others.

    Args:
        folder: Path of the folder of versions, in which are no SavedModels; made if
            it is not there. The next number under it, from 1 on, is written whole or
            not at all.
        model: A model of `kseq2seq.build_model`, trained.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        search: The `kseq2seq.Search` whose lengths are fixed in the graph; its
            defaults if `None`.
        source_length: Tokens of the longest source, EOS included.
        weights: How large matrices are stored: `"int8"`, with which products are
            computed in integers, so that translations may differ a little;
            `"float16"`, which are restored for each product and so are the slowest;
            or `"float32"`, with which translations are those of Python.
        features: The `kseq2seq.FeatureVocabulary` of a model with features, whose graph
            also takes `features`, int32 of shape `(1, features_length)`: ids that
            `kseq2seq.json` has, and 0 behind them.
        features_length: The most features of a text.

    Returns:
        The `Path` of the new version.

    Raises:
        OSError: If it cannot be written.
        ValueError: If packages are missing, an argument is out of range, `folder`
            holds SavedModels, or the model has an operation that LiteRT lacks.

    Example:

    >>> try:
    ...     export_litert("litert_models/dates", None, None, None, weights="int4")
    ... except ValueError as error:
    ...     print(error)
    `weights` must be one of int8, float16, float32. Received: weights='int4'
    """
    check_installed("litert")
    check_choice("weights", weights, WEIGHTS)
    source_length = check_integer("source_length", source_length, 1)
    features_length = check_integer("features_length", features_length, 1)
    folder = id_export.check_folder(folder)
    search = id_export.greedy(search or Search())
    shapes = {"source": (1, source_length)}
    if features is not None:
        shapes["features"] = (1, features_length)
    constraints = text_constraints(search, target_tokenizer)
    longest = _longest(search, shapes, constraints)
    function = _static_search(portable_copy(model), search, shapes, constraints)
    content = _convert(function, weights)
    _check(content, shapes)
    tokenizers = (source_tokenizer, target_tokenizer)
    copies = copied_ids_of(model) is not None
    composing = about_composing(copies, *tokenizers)
    about = {
        "format": "litert",
        "source_length": source_length,
        "weights": weights,
        "searches": {GREEDY_FILE: dataclasses.asdict(search)},
        **id_export.about_features(source_tokenizer, features),
        **composing,
    }
    if features is not None:
        about["features_length"] = features_length
    readme = fill_template(
        "litert",
        search=search_in_words(search),
        source_length=source_length,
        longest=longest,
        weights=weights,
        version=__version__,
        **litert_features(features, features_length),
        **with_composing(litert_copying(copies, longest), composing),
    )
    files = {GREEDY_FILE: content, README_FILE: readme}
    return id_export.add_export(folder, tokenizers, files, about)


def _longest(search, shapes, constraints):
    """The most tokens of a translation, of as many tokens as the inputs hold."""
    source = np.full((1, sum(length for _, length in shapes.values())), EOS_ID)
    limit = int(length_limits(source, search)["max_length"][0])
    return max([limit, *(x.least_room for x in constraints)])


def _static_search(model, search, shapes, constraints):
    """The search with outputs of fixed shapes, for which a caller can make room."""
    search_ids = id_export.search_function(
        model, search, *shapes.values(), constraints=constraints
    )
    longest = _longest(search, shapes, constraints)

    def search_static(*inputs):
        outputs = search_ids(*inputs)
        missing = longest - tf.shape(outputs["ids"])[2]
        for name, padding in (("ids", PAD_ID), ("copied", NOT_COPIED)):
            if name in outputs:
                shape = [[0, 0], [0, 0], [0, missing]]
                ids = tf.pad(outputs[name], shape, constant_values=padding)
                outputs[name] = tf.reshape(ids, (1, 1, longest))
        return outputs

    specs = [tf.TensorSpec(shape, tf.int32, name) for name, shape in shapes.items()]
    return tf.function(search_static, input_signature=specs, autograph=False)


def _convert(function, weights):
    """A function of static shapes as the bytes of a `.tflite` file."""
    graph = function.get_concrete_function()
    with tempfile.TemporaryDirectory() as folder:
        try:
            save_graphs({SIGNATURE: graph}, used_variables([graph]), folder)
        except tf.errors.OpError as error:
            raise OSError(
                f"{folder}: what is to be converted could not be written there: "
                f"{error.message}"
            ) from error
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[SIGNATURE]
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if weights != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if weights == "float16":
            converter.target_spec.supported_types = [tf.float16]
        try:
            with hide_stderr(shown_on_error=False):
                return converter.convert()
        except Exception as error:  # of a type that is not public
            raise ValueError(_conversion_error(str(error))) from error


def _conversion_error(message):
    remedy = "replace the layers that call them, or export a SavedModel or ONNX"
    if operations := re.search(r"(?:TF Select|Custom) ops: (.*)", message):
        return (
            "The graph must hold only operations that LiteRT has built in. Received: "
            f"a model that needs {operations[1].strip()}; {remedy}"
        )
    errors = [line for line in message.splitlines() if "error: " in line]
    said = (errors or message.splitlines() or [""])[0].rpartition("error: ")[2]
    return (
        "The model could not be converted to LiteRT; export a SavedModel or ONNX. "
        f"The converter says: {said:.300}"
    )


def _check(content, shapes):
    """Sees that LiteRT runs it, with no more than what it has built in."""
    from ai_edge_litert import interpreter

    inputs = {name: np.zeros(shape, "int32") for name, shape in shapes.items()}
    inputs["source"][0, 0] = EOS_ID
    try:
        runner = interpreter.Interpreter(
            model_content=content,
            experimental_op_resolver_type=(
                interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
            ),
        ).get_signature_runner(SIGNATURE)
        runner(**inputs)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            "The model was converted to LiteRT, which cannot run it; export a "
            f"SavedModel or ONNX. LiteRT says: {error}"
        ) from error
