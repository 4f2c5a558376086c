"""A loop over time that gives its steps' outputs, on TensorFlow and on jax."""

import keras


def scan(step, carry, inputs, output_dtypes, reverse=False):
    """Runs `step` over the first axis, as `jax.lax.scan` does.

    In place of `keras.ops.scan`, which on TensorFlow demands that outputs have the
    structure and the shapes of the carry.

    Args:
        step: Function `(carry, inputs) -> (carry, outputs)` of tuples of tensors; what
            is carried keeps its shapes and dtypes.
        carry: Tuple of tensors.
        inputs: Tuple of at least one tensor of shape `(length, ...)`.
        output_dtypes: Tuple of the dtypes of the outputs.
        reverse: Whether to begin at the end. The outputs are in the inputs' order
            all the same.

    Returns:
        A tuple `(carry, outputs)`: the last carry, and a tuple of tensors of shape
        `(length, ...)`.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.lax.scan(step, tuple(carry), tuple(inputs), reverse=reverse)
    return _scan_tensorflow(step, carry, inputs, output_dtypes, reverse)


def _scan_tensorflow(step, carry, inputs, output_dtypes, reverse):
    import tensorflow as tf

    length = tf.shape(inputs[0])[0]
    arrays = [tf.TensorArray(x.dtype, length).unstack(x) for x in inputs]
    written = tuple(tf.TensorArray(dtype, length) for dtype in output_dtypes)

    def body(count, carry, written):
        place = length - 1 - count if reverse else count
        carry, outputs = step(carry, tuple(array.read(place) for array in arrays))
        pairs = zip(written, outputs, strict=True)
        return count + 1, carry, tuple(array.write(place, x) for array, x in pairs)

    _, carry, written = tf.while_loop(
        lambda count, carry, written: count < length, body, (0, tuple(carry), written)
    )
    return carry, tuple(array.stack() for array in written)
