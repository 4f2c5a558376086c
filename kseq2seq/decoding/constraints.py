"""Constraints: which tokens may come next, as small classes with one method.

Shapes in the comments: B rows of the batch, K hypotheses of each (the beam), L the
longest target, V the vocabulary, C candidates.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import ops, tree

from kseq2seq.decoding.step import check_shape, check_structure, like
from kseq2seq.utils import Tensor, check_integer, check_integers, is_integer


class Prefix(NamedTuple):
    """The hypotheses so far, whose next tokens a constraint allows or forbids.

    Attributes:
        ids: int32 of shape `(batch, beam, length)`: the tokens so far, PAD after them.
        position: Scalar, the number of tokens so far. A finished hypothesis has
            fewer, and what is allowed to it changes nothing.
        max_length: int32 of shape `(batch, 1)` or `(1, 1)`: the most tokens of a
            hypothesis of this row.
        eos_id: Integer, the id that ends a hypothesis.
    """

    ids: Tensor
    position: Tensor
    max_length: Tensor
    eos_id: int


class Constraint:
    """Base class of constraints: override `allowed`.

    A search gives the tokens that are not allowed the probability 0. The
    log-probabilities of the others stay as they are. A hypothesis of which nothing is
    allowed is dropped; where that happens to all of a row, its hypotheses are empty.

    A constraint may have a state for each hypothesis, by `initial_state` and
    `next_state`. The state follows the hypothesis from slot to slot of the beam. What
    differs between rows belongs in the state, since rows that are done leave the
    batch; what all rows share may be an attribute.

    All methods are traced where the search is: use `keras.ops`.

    Attributes:
        max_forbidden: The most tokens that may be forbidden to one hypothesis at one
            step, or `None` for any number. If all constraints of a search have such a
            bound, they are asked about a few candidates alone, not about the whole
            vocabulary.

    Example: no token twice in a row.

    >>> import keras
    >>> from kseq2seq.decoding import Constraint, greedy_search
    >>> class NoRepeat(Constraint):
    ...     def initial_state(self, batch_size):
    ...         return keras.ops.zeros((batch_size,), "int32")  # PAD is no token
    ...
    ...     def allowed(self, tokens, prefix, state):
    ...         return keras.ops.not_equal(tokens, state[..., None])
    ...
    ...     def next_state(self, tokens, state):
    ...         return tokens
    >>> def step(tokens, state):
    ...     log_probs = keras.ops.log([0.0, 0.0, 0.0, 0.1, 0.5, 0.4])
    ...     return log_probs + keras.ops.zeros((*tokens.shape, 6)), state, {}
    >>> state = keras.ops.zeros((1, 1))
    >>> greedy_search(step, state, max_length=4).ids.numpy().tolist()
    [[[4, 4, 4, 4]]]
    >>> constrained = greedy_search(
    ...     step, state, max_length=4, constraints=[NoRepeat()])
    >>> constrained.ids.numpy().tolist()
    [[[4, 5, 4, 5]]]
    """

    max_forbidden: int | None = None

    def initial_state(self, batch_size: int | Tensor) -> Any:
        """The state before the first token.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.

        Returns:
            Nested structure of tensors of shape `(batch, ...)`; none by default.
        """
        return ()

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """Which tokens may come next.

        Args:
            tokens: int32, the ids in question: of shape `(1, 1, vocabulary)`, all in
                order, or of shape `(batch, beam, candidates)`. The latter only if the
                constraint has `max_forbidden`.
            prefix: The `Prefix`.
            state: Nested structure of tensors of shape `(batch, beam, ...)`.

        Returns:
            Boolean tensor of shape `(batch, beam, vocabulary)` or
            `(batch, beam, candidates)`, or one that broadcasts to it.

        Raises:
            TypeError: If a subclass does not override it.
        """
        raise TypeError(
            "A constraint must override `allowed`. "
            f"Received: {type(self).__name__}, which does not"
        )

    def next_state(self, tokens: Tensor, state: Any) -> Any:
        """The state after the next token.

        Args:
            tokens: int32 of shape `(batch, beam)`: the tokens by which the hypotheses
                went on; PAD for those that have ended.
            state: The states of these hypotheses before the token.

        Returns:
            Structure with the shapes and dtypes of `state`; by default `state`.
        """
        return state


class ForbiddenTokens(Constraint):
    """Forbids some tokens at every step.

    Args:
        ids: Tuple or list of integers.

    Raises:
        ValueError: If `ids` is anything else.

    Example:

    >>> from keras import ops
    >>> constraint = ForbiddenTokens([0, 2])
    >>> constraint.allowed(ops.arange(4)[None, None], None, ()).numpy().tolist()
    [[[False, True, False, True]]]
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = check_integers("ids", ids, least=0)
        self.max_forbidden = len(self.ids)

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        ids = np.array(self.ids, "int32")
        return ops.all(ops.not_equal(tokens[..., None], ids), axis=-1)


class MinLength(Constraint):
    """Forbids EOS until a hypothesis has a number of tokens.

    Args:
        min_length: Fewest tokens of a hypothesis, EOS included: an integer, or an
            integer tensor of shape `(batch,)`.

    Raises:
        ValueError: If `min_length` is neither.

    Example:

    >>> from keras import ops
    >>> from kseq2seq.decoding import greedy_search
    >>> def step(tokens, state):  # EOS, which is 3
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.9, 0.1])
    ...     return log_probs + ops.zeros((*tokens.shape, 5)), state, {}
    >>> hypotheses = greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=5, constraints=[MinLength(3)])
    >>> hypotheses.ids.numpy().tolist()
    [[[4, 4, 3, 0, 0]]]
    """

    max_forbidden = 1

    def __init__(self, min_length: int | Tensor) -> None:
        if is_integer(min_length) or not hasattr(min_length, "dtype"):
            min_length = check_integer("min_length", min_length, least=0)
        self.min_length = ops.reshape(ops.cast(min_length, "int32"), (-1,))

    def initial_state(self, batch_size: int | Tensor) -> Tensor:
        """The minimum of each row, `(batch,)`."""
        return ops.broadcast_to(self.min_length, (batch_size,))

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        long_enough = prefix.position + 1 >= state  # (B, K)
        return ops.logical_or(
            long_enough[..., None], ops.not_equal(tokens, prefix.eos_id)
        )


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


def max_forbidden(constraints: Sequence[Constraint]) -> int | None:
    """The most tokens that constraints forbid a hypothesis together, if bounded.

    Args:
        constraints: The `Constraint`s.

    Returns:
        The number; `None` if one of them may forbid any number.
    """
    counts = [constraint.max_forbidden for constraint in constraints]
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total


def _for_slots(leaf, beam):
    """A tensor of shape (B, ...) as (B, K, ...)."""
    batch, *rest = ops.shape(leaf)
    return ops.broadcast_to(ops.expand_dims(leaf, 1), (batch, beam, *rest))
