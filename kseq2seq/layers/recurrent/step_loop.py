"""A loop over time of a step that reads a memory, with automatic differentiation."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kseq2seq.layers.recurrent.scans import scan
from kseq2seq.utils import Tensor

Step = Callable[[Tensor, list[Tensor], dict, dict], tuple[Tensor, list[Tensor]]]


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
    layer = _Step(step, dtype)

    def one_step(states, inputs):
        at_step, drawn = inputs
        drawn = {name: x[:, None] for name, x in drawn.items()}
        output, states = layer(at_step, memory, drawn, states=lambda: states)
        return [*states], output

    by_time = keras.tree.map_structure(
        lambda x: ops.swapaxes(x, 0, 1), (sequence, {**draws})
    )
    _, outputs = scan(one_step, [*states], by_time)
    return ops.swapaxes(outputs, 0, 1)


def run_step(
    step: Callable[..., Any],
    inputs: Tensor,
    states: list[Tensor],
    memory: dict[str, Any],
    dtype: Any,
) -> Any:
    """Results of one step that reads a memory, in the dtype of a policy.

    Args:
        step: Function `(inputs, states, memory, draws)`.
        inputs: Tensor of shape `(batch, size)`.
        states: List of tensors of shape `(batch, size)`. They keep their dtypes.
        memory: Dict of tensors.
        dtype: Dtype policy of the step.
    """
    return _Step(step, dtype)(inputs, memory, {}, states=lambda: states)


class _Step(keras.layers.Layer):
    """A step as a layer, so that it computes in the dtype of a policy.

    States come in a function, by which Keras does not find them: it would round those
    that are in float32 for the sake of their sums.
    """

    def __init__(self, step, dtype):
        # Named, since outside of a call a name must not start with `_`.
        super().__init__(name="step", dtype=dtype)
        self.step = step
        self.built = True

    def call(self, inputs, memory, draws, states):
        return self.step(inputs, states(), memory, draws)
