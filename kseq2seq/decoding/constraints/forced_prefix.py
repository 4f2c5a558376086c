"""Tokens that each row begins with."""

from typing import Any, NamedTuple

from keras import ops

from kseq2seq.decoding.constraints.base import (
    Constraint,
    GuidingConstraint,
    Prefix,
)
from kseq2seq.decoding.shapes import check_shape
from kseq2seq.utils import PAD_ID, Tensor


class OpenEnd(NamedTuple):
    """Pieces by which a forced prefix may end inside of a word.

    Attributes:
        order: int32 of shape `(vocabulary,)`: the place of each token's text among all
            texts in their order; -1 for tokens that stand for no text.
        word_start: int32 of shape `(batch,)`: position of the first token of the
            prefix's last word.
        word_range: int32 of shape `(batch, 2)`: the places, from and up to, of those
            texts that begin with the last word.
        token_range: The same for texts that begin with that of the last token.
    """

    order: Tensor
    word_start: Tensor
    word_range: Tensor
    token_range: Tensor


class ForcedPrefix(Constraint):
    """Each row begins with tokens of its own.

    With an open end, the text of the prefix is forced, not its last tokens: one token
    that goes on may stand for the last one, or for all of the last word.

    Args:
        ids: int32 tensor of shape `(batch, length)`, PAD behind the prefix of each row.
            A row of PAD alone is free.
        open_end: An `OpenEnd`; `None` for exactly these tokens.

    Attributes:
        ids: The ids.
        lengths: int32 of shape `(batch,)`, the number of tokens of each prefix.

    Raises:
        ValueError: If `ids` is no such tensor.

    Example:

    >>> from keras import ops
    >>> from kseq2seq.decoding import greedy_search
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.1, 0.5, 0.4])
    ...     return log_probs + ops.zeros((*tokens.shape, 6)), state, {}
    >>> prefix = ForcedPrefix(ops.convert_to_tensor([[5, 5], [5, 0]]))
    >>> greedy_search(
    ...     step, ops.zeros((2, 1)), max_length=3, constraints=[prefix]
    ... ).ids.numpy().tolist()
    [[[5, 5, 4]], [[5, 4, 4]]]
    """

    def __init__(self, ids: Tensor, open_end: OpenEnd | None = None) -> None:
        check_shape("`ids`", ids, (None, None))
        self.ids = ops.cast(ids, "int32")
        self.open_end = open_end
        is_token = ops.cast(ops.not_equal(self.ids, PAD_ID), "int32")
        self.lengths = ops.sum(is_token, axis=1)
        self.least_room = self.lengths + 1

    def initial_state(self, batch_size: int | Tensor) -> dict[str, Tensor]:
        """Each row's ids, and its part of the open end."""
        state = {"ids": self.ids, "lengths": self.lengths}
        if self.open_end is not None:
            state |= self.open_end._asdict()
            del state["order"]
        return state

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        position = prefix.position
        wanted = token_at(state["ids"], position)[..., None]
        is_free = position >= state["lengths"]  # (B, K)
        allowed = ops.equal(tokens, wanted)
        if self.open_end is not None:
            places = ops.take(self.open_end.order, tokens, axis=0)
            first = state["word_start"]
            at_word = ops.logical_and(
                ops.equal(position, first)[..., None],
                _is_within(places, state["word_range"][..., None, :]),
            )
            at_end = ops.logical_and(
                ops.equal(position, state["lengths"] - 1)[..., None],
                _is_within(places, state["token_range"][..., None, :]),
            )
            allowed = ops.logical_or(allowed, ops.logical_or(at_word, at_end))
            # Where the last word was one token that goes on, the prefix is over.
            token = token_at(prefix.ids, first)
            place = ops.take(self.open_end.order, token, axis=0)
            word_is_done = ops.logical_and(
                position > first, _is_within(place, state["word_range"])
            )
            is_free = ops.logical_or(is_free, word_is_done)
        return ops.logical_or(is_free[..., None], allowed)


class AfterPrefix(Constraint):
    """Another constraint, which takes no notice of the tokens of a forced prefix.

    Args:
        constraint: The `Constraint`; none that guides the beam, such as
            `ForcedPhrases`, which counts the tokens of the prefix as its own.
        ids: The ids of the `ForcedPrefix`.

    Raises:
        ValueError: If the constraint is a `GuidingConstraint`.

    Example: the unknown token, 1, may be given, but not chosen.

    >>> from keras import ops
    >>> from kseq2seq.decoding import ForbiddenTokens, greedy_search
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.6, 0.0, 0.1, 0.3])
    ...     return log_probs + ops.zeros((*tokens.shape, 5)), state, {}
    >>> prefix = ForcedPrefix(ops.convert_to_tensor([[4, 1]]))
    >>> known = AfterPrefix(ForbiddenTokens([1]), prefix.ids)
    >>> greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=4, constraints=[prefix, known]
    ... ).ids.numpy().tolist()
    [[[4, 1, 4, 4]]]
    """

    def __init__(self, constraint: Constraint, ids: Tensor) -> None:
        if isinstance(constraint, GuidingConstraint):
            raise ValueError(
                "`constraint` must be one that does not guide the beam: give it to the "
                f"search beside the prefix. Received: constraint={constraint!r}"
            )
        self.constraint = constraint
        self.least_room = constraint.least_room
        self.max_forbidden = constraint.max_forbidden
        self.changes_scores = constraint.changes_scores
        self._ids = ops.cast(ids, "int32")

    def initial_state(self, batch_size: int | Tensor) -> dict[str, Any]:
        """Each row's ids, and the other constraint's state."""
        return {"ids": self._ids, "own": self.constraint.initial_state(batch_size)}

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        allowed = self.constraint.allowed(tokens, prefix, state["own"])
        wanted = token_at(state["ids"], prefix.position)[..., None]
        given = ops.logical_and(ops.equal(tokens, wanted), wanted != PAD_ID)
        return ops.logical_or(allowed, given)

    def adjusted(self, log_probs: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.adjusted`."""
        return self.constraint.adjusted(log_probs, prefix, state["own"])

    def next_state(self, tokens: Tensor, state: Any) -> dict[str, Any]:
        """See `Constraint.next_state`."""
        own = self.constraint.next_state(tokens, state["own"])
        return {"ids": state["ids"], "own": own}


def token_at(ids: Tensor, position: Tensor) -> Tensor:
    """The token of each hypothesis at a position; PAD behind the last one.

    Args:
        ids: int32 of shape `(batch, beam, length)`.
        position: int32, a scalar, or of shape `(batch, beam)`.

    Returns:
        int32 of shape `(batch, beam)`.

    Example:

    >>> ids = ops.convert_to_tensor([[[5, 6, 7]]])
    >>> int(token_at(ids, 1)[0, 0]), int(token_at(ids, 3)[0, 0])
    (6, 0)
    """
    length = ids.shape[-1] or ops.shape(ids)[-1]
    places = ops.arange(length, dtype="int32")
    position = ops.expand_dims(ops.convert_to_tensor(position, dtype="int32"), -1)
    return ops.sum(ops.where(ops.equal(places, position), ids, 0), axis=-1)


def _is_within(places, ranges):
    """Which places are in ranges, whose last axis has from where and up to where."""
    return ops.logical_and(places >= ranges[..., 0], places < ranges[..., 1])
