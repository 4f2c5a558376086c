"""Recurrent layers over sequences, with hand-written gradients."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.recurrent.scans import scan
from kseq2seq.layers.recurrent.steps import Steps, supports_custom_gradient
from kseq2seq.utils import Tensor, custom_gradient


def runs_fast(layer: keras.layers.RNN, mask: Tensor | None) -> bool:
    """Whether `run_layer` gives what a layer asks for.

    Args:
        layer: A recurrent layer.
        mask: The mask of its sequences, or `None`.
    """
    return (
        supports_custom_gradient(layer.compute_dtype)
        and not layer.unroll
        and not layer.stateful
        and layer.return_sequences
        and (mask is None or layer.zero_output_for_mask)
    )


def run_layer(
    layer: keras.layers.RNN,
    steps: Steps,
    sequences: Tensor,
    initial_state: Any,
    mask: Tensor | None,
) -> Any:
    """Outputs of a recurrent layer in training, with zeros at padding.

    Args:
        layer: The layer, built, which returns sequences and keeps no state.
        steps: Functions of its cell.
        sequences: Tensor of shape `(batch, length, input_dim)`.
        initial_state: List of two tensors of shape `(batch, units)`; zeros if `None`.
        mask: Boolean tensor of shape `(batch, length)`, or `None`.

    Returns:
        Tensor of shape `(batch, length, units)`; with the layer's `return_state` a
        tuple of it and the two last states.
    """
    batch_size, length, _ = ops.shape(sequences)
    if initial_state is None:
        initial_state = layer.get_initial_state(batch_size)
    h, c = (ops.cast(x, layer.compute_dtype) for x in initial_state)
    sequences = ops.swapaxes(sequences, 0, 1)  # (T, B, D)
    if mask is None:
        real = ops.ones((length, batch_size), "float32")
    else:
        real = ops.swapaxes(ops.cast(mask, "float32"), 0, 1)
        # A gradient of 0 does not hide an input that is infinite or NaN.
        sequences = ops.where(real[..., None] > 0.5, sequences, 0.0)
    if layer.go_backwards:
        sequences, real = ops.flip(sequences, axis=0), ops.flip(real, axis=0)
    z = steps.products(layer.cell, sequences, layer.cell.kernel)
    weights = steps.weights(layer.cell, None, True)
    outputs, *states = _run_with_gradients(steps, (z, real[..., None], h, c, weights))
    outputs = ops.swapaxes(outputs, 0, 1)
    return (outputs, *states) if layer.return_state else outputs


def _run_with_gradients(steps, tensors):
    @custom_gradient
    def run(*leaves):
        return _run(steps, *keras.tree.pack_sequence_as(tensors, list(leaves)))

    return run(*keras.tree.flatten(tensors))


def _run(steps, z, mask, h, c, weights):
    """Outputs and last states; the mask is 1 at what is real, and float32."""
    dtype = keras.backend.standardize_dtype(z.dtype)
    of_saved, of_dsums = steps.dtypes(dtype)

    def step(carry, inputs):
        (h, c), (z, kept) = carry, inputs
        new_h, new_c, saved = steps.step(weights, z, [], h, c)
        new_h = ops.cast(new_h, dtype)
        real = kept > 0.5  # (B, 1)
        output = ops.where(real, new_h, 0.0)
        carry = ops.where(real, new_h, h), ops.where(real, new_c, c)
        return carry, (output, saved)

    start = h, ops.cast(c, "float32")
    (last_h, last_c), (outputs, saved) = scan(step, start, (z, mask), (dtype, of_saved))

    def gradient(*upstream):
        upstream = upstream[0] if len(upstream) == 1 else upstream
        doutputs, dh, dc = (ops.cast(x, "float32") for x in upstream)
        transposed = steps.transpose(weights)

        def step(carry, inputs):
            (dh, dc), (doutput, kept, saved) = carry, inputs
            real = kept > 0.5
            of_step = ops.where(real, doutput + dh, 0.0), ops.where(real, dc, 0.0)
            _, new_dh, new_dc, dsums = steps.step_gradient(
                weights, transposed, saved, *of_step
            )
            carry = ops.where(real, new_dh, dh), ops.where(real, new_dc, dc)
            return carry, dsums

        (dh, dc), dsums = scan(
            step, (dh, dc), (doutputs, mask, saved), of_dsums, reverse=True
        )
        dz, dweights = steps.weight_gradients(weights, saved, dsums)
        states = ops.cast(dh, dtype), ops.cast(dc, dtype)
        return keras.tree.flatten((dz, ops.zeros_like(mask), *states, dweights))

    return (outputs, last_h, ops.cast(last_c, dtype)), gradient
