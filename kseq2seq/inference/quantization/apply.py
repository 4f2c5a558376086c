"""The two halves of models, with quantised weights or products in int8."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kseq2seq.inference.quantization.int8_matmul import with_int8_products
from kseq2seq.inference.quantization.processor import ProductsError
from kseq2seq.inference.quantization.storage import is_matrix, store_weights
from kseq2seq.models import MEAN, Mixture, mixed_halves
from kseq2seq.utils import Tensor, check_choice

PRODUCTS = ("float32", "int8")
# Products with a smaller matrix stay in float32: to round the other factor takes
# longer than is won.
LEAST_MULTIPLIED = 2**17


def quantized_halves(
    models: Sequence[keras.Model],
    weights: str = "float32",
    products: str = "float32",
    mixture: Mixture = MEAN,
) -> tuple[Callable[..., dict[str, Any]], Callable[..., tuple[Tensor, Any, dict]]]:
    """The two halves of a model or an ensemble, with quantised weights.

    Stored weights are restored once for each call of `encode`, and not at each step.

    Args:
        models: List of `keras.Model`s in float32.
        weights: "float32", or "float16" or "int8" for matrices stored in fewer bits.
        products: "float32", or "int8" for the products with the models' matrices.
        mixture: The `kseq2seq.models.Mixture` of the models, and of a language model.

    Returns:
        A tuple `(encode, step)`, as `kseq2seq.models.mixed_halves` returns it. The
        dict that `encode(source)` gives has another entry `weights`, a list, which is
        the last argument of `step`. In int8 they are for graphs alone.

    Raises:
        ValueError: If a word is none of these.
        ProductsError: If no product would be made in int8.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=24, units=24))
    >>> encode, step = quantized_halves([model], weights="int8")
    >>> len(encode(keras.ops.ones((2, 5), "int32"))["weights"]) > 5
    True
    """
    check_choice("products", products, PRODUCTS)
    together = [*models, *([mixture.fusion.model] if mixture.fusion else [])]
    stored = store_weights(together, weights)
    if products == "int8":
        variables = [variable for model in together for variable in model.weights]
        halves = mixed_halves(models, variables, mixture)
        return _halves_in_int8(halves, variables, dict(_by_id(stored)))
    encode, step = mixed_halves(models, [x for x, _ in stored], mixture)

    def encode_restored(source):
        values = [restore() for _, restore in stored]
        return {**encode(source, values), "weights": values}

    return encode_restored, step


def step_in_int8(
    step: Callable[..., Any], variables: Sequence[keras.Variable], specs: Sequence[Any]
) -> Callable[..., Any]:
    """A step whose products with large matrices are in int8; for graphs alone.

    Args:
        step: Function `(tokens, states, memory, weights, product)`, as
            `kseq2seq.models.column_step` returns it for the variables.
        variables: The variables, in float32.
        specs: Nested `tf.TensorSpec`s of the tokens, states, memory and product.

    Returns:
        The function with the same arguments, which takes no notice of `weights`.
    """

    def of_values(tokens, states, memory, product, values):
        return step(tokens, states, memory, values, product)

    graph = with_int8_products(of_values, specs, _matrices(variables))

    def rewritten(tokens, states, memory, weights, product):
        values = [tf.convert_to_tensor(x) for x in _chosen(variables, graph.needed)]
        return graph.function(tokens, states, memory, product, values)

    return rewritten


def _by_id(stored):
    return ((id(variable), restore) for variable, restore in stored)


def _halves_in_int8(halves, variables, restores):
    matrices = _matrices(variables)
    encode, step = halves
    ids = tf.TensorSpec([None, None], tf.int32)
    encode = with_int8_products(encode, [ids], matrices)
    states, memory = encode.outputs["states"], encode.outputs["memory"]
    states = keras.tree.map_structure(
        lambda x: tf.TensorSpec([None, *x.shape], x.dtype), states
    )
    step = with_int8_products(step, [ids, states, memory], matrices)
    if not encode.num_products + step.num_products:
        # A model may have large matrices of which it only looks rows up.
        raise ProductsError(
            "`products` in int8 are faster by matrices of "
            f"{LEAST_MULTIPLIED:,} entries or more, and the model multiplies by none "
            "of that size: leave them in float32. Received: matrices of at most "
            f"{max(np.prod(x.shape) for x in variables):,} entries"
        )

    def encode_restored(source):
        values = [
            _restore(x, restores) if any(needed) else None
            for x, *needed in zip(variables, encode.needed, step.needed, strict=True)
        ]
        encoded = encode.function(source, _chosen(values, encode.needed))
        return {**encoded, "weights": _chosen(values, step.needed)}

    return encode_restored, step.function


def _restore(variable, restores):
    restore = restores.get(id(variable))
    return tf.convert_to_tensor(variable) if restore is None else restore()


def _chosen(values, needed):
    return [value for value, is_needed in zip(values, needed, strict=True) if is_needed]


def _matrices(variables):
    """Values of the large ones, and a `tf.TensorSpec` of each of the others."""
    return [
        x.numpy() if is_matrix(x, LEAST_MULTIPLIED) else tf.TensorSpec(x.shape, x.dtype)
        for x in variables
    ]
