"""Positions of tokens, as vectors that are added to embeddings."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kseq2seq.utils import Tensor, check_number

# The longest wave has 2 * pi * _LONGEST positions.
_LONGEST = 10_000.0


@keras.saving.register_keras_serializable(package="kseq2seq")
class SinusoidalPositions(keras.layers.Layer):
    """Adds sine waves of each position to vectors, which are scaled before.

    With vectors `x` of size `d`, at the positions `t` from 0 on:

        y(t)[2i] = scale * x(t)[2i] + sin(t / 10000 ** (2i / d))
        y(t)[2i + 1] = scale * x(t)[2i + 1] + cos(t / 10000 ** (2i / d))

    It has no weights and no longest position. Computed in float32.

    Args:
        scale: Number by which the vectors are multiplied.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, length, size)`.
        positions: Integer tensor of shape `(batch, length)`; by default 0, 1, 2 and so
            on in each row.

    Returns:
        Tensor of the shape of `inputs`.

    Raises:
        ValueError: If `scale` is not a number above 0, or `inputs` have another number
            of axes, or another size than when it was first called.

    Example:

    >>> vectors = SinusoidalPositions()(keras.ops.zeros((1, 2, 4)))
    >>> [round(float(number), 2) for number in vectors[0, 1]]
    [0.84, 0.54, 0.01, 1.0]

    Reference:
        [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), sections 3.4 and 3.5.
    """

    def __init__(self, scale: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = check_number("scale", scale, above=0)

    def build(self, inputs_shape: Any, positions_shape: Any = None) -> None:
        _check_shape(inputs_shape, None)
        places = np.arange(inputs_shape[-1])
        exponents = 2 * (places // 2) / inputs_shape[-1]
        self._rates = (_LONGEST**-exponents).astype("float32")
        # A cosine is a sine, a quarter of a wave later.
        self._phases = (places % 2 * np.pi / 2).astype("float32")

    def call(self, inputs: Tensor, positions: Tensor | None = None) -> Tensor:
        # Vectors of size 1 would be broadcast to the size of the waves.
        _check_shape(inputs.shape, len(self._rates))
        if positions is None:
            positions = ops.arange(ops.shape(inputs)[1], dtype="int32")[None]
        times = ops.cast(positions, "float32")[..., None]
        waves = ops.sin(times * self._rates + self._phases)
        outputs = ops.cast(inputs, "float32") * self.scale + waves
        return ops.cast(outputs, self.compute_dtype)

    def compute_output_spec(
        self, inputs: keras.KerasTensor, positions: keras.KerasTensor | None = None
    ) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale}


def _check_shape(shape, size):
    if len(shape) != 3 or (None not in (shape[-1], size) and shape[-1] != size):
        shown = "size" if size is None else size
        raise ValueError(
            f"`inputs` must have the shape (batch, length, {shown}), embeddings such "
            f"as those of ids. Received: inputs.shape={tuple(shape)}"
        )
