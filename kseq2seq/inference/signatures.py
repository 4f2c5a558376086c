"""The signatures of a SavedModel: names, inputs, and the methods that answer.

Rows are independent. All inputs have one axis, the batch, but for frames.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, TypeVar

import tensorflow as tf

from kseq2seq.inference.controlled import ControlledSearches
from kseq2seq.inference.frames_to_text import FramesToText
from kseq2seq.inference.text_to_text import TextToText
from kseq2seq.utils import Tensor, check_choice

# The signature that a server takes if a request names none.
DEFAULT_SIGNATURE = "serving_default"
# Those that an export has if they are asked for, since each is a search of its own.
EXTRA_SIGNATURES = ("complete", "alternatives")

TEXT = tf.TensorSpec([None], tf.string, "text")
TARGET = tf.TensorSpec([None], tf.string, "target")
PREFIX = tf.TensorSpec([None], tf.string, "prefix")
# Of models with features alone.
FEATURES = tf.TensorSpec([None], tf.string, "features")
SAMPLING = (
    tf.TensorSpec([None], tf.float32, "temperature"),
    tf.TensorSpec([None], tf.int32, "top_k"),
    tf.TensorSpec([None], tf.float32, "top_p"),
    tf.TensorSpec([None], tf.int64, "seed"),
)

Entry = TypeVar("Entry")


class Signature(NamedTuple):
    """The inputs and outputs of a signature.

    Attributes:
        inputs: Dict from names to `tf.TensorSpec`s.
        outputs: The same for what it gives.
    """

    inputs: dict[str, tf.TensorSpec]
    outputs: dict[str, tf.TensorSpec]


class SignatureFunction(NamedTuple):
    """A function of tensors that a SavedModel has as a signature.

    Attributes:
        function: Function from tensors to a dict of tensors.
        specs: The `tf.TensorSpec`s of its arguments, by their names.
    """

    function: Callable[..., dict[str, Tensor]]
    specs: tuple[tf.TensorSpec, ...]

    def trace(self) -> Callable[..., dict[str, Tensor]]:
        """The function as one graph, a concrete function of TensorFlow."""
        traced = tf.function(self.function, autograph=False)
        return traced.get_concrete_function(*self.specs)


def signature_functions(
    text_to_text: TextToText, extra: Collection[str] = ()
) -> dict[str, SignatureFunction]:
    """The signatures of a SavedModel, those for alignments only with attention.

    Those of a model with features take them as their last input.

    Args:
        text_to_text: A `TextToText`.
        extra: Which of `EXTRA_SIGNATURES` there are.

    Returns:
        Dict from the name of each signature to its `SignatureFunction`.
    """
    functions = {
        DEFAULT_SIGNATURE: SignatureFunction(text_to_text.translate, (TEXT,)),
        "nbest": SignatureFunction(text_to_text.nbest, (TEXT,)),
        "score": SignatureFunction(text_to_text.score, (TEXT, TARGET)),
        "encode": SignatureFunction(text_to_text.encode, (TEXT,)),
        "sample": SignatureFunction(text_to_text.sample, (TEXT, *SAMPLING)),
    }
    if text_to_text.has_attention:
        align = SignatureFunction(text_to_text.align, (TEXT, TARGET))
        translate_align = SignatureFunction(text_to_text.translate_align, (TEXT,))
        functions |= {"translate_align": translate_align, "align": align}
    controlled = ControlledSearches(text_to_text)
    extras = {
        "complete": SignatureFunction(controlled.complete, (TEXT, PREFIX)),
        "alternatives": SignatureFunction(controlled.alternatives, (TEXT, PREFIX)),
    }
    functions |= {name: extras[name] for name in check_extra(extra)}
    if text_to_text.has_features:
        return {
            name: SignatureFunction(function, (*specs, FEATURES))
            for name, (function, specs) in functions.items()
        }
    # Without the argument `features`, which a graph would keep as a constant.
    return {
        name: SignatureFunction(_with_names(function, specs), specs)
        for name, (function, specs) in functions.items()
    }


def check_extra(extra: Collection[str]) -> list[str]:
    """Checks names of signatures that are chosen at the export.

    Args:
        extra: The names.

    Returns:
        The names, each once.

    Raises:
        ValueError: If one is not in `EXTRA_SIGNATURES`.

    Example:

    >>> check_extra(["complete"])
    ['complete']
    """
    names = [extra] if isinstance(extra, str) else extra
    return [
        check_choice("extra_signatures", name, EXTRA_SIGNATURES)
        for name in dict.fromkeys(names)
    ]


def frame_signature_functions(
    frames_to_text: FramesToText,
) -> dict[str, SignatureFunction]:
    """The signatures of a SavedModel from frames or WAV files to text.

    Args:
        frames_to_text: A `FramesToText`.

    Returns:
        Dict from the name of each signature to its `SignatureFunction`.
    """
    source = frames_to_text.source_specs
    functions = {
        DEFAULT_SIGNATURE: (frames_to_text.transcribe, source),
        "nbest": (frames_to_text.nbest, source),
        "score": (frames_to_text.score, (*source, TARGET)),
    }
    if frames_to_text.has_attention:
        functions["transcribe_align"] = (frames_to_text.transcribe_align, source)
    return {
        name: SignatureFunction(_with_names(function, specs), specs)
        for name, (function, specs) in functions.items()
    }


def _with_names(function, specs):
    """A function whose arguments have the names of the specs, in their order.

    A concrete function of TensorFlow names its inputs after the arguments of the
    function that is traced.
    """

    def named(*inputs):
        return function(*inputs)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(spec.name, kind) for spec in specs]
    named.__name__ = function.__name__
    vars(named)["__signature__"] = inspect.Signature(parameters)
    return named


def find_signature(signatures: Mapping[str, Entry], name: str) -> Entry:
    """The entry of a dict from the names of signatures.

    Args:
        signatures: The dict.
        name: Name of a signature.

    Raises:
        ValueError: If it is not there; the error names those that are.

    Example:

    >>> find_signature({"score": 1, "encode": 2}, "encode")
    2
    """
    if name not in signatures:
        remedy = ""
        if name in EXTRA_SIGNATURES:
            remedy = (
                f", and {name} in exports that ask for it: export again with "
                f"extra_signatures=[{name!r}], or --signatures {name}"
            )
        raise ValueError(
            f"`signature` must be one of {', '.join(sorted(signatures))}; alignments "
            f"are there for models with attention alone{remedy}. Received: {name!r}"
        )
    return signatures[name]


def check_inputs(
    signature: str, inputs: Mapping[str, Any], names: Collection[str]
) -> None:
    """Checks that the inputs of a signature are those that it takes.

    Args:
        signature: Name of the signature.
        inputs: Dict from names to values.
        names: The names that there must be.

    Raises:
        ValueError: If one is missing, or there is another one.

    Example:

    >>> check_inputs("encode", {"text": ["a dog"]}, ["text"])
    """
    if set(inputs) != set(names):
        raise ValueError(
            f"`inputs` of {signature!r} must be {', '.join(sorted(names))}. "
            f"Received: {', '.join(sorted(inputs)) or 'none'}"
        )
