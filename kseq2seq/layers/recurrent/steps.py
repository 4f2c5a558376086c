"""Steps of recurrent cells, for loops with hand-written gradients.

Automatic differentiation of a loop multiplies two thin matrices at each step to add to
the gradient of the weights, and multiplies by transposed weights, which is slow where
the batch is small. Here the gradients of all steps are one product, and the weights are
transposed once. Elementwise operations are in float32 whatever the products are in: it
costs no more, and sums lose less.

Glossary of shapes, used in comments: B batch size, T length, U units, E size of what
enters a step beside the inputs, such as a context.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
from keras import ops

from kseq2seq.utils import Tensor


class Steps(NamedTuple):
    """Functions that make the steps of a kind of cell and their gradients.

    Attributes:
        products: `(cell, inputs, kernel) -> z`, the products of the inputs of all
            steps with their rows of the kernel, of shape `(length, batch, 4 * units)`.
        weights: `(cell, kernel, has_products) -> weights`, nested tensors for the
            loop. `kernel` has the rows of what enters each step, and is `None` where
            nothing does. `has_products` says whether steps get a `z`.
        step: `(weights, z, entering, h, c) -> (h, c, saved)`, one step. `z` is `None`
            without products, and `entering` a list of tensors of shape
            `(batch, size)`. The new `h` and `c` are in float32.
        transpose: `(weights) -> transposed`, what `step_gradient` multiplies by.
        step_gradient: `(weights, transposed, saved, dh, dc) -> (dentering, dh, dc,
            dsums)`, gradients of one step from those of its `h` and `c`, in float32.
        weight_gradients: `(weights, saved, dsums) -> (dz, dweights)`, from what all
            steps saved and gave, with a first axis of time.
        dtypes: `(dtype) -> (saved, dsums)`, tuples of the dtypes of both.
    """

    products: Callable[[Any, Tensor, Tensor], Tensor]
    weights: Callable[[Any, Tensor | None, bool], Any]
    step: Callable[..., tuple[Tensor, Tensor, tuple]]
    transpose: Callable[[Any], list]
    step_gradient: Callable[..., tuple[Tensor, Tensor, Tensor, tuple]]
    weight_gradients: Callable[..., tuple[Tensor, Any]]
    dtypes: Callable[[str], tuple[tuple, tuple]]


def supports_custom_gradient(dtype: str) -> bool:
    """Whether hand-written gradients work with the backend and a dtype.

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


def weight_gradient(inputs: Tensor, gradients: Tensor) -> Tensor:
    """The gradient of weights from all steps' inputs and their products' gradients.

    Args:
        inputs: Tensor of shape `(length, batch, input_dim)`.
        gradients: Tensor of shape `(length, batch, output_dim)`.

    Returns:
        Tensor of shape `(input_dim, output_dim)`.
    """
    return ops.matmul(ops.transpose(_flat(inputs)), _flat(gradients))


def _flat(x):
    """All steps' rows below each other: (T, B, D) as (T * B, D)."""
    length, batch, size = ops.shape(x)
    return ops.reshape(x, (length * batch, size))


def gate(z: Tensor, c: Tensor) -> tuple[list[Tensor], Tensor]:
    """Gates of an LSTM and its new cell state.

    Args:
        z: Tensor of shape `(batch, 4 * units)`: sums of input gate, forget gate,
            candidate and output gate, in float32.
        c: Tensor of shape `(batch, units)`, the last cell state.

    Returns:
        A tuple `(gates, c)`: the four gates after their functions, of shape
        `(batch, units)`, and the new cell state.
    """
    i, f, g, o = ops.split(z, 4, axis=1)
    i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
    return [i, f, g, o], f * c + i * g


def gate_gradient(
    do: Tensor, dc: Tensor, c: Tensor, gates: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """The gradient of `gate`.

    Args:
        do: Gradient of the output gate, of shape `(batch, units)`.
        dc: Gradient of the new cell state.
        c: The cell state before the step.
        gates: The gates that `gate` returned.

    Returns:
        A tuple `(dz, dc)`: gradients of `z` and of `c` before the step.
    """
    i, f, g, o = gates
    dz = [
        dc * g * i * (1.0 - i),
        dc * c * f * (1.0 - f),
        dc * i * (1.0 - g * g),
        do * o * (1.0 - o),
    ]
    return ops.concatenate(dz, axis=1), dc * f
