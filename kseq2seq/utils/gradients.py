"""Custom gradients that are freed with their graph."""

import functools
import weakref
from collections.abc import Callable
from typing import cast

from kseq2seq.utils.types import Tensor

# The graph keeps its own gradients under this name.
_COLLECTION = "kseq2seq_custom_gradients"
# Half of the largest float16, to which another gradient may be added.
_MOST_IN_FLOAT16 = 32752.0


class _Gradient:
    """A gradient function that can be referred to weakly."""

    def __init__(self, function):
        self.function = function


def custom_gradient(function: Callable) -> Callable:
    """Lets a function compute its own gradient, as `keras.ops.custom_gradient` does.

    In a graph, `tf.custom_gradient` puts each gradient into a global registry and never
    takes it out. The gradient holds the tensors of its graph, so the graph of every
    training stays in memory until the process ends. Here the graph holds the gradient,
    and the registry refers to it weakly.

    Args:
        function: Function of tensors that returns a tuple `(outputs, gradient)`;
            `gradient` maps the gradients of the outputs to those of the arguments.

    Returns:
        A function from the same tensors to `outputs`.

    Example:

    >>> @custom_gradient
    ... def square(x):
    ...     return x * x, lambda upstream: upstream * 2.0 * x
    >>> float(square(keras.ops.convert_to_tensor(3.0)))
    9.0
    """
    import keras

    differentiable = keras.ops.custom_gradient(function)
    if keras.backend.backend() != "tensorflow":
        return differentiable

    import tensorflow as tf

    # Private API: nothing public reaches the registry. Without `_registry`, or with
    # another layout of it, gradients are right and only stay in memory.
    from tensorflow.python.framework.ops import gradient_registry

    @functools.wraps(function)
    def call(*arguments):
        if tf.executing_eagerly():
            return differentiable(*arguments)
        num_known = len(gradient_registry.list())
        outputs = differentiable(*arguments)
        graph = tf.compat.v1.get_default_graph()
        for name in [*gradient_registry.list()][num_known:]:
            _hold_in_graph(graph, gradient_registry, name)
        return outputs

    return call


def with_bounded_gradient(shares: Tensor) -> Tensor:
    """Shares that are to have a logarithm, whose gradient fits into float16.

    The gradient of the logarithm of a small share, times the scale of the loss, is
    infinite in float16, and those of all that the share is made of are NaN. So it is
    clipped, where the shares are in float16.

    Args:
        shares: Tensor of floats.

    Returns:
        The same tensor, or, of one in float16, that tensor in float32.

    Example:

    >>> shares = keras.ops.ones((2, 3), "float16")
    >>> keras.backend.standardize_dtype(with_bounded_gradient(shares).dtype)
    'float32'
    """
    from keras import backend, ops

    if backend.standardize_dtype(shares.dtype) != "float16":
        return shares

    @custom_gradient
    def in_float32(shares):
        def gradient(upstream):
            upstream = ops.clip(upstream, -_MOST_IN_FLOAT16, _MOST_IN_FLOAT16)
            return ops.cast(upstream, "float16")

        return ops.cast(shares, "float32"), gradient

    return in_float32(shares)


def _hold_in_graph(graph, registry, name):
    gradient = _Gradient(registry.lookup(name))
    reference = weakref.ref(gradient)

    def call_while_alive(operation, *upstream):
        return cast(_Gradient, reference()).function(operation, *upstream)

    try:
        entry = registry._registry[name]
        entry["type"] = call_while_alive
    except (AttributeError, KeyError, TypeError):
        return
    graph.add_to_collection(_COLLECTION, gradient)
