"""An LSTM cell with layer normalization."""

from typing import Any

import keras
from keras import ops

from kseq2seq.utils import Tensor, check_integer

_EPSILON = 1e-5


@keras.saving.register_keras_serializable(package="kseq2seq")
class LayerNormLSTMCell(keras.layers.Layer):
    """LSTM cell with layer normalization of its sums and of its cell state.

        z_t = norm(x_t W) * g_x + norm(h_{t-1} U) * g_h + b
        i, f, g, o = z_t
        c_t = sigmoid(f) * c_{t-1} + sigmoid(i) * tanh(g)
        h_t = sigmoid(o) * tanh(norm(c_t) * g_c + b_c)

    `norm` gives each row mean 0 and variance 1, over the sums of all four gates
    together. It is in float32 in half precision too, and so are the gates. The cell has
    no hand-written gradient, as `LSTM` has, and no cuDNN kernel.

    Args:
        units: Size of the states.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, input_dim)`.
        states: List of two tensors of shape `(batch, units)`, `h` and `c`.

    Returns:
        A tuple `(output, states)`: a tensor of shape `(batch, units)` in the layer's
        compute dtype, and the list of the new states.

    Raises:
        ValueError: If `units` is not an integer of at least 1.

    Example:

    >>> layer = keras.layers.RNN(LayerNormLSTMCell(5), return_sequences=True)
    >>> tuple(layer(keras.ops.ones((2, 3, 7))).shape)
    (2, 3, 5)

    Reference:
        [Ba et al., 2016](https://arxiv.org/abs/1607.06450), equations 20 to 22. Their
        three biases of the first sum are one here.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = check_integer("units", units, least=1)
        self.state_size = [self.units, self.units]
        self.output_size = self.units

    def build(self, inputs_shape: Any, states_shape: Any = None) -> None:
        size = 4 * self.units
        self.kernel = self.add_weight(
            shape=(inputs_shape[-1], size), initializer="glorot_uniform", name="kernel"
        )
        self.recurrent_kernel = self._add_recurrent_kernel()
        self.input_gain = self._add_vector("input_gain", size, "ones")
        self._add_vectors()

    def _add_recurrent_kernel(self):
        shape = (self.units, 4 * self.units)
        return self.add_weight(
            shape=shape, initializer="orthogonal", name="recurrent_kernel"
        )

    def _add_vectors(self):
        size = 4 * self.units
        self.recurrent_gain = self._add_vector("recurrent_gain", size, "ones")
        self.bias = self._add_vector("bias", size, forget_bias_of_one)
        self.cell_gain = self._add_vector("cell_gain", self.units, "ones")
        self.cell_bias = self._add_vector("cell_bias", self.units, "zeros")

    def _add_vector(self, name, size, initializer):
        # Without autocast, which would round it ahead of what is in float32.
        return self.add_weight(
            shape=(size,), initializer=initializer, name=name, autocast=False
        )

    def call(self, inputs: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        of_inputs = _normalized(ops.matmul(inputs, self.kernel)) * self.input_gain
        states = self._next_states(of_inputs, states)
        return states[0], states

    def _next_states(self, of_inputs, states):
        """New states, given the part of the gates' sums that the inputs make."""
        h, c = states
        of_state = _normalized(ops.matmul(h, self.recurrent_kernel))
        z = of_inputs + of_state * self.recurrent_gain + self.bias
        i, f, g, o = ops.split(z, 4, axis=-1)
        c = ops.sigmoid(f) * _at_least_float32(c) + ops.sigmoid(i) * ops.tanh(g)
        h = _normalized(c) * self.cell_gain + self.cell_bias
        h = ops.cast(ops.sigmoid(o) * ops.tanh(h), self.compute_dtype)
        return [h, ops.cast(c, self.compute_dtype)]

    def get_initial_state(self, batch_size: Any = None) -> list[Tensor]:
        """States of zeros.

        Args:
            batch_size: Number of rows.
        """
        return [ops.zeros((batch_size, self.units), self.compute_dtype)] * 2

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units}


def _at_least_float32(x):
    dtype = keras.backend.standardize_dtype(x.dtype)
    return ops.cast(x, keras.backend.result_type(dtype, "float32"))


def _normalized(x):
    x = _at_least_float32(x)
    mean, variance = ops.moments(x, axes=-1, keepdims=True)
    return (x - mean) * ops.rsqrt(variance + _EPSILON)


def forget_bias_of_one(shape: Any, dtype: Any = None) -> Tensor:
    """Ones for the forget gate and zeros for the others, as of Keras's LSTM.

    Args:
        shape: Shape of the bias, a tuple with `4 * units`.
        dtype: Dtype of the bias; float32 by default.
    """
    units = shape[0] // 4
    return ops.cast(ops.equal(ops.arange(shape[0]) // units, 1), dtype or "float32")
