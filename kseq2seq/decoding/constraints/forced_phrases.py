"""Words and phrases that each row must hold."""

from typing import Any

from keras import ops

from kseq2seq.decoding.constraints.base import GuidingConstraint, Prefix
from kseq2seq.decoding.shapes import check_shape
from kseq2seq.utils import PAD_ID, Tensor, check_boolean


class ForcedPhrases(GuidingConstraint):
    """Each row holds all phrases of its own, in any order or in the order given.

    A phrase is there as soon as its tokens stand one after the other. In any order
    phrases may overlap; in order, each begins behind the end of the one before it. EOS
    may come once all are there. Beam search reserves slots of the beam
    for hypotheses that have more of the phrases, and adds their next tokens to its
    candidates, so that a beam of any size gets there; greedy search and sampling are
    held back from the end alone.

    Args:
        ids: int32 tensor of shape `(batch, phrases, length)`, PAD behind the tokens of
            each phrase, and in place of phrases where a row has fewer.
        in_order: Whether they must stand in their order.

    Attributes:
        least_room: int32 of shape `(batch,)`: tokens of all phrases, and EOS.

    Raises:
        ValueError: If `ids` is no such tensor, or `in_order` no boolean.

    Example:

    >>> from keras import ops
    >>> from kseq2seq.decoding import beam_search
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.4, 0.5, 0.08, 0.02])
    ...     return log_probs + ops.zeros((*tokens.shape, 7)), state, {}
    >>> phrases = ForcedPhrases(ops.convert_to_tensor([[[6, 5], [6, 0]]]))
    >>> hypotheses = beam_search(
    ...     step, ops.zeros((1, 1)), beam_size=8, max_length=5, constraints=[phrases])
    >>> hypotheses.ids.numpy().tolist()
    [[[6, 5, 3, 0, 0]]]
    >>> phrases = ForcedPhrases(phrases.ids, in_order=True)
    >>> hypotheses = beam_search(
    ...     step, ops.zeros((1, 1)), beam_size=8, max_length=5, constraints=[phrases])
    >>> hypotheses.ids.numpy().tolist()
    [[[6, 5, 6, 3, 0]]]

    Reference:
        [Post & Vilar, 2018](https://arxiv.org/abs/1804.06609), dynamic beam allocation;
        [Hu et al., 2019](https://aclanthology.org/N19-1090), section 4, in batches.
    """

    def __init__(self, ids: Tensor, in_order: bool = False) -> None:
        check_shape("`ids`", ids, (None, None, None))
        self.in_order = check_boolean("in_order", in_order)
        self.ids = ops.cast(ids, "int32")
        is_token = ops.cast(ops.not_equal(self.ids, PAD_ID), "int32")
        self.least_room = ops.sum(is_token, axis=(1, 2)) + 1

    def initial_state(self, batch_size: int | Tensor) -> dict[str, Tensor]:
        """The phrases, how much of each came last, and which are there."""
        is_token = ops.not_equal(self.ids, PAD_ID)
        return {
            "ids": self.ids,  # (B, W, M)
            # Whether the last n + 1 tokens are the first ones of the phrase.
            "begun": ops.zeros_like(is_token),  # (B, W, M)
            "done": ops.logical_not(ops.any(is_token, axis=2)),  # (B, W)
        }

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        done = state["done"]  # (B, K, W)
        all_done = ops.all(done, axis=-1)[..., None]
        # The last token that there is room for must complete all that is missing.
        ids = state["ids"]
        one_is_left = ops.logical_and(self._may_go_on(state), _is_last(ids))
        last = ops.max(ops.where(one_is_left, ids, 0), axis=-1)  # (B, K, W)
        missing = ops.max(ops.where(done, 0, last), axis=-1, keepdims=True)
        completes = ops.all(
            ops.logical_or(done, ops.logical_and(last > 0, ops.equal(last, missing))),
            axis=-1,
        )[..., None]
        completes = ops.logical_and(completes, ops.equal(tokens, missing))
        has_room = (prefix.position + 1 < prefix.max_length)[..., None]
        goes_on = ops.logical_and(has_room, ops.not_equal(tokens, prefix.eos_id))
        return ops.logical_or(all_done, ops.logical_or(goes_on, completes))

    def next_state(self, tokens: Tensor, state: Any) -> dict[str, Tensor]:
        """See `Constraint.next_state`."""
        begun, done = self._after(tokens, state)
        return {"ids": state["ids"], "begun": begun, "done": done}

    def wanted(self, state: Any) -> Tensor:
        """See `GuidingConstraint.wanted`: the next token of each phrase due."""
        count = ops.expand_dims(_count(state["begun"]), -1)  # (B, K, W, 1)
        places = ops.arange(ops.shape(state["ids"])[-1], dtype="int32")
        following = ops.where(ops.equal(places, count), state["ids"], 0)
        following = ops.where(self._is_due(state), ops.sum(following, axis=-1), PAD_ID)
        if self.in_order:  # there is one at most
            return ops.max(following, axis=-1, keepdims=True)
        return following

    def progress(self, tokens: Tensor, state: Any) -> Tensor:
        """See `GuidingConstraint.progress`: tokens of phrases that are there.

        Of the phrases that are not, the one that is most complete counts.
        """
        state = {name: ops.expand_dims(leaf, 2) for name, leaf in state.items()}
        begun, done = self._after(tokens, state)
        is_token = ops.cast(ops.not_equal(state["ids"], PAD_ID), "int32")
        lengths = ops.where(done, ops.sum(is_token, axis=-1), 0)
        partly = ops.where(done, 0, _count(begun))
        return ops.sum(lengths, axis=-1) + ops.max(partly, axis=-1)

    def max_progress(self, state: Any) -> int | Tensor:
        """See `GuidingConstraint.max_progress`."""
        *_, phrases, length = ops.shape(state["ids"])
        return phrases * length

    def _is_due(self, state):
        """Which phrases may come next: those missing, in order the first of them."""
        missing = ops.logical_not(state["done"])
        if not self.in_order:
            return missing
        count = ops.cumsum(ops.cast(missing, "int32"), axis=-1)
        return ops.logical_and(missing, ops.equal(count, 1))

    def _may_go_on(self, state):
        """Which tokens of the phrases may come next, of the shape of `begun`."""
        begun = state["begun"]
        begins = ops.concatenate([ops.ones_like(begun[..., :1]), begun[..., :-1]], -1)
        if self.in_order:
            begins = ops.logical_and(begins, self._is_due(state)[..., None])
        return begins

    def _after(self, tokens, state):
        """The phrases begun and done after tokens, which have one axis less."""
        ids = state["ids"]
        same = ops.logical_and(ops.equal(ids, tokens[..., None, None]), ids != PAD_ID)
        begun = ops.logical_and(self._may_go_on(state), same)
        ended = ops.any(ops.logical_and(begun, _is_last(ids)), axis=-1)
        return begun, ops.logical_or(state["done"], ended)


def _is_last(ids):
    """Booleans: the last token of each phrase."""
    following = ops.concatenate([ids[..., 1:], ops.zeros_like(ids[..., :1])], axis=-1)
    return ops.logical_and(ids != PAD_ID, ops.equal(following, PAD_ID))


def _count(begun):
    """The number of tokens of each phrase that came last."""
    numbers = ops.arange(1, ops.shape(begun)[-1] + 1, dtype="int32")
    return ops.max(ops.where(begun, numbers, 0), axis=-1)
