"""Several constraints as one: their states, and the tokens that all of them allow."""

from collections.abc import Sequence
from typing import Any

from keras import ops, tree

from kseq2seq.decoding.constraints.base import (
    Constraint,
    GuidingConstraint,
    Prefix,
)
from kseq2seq.decoding.shapes import check_shape, check_structure, like
from kseq2seq.utils import Tensor


def check_constraints(constraints: Any) -> tuple[Constraint, ...]:
    """The constraints that a search is given, as a tuple.

    Args:
        constraints: List or tuple of `Constraint`s.

    Raises:
        ValueError: If it is anything else.
    """
    is_list = isinstance(constraints, (tuple, list))
    if not is_list or not all(isinstance(each, Constraint) for each in constraints):
        raise ValueError(
            "`constraints` must be a list of instances of `kseq2seq.decoding."
            f"Constraint`. Received: constraints={constraints!r}"
        )
    return tuple(constraints)


def is_guided(constraints: Sequence[Constraint]) -> bool:
    """Whether one of the constraints of a search guides its beam.

    Args:
        constraints: The `Constraint`s.

    Raises:
        ValueError: If several do.
    """
    guides = [x for x in constraints if isinstance(x, GuidingConstraint)]
    if len(guides) > 1:
        raise ValueError(
            "`constraints` must hold at most one `GuidingConstraint`: give all phrases "
            f"to one `ForcedPhrases`. Received: {len(guides)} of them"
        )
    return bool(guides)


def initial_states(
    constraints: Sequence[Constraint], batch_size: int | Tensor, beam: int
) -> tuple:
    """The states of constraints before the first token, for every slot.

    Args:
        constraints: The `Constraint`s.
        batch_size: Number of rows, an integer or a scalar tensor.
        beam: Number of slots.

    Returns:
        A tuple of structures of tensors of shape `(batch, beam, ...)`.

    Raises:
        ValueError: If a state is not one of `(batch, ...)`.
    """
    rows = batch_size if isinstance(batch_size, int) else None
    states = []
    for constraint in constraints:
        name = f"Every tensor in `initial_state` of {type(constraint).__name__}"
        state = tree.map_structure(
            ops.convert_to_tensor, constraint.initial_state(batch_size)
        )
        for leaf in tree.flatten(state):
            check_shape(name, leaf, (rows, *leaf.shape[1:]))
        states.append(tree.map_structure(lambda leaf: _for_slots(leaf, beam), state))
    return tuple(states)


def next_states(
    constraints: Sequence[Constraint], tokens: Tensor, states: Sequence
) -> tuple:
    """The states of constraints after the next tokens.

    Args:
        constraints: The `Constraint`s.
        tokens: int32 of shape `(batch, beam)`, the tokens.
        states: The states before them.

    Returns:
        A tuple of states of the same structures and shapes.

    Raises:
        ValueError: If a constraint changes the structure or the shapes of its state.
    """
    new_states = []
    for constraint, state in zip(constraints, states, strict=True):
        new_state = constraint.next_state(tokens, state)
        name = f"`next_state` of {type(constraint).__name__}"
        check_structure(name, new_state, state)
        new_states.append(tree.map_structure(like, new_state, state))
    return tuple(new_states)


def allowed_tokens(
    constraints: Sequence[Constraint], tokens: Tensor, prefix: Prefix, states: Sequence
) -> Tensor:
    """Which of `tokens` all constraints allow: the boolean `and` of their masks.

    Args:
        constraints: The `Constraint`s, at least one.
        tokens: As for `Constraint.allowed`.
        prefix: The `Prefix`.
        states: The states of the constraints.

    Returns:
        Boolean tensor that broadcasts to `(batch, beam, tokens)`.
    """
    masks = [
        constraint.allowed(tokens, prefix, state)
        for constraint, state in zip(constraints, states, strict=True)
    ]
    allowed = masks[0]
    for mask in masks[1:]:
        allowed = ops.logical_and(allowed, mask)
    return allowed


def adjusted_log_probs(
    constraints: Sequence[Constraint],
    log_probs: Tensor,
    prefix: Prefix,
    states: Sequence,
) -> Tensor:
    """Log-probabilities after those constraints that change scores.

    Args:
        constraints: The `Constraint`s.
        log_probs: float32 of shape `(batch, beam, vocabulary)`.
        prefix: The `Prefix`.
        states: The states of the constraints.

    Returns:
        Tensor of the shape of `log_probs`.
    """
    for constraint, state in zip(constraints, states, strict=True):
        if constraint.changes_scores:
            log_probs = constraint.adjusted(log_probs, prefix, state)
    return log_probs


def max_forbidden(constraint: Constraint) -> int | None:
    """The most tokens that a constraint forbids a hypothesis at one step.

    Args:
        constraint: The `Constraint`.

    Returns:
        The number; `None` if it may be any number, or the constraint changes scores.
    """
    return None if constraint.changes_scores else constraint.max_forbidden


def _for_slots(leaf, beam):
    """A tensor of shape (B, ...) as (B, K, ...)."""
    batch, *rest = ops.shape(leaf)
    return ops.broadcast_to(ops.expand_dims(leaf, 1), (batch, beam, *rest))
