"""LSTM layers with layer normalization, trained by hand-written gradients."""

from typing import Any, NamedTuple

import keras
from keras import ops

from kseq2seq.layers.recurrent.sequences import run_layer, runs_fast
from kseq2seq.layers.recurrent.steps import (
    Steps,
    as_tensor,
    gate,
    gate_gradient,
    weight_gradient,
)
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
    together. It is in float32 in half precision too, and so are the gates.
    `LayerNormLSTM` runs it over sequences.

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
        # In float32 at least, and without autocast, which would round it ahead of what
        # is computed so.
        return self.add_weight(
            shape=(size,),
            initializer=initializer,
            dtype=keras.backend.result_type(self.variable_dtype, "float32"),
            name=name,
            autocast=False,
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
    return _normalize(_at_least_float32(x))[0]


def _normalize(x):
    """Rows with mean 0 and variance 1, and what they were multiplied by, `(B, 1)`."""
    mean, variance = ops.moments(x, axes=-1, keepdims=True)
    factor = ops.rsqrt(variance + _EPSILON)
    return (x - mean) * factor, factor


def _normalize_gradient(dy, y, factor):
    """The gradient of `_normalize`, given the rows that it made."""
    mean = ops.mean(dy, axis=-1, keepdims=True)
    return factor * (dy - mean - y * ops.mean(dy * y, axis=-1, keepdims=True))


def forget_bias_of_one(shape: Any, dtype: Any = None) -> Tensor:
    """Ones for the forget gate and zeros for the others, as of Keras's LSTM.

    Args:
        shape: Shape of the bias, a tuple with `4 * units`.
        dtype: Dtype of the bias; float32 by default.
    """
    units = shape[0] // 4
    return ops.cast(ops.equal(ops.arange(shape[0]) // units, 1), dtype or "float32")


class _Weights(NamedTuple):
    """Weights of the loop, without the kernel of the inputs."""

    kernel: list  # (E, 4U), rows of what enters each step, or empty
    recurrent_kernel: Any  # (U, 4U)
    input_gain: Any  # (4U,)
    recurrent_gain: Any  # (4U,)
    bias: Any  # (4U,)
    cell_gain: Any  # (U,)
    cell_bias: Any  # (U,)


class _Saved(NamedTuple):
    """Tensors of a step that its gradient needs; all but the first in float32."""

    joined: Any  # (B, E + U), what entered, and h before the step
    c: Any  # (B, U), before the step
    gates: Any  # (B, 4U)
    tanh: Any  # (B, U), of the normalized cell state
    inputs: Any  # (B, 4U), normalized sums, and (B, 1), their factors
    inputs_factor: Any
    state: Any
    state_factor: Any
    cell: Any  # (B, U) and (B, 1), of the new cell state
    cell_factor: Any


class _Sums(NamedTuple):
    """Gradients of a step's sums, of which those of the weights are made."""

    inputs: Any  # (B, 4U), gradients of the products
    state: Any  # (B, 4U)
    gates: Any  # (B, 4U), of the gates' sums, float32
    cell: Any  # (B, U), of what is under the last tanh, float32


def _products(cell, inputs, kernel):
    return ops.matmul(inputs, kernel)


def _weights(cell, kernel, has_products):
    return _Weights(
        [] if kernel is None else [kernel],
        as_tensor(cell.recurrent_kernel),
        as_tensor(cell.input_gain),
        as_tensor(cell.recurrent_gain),
        as_tensor(cell.bias),
        as_tensor(cell.cell_gain),
        as_tensor(cell.cell_bias),
    )


def _step(weights, z, entering, h, c):
    parts = [] if z is None else [ops.cast(z, "float32")]
    joined = h
    if entering:
        entering = ops.concatenate(entering, axis=1)
        joined = ops.concatenate([entering, h], axis=1)
        products = ops.matmul(entering, weights.kernel[0])
        parts.append(ops.cast(products, "float32"))
    inputs, inputs_factor = _normalize(sum(parts[1:], parts[0]))
    of_state = ops.cast(ops.matmul(h, weights.recurrent_kernel), "float32")
    state, state_factor = _normalize(of_state)
    sums = inputs * weights.input_gain + state * weights.recurrent_gain + weights.bias
    gates, new_c = gate(sums, c)
    cell, cell_factor = _normalize(new_c)
    tanh = ops.tanh(cell * weights.cell_gain + weights.cell_bias)
    saved = _Saved(
        joined,
        c,
        ops.concatenate(gates, axis=1),
        tanh,
        inputs,
        inputs_factor,
        state,
        state_factor,
        cell,
        cell_factor,
    )
    return gates[3] * tanh, new_c, saved


def _transpose(weights):
    kernels = [*weights.kernel, weights.recurrent_kernel]
    return [ops.transpose(x) for x in kernels]


def _step_gradient(weights, transposed, saved, dh, dc):
    gates = ops.split(saved.gates, 4, axis=1)
    dcell = dh * gates[3] * (1.0 - saved.tanh * saved.tanh)
    dc = dc + _normalize_gradient(
        dcell * weights.cell_gain, saved.cell, saved.cell_factor
    )
    dgates, dc = gate_gradient(dh * saved.tanh, dc, saved.c, gates)
    dinputs = _normalize_gradient(
        dgates * weights.input_gain, saved.inputs, saved.inputs_factor
    )
    dstate = _normalize_gradient(
        dgates * weights.recurrent_gain, saved.state, saved.state_factor
    )
    dtype = transposed[0].dtype
    dinputs, dstate = ops.cast(dinputs, dtype), ops.cast(dstate, dtype)
    dentering = None
    if weights.kernel:
        dentering = ops.cast(ops.matmul(dinputs, transposed[0]), "float32")
    dh = ops.cast(ops.matmul(dstate, transposed[-1]), "float32")
    return dentering, dh, dc, _Sums(dinputs, dstate, dgates, dcell)


def _weight_gradients(weights, saved, dsums):
    split = weights.kernel[0].shape[0] if weights.kernel else 0
    entering, h = saved.joined[..., :split], saved.joined[..., split:]
    return dsums.inputs, _Weights(
        [weight_gradient(entering, dsums.inputs)] if weights.kernel else [],
        weight_gradient(h, dsums.state),
        ops.sum(dsums.gates * saved.inputs, axis=(0, 1)),
        ops.sum(dsums.gates * saved.state, axis=(0, 1)),
        ops.sum(dsums.gates, axis=(0, 1)),
        ops.sum(dsums.cell * saved.cell, axis=(0, 1)),
        ops.sum(dsums.cell, axis=(0, 1)),
    )


def _dtypes(dtype):
    saved = _Saved(dtype, *["float32"] * 9)
    return saved, _Sums(dtype, dtype, "float32", "float32")


LAYER_NORM_LSTM_STEPS = Steps(
    _products,
    _weights,
    _step,
    _transpose,
    _step_gradient,
    _weight_gradients,
    _dtypes,
)


@keras.saving.register_keras_serializable(package="kseq2seq")
class LayerNormLSTM(keras.layers.RNN):
    """`keras.layers.RNN` of a `LayerNormLSTMCell`, faster in training.

    Where it trains on TensorFlow or jax, the products of the inputs of all steps are
    one, and so are those of the gradients; the results are the same.

    Args:
        units: Size of the states.
        **kwargs: Passed to `keras.layers.RNN`.

    Call arguments:
        sequences: Tensor of shape `(batch, length, input_dim)`.
        initial_state: List of two tensors of shape `(batch, units)`; zeros if `None`.
        mask: Boolean tensor of shape `(batch, length)`, `True` at what is real.
        training: Whether the call is one of training.

    Returns:
        Tensor of shape `(batch, length, units)` with `return_sequences`, else of shape
        `(batch, units)`, in the layer's compute dtype; with `return_state` a tuple of
        it and the two last states.

    Raises:
        ValueError: If `units` is not an integer of at least 1.

    Example:

    >>> layer = LayerNormLSTM(5, return_sequences=True)
    >>> tuple(layer(keras.ops.ones((2, 3, 7)), training=True).shape)
    (2, 3, 5)

    Reference:
        [Ba et al., 2016](https://arxiv.org/abs/1607.06450), equations 20 to 22.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        cell = LayerNormLSTMCell(
            units, dtype=kwargs.get("dtype"), name="layer_norm_lstm_cell"
        )
        super().__init__(cell, **kwargs)
        self.units = cell.units

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if not training or not runs_fast(self, mask):
            return super().call(sequences, initial_state, mask, training)
        return run_layer(self, LAYER_NORM_LSTM_STEPS, sequences, initial_state, mask)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["cell"]
        return {**config, "units": self.units}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: Any = None
    ) -> "LayerNormLSTM":
        return cls(**config)
