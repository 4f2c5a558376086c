"""Layers that make one position of several neighbouring ones, with their masks.

Glossary of shapes, used in the comments below: B batch size, S length, N the positions
that become one, D size.
"""

from typing import Any

import keras
from keras import ops

from kseq2seq.utils import Tensor, check_integer


def num_blocks(length: Any, size: int) -> Any:
    """Number of blocks that a length is cut into, the last one perhaps shorter.

    Args:
        length: Integer or integer tensor; `None` where it is unknown.
        size: Positions of a block.

    Example:

    >>> num_blocks(7, 2), num_blocks(0, 2), num_blocks(None, 2)
    (4, 0, None)
    """
    return None if length is None else (length + size - 1) // size


def check_frames(frames: Tensor, mask: Tensor) -> None:
    """Checks that a mask is that of some frames, ahead of what would broadcast them.

    Args:
        frames: Tensor of shape `(batch, length, size)`.
        mask: Tensor of shape `(batch, length)`.

    Raises:
        ValueError: If one has another number of axes, their lengths differ, or the mask
            is not boolean.

    Example:

    >>> check_frames(keras.ops.ones((2, 3, 5)), keras.ops.ones((2, 3), "bool"))
    """
    shape, of_mask = tuple(frames.shape), tuple(mask.shape)
    fits = len(shape) == 3 and len(of_mask) == 2
    pairs = zip(shape, of_mask, strict=False)
    if not fits or any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise ValueError(
            "Frames must have the shape (batch, length, size) and their mask (batch, "
            "length); give a single row an axis of 1, x[None]. "
            f"Received: shapes {shape} and {of_mask}"
        )
    check_is_boolean(mask)


def check_is_boolean(mask: Tensor) -> None:
    """Refuses masks of numbers, which may mean the opposite.

    Args:
        mask: Tensor of any shape.

    Raises:
        ValueError: If it is of numbers.

    Example:

    >>> check_is_boolean(keras.ops.ones((2, 3), "bool"))
    """
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if dtype != "bool":
        raise ValueError(
            "A mask must be boolean, True at what is real: of one of 1 and 0, pass "
            f"mask > 0. Received: a mask of dtype {dtype}"
        )


def blocks(sequence: Tensor, size: int, fill: Any) -> Tensor:
    """Neighbouring positions of a sequence, side by side.

    Args:
        sequence: Tensor of shape `(batch, length, ...)`.
        size: Positions of a block.
        fill: Value of the positions that the last block lacks.

    Returns:
        Tensor of shape `(batch, num_blocks(length, size), size, ...)`.

    Example:

    >>> sequence = keras.ops.convert_to_tensor([[1, 2, 3]])
    >>> keras.ops.convert_to_numpy(blocks(sequence, 2, 0)).tolist()
    [[[1, 2], [3, 0]]]
    """
    batch, length, *rest = ops.shape(sequence)
    count = num_blocks(length, size)
    padding = [(0, 0), (0, size - 1), *((0, 0) for _ in rest)]
    padded = ops.pad(sequence, padding, constant_values=fill)
    return ops.reshape(padded[:, : count * size], (batch, count, size, *rest))


@keras.saving.register_keras_serializable(package="kseq2seq")
class FrameStack(keras.layers.Layer):
    """Joins every `factor` neighbouring positions to one, which is that much larger.

    Padding, and what an odd length lacks at its end, counts as zeros, so that the
    result for a row does not depend on the length that its batch is padded to.

    Args:
        factor: Number of positions that become one, at least 1.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        sequence: Tensor of shape `(batch, length, size)`.
        mask: Boolean tensor of shape `(batch, length)`, `True` at what is real.

    Returns:
        Tensor of shape `(batch, ceil(length / factor), factor * size)`.

    Raises:
        ValueError: If `factor` is no integer of at least 1, or sequence and mask have
            not these shapes, or the mask is not boolean.

    Example:

    >>> sequence = keras.ops.ones((2, 5, 3))
    >>> tuple(FrameStack(2)(sequence, keras.ops.ones((2, 5), "bool")).shape)
    (2, 3, 6)

    Reference:
        [Chan et al., 2016](https://arxiv.org/abs/1508.01211), section 3.1, equation 5.
    """

    def __init__(self, factor: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = check_integer("factor", factor, least=1)
        self.supports_masking = True
        self.built = True

    def compute_mask(self, sequence: Any, sequence_mask: Any = None) -> None:
        # The mask that the sequence carries is that of its own length.
        return None

    def call(self, sequence: Tensor, mask: Tensor) -> Tensor:
        check_frames(sequence, mask)
        kept = ops.where(mask[..., None], sequence, 0.0)
        stacked = blocks(kept, self.factor, 0.0)  # (B, S / N, N, D)
        batch, length, _, size = ops.shape(stacked)
        return ops.reshape(stacked, (batch, length, self.factor * size))

    def compute_output_spec(
        self, sequence: keras.KerasTensor, mask: keras.KerasTensor
    ) -> keras.KerasTensor:
        check_frames(sequence, mask)
        dimensions: Any = sequence.shape
        batch, length, size = dimensions
        shape = (batch, num_blocks(length, self.factor), self.factor * size)
        return keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable(package="kseq2seq")
class FrameMask(keras.layers.Layer):
    """The mask of a sequence of which every `factor` positions became one.

    A position is real if one of those that it came from is.

    Args:
        factor: Number of positions that became one, at least 1.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        mask: Boolean tensor of shape `(batch, length)`.

    Returns:
        Boolean tensor of shape `(batch, ceil(length / factor))`.

    Raises:
        ValueError: If `factor` is no integer of at least 1, or the mask has another
            shape or is not boolean.

    Example:

    >>> mask = keras.ops.convert_to_tensor([[True, True, True, False, False]])
    >>> keras.ops.convert_to_numpy(FrameMask(2)(mask)).tolist()
    [[True, True, False]]
    """

    def __init__(self, factor: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = check_integer("factor", factor, least=1)
        self.built = True

    def call(self, mask: Tensor) -> Tensor:
        _check_mask(mask)
        return ops.any(blocks(mask, self.factor, False), axis=2)

    def compute_output_spec(self, mask: keras.KerasTensor) -> keras.KerasTensor:
        _check_mask(mask)
        batch, length = mask.shape
        return keras.KerasTensor((batch, num_blocks(length, self.factor)), "bool")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def _check_mask(mask):
    if len(mask.shape) != 2:
        raise ValueError(
            "A mask must have the shape (batch, length); give a single row an axis of "
            f"1, x[None]. Received: mask.shape={tuple(mask.shape)}"
        )
    check_is_boolean(mask)
