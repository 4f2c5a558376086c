"""Dropout with an exact rate in every precision."""

import keras
from keras import ops

from kseq2seq.utils import Tensor


@keras.saving.register_keras_serializable(package="kseq2seq")
class Dropout(keras.layers.Dropout):
    """`keras.layers.Dropout`, whose chances are drawn in float32 in half precision too.

    TensorFlow draws them in the precision of what they mask, in bfloat16 from 128
    values: with `rate=0.3` Keras's layer drops 0.305 there, and leaves a mean that is
    0.5 % too small. In float32 this is Keras's layer.

    Args:
        rate: Fraction to drop, from 0 to 1.
        **kwargs: Passed to `keras.layers.Dropout`.

    Call arguments:
        inputs: Tensor of any shape.
        training: Whether to drop.

    Returns:
        Tensor of the shape and dtype of `inputs`.

    Raises:
        ValueError: If `rate` is not from 0 to 1.

    Example:

    >>> layer = Dropout(0.5, dtype="bfloat16")
    >>> tuple(layer(keras.ops.ones((2, 3)), training=True).shape)
    (2, 3)

    Reference:
        [Srivastava et al., 2014](https://jmlr.org/papers/v15/srivastava14a.html),
        section 4.
    """

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if not training or dtype not in ("float16", "bfloat16"):
            return super().call(inputs, training=training)
        outputs = super().call(ops.cast(inputs, "float32"), training=training)
        return ops.cast(outputs, dtype)
