"""How searches choose the tokens by which their hypotheses go on."""

import numpy as np
from keras import ops

from kseq2seq.decoding.candidates import (
    allowed_log_probs,
    best_tokens,
    pick,
    top_tokens,
)
from kseq2seq.decoding.loop import score
from kseq2seq.decoding.rules import is_integer
from kseq2seq.utils import PAD_ID

LEAST_FLOAT = float(np.finfo("float32").min)
# Uniform numbers are kept below it, so that number * total < total in float32.
LARGEST_UNIFORM = 1.0 - 2.0**-23


def select_first(predicted, slots, rules, position):
    """The most probable continuation of the only hypothesis of each row."""
    values, tokens = best_tokens(predicted, 1, rules, position)
    return _stay(slots, values[..., 0], tokens[..., 0])


def select_best(predicted, slots, rules, position):
    """The K best among all continuations of the K hypotheses of each row."""
    batch, width, _ = ops.shape(predicted)
    # One hypothesis has at most K continuations among the K best, and orders its own
    # by the token alone. So only this has to look at all V.
    values, tokens = best_tokens(predicted, width, rules, position)  # (B, K, C)
    count = values.shape[-1]
    # What has finished has one continuation, itself.
    finished = slots.finished[..., None]
    itself = np.where(np.arange(count) == 0, 0.0, -np.inf).astype("float32")
    values = ops.where(finished, ops.convert_to_tensor(itself), values)
    tokens = ops.where(finished, PAD_ID, tokens)

    totals = slots.log_probs[..., None] + values
    flat = (batch, width * count)
    scores = ops.reshape(score(totals, slots, rules), flat)
    scores, best = ops.top_k(scores, width)  # (B, K)
    best = ops.cast(best, "int32")
    tokens, totals = (pick(ops.reshape(x, flat), best) for x in (tokens, totals))
    return best // count, tokens, totals, scores


def in_place(choose):
    """A selection in which each hypothesis goes on by the one token it chooses."""

    def select(predicted, slots, rules, position):
        log_probs = allowed_log_probs(predicted, rules, position)
        tokens = choose(log_probs, position)
        return _stay(slots, pick(log_probs, tokens[..., None])[..., 0], tokens)

    return select


def _stay(slots, values, tokens):
    """Each hypothesis in its slot, with the next token, (B, K), unless it has ended."""
    tokens = ops.where(slots.finished, PAD_ID, tokens)
    totals = slots.log_probs + ops.where(slots.finished, 0.0, values)
    return None, tokens, totals, totals


def for_each_token(setting):
    """A setting of each row, (B,), as (B, 1, 1); a number or `None` as it is."""
    return setting[:, None, None] if ops.is_tensor(setting) else setting


def draw(log_probs, number, temperature, top_k, top_p):
    """The tokens at which the cumulative probability passes `number`, `(B, K)`."""
    count, tokens = log_probs.shape[-1], None
    if top_k is not None or top_p is not None:
        count = min(top_k, count) if is_integer(top_k) else count
        log_probs, tokens = top_tokens(log_probs, count)  # (B, K, C), best first
    if ops.is_tensor(top_k):
        kept = ops.arange(count, dtype="int32") < ops.cast(top_k, "int32")
        log_probs = ops.where(kept, log_probs, -np.inf)
    # Where nothing is possible, the least float instead of -inf gives 0, not NaN.
    best = ops.max(log_probs, axis=-1, keepdims=True, initial=LEAST_FLOAT)
    weights = ops.exp((log_probs - best) / temperature)
    cumulative = ops.cumsum(weights, axis=-1)
    if top_p is not None:
        before = cumulative - weights
        weights = ops.where(before < top_p * cumulative[..., -1:], weights, 0.0)
        cumulative = ops.cumsum(weights, axis=-1)
    # Rounding must not let in a token of no weight.
    cumulative = ops.where(weights > 0.0, cumulative, 0.0)
    total = ops.max(cumulative, axis=-1, keepdims=True, initial=0.0)
    threshold = ops.minimum(number, LARGEST_UNIFORM)[..., None] * total
    places = ops.arange(count, dtype="int32")
    passed = ops.where(cumulative > threshold, places, count - 1)
    place = ops.min(passed, axis=-1, initial=count - 1)
    return place if tokens is None else pick(tokens, place[..., None])[..., 0]
