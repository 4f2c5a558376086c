"""Smaller SavedModels: weights stored in fewer bits, computed with in float32."""

from collections.abc import Callable, Sequence
from functools import partial

import keras
import numpy as np
import tensorflow as tf

from kseq2seq.utils import Tensor, check_choice

WEIGHTS = ("float32", "float16", "int8")
# A smaller variable is a bias or the like, which would save next to nothing.
LEAST_STORED = 256


def stored_variables(
    models: Sequence[keras.Model], weights: str
) -> list[keras.Variable]:
    """The models' variables that `store_weights` stores in fewer bits.

    Args:
        models: List of `keras.Model`s that compute in float32.
        weights: "float32" (none), "float16" or "int8".

    Example:

    >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(17)])
    >>> [x.name for x in stored_variables([model], "int8")]
    ['kernel']
    """
    if weights == "float32":
        return []
    variables = [variable for model in models for variable in model.weights]
    return [x for x in variables if is_matrix(x, LEAST_STORED)]


def is_matrix(variable: keras.Variable, least: int) -> bool:
    """Whether a variable is a matrix of many entries.

    Args:
        variable: A variable of a model.
        least: The least number of entries.

    Example:

    >>> is_matrix(keras.Variable(np.ones((3, 5))), 15)
    True
    """
    return len(variable.shape) == 2 and int(np.prod(variable.shape)) >= least


def store_weights(
    models: Sequence[keras.Model], weights: str
) -> list[tuple[keras.Variable, Callable[[], Tensor]]]:
    """Stores the models' matrices in fewer bits.

    int8 rounds each column of a matrix, or each row of an embedding, to 255 steps of
    one size, the largest entry's 127th. Vectors stay as they are.

    Args:
        models: List of `keras.Model`s that compute in float32.
        weights: "float32" (nothing changes), "float16" or "int8".

    Returns:
        List of pairs `(variable, restore)`: a variable of the models, and a function
        that gives its value, a float32 tensor, from what is stored instead.

    Raises:
        ValueError: If `weights` is none of these.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(17)])
    >>> ((kernel, restore),) = store_weights([model], "int8")
    >>> error = np.abs(restore() - kernel).max() / np.abs(kernel).max()
    >>> bool(0 < error < 1 / 254 + 1e-6)
    True

    Reference:
        [Jacob et al., 2018](https://arxiv.org/abs/1712.05877), section 2.1, with a zero
        point of 0.
    """
    check_choice("weights", weights, WEIGHTS)
    store = _in_float16 if weights == "float16" else _in_int8
    return [(x, store(x)) for x in stored_variables(models, weights)]


def _in_float16(variable):
    values = np.asarray(variable.numpy(), "float32")
    largest = np.finfo("float16").max
    stored = tf.Variable(np.clip(values, -largest, largest).astype("float16"))
    return partial(tf.cast, stored, tf.float32)


def _in_int8(variable):
    values = np.asarray(variable.numpy(), "float32")
    # An embedding's row is one token's vector, a kernel's column one unit's weights.
    axis = 1 if variable.name == "embeddings" else 0
    step = np.abs(values).max(axis=axis, keepdims=True) / 127
    step = np.where(step > 0, step, 1).astype("float32")
    stored = tf.Variable(np.round(values / step).astype("int8"))
    step = tf.Variable(step)
    return lambda: tf.cast(stored, tf.float32) * step
