"""Allocation of a beam to hypotheses of different progress."""

import numpy as np
from keras import ops

from kseq2seq.decoding.candidates import allowed_log_probs, pick, top_tokens
from kseq2seq.decoding.constraints import GuidingConstraint
from kseq2seq.decoding.selection import end_finished
from kseq2seq.decoding.slots import Rules, Selected, Slots, prefix_of, score
from kseq2seq.utils import PAD_ID, Tensor


def select_guided(
    predicted: Tensor, slots: Slots, rules: Rules, position: Tensor
) -> Selected:
    """The best continuations of each progress by the guiding constraint.

    The candidates are the most probable tokens of each hypothesis and the tokens that
    the constraint wants. Candidates of the same progress are a bank. `allocate` divides
    the beam evenly among the banks.

    Reference:
        [Post & Vilar, 2018](https://arxiv.org/abs/1804.06609), section 3.2.
    """
    batch, width, _ = ops.shape(predicted)
    prefix = prefix_of(slots, rules, position)
    log_probs = allowed_log_probs(predicted, rules, prefix, slots.constraints)
    values, tokens = top_tokens(log_probs, min(width, log_probs.shape[-1]))
    guide, state = next(
        (constraint, state)
        for constraint, state in zip(rules.constraints, slots.constraints, strict=True)
        if isinstance(constraint, GuidingConstraint)
    )
    wanted = guide.wanted(state)  # (B, K, W)
    further = _log_probs_of_new(wanted, tokens, log_probs)
    values = ops.concatenate([values, further], axis=-1)
    tokens = ops.concatenate([tokens, wanted], axis=-1)
    values, tokens = end_finished(values, tokens, slots)

    count = ops.shape(values)[-1]
    flat = (batch, width * count)
    totals = slots.log_probs[..., None] + values
    progress = ops.reshape(guide.progress(tokens, state), flat)
    scores = ops.reshape(score(totals, slots, rules), flat)
    ended = ops.logical_or(slots.finished[..., None], ops.equal(tokens, rules.eos_id))
    ended, last = ops.reshape(ended, flat), guide.max_progress(state)
    best = allocate(scores, progress, last, width, ended)
    tokens, totals, scores = (
        pick(ops.reshape(leaf, flat), best) for leaf in (tokens, totals, scores)
    )
    return best // count, tokens, totals, scores


def allocate(
    scores: Tensor, banks: Tensor, last_bank: int | Tensor, width: int, ended: Tensor
) -> Tensor:
    """The places of `width` candidates, best first, the same number of each bank.

    Where `width` is no multiple of the number of banks, the highest banks get one more.
    Places that a small bank leaves free go to the best of all other candidates.

    Args:
        scores: float32 of shape `(batch, count)`.
        banks: int32 of shape `(batch, count)`, from 0 on.
        last_bank: The highest number that a bank may have.
        width: Number of candidates wanted.
        ended: Booleans of shape `(batch, count)`: which have come to an end. The best
            of them has a place of its own, unless there are as many banks as places,
            since those that go on may become worse.

    Returns:
        int32 of shape `(batch, width)`.

    Example: two of three places are of bank 1, which has come furthest.

    >>> scores = ops.convert_to_tensor([[-1.0, -2.0, -8.0, -3.0, -9.0]])
    >>> banks = ops.convert_to_tensor([[0, 0, 1, 0, 1]])
    >>> ended = ops.zeros((1, 5), "bool")
    >>> ops.convert_to_numpy(allocate(scores, banks, 1, 3, ended)).tolist()
    [[0, 2, 4]]
    """
    order = ops.cast(ops.argsort(-scores, axis=1), "int32")
    scores, banks, ended = (pick(x, order) for x in (scores, banks, ended))
    numbers = ops.arange(last_bank + 1, dtype="int32")
    possible = (scores > -np.inf)[..., None]
    of_bank = ops.logical_and(ops.equal(banks[..., None], numbers), possible)
    of_bank = ops.cast(of_bank, "int32")  # (B, N, banks)
    is_used = ops.cast(ops.any(of_bank > 0, axis=1), "int32")  # (B, banks)
    num_used = ops.sum(is_used, axis=1, keepdims=True)
    # The number of used banks above each one.
    rank = num_used - ops.cumsum(is_used, axis=1)
    num_used = ops.maximum(num_used, 1)
    ended = ops.cast(ops.logical_and(ended, scores > -np.inf), "int32")
    is_kept = ops.logical_and(
        ops.any(ended > 0, axis=1, keepdims=True), width > num_used
    )
    room = width - ops.cast(is_kept, "int32")  # (B, 1)
    share = room // num_used + ops.cast(rank < room % num_used, "int32")
    # A candidate has a place if fewer of its bank than the bank's share are better.
    before = ops.cumsum(of_bank, axis=1) - of_bank
    is_due = ops.any(
        ops.logical_and(of_bank > 0, before < share[:, None]), axis=-1
    )  # (B, N)
    is_best_end = ops.logical_and(ended > 0, ops.equal(ops.cumsum(ended, axis=1), 1))
    is_due = ops.logical_or(is_due, ops.logical_and(is_best_end, is_kept))
    count = ops.shape(order)[1]
    places = ops.arange(count, dtype="int32")
    priority = ops.where(is_due, count, 0) - places
    _, chosen = ops.top_k(priority, width)
    return pick(order, ops.sort(ops.cast(chosen, "int32"), axis=1))


def _log_probs_of_new(wanted, tokens, log_probs):
    """Log-probabilities of wanted tokens; -inf for PAD and for candidates known before.

    Of the wanted tokens, (B, K, W), only the first of equal ones counts.
    """
    count = wanted.shape[-1] or ops.shape(wanted)[-1]
    places = ops.arange(count, dtype="int32")
    twice = ops.logical_and(
        ops.equal(wanted[..., None], wanted[:, :, None]), places[:, None] > places
    )
    known = ops.equal(wanted[..., None], tokens[:, :, None])
    known = ops.logical_or(ops.any(twice, axis=-1), ops.any(known, axis=-1))
    known = ops.logical_or(known, ops.equal(wanted, PAD_ID))
    return ops.where(known, -np.inf, pick(log_probs, wanted))
