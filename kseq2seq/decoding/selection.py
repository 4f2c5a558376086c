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
    # At most K of the K best continue the same hypothesis, and they are its most
    # probable ones. So only `best_tokens` has to look at all V.
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
    """Gives each finished hypothesis one continuation: PAD, with log-probability 0.

    Args:
        values: Log-probabilities of continuations, float32 of shape `(batch, beam,
            count)`.
        tokens: Their tokens, int32 of this shape.
        slots: The `Slots`.

    Returns:
        A tuple `(values, tokens)` of the same shapes.
    """
    count = values.shape[-1] or ops.shape(values)[-1]
    finished = slots.finished[..., None]
    places = ops.arange(count, dtype="int32")
    itself = ops.where(ops.equal(places, 0), 0.0, -np.inf)
    values = ops.where(finished, itself, values)
    return values, ops.where(finished, PAD_ID, tokens)


def select_chosen(choose: Callable[[Tensor, Tensor], Tensor]) -> Select:
    """A selection of one token for each hypothesis, which stays in its slot.

    Args:
        choose: Function from log-probabilities of shape `(batch, beam, vocabulary)`
            and the position to tokens of shape `(batch, beam)`.

    Returns:
        A `Select` function.
    """

    def select(predicted, slots, rules, position):
        prefix = prefix_of(slots, rules, position)
        log_probs = allowed_log_probs(predicted, rules, prefix, slots.constraints)
        tokens = choose(log_probs, position)
        return _stay(slots, pick(log_probs, tokens[..., None])[..., 0], tokens)

    return select


def select_given(ids: Tensor) -> Select:
    """A selection of given tokens.

    A token that the vocabulary lacks has the probability 0.

    Args:
        ids: int32 of shape `(batch, length)`.

    Returns:
        A `Select` function.
    """

    def select(predicted, slots, rules, position):
        prefix = prefix_of(slots, rules, position)
        log_probs = allowed_log_probs(predicted, rules, prefix, slots.constraints)
        tokens = gather(ids, position, axis=1)[:, None]  # (B, 1)
        known = ops.logical_and(tokens >= 0, tokens < log_probs.shape[-1])
        # An unknown id would pick the log-probability of another row's token.
        values = pick(log_probs, ops.where(known, tokens, 0)[..., None])[..., 0]
        return _stay(slots, ops.where(known, values, -np.inf), tokens)

    return select


def _stay(slots, values, tokens):
    """The `Selected` of hypotheses that stay in their slots; a finished one gets PAD.

    The log-probabilities and the tokens have shape (B, K).
    """
    tokens = ops.where(slots.finished, PAD_ID, tokens)
    totals = slots.log_probs + ops.where(slots.finished, 0.0, values)
    return None, tokens, totals, totals
