"""Checks of what a `Seq2SeqModel` is trained with."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kseq2seq.layers import AlignmentMarginal
from kseq2seq.losses import EntmaxLoss, SampledCrossentropy


def check_takes_logits(loss: Any) -> None:
    """Refuses Keras's crossentropy of probabilities, which learns little of logits.

    Args:
        loss: Loss as `compile` takes it.

    Raises:
        ValueError: If it takes logits for probabilities.
    """
    # Losses, functions and names alike: what can be told of their settings.
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    name = loss if isinstance(loss, str) else getattr(loss, "__name__", "")
    by_name = name.lower().replace("_", "").endswith("categoricalcrossentropy")
    if by_name or config.get("from_logits") is False:
        raise ValueError(
            "`loss` must take logits, which the model gives: use "
            "kseq2seq.MaskedCrossentropy(), or from_logits=True, such as "
            "keras.losses.SparseCategoricalCrossentropy(from_logits=True). "
            f"Received: loss={loss!r}"
        )


def check_arguments(
    method: Callable[..., Any],
    model: keras.Model,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> None:
    """Refuses what Keras takes otherwise than it is meant, however it is passed.

    Args:
        method: Method of `keras.Model`, such as `keras.Model.fit`.
        model: The model.
        args: Its positional arguments.
        kwargs: Its other arguments.

    Raises:
        ValueError: If there is a `class_weight`, or there are texts instead of ids.
    """
    try:
        given = inspect.signature(method).bind(model, *args, **kwargs).arguments
    except TypeError:  # of which Keras tells with the method's name
        return
    _check_has_no_class_weight(given.get("class_weight"))
    _check_has_no_text(given.get("x"))


def check_has_steps(inputs: Any) -> None:
    """Refuses sequences without a step, of which Keras tells as of a slice.

    Args:
        inputs: Dict of the inputs of a model by their names, or something else.

    Raises:
        ValueError: If one is known to have none.

    Example:

    >>> check_has_steps({"source": np.ones((2, 3)), "target": np.ones((2, 1))})
    """
    if not isinstance(inputs, dict):
        return
    shapes = {name: tuple(x.shape) for name, x in inputs.items() if hasattr(x, "shape")}
    if any(shape[1:2] == (0,) for shape in shapes.values()):
        received = ", ".join(f"{name}.shape={shape}" for name, shape in shapes.items())
        raise ValueError(
            "Sources and targets must have at least one step: an empty source is EOS, "
            "an empty target begins with BOS, as `kseq2seq.data.batches` makes them. "
            f"Received: {received}"
        )


def _check_has_no_class_weight(class_weight):
    """Refuses weights of classes.

    Keras takes labels of two axes for one-hot ones, and would weight each sentence by
    the place of its largest id.
    """
    if class_weight is not None:
        raise ValueError(
            "`class_weight` is for a single class in each row: weight tokens by their "
            "ids with a `sample_weight` of shape (batch, length), such as "
            "numpy.take(weights, labels). "
            f"Received: class_weight={class_weight!r:.80}"
        )


def _check_has_no_text(x):
    """Refuses texts, of which Keras tells in a message that holds all of them."""
    first = x
    while isinstance(first, (dict, list, tuple)) and first:
        first = next(iter(first.values() if isinstance(first, dict) else first))
    is_text = isinstance(first, (str, bytes))
    if isinstance(first, np.ndarray) and first.size:
        kind = first.dtype.kind
        is_text = kind in "US" or (kind == "O" and isinstance(first.flat[0], str))
    if is_text:
        raise ValueError(
            "A model reads ids: make batches of texts by `kseq2seq.data.batches(pairs, "
            "source_tokenizer, target_tokenizer)`, and translate them by a `Translator`"
            f". Received: x={x!r:.80}"
        )


def _check_backend(name, otherwise):
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ValueError(
            f"`{name}` needs TensorFlow as backend; {otherwise}. "
            f"Received: keras.backend.backend()={backend!r}"
        )


def check_can_sample(model: Any) -> None:
    """Refuses scheduled sampling where it cannot be done.

    Args:
        model: A `Seq2SeqModel` that has `scheduled_sampling`.

    Raises:
        ValueError: If another backend than TensorFlow runs, or attention is hard.
    """
    _check_backend("scheduled_sampling", "leave it None with others")
    if any(isinstance(layer, AlignmentMarginal) for layer in model.layers):
        raise ValueError(
            "`scheduled_sampling` must be None for a model of hard attention, whose "
            "positions depend on the true tokens. Received: "
            f"scheduled_sampling={model.scheduled_sampling!r}"
        )


def check_can_guide(batch: Sequence[Any]) -> None:
    """Refuses guided alignment where it cannot be done.

    Args:
        batch: Tuple of inputs, labels and, it may be, weights.

    Raises:
        ValueError: If another backend than TensorFlow runs, or there are no links.
    """
    instead = "and train what kseq2seq.models.alignment_model gives"
    _check_backend("guided_alignment", f"leave it None with others {instead}")
    inputs = batch[0]
    if not isinstance(inputs, dict) or "links" not in inputs:
        names = ", ".join(inputs) if isinstance(inputs, dict) else type(inputs).__name__
        raise ValueError(
            "`guided_alignment` needs `links` among the inputs of a batch, as "
            "kseq2seq.data.batches makes them with linked=True. "
            f"Received: inputs {names}"
        )


def check_can_compare(model: Any) -> None:
    """Refuses consistency where it cannot be asked for.

    Args:
        model: A compiled `Seq2SeqModel` that has `consistency`.

    Raises:
        ValueError: If another backend than TensorFlow runs, or the loss is not of a
            softmax over the whole vocabulary.
    """
    _check_backend("consistency", "leave it None with others")
    if isinstance(model.loss, (EntmaxLoss, SampledCrossentropy)):
        raise ValueError(
            "`consistency` compares probabilities of a softmax over the vocabulary: "
            "leave it None, or use kseq2seq.MaskedCrossentropy(). "
            f"Received: loss={model.loss!r}"
        )
