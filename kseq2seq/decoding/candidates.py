"""From what a step says of all tokens to the few that a search may go on with."""

import numpy as np
from keras import ops

# The best of a large vocabulary are looked for in its best pieces of this size.
PIECE_SIZE = 64


def allowed_log_probs(predicted, rules, position):
    """Log-probabilities of all tokens, -inf for those that must not come next.

    Args:
        predicted: What the step gave, `(batch, beam, vocabulary)`, in float32.
        rules: The `Rules` of the search.
        position: Scalar, the place of the next token.

    Returns:
        Tensor of the shape of `predicted`.
    """
    log_probs = ops.log_softmax(predicted) if rules.gives_logits else predicted
    if not rules.forbidden_ids and rules.min_length is None:
        return log_probs
    tokens = ops.arange(predicted.shape[-1], dtype="int32")[None, None]
    return ops.where(_forbidden(tokens, rules, position), -np.inf, log_probs)


def best_tokens(predicted, count, rules, position):
    """The most probable of the tokens that may come next.

    The same as the best of `allowed_log_probs`, but without another pass over the
    vocabulary for what is forbidden, and with a cheaper one for the softmax.

    Args:
        predicted: As for `allowed_log_probs`.
        count: How many tokens are wanted; fewer come of a smaller vocabulary.
        rules: As for `allowed_log_probs`.
        position: As for `allowed_log_probs`.

    Returns:
        A tuple `(log_probs, tokens)`, best first, both of shape `(batch, beam, count)`.
    """
    vocabulary = predicted.shape[-1]
    # So many more that enough are left without the forbidden ones.
    others = len(rules.forbidden_ids) + (rules.min_length is not None)
    values, tokens = top_tokens(predicted, min(count + others, vocabulary))
    if rules.gives_logits:
        # The best has its probability from softmax, which never is 0 for it, and the
        # others follow by their distance: log-softmax takes over twice as long.
        probability = pick(ops.softmax(predicted), tokens[..., :1])
        values = values - values[..., :1] + ops.log(probability)
    if others:
        values = ops.where(_forbidden(tokens, rules, position), -np.inf, values)
        values, places = ops.top_k(values, min(count, vocabulary))
        tokens = pick(tokens, ops.cast(places, "int32"))
    return values, tokens


def _forbidden(tokens, rules, position):
    """Which of `tokens`, of three axes, must not come next."""
    forbidden = np.array(rules.forbidden_ids, "int32")
    forbidden = ops.any(ops.equal(tokens[..., None], forbidden), axis=-1)
    if rules.min_length is not None:
        early = ops.reshape(position + 1 < rules.min_length, (-1, 1, 1))
        end = ops.logical_and(early, ops.equal(tokens, rules.eos_id))
        forbidden = ops.logical_or(forbidden, end)
    return forbidden


def top_tokens(log_probs, count):
    """`ops.top_k` over the vocabulary, several times as fast where that is large.

    The `count` best tokens are in the `count` pieces with the best maxima, and a
    maximum is much cheaper than `ops.top_k`.

    Args:
        log_probs: Tensor of shape `(batch, beam, vocabulary)`.
        count: How many tokens are wanted, at most the vocabulary size.

    Returns:
        A tuple `(values, tokens)`, best first, both of shape `(batch, beam, count)`.
    """
    batch, width, vocabulary = ops.shape(log_probs)
    if vocabulary < 4 * count * PIECE_SIZE:
        values, tokens = ops.top_k(log_probs, count)
        return values, ops.cast(tokens, "int32")
    pieces = -(-vocabulary // PIECE_SIZE)
    padding = pieces * PIECE_SIZE - vocabulary
    if padding:
        widths = ((0, 0), (0, 0), (0, padding))
        log_probs = ops.pad(log_probs, widths, constant_values=-np.inf)
    log_probs = ops.reshape(log_probs, (batch, width, pieces, PIECE_SIZE))
    maxima = ops.max(log_probs, axis=-1, initial=-np.inf)
    best = ops.cast(ops.top_k(maxima, count)[1], "int32")  # (B, K, C)
    rows = ops.arange(batch * width, dtype="int32") * pieces
    rows = ops.reshape(rows, (batch, width, 1)) + best
    log_probs = ops.reshape(log_probs, (batch * width * pieces, PIECE_SIZE))
    finalists = ops.take(log_probs, rows, axis=0)  # (B, K, C, piece)
    finalists = ops.reshape(finalists, (batch, width, count * PIECE_SIZE))
    values, places = ops.top_k(finalists, count)
    places = ops.cast(places, "int32")
    tokens = pick(best, places // PIECE_SIZE) * PIECE_SIZE + places % PIECE_SIZE
    # Where all is -inf the padding can win; what is fed must be an id all the same.
    return values, ops.minimum(tokens, vocabulary - 1)


def pick(values, places):
    """`values` at `places` of its last axis; the leading axes are the same.

    A flat gather: `ops.take_along_axis` transposes and is several times as slow.
    """
    *leading, count = ops.shape(values)
    rows = 1
    for size in leading:
        rows = rows * size
    offsets = ops.reshape(ops.arange(rows, dtype="int32") * count, (*leading, 1))
    return ops.take(ops.reshape(values, (rows * count,)), places + offsets, axis=0)
