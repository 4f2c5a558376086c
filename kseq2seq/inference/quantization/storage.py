"""Smaller SavedModels: weights kept in fewer bits, computed with in float32."""

from functools import partial

import numpy as np
import tensorflow as tf

WEIGHTS = ("float32", "float16", "int8")
# Below it a variable is a bias or the like: it would save next to nothing.
LEAST_SIZE = 256


def compressed(models, weights):
    """Takes the place of the models' matrices, in fewer bits.

    int8 rounds each column of a matrix, or each row of an embedding, to 255 steps of
    one size, the largest entry's 127th. Vectors stay as they are.

    Args:
        models: List of `keras.Model`s that compute in float32.
        weights: "float32" (nothing changes), "float16" or "int8".

    Returns:
        List of pairs `(variable, restore)`: a variable of the models, and a function
        that gives its value, a float32 tensor, from what is kept instead.

    Raises:
        ValueError: If `weights` is none of these.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(17)])
    >>> ((kernel, restore),) = compressed([model], "int8")
    >>> error = np.abs(restore() - kernel).max() / np.abs(kernel).max()
    >>> bool(0 < error < 1 / 254 + 1e-6)
    True

    Reference:
        [Jacob et al., 2018](https://arxiv.org/abs/1712.05877), section 2.1, with a zero
        point of 0.
    """
    if weights not in WEIGHTS:
        raise ValueError(
            f"`weights` must be one of {', '.join(map(repr, WEIGHTS))}. "
            f"Received: weights={weights!r}"
        )
    if weights == "float32":
        return []
    keep = _in_float16 if weights == "float16" else _in_int8
    variables = [variable for model in models for variable in model.weights]
    return [
        (variable, keep(variable))
        for variable in variables
        if len(variable.shape) == 2 and np.prod(variable.shape) >= LEAST_SIZE
    ]


def _in_float16(variable):
    values = np.asarray(variable.numpy(), "float32")
    largest = np.finfo("float16").max
    kept = tf.Variable(np.clip(values, -largest, largest).astype("float16"))
    return partial(tf.cast, kept, tf.float32)


def _in_int8(variable):
    values = np.asarray(variable.numpy(), "float32")
    # An embedding's row is one token's vector, a kernel's column one unit's weights.
    axis = 1 if variable.name == "embeddings" else 0
    step = np.abs(values).max(axis=axis, keepdims=True) / 127
    step = np.where(step > 0, step, 1).astype("float32")
    kept = tf.Variable(np.round(values / step).astype("int8"))
    step = tf.Variable(step)
    return lambda: tf.cast(kept, tf.float32) * step
