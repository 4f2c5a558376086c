"""Encoding and stepping with other weights than a model's own, or products in int8."""

import keras
import numpy as np
import tensorflow as tf

from kseq2seq.inference.quantization.int8_matmul import with_int8_products

PRODUCTS = ("float32", "int8")
# Entries of a matrix below which products stay in float32: to round what is multiplied
# takes longer than is won.
LEAST_ENTRIES = 2**17


def with_weights(models, encode, step, weights=(), products="float32"):
    """The same functions, with other values for some of the models' variables.

    The values are made once for each call of `encode`, together with the memory, and
    not at each step.

    Args:
        models: List of `keras.Model`s in float32.
        encode: Function from source ids to a dict of `states` and `memory`, as
            `kseq2seq.models.halves.encode_and_step` has it.
        step: Function `(tokens, states, memory)` of there.
        weights: Pairs `(variable, restore)`: a variable of the models and the function
            that gives the value to compute with; see `kseq2seq.inference.compressed`.
        products: "float32", or "int8" for the products with the models' matrices.

    Returns:
        A tuple `(encode, step)`: what `encode` gives has another entry `weights`, a
        list, which is the last argument of `step`. In int8 they are for graphs alone.

    Raises:
        ValueError: If `products` is neither, or none would be made in int8.
    """
    if products not in PRODUCTS:
        raise ValueError(
            f"`products` must be one of {', '.join(map(repr, PRODUCTS))}. "
            f"Received: products={products!r}"
        )
    if products == "int8":
        return _with_int8_products(models, encode, step, weights)
    variables = [variable for variable, _ in weights]
    encode_with, step_with = _with_values(encode, step, variables)

    def encode_and_give(source):
        values = [restore() for _, restore in weights]
        return {**encode_with(source, values), "weights": values}

    return encode_and_give, step_with


def _with_values(encode, step, variables):
    """The same functions, with values of the variables as their last argument."""

    def encode_with(source, values):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return encode(source)

    def step_with(tokens, states, memory, values):
        with keras.StatelessScope(zip(variables, values, strict=True)):
            return step(tokens, states, memory)

    return encode_with, step_with


def _with_int8_products(models, encode, step, weights):
    others = {id(variable): restore for variable, restore in weights}
    variables = [variable for model in models for variable in model.weights]
    restores = [
        others.get(id(x), lambda x=x: tf.convert_to_tensor(x)) for x in variables
    ]
    matrices = [
        x.numpy() if _is_large(x) else tf.TensorSpec(x.shape, x.dtype)
        for x in variables
    ]
    encode, step = _with_values(encode, step, variables)
    ids = tf.TensorSpec([None, None], tf.int32)
    encode = with_int8_products(encode, [ids], matrices)
    states, memory = encode.outputs["states"], encode.outputs["memory"]
    states = keras.tree.map_structure(
        lambda x: tf.TensorSpec([None, *x.shape], x.dtype), states
    )
    step = with_int8_products(step, [ids, states, memory], matrices)
    if not encode.num_products + step.num_products:
        # A model may have large matrices of which it only looks rows up.
        raise ValueError(
            f"`products` in int8 are faster by matrices of {LEAST_ENTRIES:,} entries "
            "or more, and the model multiplies by none of that size: leave them in "
            "float32. Received: matrices of at most "
            f"{max(np.prod(x.shape) for x in variables):,} entries"
        )

    def encode_and_give(source):
        values = [
            restore() if any(needed) else 0.0
            for restore, *needed in zip(
                restores, encode.needed, step.needed, strict=True
            )
        ]
        given = [x for x, needed in zip(values, step.needed, strict=True) if needed]
        return {**encode.function(source, values), "weights": given}

    def step_with(tokens, states, memory, values):
        values = iter(values)
        values = [next(values) if needed else 0.0 for needed in step.needed]
        return step.function(tokens, states, memory, values)

    return encode_and_give, step_with


def _is_large(variable):
    return len(variable.shape) == 2 and np.prod(variable.shape) >= LEAST_ENTRIES
