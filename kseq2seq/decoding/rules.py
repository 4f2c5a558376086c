"""Validation of the arguments that all searches share."""

from collections.abc import Sequence
from typing import Any

from keras import ops, tree

from kseq2seq.decoding.constraints import (
    Constraint,
    ForbiddenTokens,
    MinLength,
    check_constraints,
)
from kseq2seq.decoding.shapes import check_shape
from kseq2seq.decoding.slots import LENGTH_NORMALIZATIONS, Rules
from kseq2seq.utils import (
    Tensor,
    check_choice,
    check_integer,
    check_integers,
    check_number,
    is_integer,
)


def make_rules(
    initial_state: Any,
    max_length: int | Tensor,
    min_length: int | Tensor,
    eos_id: int,
    bos_id: int,
    forbidden_ids: Sequence[int],
    constraints: Sequence[Constraint] = (),
) -> Rules:
    """The `Rules` of a search with these arguments of `decoding.greedy_search`.

    Args:
        initial_state: See `greedy_search`, as for all of these.
        max_length: See `greedy_search`.
        min_length: See `greedy_search`.
        eos_id: See `greedy_search`.
        bos_id: See `greedy_search`.
        forbidden_ids: See `greedy_search`.
        constraints: See `greedy_search`.

    Raises:
        ValueError: If an argument is not as described there.
    """
    eos_id = check_integer("eos_id", eos_id, 0)
    bos_id = check_integer("bos_id", bos_id, 0)
    forbidden_ids = check_integers("forbidden_ids", forbidden_ids, 0)
    others = check_constraints(constraints)
    batch = batch_size(initial_state)
    longest = _limit("max_length", max_length, 1, batch)
    shortest = _limit("min_length", min_length, 0, batch)
    fixed, fixed_least = is_integer(max_length), is_integer(min_length)
    if fixed and fixed_least and min_length > max_length:
        raise ValueError(
            "`min_length` must be at most `max_length`. "
            f"Received: min_length={min_length}, max_length={max_length}"
        )
    own: list[Constraint] = [ForbiddenTokens(forbidden_ids)] if forbidden_ids else []
    if not (fixed_least and min_length == 0):
        own.append(MinLength(shortest))
    return Rules(
        max_length=longest,
        buffer_length=int(max_length) if fixed else ops.max(longest, initial=1),
        eos_id=eos_id,
        bos_id=bos_id,
        highest_id=max(eos_id, bos_id, *forbidden_ids),
        constraints=(*own, *others),
    )


def check_lengths(length_penalty: float, length_normalization: str) -> None:
    """Checks how lengths enter into scores.

    Args:
        length_penalty: See `decoding.beam_search`, as for both.
        length_normalization: See `beam_search`.

    Raises:
        ValueError: If a value is out of range, or there is no mean without an exponent.

    Example:

    >>> check_lengths(1.0, "mean")
    """
    check_number("length_penalty", length_penalty, least=0)
    check_choice("length_normalization", length_normalization, LENGTH_NORMALIZATIONS)
    if length_normalization == "mean" and not length_penalty:
        raise ValueError(
            "`length_penalty` must be above 0 with `length_normalization='mean'`; 1 is "
            f"for the mean itself. Received: length_penalty={length_penalty}"
        )


def check_beam(
    beam_size: int, num_hypotheses: int | Tensor, num_groups: int, diversity: float
) -> None:
    """Checks the size of a beam and its parts.

    Args:
        beam_size: See `decoding.beam_search`, as for all of these.
        num_hypotheses: See `beam_search`.
        num_groups: See `beam_search`.
        diversity: See `beam_search`.

    Raises:
        ValueError: If a value is out of range, or groups would have unequal sizes.

    Example:

    >>> check_beam(beam_size=6, num_hypotheses=2, num_groups=3, diversity=0.5)
    """
    check_integer("beam_size", beam_size, 1)
    if not ops.is_tensor(num_hypotheses):
        check_integer("num_hypotheses", num_hypotheses, 1)
        if num_hypotheses > beam_size:
            raise ValueError(
                "`num_hypotheses` must be at most `beam_size`; raise `beam_size`. "
                f"Received: num_hypotheses={num_hypotheses}, beam_size={beam_size}"
            )
    check_integer("num_groups", num_groups, 1)
    check_number("diversity", diversity, above=0)
    if beam_size % num_groups:
        raise ValueError(
            "`beam_size` must be a multiple of `num_groups`; change one of them. "
            f"Received: beam_size={beam_size}, num_groups={num_groups}"
        )


def batch_size(initial_state: Any) -> int | Tensor:
    """Number of rows of a state, an integer or a scalar tensor.

    Args:
        initial_state: Nested structure of tensors of shape `(batch, ...)`.

    Raises:
        ValueError: If it has no tensor, a scalar one, or tensors of unlike batches.
    """
    leaves = tree.flatten(initial_state)
    if not leaves or any(x is None or len(ops.shape(x)) == 0 for x in leaves):
        raise ValueError(
            "`initial_state` must hold one or more tensors of shape (batch, ...). "
            f"Received: initial_state={initial_state!r}"
        )
    sizes = [ops.shape(leaf)[0] for leaf in leaves]
    known = [size for size in sizes if isinstance(size, int)]  # of a graph, perhaps not
    if len(set(known)) > 1:
        raise ValueError(
            "`initial_state` must hold tensors of one batch size, on their first axis: "
            f"(batch, ...). Received: batch sizes {known}"
        )
    return sizes[0]


def _limit(name, value, least, batch):
    """An int32 tensor of shape `(B,)`, or `(1,)` for an integer."""
    if is_integer(value):
        check_integer(name, value, least)
        return ops.full((1,), int(value), dtype="int32")
    if "int" not in str(getattr(value, "dtype", None)):
        raise ValueError(
            f"`{name}` must be an integer, or an integer tensor of shape (batch,). "
            f"Received: {name}={value!r}"
        )
    check_shape(f"`{name}`", value, (batch if isinstance(batch, int) else None,))
    return ops.cast(value, "int32")
