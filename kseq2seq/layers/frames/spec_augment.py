"""SpecAugment: bands and spans of frames that are hidden in training."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.frames.reduction import check_frames
from kseq2seq.utils import Tensor, check_integer, check_number


@keras.saving.register_keras_serializable(package="kseq2seq")
class SpecAugment(keras.layers.Layer):
    """Hides neighbouring bands and neighbouring frames, drawn for each row.

    It acts in training alone. What is hidden is 0, the mean of normalised features.
    Frames are not warped in time, which the authors call the least important part.

    Args:
        frequency_masks: Number of masks of bands.
        frequency_width: The most bands of one of them.
        time_masks: Number of masks of frames.
        time_width: The most frames of one of them.
        time_share: The largest share of a row's frames that one of them hides.
        seed: Integer seed, or `None`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        frames: Tensor of shape `(batch, length, size)`.
        mask: Boolean tensor of shape `(batch, length)`, `True` at what is real.
        training: Whether to hide anything.

    Returns:
        Tensor of the shape of `frames`.

    Raises:
        ValueError: If a number is negative, `time_share` is above 1, or frames and mask
            have not these shapes, or the mask is not boolean.

    Example:

    >>> layer = SpecAugment(frequency_width=3, time_width=5, seed=7)
    >>> frames, mask = keras.ops.ones((2, 40, 8)), keras.ops.ones((2, 40), "bool")
    >>> float(keras.ops.mean(layer(frames, mask, training=True))) < 1
    True

    Reference:
        [Park et al., 2019](https://arxiv.org/abs/1904.08779), section 2.
    """

    def __init__(
        self,
        frequency_masks: int = 2,
        frequency_width: int = 15,
        time_masks: int = 2,
        time_width: int = 70,
        time_share: float = 0.2,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.frequency_masks = check_integer("frequency_masks", frequency_masks, 0)
        self.frequency_width = check_integer("frequency_width", frequency_width, 0)
        self.time_masks = check_integer("time_masks", time_masks, 0)
        self.time_width = check_integer("time_width", time_width, 0)
        self.time_share = check_number("time_share", time_share, least=0, most=1)
        self.seed = check_integer("seed", seed, optional=True)
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, frames: Tensor, mask: Tensor, training: bool = False) -> Tensor:
        check_frames(frames, mask)
        if not training:
            return frames
        batch, length, size = ops.shape(frames)
        sizes = ops.full((batch, 1), float(size))
        hidden = self._spans(self.frequency_masks, sizes, size, self.frequency_width)
        frames = ops.where(hidden[:, None], 0.0, frames)
        lengths = ops.sum(ops.cast(mask, "float32"), axis=1, keepdims=True)  # (B, 1)
        widest = ops.minimum(float(self.time_width), self.time_share * lengths)
        hidden = self._spans(self.time_masks, lengths, length, widest)
        return ops.where(hidden[..., None], 0.0, frames)

    def _spans(self, count, lengths, size, widest):
        """Positions in any of so many spans of each row, as booleans `(B, size)`."""
        shape = (ops.shape(lengths)[0], count)
        width, start = (
            keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
            for _ in range(2)
        )
        # Whole numbers from 0 to the widest, and from 0 to the last place that has
        # room for it.
        width = ops.floor(width * (ops.floor(ops.minimum(widest, lengths)) + 1.0))
        start = ops.floor(start * (lengths - width + 1.0))
        places = ops.cast(ops.arange(size), "float32")
        after = places >= start[..., None]  # (B, count, size)
        inside = ops.logical_and(after, places < (start + width)[..., None])
        return ops.any(inside, axis=1)

    def compute_output_spec(
        self,
        frames: keras.KerasTensor,
        mask: keras.KerasTensor,
        training: bool = False,
    ) -> keras.KerasTensor:
        check_frames(frames, mask)
        return keras.KerasTensor(frames.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "frequency_masks": self.frequency_masks,
            "frequency_width": self.frequency_width,
            "time_masks": self.time_masks,
            "time_width": self.time_width,
            "time_share": self.time_share,
            "seed": self.seed,
        }
