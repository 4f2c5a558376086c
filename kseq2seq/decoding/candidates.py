"""The best candidates for the next token among the whole vocabulary."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from kseq2seq.decoding.columns import spread
from kseq2seq.decoding.constraints import (
    Prefix,
    adjusted_log_probs,
    allowed_tokens,
    max_forbidden,
)
from kseq2seq.decoding.slots import Rules
from kseq2seq.utils import Tensor, gather

# Number of tokens in a piece of a large vocabulary; see `top_tokens`.
PIECE_SIZE = 64


def allowed_log_probs(
    predicted: Tensor, rules: Rules, prefix: Prefix, states: Sequence
) -> Tensor:
    """Log-probabilities of all tokens, -inf for those that must not come next.

    Args:
        predicted: float32 of shape `(batch, beam, vocabulary)`: log-probabilities, or
            logits if the rules say so; `(batch, beam, columns)` if they have columns.
        rules: The `Rules` of the search.
        prefix: The `Prefix` that the constraints see.
        states: The states of the constraints.

    Returns:
        Tensor of shape `(batch, beam, vocabulary)`, of the whole of it.
    """
    log_probs = ops.log_softmax(predicted) if rules.gives_logits else predicted
    if rules.columns is not None:
        log_probs = spread(log_probs, rules.columns)
    if not rules.constraints:
        return log_probs
    log_probs = adjusted_log_probs(rules.constraints, log_probs, prefix, states)
    tokens = ops.arange(log_probs.shape[-1], dtype="int32")[None, None]
    allowed = allowed_tokens(rules.constraints, tokens, prefix, states)
    return ops.where(allowed, log_probs, -np.inf)


def best_tokens(
    predicted: Tensor, count: int, rules: Rules, prefix: Prefix, states: Sequence
) -> tuple[Tensor, Tensor]:
    """The most probable of the tokens that may come next.

    They are the best of `allowed_log_probs`, but cost less. Constraints that forbid few
    tokens (`Constraint.max_forbidden`) see the best candidates alone. If all
    constraints are such, nothing but the softmax reads the whole vocabulary, or the
    columns if there are any.

    Args:
        predicted: As for `allowed_log_probs`.
        count: Number of tokens; a smaller vocabulary gives fewer.
        rules: As for `allowed_log_probs`.
        prefix: As for `allowed_log_probs`.
        states: As for `allowed_log_probs`.

    Returns:
        A tuple `(log_probs, tokens)`, best first, both of shape `(batch, beam, count)`.
    """
    vocabulary = predicted.shape[-1]
    if rules.columns is not None:
        vocabulary = rules.columns.vocabulary_size
    bounded, bounded_states, unbounded, unbounded_states = [], [], [], []
    num_forbidden = 0  # at most, by the bounded ones
    for constraint, state in zip(rules.constraints, states, strict=True):
        most = max_forbidden(constraint)
        if most is None:
            unbounded.append(constraint)
            unbounded_states.append(state)
        else:
            bounded.append(constraint)
            bounded_states.append(state)
            num_forbidden += most
    if unbounded:
        rules_of_all = rules._replace(constraints=unbounded)
        predicted = allowed_log_probs(predicted, rules_of_all, prefix, unbounded_states)
        rules = rules._replace(gives_logits=False, columns=None)
    # Without the forbidden ones, `count` are left.
    values, tokens = top_tokens(predicted, min(count + num_forbidden, vocabulary))
    if rules.gives_logits:
        # Softmax gives the probability of the best token, which is never 0, and
        # differences of logits give the others: log-softmax takes over twice as long.
        probability = pick(ops.softmax(predicted), tokens[..., :1])
        values = values - values[..., :1] + ops.log(probability)
    if rules.columns is not None:
        tokens = gather(rules.columns.ids, tokens)
    if num_forbidden:
        allowed = allowed_tokens(bounded, tokens, prefix, bounded_states)
        values = ops.where(allowed, values, -np.inf)
        values, places = ops.top_k(values, min(count, vocabulary))
        tokens = pick(tokens, ops.cast(places, "int32"))
    return values, tokens


def top_tokens(log_probs: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`ops.top_k` over the vocabulary, several times as fast where that is large.

    The `count` best tokens are in the `count` pieces with the best maxima, and a
    maximum is much cheaper than `ops.top_k`.

    Args:
        log_probs: Tensor of shape `(batch, beam, vocabulary)`, of any size.
        count: Number of tokens wanted.

    Returns:
        A tuple `(values, tokens)`, best first, both of shape `(batch, beam, count)`.
        Where there are fewer, the values of the others are -inf.
    """
    batch, width, vocabulary = ops.shape(log_probs)
    is_known = isinstance(vocabulary, int)
    if is_known and count <= vocabulary < 4 * count * PIECE_SIZE:
        values, tokens = ops.top_k(log_probs, count)
        return values, ops.cast(tokens, "int32")
    pieces = -(-vocabulary // PIECE_SIZE)
    # At least `count`: each of the best tokens may be in a piece of its own.
    pieces = max(pieces, count) if is_known else ops.maximum(pieces, count)
    padding = pieces * PIECE_SIZE - vocabulary
    if not is_known or padding:
        widths = ((0, 0), (0, 0), (0, padding))
        log_probs = ops.pad(log_probs, widths, constant_values=-np.inf)
    log_probs = ops.reshape(log_probs, (batch, width, pieces, PIECE_SIZE))
    maxima = ops.max(log_probs, axis=-1, initial=-np.inf)
    best = ops.cast(ops.top_k(maxima, count)[1], "int32")  # (B, K, C)
    rows = ops.arange(batch * width, dtype="int32") * pieces
    rows = ops.reshape(rows, (batch, width, 1)) + best
    log_probs = ops.reshape(log_probs, (batch * width * pieces, PIECE_SIZE))
    finalists = gather(log_probs, rows)  # (B, K, C, piece)
    finalists = ops.reshape(finalists, (batch, width, count * PIECE_SIZE))
    values, places = ops.top_k(finalists, count)
    places = ops.cast(places, "int32")
    tokens = pick(best, places // PIECE_SIZE) * PIECE_SIZE + places % PIECE_SIZE
    # Where all values are -inf, padding may win; the next step needs an id even then.
    return values, ops.minimum(tokens, vocabulary - 1)


def pick(values: Tensor, places: Tensor) -> Tensor:
    """`values` at `places` of its last axis; the leading axes are the same.

    A flat gather: `ops.take_along_axis` transposes and is several times as slow.

    Args:
        values: Tensor of shape `(..., count)`.
        places: Integer tensor of shape `(..., n)`, with the same leading axes.

    Returns:
        Tensor of shape `(..., n)`.
    """
    *leading, count = ops.shape(values)
    rows = 1
    for size in leading:
        rows = rows * size
    offsets = ops.reshape(ops.arange(rows, dtype="int32") * count, (*leading, 1))
    return gather(ops.reshape(values, (-1,)), places + offsets)
