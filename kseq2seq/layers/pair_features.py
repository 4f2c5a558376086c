"""Layers for pairs of target and source positions, whose alignment is not known."""

from typing import Any

import keras
from keras import ops

from kseq2seq.utils import Tensor, check_integer


@keras.saving.register_keras_serializable(package="kseq2seq")
class CellOutput(keras.layers.Layer):
    """The output of a decoder's cells, without the context in front of it.

    It is the `attentional` layer of a decoder whose attention gives alignments alone.

    Args:
        units: Size of the cells' output.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., context_size + units)`.

    Returns:
        Tensor of shape `(batch, ..., units)`.

    Example:

    >>> tuple(CellOutput(3)(keras.ops.ones((2, 5, 7))).shape)
    (2, 5, 3)
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = check_integer("units", units, least=1)

    def call(self, inputs: Tensor) -> Tensor:
        return inputs[..., -self.units :]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable(package="kseq2seq")
class PairFeatures(keras.layers.Layer):
    """Features of each pair of target and source position: `tanh(W q + U v)`.

    Args:
        units: Size of the features.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        query: Tensor of shape `(batch, target_length, query_dim)`.
        value: Tensor of shape `(batch, source_length, value_dim)`.

    Returns:
        Tensor of shape `(batch, target_length, source_length, units)`.

    Example:

    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> tuple(PairFeatures(7)(query, value).shape)
    (2, 3, 5, 7)
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = check_integer("units", units, least=1)

    def build(self, query_shape: Any, value_shape: Any = None) -> None:
        self.query_kernel = self.add_weight(
            shape=(query_shape[-1], self.units), name="query_kernel"
        )
        self.value_kernel = self.add_weight(
            shape=(value_shape[-1], self.units), name="value_kernel"
        )

    def call(self, query: Tensor, value: Tensor) -> Tensor:
        query = ops.matmul(query, self.query_kernel)[:, :, None]
        return ops.tanh(query + ops.matmul(value, self.value_kernel)[:, None])

    def compute_output_spec(
        self, query: keras.KerasTensor, value: keras.KerasTensor
    ) -> keras.KerasTensor:
        shape = (*query.shape[:2], value.shape[1], self.units)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}
