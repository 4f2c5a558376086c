"""A convolution over time that gives half of the frames."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.frames.reduction import check_frames, num_blocks
from kseq2seq.utils import Tensor, check_integer

STRIDE = 2


@keras.saving.register_keras_serializable(package="kseq2seq")
class FrameConvolution(keras.layers.Layer):
    """Convolution over time with stride 2 and a rectifier, right under masks.

    The output `i` looks at the frames around `2 i`, whatever length a batch is padded
    to: `padding="same"` of `keras.layers.Conv1D` would shift odd lengths against even
    ones. Padding counts as zeros. `FrameMask(2)` gives the mask of the outputs.

    Args:
        filters: Size of the outputs.
        kernel_size: Number of frames that an output looks at.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        frames: Tensor of shape `(batch, length, size)`.
        mask: Boolean tensor of shape `(batch, length)`, `True` at what is real.

    Returns:
        Tensor of shape `(batch, ceil(length / 2), filters)`.

    Raises:
        ValueError: If `filters` or `kernel_size` is no integer of at least 1, or frames
            and mask have not these shapes, or the mask is not boolean.

    Example:

    >>> frames = keras.ops.ones((2, 5, 3))
    >>> tuple(FrameConvolution(7)(frames, keras.ops.ones((2, 5), "bool")).shape)
    (2, 3, 7)

    Reference:
        [Synnaeve et al., 2020](https://arxiv.org/abs/1911.08460), section 2.1.

    Attributes:
        factor: Number of frames that become one.
    """

    def __init__(self, filters: int, kernel_size: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = check_integer("filters", filters, least=1)
        self.kernel_size = check_integer("kernel_size", kernel_size, least=1)
        self.factor = STRIDE

    def build(self, frames_shape: Any, mask_shape: Any = None) -> None:
        self.kernel = self.add_weight(
            shape=(self.kernel_size * frames_shape[-1], self.filters),
            # Gives a rectifier what it needs to keep the variance of its inputs.
            initializer="he_normal",
            name="kernel",
        )
        self.bias = self.add_weight(
            shape=(self.filters,), initializer="zeros", name="bias"
        )
        self.built = True

    def call(self, frames: Tensor, mask: Tensor) -> Tensor:
        check_frames(frames, mask)
        before = (self.kernel_size - 1) // 2
        kept = ops.where(mask[..., None], frames, 0.0)
        # One more behind than the last output needs, where the length is odd.
        padded = ops.pad(kept, [(0, 0), (before, self.kernel_size), (0, 0)])
        end = STRIDE * num_blocks(ops.shape(frames)[1], STRIDE)
        # As a product: of no rows, TensorFlow's convolution has another shape.
        seen = [
            padded[:, offset : offset + end : STRIDE]
            for offset in range(self.kernel_size)
        ]
        product = ops.matmul(ops.concatenate(seen, axis=-1), self.kernel)
        return ops.relu(product + self.bias)

    def compute_output_spec(
        self, frames: keras.KerasTensor, mask: keras.KerasTensor
    ) -> keras.KerasTensor:
        check_frames(frames, mask)
        batch, length, _ = frames.shape
        shape = (batch, num_blocks(length, STRIDE), self.filters)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "filters": self.filters, "kernel_size": self.kernel_size}
