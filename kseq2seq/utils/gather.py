"""Rows of a tensor, in as few operations as the backend has for it."""

from kseq2seq.utils.types import Tensor


def gather(values: Tensor, indices: Tensor, axis: int = 0) -> Tensor:
    """`keras.ops.take` of indices none of which is negative.

    On TensorFlow `keras.ops.take` counts negative ones from the end, which adds nine
    operations to a graph.

    Args:
        values: Tensor.
        indices: Integer tensor of any shape, from 0 to below the size of the axis.
        axis: The axis of `values`.

    Returns:
        `values` with the axes of `indices` in the place of `axis`.

    Example:

    >>> values = keras.ops.convert_to_tensor([5, 7, 11])
    >>> gather(values, keras.ops.convert_to_tensor([[2, 0]])).numpy().tolist()
    [[11, 5]]
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return keras.ops.take(values, indices, axis=axis)
    import tensorflow as tf

    return tf.gather(values, indices, axis=axis)
