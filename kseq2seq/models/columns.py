"""A step of a model that makes the logits of some tokens alone."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from kseq2seq.decoding import Columns, Step
from kseq2seq.models.halves import step_with_head, values_of
from kseq2seq.models.sizes import layers_by_name, vocabulary_sizes
from kseq2seq.models.states import make_room
from kseq2seq.utils import Tensor


def column_step(
    model: keras.Model, variables: Sequence[keras.Variable] = ()
) -> Callable[..., tuple[Tensor, Any, dict]]:
    """The half of a model that makes a step, with logits of some tokens.

    Args:
        model: A model of `build_model`, or the same loaded from a file.
        variables: As for `encode_and_step`.

    Returns:
        A function `step(tokens, states, memory, weights, product)` as
        `encode_and_step` gives it for this one model, but for `product`, what
        `column_product` returns, of which it gives the logits.

    Raises:
        ValueError: If the logits of `model` are more than a product with a matrix, or
            their probabilities no softmax.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> from kseq2seq.models import encode_and_step
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> encoded = encode_and_step([model])[0](ops.ones((2, 5), "int32"))
    >>> states = keras.tree.map_structure(lambda x: x[:, None], encoded["states"])
    >>> product = column_product(model, ops.convert_to_tensor([0, 1, 2, 3, 7]))
    >>> tokens = ops.full((2, 1), 2)
    >>> logits, _, _ = column_step(model)(
    ...     tokens, states, encoded["memory"], (), product)
    >>> tuple(logits.shape)
    (2, 1, 5)
    """
    _output_layer(model)
    stepper = step_with_head(model, _features, "features")

    def step(tokens, states, memory, weights, product):
        with values_of(variables, weights):
            outputs = stepper(
                {"tokens": tokens, "states": states[0], "memory": memory[0]}
            )
        logits = ops.matmul(outputs["features"], product["kernel"])
        logits = ops.cast(logits + product["bias"], "float32")
        extras = {x: outputs[x] for x in ("alignment",) if x in outputs}
        return logits, [outputs["states"]], extras

    return step


def column_product(
    model: keras.Model,
    ids: Tensor,
    variables: Sequence[keras.Variable] = (),
    weights: Sequence[Tensor] = (),
) -> dict[str, Tensor]:
    """The part of a model's last matrix, and of its bias, that some tokens have.

    Args:
        model: A model of `build_model`, or the same loaded from a file.
        ids: int32 of shape `(columns,)`, target ids.
        variables: As for `encode_and_step`.
        weights: A tensor for each of `variables`, which it has in its place.

    Returns:
        A dict of `kernel`, of shape `(size, columns)`, and `bias`, `(columns,)`.

    Raises:
        ValueError: As for `column_step`.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> product = column_product(model, ops.convert_to_tensor([0, 3, 7]))
    >>> tuple(product["kernel"].shape)
    (6, 3)
    """
    layer = _output_layer(model)
    with values_of(variables, weights):
        matrix, bias, transposed = layer.product()
        # As the layer computes: half precision stays half.
        matrix = ops.cast(matrix, layer.compute_dtype)
        if transposed:
            kernel = ops.transpose(ops.take(matrix, ids, axis=0))
        else:
            kernel = ops.take(matrix, ids, axis=1)
        bias = ops.zeros_like(ids) if bias is None else ops.take(bias, ids, axis=0)
    return {"kernel": kernel, "bias": ops.cast(bias, kernel.dtype)}


def start_column_search(
    step: Callable[..., tuple[Tensor, Any, dict]],
    encoded: dict[str, Any],
    columns: Columns,
    allowed: Tensor,
    product: dict[str, Tensor],
    alignments: bool = True,
    may_shrink: bool = False,
) -> tuple[Step, Any]:
    """A search among some tokens, for `kseq2seq.decoding`.

    Args:
        step: The step, as of `column_step`.
        encoded: The result of the first half for a batch of sources, as of
            `encode_and_step`; it may have an entry `weights`.
        columns: The `kseq2seq.decoding.Columns` of the whole batch.
        allowed: Booleans of shape `(batch, columns)`, those of each row: the others
            have the probability 0.
        product: The `column_product` of the columns.
        alignments: As for `start_search`.
        may_shrink: As for `start_search`.

    Returns:
        A tuple `(step, initial_state)`, as of `start_search`.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model, decoding
    >>> from kseq2seq.models import encode_and_step
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> encoded = encode_and_step([model])[0](ops.ones((2, 5), "int32"))
    >>> columns = Columns(ops.convert_to_tensor([0, 1, 2, 3, 7]), 13)
    >>> step, states = start_column_search(
    ...     column_step(model), encoded, columns, ops.ones((2, 5), "bool"),
    ...     column_product(model, columns.ids))
    >>> tokens = decoding.greedy_search(step, states, max_length=7).ids
    >>> set(tokens.numpy().flatten().tolist()) <= {0, 1, 3, 7}
    True
    """
    weights = encoded.get("weights", ())

    def next_step(tokens, states, memory):
        logits, states, extras = step(
            tokens, states, memory["encoded"], weights, product
        )
        logits = logits + memory["mask"][:, None]
        return logits, states, extras if alignments else {}

    mask = ops.where(allowed, 0.0, -float("inf"))
    memory = {"encoded": encoded["memory"], "mask": ops.cast(mask, "float32")}
    search_step = Step(next_step, memory, True, may_shrink, columns, make_room)
    return search_step, encoded["states"]


def _features(layers, outputs, states, memory):
    """A head in the place of `step_head`, with what the logits are made of."""
    return outputs.features, states, outputs.alignment


def _output_layer(model):
    """The layer from features to logits, if these are nothing but its product."""
    layers = layers_by_name(model)
    vocabulary_sizes(model)  # of a model of ours alone
    layer = layers.get("projection", layers["target_embedding"])
    others = [name for name in ("copying", "marginal") if name in layers]
    probability_fn = layers["logits"].probability_fn
    if probability_fn != "softmax":
        others.append(f"output_probability_fn {probability_fn}")
    if others or not hasattr(layer, "product") or layer.product() is None:
        raise ValueError(
            "A shortlist needs a model whose logits are the product with one matrix, "
            "and whose probabilities their softmax: without copying, hard attention "
            "and other output_probability_fn. Search without a shortlist. Received: a "
            f"model with {', '.join(others) or type(layer).__name__}"
        )
    return layer
