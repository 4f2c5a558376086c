"""Selection: the tokens by which the hypotheses of a search go on."""

from collections.abc import Callable

import numpy as np
from keras import ops

from kseq2seq.decoding.candidates import (
    allowed_log_probs,
    best_tokens,
    pick,
)
from kseq2seq.decoding.slots import Rules, Select, Selected, Slots, prefix_of, score
from kseq2seq.utils import PAD_ID, Tensor, gather


def select_first(
    predicted: Tensor, slots: Slots, rules: Rules, position: Tensor
) -> Selected:
    """The most probable continuation of the only hypothesis of each row."""
    prefix = prefix_of(slots, rules, position)
    values, tokens = best_tokens(predicted, 1, rules, prefix, slots.constraints)
    return _stay(slots, values[..., 0], tokens[..., 0])


def select_best(
    predicted: Tensor, slots: Slots, rules: Rules, position: Tensor
) -> Selected:
    """The K best among all continuations of the K hypotheses of each row."""
    batch, width, _ = ops.shape(predicted)
    # One hypothesis has at most K continuations among the K best, and orders its own
    # by the token alone. So only this has to look at all V.
    prefix = prefix_of(slots, rules, position)
    values, tokens = best_tokens(
        predicted, width, rules, prefix, slots.constraints
    )  # (B, K, C)
    count = values.shape[-1]
    values, tokens = end_finished(values, tokens, slots)
    totals = slots.log_probs[..., None] + values
    flat = (batch, width * count)
    scores = ops.reshape(score(totals, slots, rules), flat)
    scores, best = ops.top_k(scores, width)  # (B, K)
    best = ops.cast(best, "int32")
    tokens, totals = (
        pick(ops.reshape(values, flat), best) for values in (tokens, totals)
    )
    return best // count, tokens, totals, scores


def end_finished(values: Tensor, tokens: Tensor, slots: Slots) -> tuple[Tensor, Tensor]:
    """Gives hypotheses that have finished one continuation, themselves.

    Args:
        values: Log-probabilities of continuations, of shape `(batch, beam, count)`.
        tokens: Their tokens.
        slots: The hypotheses.

    Returns:
        A tuple of both.
    """
    count = values.shape[-1] or ops.shape(values)[-1]
    finished = slots.finished[..., None]
    places = ops.arange(count, dtype="int32")
    itself = ops.where(ops.equal(places, 0), 0.0, -np.inf)
    values = ops.where(finished, itself, values)
    return values, ops.where(finished, PAD_ID, tokens)


def elementwise(choose: Callable[[Tensor, Tensor], Tensor]) -> Select:
    """A selection in which each hypothesis stays in its slot and goes on by one token.

    Args:
        choose: Function from log-probabilities of shape `(batch, beam, vocabulary)`
            and the position to tokens of shape `(batch, beam)`.

    Returns:
        A function, as `decode` takes it.
    """

    def select(predicted, slots, rules, position):
        prefix = prefix_of(slots, rules, position)
        log_probs = allowed_log_probs(predicted, rules, prefix, slots.constraints)
        tokens = choose(log_probs, position)
        return _stay(slots, pick(log_probs, tokens[..., None])[..., 0], tokens)

    return select


def select_given(ids: Tensor) -> Select:
    """A selection of given tokens: of `ids`, of shape `(batch, length)`.

    One that the vocabulary lacks has the probability 0: looked up, it would give that
    of a token in another row.
    """

    def select(predicted, slots, rules, position):
        prefix = prefix_of(slots, rules, position)
        log_probs = allowed_log_probs(predicted, rules, prefix, slots.constraints)
        tokens = gather(ids, position, axis=1)[:, None]  # (B, 1)
        known = ops.logical_and(tokens >= 0, tokens < log_probs.shape[-1])
        values = pick(log_probs, ops.where(known, tokens, 0)[..., None])[..., 0]
        return _stay(slots, ops.where(known, values, -np.inf), tokens)

    return select


def _stay(slots, values, tokens):
    """Each hypothesis in its slot, with the next token, (B, K), unless it has ended."""
    tokens = ops.where(slots.finished, PAD_ID, tokens)
    totals = slots.log_probs + ops.where(slots.finished, 0.0, values)
    return None, tokens, totals, totals
