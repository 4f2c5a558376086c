"""Cells with several transitions within each time step."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.nested import NestedLayers
from kseq2seq.layers.recurrent.layer_norm_lstm import (
    LayerNormLSTMCell,
    forget_bias_of_one,
)
from kseq2seq.layers.recurrent.lstm import is_default_lstm, lstm_step
from kseq2seq.utils import Tensor, check_integer


@keras.saving.register_keras_serializable(package="kseq2seq")
class TransitionCell(NestedLayers, keras.layers.Layer):
    """A recurrent cell whose states pass through further cells within each step.

        h_1, s_1 = cell(x_t, s_{t-1})
        h_k, s_k = cell_k(s_{k-1}), for k = 2, ..., depth

    and the step's output and states are the last ones. The further cells are of the
    kind of the first, with weights of their own, but without any for an input. Unlike
    stacked layers, of which each has states of its own, this makes the way from one
    step to the next deeper.

    Args:
        cell: The first cell: a `keras.layers.LSTMCell` or a `keras.layers.GRUCell` with
            default activations and without dropout, or a `LayerNormLSTMCell`.
        depth: Number of cells, the first included.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, input_dim)`.
        states: List of tensors of shape `(batch, units)`, as of `cell`.

    Returns:
        A tuple `(output, states)`: a tensor of shape `(batch, units)`, and the list of
        the new states.

    Raises:
        ValueError: If `cell` is none of these, or `depth` is not an integer of at
            least 2.

    Example:

    >>> cell = TransitionCell(keras.layers.GRUCell(5), depth=3)
    >>> tuple(keras.layers.RNN(cell)(keras.ops.ones((2, 3, 7))).shape)
    (2, 5)

    Reference:
        - [Miceli Barone et al., 2017](https://arxiv.org/abs/1707.07631), section 2.3.1.
        - [Pascanu et al., 2014](https://arxiv.org/abs/1312.6026), section 3.
    """

    def __init__(self, cell: keras.layers.Layer, depth: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell: Any = cell
        self.depth = check_integer("depth", depth, least=2)
        kind = _further_kind(cell)
        self.state_size = self.cell.state_size
        self.output_size = self.cell.output_size
        self.further = [
            kind(self.cell.units, dtype=self.cell.dtype_policy, name=f"further_{i}")
            for i in range(depth - 1)
        ]

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        if not self.cell.built:
            self.cell.build(inputs_shape)
        for one in self.further:
            one.build((None, self.cell.units))

    def call(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        _, states = self.cell(inputs, list(states))
        states = keras.tree.flatten(states)
        for one in self.further:
            states = one(states)
        return states[0], states

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "depth": self.depth,
        }


def _further_kind(cell):
    """The class of the cells behind the first."""
    if is_default_lstm(cell):
        return _FurtherLSTM
    if type(cell) is LayerNormLSTMCell:
        return _FurtherLayerNormLSTM
    if type(cell) is keras.layers.GRUCell:
        new = keras.layers.GRUCell(cell.units).get_config()
        names = ("activation", "recurrent_activation", "use_bias", "reset_after")
        names = (*names, "dropout", "recurrent_dropout")
        given = cell.get_config()
        if all(given[name] == new[name] for name in names):
            return _FurtherGRU
    raise ValueError(
        "`cell` must be an LSTMCell or a GRUCell of Keras with default activations "
        "and biases and without dropout, or a LayerNormLSTMCell. Received: "
        f"cell={cell!r}"
    )


class _Further(keras.layers.Layer):
    """A cell from states to states."""

    gates = 4
    bias_initializer: Any = "zeros"

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, states_shape: Any) -> None:
        size = self.gates * self.units
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, size), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(
            shape=(size,), initializer=self.bias_initializer, name="bias"
        )
        self.built = True


class _FurtherLSTM(_Further):
    bias_initializer = staticmethod(forget_bias_of_one)

    def call(self, states):
        h, c = states
        z = ops.matmul(h, self.recurrent_kernel) + self.bias
        h, c, _ = lstm_step(z, c)
        return [h, c]


class _FurtherGRU(_Further):
    gates = 3

    def call(self, states):
        (h,) = states
        sums = ops.matmul(h, self.recurrent_kernel) + self.bias
        z, r, g = ops.split(sums, 3, axis=-1)
        z, r = ops.sigmoid(z), ops.sigmoid(r)
        return [z * h + (1 - z) * ops.tanh(r * g)]


class _FurtherLayerNormLSTM(LayerNormLSTMCell):
    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        self.recurrent_kernel = self._add_recurrent_kernel()
        self._add_vectors()
        self.built = True

    def call(self, states):
        return self._next_states(0.0, states)
