"""LSTM layers trained by hand-written gradients."""

from collections.abc import Sequence
from typing import Any

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
from kseq2seq.utils import Tensor


def lstm_step(z: Tensor, c: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor]]:
    """One step of an LSTM from its gates' sums, in float32.

    Args:
        z: Tensor of shape `(batch, 4 * units)`: input gate, forget gate, candidate
            and output gate, before their functions.
        c: Tensor of shape `(batch, units)`, the last cell state.

    Returns:
        A tuple `(h, c, saved)`: the new states, and what `lstm_step_gradient` reads:
        gates after their functions, and the tanh of the new cell state.
    """
    gates, c = gate(z, c)
    tanh_c = ops.tanh(c)
    return gates[3] * tanh_c, c, (ops.concatenate(gates, axis=1), tanh_c)


def lstm_step_gradient(
    dh: Tensor, dc: Tensor, c: Tensor, saved: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """The gradient of `lstm_step`.

    Args:
        dh: Gradient of the new `h`, of shape `(batch, units)`.
        dc: Gradient of the new `c`.
        c: The cell state before the step.
        saved: Tensors that `lstm_step` saved.

    Returns:
        A tuple `(dz, dc)`: gradients of `z` and of `c` before the step.
    """
    gates, tanh_c = saved
    gates = ops.split(gates, 4, axis=1)
    dc = dc + dh * gates[3] * (1.0 - tanh_c * tanh_c)
    return gate_gradient(dh * tanh_c, dc, c, gates)


def is_default_lstm(cell: keras.layers.Layer) -> bool:
    """Whether a cell is an LSTM whose steps `lstm_step` makes.

    Args:
        cell: A cell of any kind.
    """
    return (
        type(cell) is keras.layers.LSTMCell
        and cell.activation is keras.activations.tanh
        and cell.recurrent_activation is keras.activations.sigmoid
        and cell.use_bias
        and not cell.dropout
        and not cell.recurrent_dropout
    )


def _products(cell, inputs, kernel):
    return ops.matmul(inputs, kernel) + as_tensor(cell.bias)


def _weights(cell, kernel, has_products):
    """One kernel of all that enters and of `h`, and a bias that no products have."""
    recurrent = as_tensor(cell.recurrent_kernel)
    if kernel is not None:
        recurrent = ops.concatenate([kernel, recurrent])
    return [recurrent] if has_products else [recurrent, as_tensor(cell.bias)]


def _step(weights, z, entering, h, c):
    z = weights[1] if z is None else z
    joined = ops.concatenate([*entering, h], axis=1) if entering else h
    products = ops.matmul(joined, weights[0])
    z = ops.cast(z, "float32") + ops.cast(products, "float32")
    new_h, new_c, saved = lstm_step(z, c)
    return new_h, new_c, (joined, c, *saved)


def _transpose(weights):
    return [ops.transpose(weights[0])]


def _step_gradient(weights, transposed, saved, dh, dc):
    _, c, *saved = saved
    dz, dc = lstm_step_gradient(dh, dc, c, saved)
    dz = ops.cast(dz, transposed[0].dtype)
    djoined = ops.cast(ops.matmul(dz, transposed[0]), "float32")
    num_rows, num_sums = weights[0].shape
    split = num_rows - num_sums // 4
    return djoined[:, :split], djoined[:, split:], dc, (dz,)


def _weight_gradients(weights, saved, dsums):
    (dz,) = dsums
    dweights = [weight_gradient(saved[0], dz)]
    if len(weights) == 2:
        dweights.append(ops.sum(dz, axis=(0, 1)))
    return dz, dweights


def _dtypes(dtype):
    return (dtype, "float32", "float32", "float32"), (dtype,)


LSTM_STEPS = Steps(
    _products,
    _weights,
    _step,
    _transpose,
    _step_gradient,
    _weight_gradients,
    _dtypes,
)


@keras.saving.register_keras_serializable(package="kseq2seq")
class LSTM(keras.layers.LSTM):
    """`keras.layers.LSTM`, faster in training where there is no cuDNN.

    It takes the arguments of Keras's layer, has its weights and gives its results; they
    can take each other's weights. Where it trains on TensorFlow or jax without a GPU,
    with the default activations and without dropout of its own, the products of
    the inputs of all steps are one, and so are those of the gradients.

    Args:
        units: Size of the states.
        **kwargs: Passed to `keras.layers.LSTM`.

    Call arguments:
        sequences: Tensor of shape `(batch, length, input_dim)`.
        initial_state: List of two tensors of shape `(batch, units)`; zeros if `None`.
        mask: Boolean tensor of shape `(batch, length)`, `True` at what is real.
        training: Whether the call is one of training.

    Returns:
        Tensor of shape `(batch, length, units)` with `return_sequences`, else of shape
        `(batch, units)`, in the layer's compute dtype; with `return_state` a list of
        it and the two last states.

    Raises:
        ValueError: As `keras.layers.LSTM` does, such as for `units` below 1.

    Example:

    >>> layer = LSTM(5, return_sequences=True)
    >>> tuple(layer(keras.ops.ones((2, 3, 7)), training=True).shape)
    (2, 3, 5)

    Reference:
        [Hochreiter & Schmidhuber, 1997](https://doi.org/10.1162/neco.1997.9.8.1735);
        forget gates by
        [Gers et al., 2000](https://doi.org/10.1162/089976600300015015).
    """

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if not training or not self._uses_custom_gradient(mask):
            return super().call(sequences, initial_state, mask, training)
        return run_layer(self, LSTM_STEPS, sequences, initial_state, mask)

    def _uses_custom_gradient(self, mask: Tensor | None) -> bool:
        devices = keras.distribution.list_devices()
        asks_cudnn = self.use_cudnn is True or (
            self.use_cudnn and any(x.startswith("gpu") for x in devices)
        )
        is_plain = is_default_lstm(self.cell) and not asks_cudnn
        return is_plain and runs_fast(self, mask)
