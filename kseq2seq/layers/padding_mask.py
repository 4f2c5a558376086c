"""Masks of the real positions of sequences of ids."""

import keras
from keras import ops

from kseq2seq.utils import PAD_ID, Tensor


@keras.saving.register_keras_serializable(package="kseq2seq")
class PaddingMask(keras.layers.Layer):
    """True at real ids, False at padding.

    A layer rather than an operation in the graph of a model, so that it has a name
    by which parts of the model find it again, also in a model loaded from a file.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        ids: Integer tensor of shape `(batch, length)`, `PAD_ID` at padding.

    Returns:
        Boolean tensor of shape `(batch, length)`.

    Example:

    >>> mask = PaddingMask()(keras.ops.convert_to_tensor([[5, 3, 0]]))
    >>> keras.ops.convert_to_numpy(mask).tolist()
    [[True, True, False]]
    """

    def call(self, ids: Tensor) -> Tensor:
        return ops.not_equal(ids, PAD_ID)

    def compute_output_spec(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(ids.shape, "bool")
