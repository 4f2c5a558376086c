"""Weights of an attention layer that another layer calls step by step."""

from typing import Any

import keras

from kseq2seq.layers.attention.base import Attention, Shape


def new_initializer(initializer: Any) -> Any:
    """An initializer for one weight more.

    Args:
        initializer: An initializer of Keras, or a function from shape and dtype.

    Returns:
        A clone, since one that is used twice gives the same numbers twice; a function
        as it is.

    Example:

    >>> initializer = keras.initializers.GlorotUniform()
    >>> new_initializer(initializer) is initializer
    False
    """
    is_own = isinstance(initializer, keras.initializers.Initializer)
    return initializer.clone() if is_own else initializer


def build_attention(
    layer: Attention,
    query_shape: Shape,
    value_shape: Shape,
    key_shape: Shape | None = None,
) -> None:
    """Builds an inner attention layer, unless it is built.

    A mechanism without a `build` of its own gets Keras's: layers that it holds are
    built by a call with symbolic tensors.

    Args:
        layer: The inner layer.
        query_shape: Shape `(batch, target_length, query_dim)`.
        value_shape: Shape `(batch, source_length, value_dim)`.
        key_shape: Shape `(batch, source_length, key_dim)`; that of the value by
            default.

    Example:

    >>> from kseq2seq.layers import BahdanauAttention
    >>> layer = BahdanauAttention(8)
    >>> build_attention(layer, (None, None, 3), (None, None, 5))
    >>> tuple(layer.query_kernel.shape)
    (3, 8)
    """
    if layer.built:
        return
    if type(layer).build is keras.layers.Layer.build:
        shapes = (query_shape, value_shape, key_shape)
        layer(*(x and keras.KerasTensor(x, layer.compute_dtype) for x in shapes))
        return
    build: Any = layer.build  # Keras's own takes one shape
    build(query_shape, value_shape, key_shape)
