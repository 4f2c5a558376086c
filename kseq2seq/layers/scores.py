"""Alignment scores as pure functions of tensors: no weights, no state.

Shapes are written in the letters of the glossary in `kseq2seq.layers`.
"""

from keras import backend, ops


def additive_score(query, key, vector):
    """Bahdanau's score, `vector . tanh(query + key)`.

    Args:
        query: Projected queries, of shape `(batch, target_length, units)`.
        key: Projected keys, of shape `(batch, source_length, units)`.
        vector: Score vector, of shape `(units,)`.

    Returns:
        Scores before softmax, of shape `(batch, target_length, source_length)`.
    """
    energy = ops.tanh(query[:, :, None, :] + key[:, None, :, :])  # (B, T, S, U)
    return ops.squeeze(ops.matmul(energy, vector[:, None]), axis=-1)


def dot_score(query, key):
    """Luong's `dot` score, the inner product of query and key.

    Args:
        query: Tensor of shape `(batch, target_length, units)`.
        key: Tensor of shape `(batch, source_length, units)`.

    Returns:
        Scores before softmax, of shape `(batch, target_length, source_length)`.
    """
    return ops.matmul(query, ops.swapaxes(key, 1, 2))


def masked_softmax(scores, mask=None):
    """Softmax over source positions; positions where `mask` is False get 0.

    A row with no position left gets all zeros rather than a uniform guess.
    The exponentials are taken in float32 even where the scores are not.

    Args:
        scores: Tensor of shape `(batch, target_length, source_length)`.
        mask: Boolean tensor of shape `(batch, source_length)`, or `None`.

    Returns:
        Alignment, of the shape and dtype of `scores`.
    """
    dtype = backend.standardize_dtype(scores.dtype)
    if dtype in ("float16", "bfloat16"):
        scores = ops.cast(scores, "float32")
    if mask is None:
        return ops.cast(ops.softmax(scores, axis=-1), dtype)
    mask = ops.cast(mask, "bool")[:, None, :]  # (B, 1, S)
    # Twice, since softmax turns a row with no position left into 1/S each.
    alignment = ops.softmax(ops.where(mask, scores, -1e9), axis=-1)
    return ops.cast(ops.where(mask, alignment, 0.0), dtype)


def zero_padding(value, mask=None):
    """Sets positions where `mask` is False to 0, whatever stood there.

    An alignment of 0 does not hide a value that is infinite or NaN, and a score
    that is replaced still passes such a value on to the gradient.

    Args:
        value: Tensor of shape `(batch, source_length, value_dim)`.
        mask: Boolean tensor of shape `(batch, source_length)`, or `None`.

    Returns:
        Tensor of the shape and dtype of `value`.
    """
    if mask is None:
        return value
    return ops.where(ops.cast(mask, "bool")[:, :, None], value, ops.zeros_like(value))
