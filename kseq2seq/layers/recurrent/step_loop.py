"""A loop over time on every backend, with automatic differentiation."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kseq2seq.utils import Tensor

Step = Callable[[Tensor, list[Tensor], dict, dict], tuple[Tensor, list[Tensor]]]


def run_cell(
    cell: keras.layers.Layer,
    sequence: Tensor,
    states: list[Any],
    training: bool = False,
) -> Tensor:
    """Outputs of a cell over a whole sequence.

    Args:
        cell: Layer in the protocol of cells of `keras.layers.RNN`.
        sequence: Tensor of shape `(batch, length, size)`.
        states: List of what the first step gets as states: tensors, or dicts of
            tensors, of any shape.
        training: Whether this is training; for cells that ask.

    Returns:
        Tensor of shape `(batch, length, output_size)`.
    """
    loop = keras.layers.RNN(cell, return_sequences=True, dtype=cell.dtype_policy)
    # Private API: `RNN.inner_loop` has a public name but is not documented. A call of
    # the layer would cast integers and booleans among the states to floats.
    _, outputs, _ = loop.inner_loop(sequence, states, None, training)
    return outputs


def run_steps(
    step: Step,
    sequence: Tensor,
    states: list[Tensor],
    memory: dict[str, Any],
    draws: dict[str, Tensor],
    dtype: Any,
) -> Tensor:
    """Outputs of a step that reads a memory, over a whole sequence.

    Args:
        step: Function `(inputs, states, memory, draws) -> (output, states)` of one
            time step: tensors of shape `(batch, size)`, with the draws of this step.
        sequence: Tensor of shape `(batch, length, size)`.
        states: List of tensors of shape `(batch, size)`, the first states.
        memory: Dict of tensors, the same for all steps.
        draws: Dict of tensors of shape `(batch, length, size)`, drawn ahead of the
            loop. A step gets those of shape `(batch, 1, size)`.
        dtype: Dtype policy of the step.

    Returns:
        Tensor of shape `(batch, length, output_size)`.
    """
    # Named, since outside of a call a name must not start with `_`.
    cell = _StepCell(step, name="step_cell", dtype=dtype)
    constants = {"memory": memory, "draws": draws, "number": ops.array(0, "int32")}
    return run_cell(cell, sequence, [*states, constants])


class _StepCell(keras.layers.Layer):
    """One step, as a cell whose last state, a dict, has what all steps share."""

    def __init__(self, step, **kwargs):
        super().__init__(**kwargs)
        self.step = step
        self.state_size = self.output_size = 0  # asked for by Keras, never used
        self.built = True

    def call(self, inputs, states):
        *states, constants = states
        number = constants["number"]
        draws = {
            name: ops.take(drawn, number, axis=1)[:, None]
            for name, drawn in constants["draws"].items()
        }
        output, states = self.step(inputs, states, constants["memory"], draws)
        return output, [*states, {**constants, "number": number + 1}]
