"""LSTM layers trained by hand-written gradients.

Automatic differentiation of a loop multiplies two thin matrices at each step to add to
the gradient of the weights, and multiplies by transposed weights, which is slow where
the batch is small. Here the gradients of all steps are one product, and the weights are
transposed once. Elementwise operations are in float32 whatever the products are in: it
costs no more, and sums lose less.

Glossary of shapes, used in the comments below: B batch size, T length, U units.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kseq2seq.layers.recurrent.scans import scan
from kseq2seq.utils import Tensor, custom_gradient


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
    i, f, g, o = ops.split(z, 4, axis=1)
    i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
    new_c = f * c + i * g
    tanh_c = ops.tanh(new_c)
    return o * tanh_c, new_c, (ops.concatenate([i, f, g, o], axis=1), tanh_c)


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
    i, f, g, o = ops.split(gates, 4, axis=1)
    dc = dc + dh * o * (1.0 - tanh_c * tanh_c)
    dz = [
        dc * g * i * (1.0 - i),
        dc * c * f * (1.0 - f),
        dc * i * (1.0 - g * g),
        dh * tanh_c * o * (1.0 - o),
    ]
    return ops.concatenate(dz, axis=1), dc * f


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


def supports_custom_gradient(dtype: str) -> bool:
    """Whether the gradients of this file work with the backend and a dtype.

    Args:
        dtype: The dtype that a layer computes in.
    """
    # What is in float32 here would lose digits of float64.
    return keras.backend.backend() in ("tensorflow", "jax") and dtype != "float64"


def as_tensor(weight: Any) -> Tensor:
    """The value of a weight, since a custom gradient must not read a variable.

    Args:
        weight: A `keras.Variable` or a tensor.
    """
    return ops.copy(weight)


def _flat(x):
    """All steps' rows below each other: (T, B, D) as (T * B, D)."""
    length, batch, size = ops.shape(x)
    return ops.reshape(x, (length * batch, size))


def weight_gradient(inputs: Tensor, gradients: Tensor) -> Tensor:
    """The gradient of weights from all steps' inputs and their products' gradients.

    Args:
        inputs: Tensor of shape `(length, batch, input_dim)`.
        gradients: Tensor of shape `(length, batch, output_dim)`.

    Returns:
        Tensor of shape `(input_dim, output_dim)`.
    """
    return ops.matmul(ops.transpose(_flat(inputs)), _flat(gradients))


@custom_gradient
def _run(z, mask, h, c, kernel):
    """An LSTM over its inputs' products; the mask is 1 at what is real, and float32."""
    dtype = keras.backend.standardize_dtype(z.dtype)

    def step(carry, inputs):
        (h, c), (z, kept) = carry, inputs
        z = ops.cast(z, "float32") + ops.cast(ops.matmul(h, kernel), "float32")
        new_h, new_c, saved = lstm_step(z, c)
        new_h = ops.cast(new_h, dtype)
        real = kept > 0.5  # (B, 1)
        output = ops.where(real, new_h, 0.0)
        carry = ops.where(real, new_h, h), ops.where(real, new_c, c)
        return carry, (output, h, c, *saved)

    start = h, ops.cast(c, "float32")
    dtypes = (dtype, dtype, "float32", "float32", "float32")
    (last_h, last_c), (outputs, all_h, *saved) = scan(step, start, (z, mask), dtypes)

    def gradient(*upstream):
        upstream = upstream[0] if len(upstream) == 1 else upstream
        doutputs, dh, dc = (ops.cast(x, "float32") for x in upstream)
        transposed = ops.transpose(kernel)

        def step(carry, inputs):
            (dh, dc), (doutput, kept, c, *saved) = carry, inputs
            real = kept > 0.5
            dz, new_dc = lstm_step_gradient(doutput + dh, dc, c, saved)
            dz = ops.cast(ops.where(real, dz, 0.0), dtype)
            new_dh = ops.cast(ops.matmul(dz, transposed), "float32")
            return (ops.where(real, new_dh, dh), ops.where(real, new_dc, dc)), (dz,)

        (dh, dc), (dz,) = scan(
            step, (dh, dc), (doutputs, mask, *saved), (dtype,), reverse=True
        )
        dkernel = weight_gradient(all_h, dz)
        states = ops.cast(dh, dtype), ops.cast(dc, dtype)
        return dz, ops.zeros_like(mask), *states, dkernel

    return (outputs, last_h, ops.cast(last_c, dtype)), gradient


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
        batch_size, length, _ = ops.shape(sequences)
        if initial_state is None:
            initial_state = self.get_initial_state(batch_size)
        states = [ops.cast(x, self.compute_dtype) for x in initial_state]
        sequences = ops.swapaxes(sequences, 0, 1)  # (T, B, D)
        if mask is None:
            real = ops.ones((length, batch_size), "float32")
        else:
            real = ops.swapaxes(ops.cast(mask, "float32"), 0, 1)
            # A gradient of 0 does not hide an input that is infinite or NaN.
            sequences = ops.where(real[..., None] > 0.5, sequences, 0.0)
        if self.go_backwards:
            sequences, real = ops.flip(sequences, axis=0), ops.flip(real, axis=0)
        cell = self.cell
        z = ops.matmul(sequences, cell.kernel) + as_tensor(cell.bias)
        kernel = as_tensor(cell.recurrent_kernel)
        outputs, *states = _run(z, real[..., None], *states, kernel)
        outputs = ops.swapaxes(outputs, 0, 1)
        return (outputs, *states) if self.return_state else outputs

    def _uses_custom_gradient(self, mask: Tensor | None) -> bool:
        devices = keras.distribution.list_devices()
        asks_cudnn = self.use_cudnn is True or (
            self.use_cudnn and any(x.startswith("gpu") for x in devices)
        )
        return (
            is_default_lstm(self.cell)
            and supports_custom_gradient(self.compute_dtype)
            and not asks_cudnn
            and not self.unroll
            and not self.stateful
            and self.return_sequences
            and (mask is None or self.zero_output_for_mask)
        )
