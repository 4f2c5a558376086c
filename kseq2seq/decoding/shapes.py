"""Checks of shapes and structures that a loop must keep."""

from collections.abc import Iterable
from typing import Any

from keras import ops, tree

from kseq2seq.utils import Tensor


def check_structure(name: str, new_state: Any, state: Any) -> None:
    """Refuses a state of another structure or other shapes than the one before.

    Args:
        name: Name of the function that made the state, for the error.
        new_state: Nested structure of tensors.
        state: The structure that it must have, with the same shapes.

    Raises:
        ValueError: If a structure, rank or size differs.
    """
    try:
        tree.assert_same_structure(state, new_state)
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name} must return a state of the structure that it was given. "
            f"Expected: {state!r}. Received: {new_state!r}"
        ) from error
    for new, old in zip(tree.flatten(new_state), tree.flatten(state), strict=True):
        check_shape(f"Every tensor in the state of {name}", new, old.shape)


def check_shape(name: str, tensor: Tensor, expected: Iterable[int | None]) -> None:
    """Refuses a tensor of another rank or size.

    Args:
        name: Name of the tensor, for the error.
        tensor: The tensor.
        expected: The sizes; `None` stands for any.

    Raises:
        ValueError: If the rank or a size differs, or it is no tensor.
    """
    expected = tuple(expected)
    if not hasattr(tensor, "shape"):
        raise ValueError(
            f"{name} must be a tensor. Expected: shape={expected}. "
            f"Received: {tensor!r:.80} of type {type(tensor).__name__}"
        )
    received = tuple(tensor.shape)
    if len(received) != len(expected) or any(
        None not in (a, b) and a != b for a, b in zip(received, expected, strict=True)
    ):
        raise ValueError(
            f"{name} must have the expected shape. Expected: shape={expected}. "
            f"Received: shape={received}"
        )


def like(new: Tensor, old: Tensor) -> Tensor:
    """`new` with the dtype and the static shape of `old`: a loop must keep both.

    Args:
        new: Tensor of a dtype that can be cast, and of a shape that fits.
        old: Tensor that it takes the place of.
    """
    new = ops.cast(new, old.dtype)
    same = tuple(new.shape) == tuple(old.shape)
    return new if same else ops.reshape(new, ops.shape(old))
