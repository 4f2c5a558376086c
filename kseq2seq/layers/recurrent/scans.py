"""A loop over time that returns the outputs of all steps, on TensorFlow and jax."""

from collections.abc import Callable
from typing import Any

import keras


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    inputs: Any,
    output_dtypes: Any,
    reverse: bool = False,
) -> tuple[Any, Any]:
    """Runs `step` over the first axis, as `jax.lax.scan` does.

    Unlike `keras.ops.scan` on TensorFlow, outputs need not have the structure and the
    shapes of the carry.

    Args:
        step: Function `(carry, inputs) -> (carry, outputs)` of nested tensors; the
            carry keeps its shapes and dtypes.
        carry: Nested tensors.
        inputs: Nested tensors of shape `(length, ...)`, at least one.
        output_dtypes: Dtypes of the outputs, nested as they are.
        reverse: Whether to begin at the end. The outputs are in the inputs' order
            all the same.

    Returns:
        A tuple `(carry, outputs)`: the last carry, and the outputs, of shape
        `(length, ...)` each.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.scan(step, carry, inputs, reverse=reverse)
    return _scan_tensorflow(step, carry, inputs, output_dtypes, reverse)


def _scan_tensorflow(step, carry, inputs, output_dtypes, reverse):
    import tensorflow as tf

    flat_inputs = keras.tree.flatten(inputs)
    length = tf.shape(flat_inputs[0])[0]
    arrays = [tf.TensorArray(x.dtype, length).unstack(x) for x in flat_inputs]
    dtypes = keras.tree.flatten(output_dtypes)
    written = tuple(tf.TensorArray(dtype, length) for dtype in dtypes)

    def body(count, carry, written):
        place = length - 1 - count if reverse else count
        step_inputs = [array.read(place) for array in arrays]
        carry, outputs = step(carry, keras.tree.pack_sequence_as(inputs, step_inputs))
        pairs = zip(written, keras.tree.flatten(outputs), strict=True)
        return count + 1, carry, tuple(array.write(place, x) for array, x in pairs)

    _, carry, written = tf.while_loop(
        lambda count, carry, written: count < length, body, (0, carry, written)
    )
    outputs = [array.stack() for array in written]
    return carry, keras.tree.pack_sequence_as(output_dtypes, outputs)
