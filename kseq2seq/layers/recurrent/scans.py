"""A loop over time that returns the outputs of all steps."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops


def scan(
    step: Callable[[Any, Any], tuple[Any, Any]],
    carry: Any,
    inputs: Any,
    output_dtypes: Any = None,
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
        output_dtypes: Dtypes of the outputs, nested as they are, for a loop whose
            gradient is not asked for. If `None`, TensorFlow runs the first step twice
            to learn them, and the loop can be differentiated in XLA too.
        reverse: Whether to begin at the end. The outputs are in the inputs' order
            all the same.

    Returns:
        A tuple `(carry, outputs)`: the last carry, and the outputs, of shape
        `(length, ...)` each.

    Example:

    >>> total, totals = scan(
    ...     lambda total, x: (total + x, total + x),
    ...     keras.ops.convert_to_tensor(0.0),
    ...     keras.ops.convert_to_tensor([1.0, 2.0, 4.0]),
    ... )
    >>> float(total), keras.ops.convert_to_numpy(totals).tolist()
    (7.0, [1.0, 3.0, 7.0])
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.scan(step, carry, inputs, reverse=reverse)
    if keras.backend.backend() == "tensorflow":
        return _scan_tensorflow(step, carry, inputs, output_dtypes, reverse)
    return _scan_eagerly(step, carry, inputs, reverse)


def with_steps(sequences: Any) -> Any:
    """Sequences, refused in TensorFlow's graph if they turn out to have no step.

    Args:
        sequences: Tensor of shape `(batch, length, size)`.

    Returns:
        The same tensor. Other backends know its length, and XLA checks nothing.

    Example:

    >>> tuple(with_steps(keras.ops.ones((2, 3, 5))).shape)
    (2, 3, 5)
    """
    if keras.backend.backend() != "tensorflow" or sequences.shape[1] is not None:
        return sequences
    import tensorflow as tf

    length = tf.shape(sequences)[1]
    message = (
        "Sequences must have at least one step: an empty target begins with BOS, too. "
        "Received: sequences of length"
    )
    # Else there would be errors about slices and lists of tensors.
    with tf.control_dependencies([tf.debugging.Assert(length > 0, [message, length])]):
        return tf.identity(sequences)


def _scan_tensorflow(step, carry, inputs, output_dtypes, reverse):
    import tensorflow as tf

    flat_inputs = keras.tree.flatten(inputs)
    length = tf.shape(flat_inputs[0])[0]
    arrays = [tf.TensorArray(x.dtype, length).unstack(x) for x in flat_inputs]
    if output_dtypes is None:
        _, output_dtypes = step(carry, keras.tree.map_structure(_first, inputs))
        written = tuple(
            tf.TensorArray(x.dtype, length, element_shape=x.shape)
            for x in keras.tree.flatten(output_dtypes)
        )
        max_steps = length
    else:
        dtypes = keras.tree.flatten(output_dtypes)
        written = tuple(tf.TensorArray(dtype, length) for dtype in dtypes)
        max_steps = None

    def body(count, carry, written):
        place = length - 1 - count if reverse else count
        step_inputs = [array.read(place) for array in arrays]
        carry, outputs = step(carry, keras.tree.pack_sequence_as(inputs, step_inputs))
        pairs = zip(written, keras.tree.flatten(outputs), strict=True)
        return count + 1, carry, tuple(array.write(place, x) for array, x in pairs)

    _, carry, written = tf.while_loop(
        lambda count, carry, written: count < length,
        body,
        (0, carry, written),
        maximum_iterations=max_steps,
    )
    outputs = [array.stack() for array in written]
    return carry, keras.tree.pack_sequence_as(output_dtypes, outputs)


def _first(x):
    return x[0]


def _scan_eagerly(step, carry, inputs, reverse):
    outputs = []
    places = range(keras.tree.flatten(inputs)[0].shape[0])
    for place in reversed(places) if reverse else places:
        at_step = keras.tree.map_structure(lambda x, place=place: x[place], inputs)
        carry, output = step(carry, at_step)
        outputs.append(output)
    outputs = outputs[::-1] if reverse else outputs
    return carry, keras.tree.map_structure(lambda *x: ops.stack(x), *outputs)
