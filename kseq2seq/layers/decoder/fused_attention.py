"""Steps of attention with hand-written gradients, for the loop of `fused`.

Glossary of shapes, used in the comments below: B batch size, S source length, D size of
the memory's values.
"""

from typing import Any

from keras import ops

from kseq2seq.layers.attention import BahdanauAttention, LuongAttention


def supports_attention(attention: Any) -> bool:
    """Whether `attend` gives the context of an attention layer.

    Args:
        attention: An attention layer, or `None`.
    """
    if type(attention) is LuongAttention:
        simple = not attention.use_scale
    else:
        simple = type(attention) is BahdanauAttention
        simple = simple and not (attention.normalize or attention.use_bias)
    return simple and attention.probability_fn == "softmax" and not attention.dropout


def is_product(attention: Any) -> bool:
    """Whether the scores are products of queries and keys.

    Args:
        attention: A layer that `supports_attention` accepts.
    """
    return isinstance(attention, LuongAttention) and attention.score != "concat"


def score_factor(attention: Any, size: int) -> float:
    """The factor of the scores.

    Args:
        attention: A layer that `supports_attention` accepts.
        size: Size of the keys.
    """
    scaled = getattr(attention, "score", None) in ("scaled_dot", "scaled_general")
    return (size**-0.5 if scaled else 1.0) / attention.temperature


def attend(plan: Any, tensors: Any, query: Any) -> tuple[Any, Any, Any]:
    """Context, what the keys are compared with, and the alignment in float32.

    Args:
        plan: Facts of the decoder.
        tensors: The tensors of the loop.
        query: Tensor of shape `(batch, units)`.
    """
    projected = query
    if plan.is_additive:
        projected = ops.matmul(query, tensors.score[0])
        energy = ops.cast(_energy(tensors, projected), plan.dtype)
        scores = ops.matmul(energy, tensors.score[1][:, None])[..., 0]
        scores = ops.cast(scores, "float32") * plan.factor
    else:
        # Ahead of the product, which in float16 may be too large.
        scores = _products(projected * plan.factor, tensors.keys)
    # A row with no position left is shared out among all of them, and they are 0.
    alignment = ops.softmax(ops.cast(scores, "float32") + tensors.bias)
    context = _sums(ops.cast(alignment, plan.dtype), tensors.value)
    return context, projected, alignment


def _energy(tensors, projected):
    energy = ops.cast(projected[:, None] + tensors.keys, "float32")
    return ops.tanh(energy)  # (B, S, units)


def _products(x, rows):
    """`x`, (B, D), with each of `rows`, (B, S, D): (B, S)."""
    return ops.matmul(rows, x[:, :, None])[..., 0]


def _sums(weights, rows):
    """The sums of `rows`, (B, S, D), by `weights`, (B, S): (B, D)."""
    return ops.matmul(weights[:, None], rows)[:, 0]


def attend_gradient(
    plan: Any,
    tensors: Any,
    transposed: Any,
    dcontext: Any,
    projected: Any,
    alignment: Any,
    totals: list,
    doutput: Any = 0.0,
) -> tuple[Any, Any, list]:
    """Gradients of the query and of what is compared; sums for an additive score.

    Args:
        plan: Facts of the decoder.
        tensors: The tensors of the loop.
        transposed: Weights, transposed.
        dcontext: Gradient of the context.
        projected: The projected query, as `attend` returned it.
        alignment: The alignment, as `attend` returned it.
        totals: Gradients of the keys and the score vector so far.
        doutput: Gradient of the alignment.
    """
    dalignment = ops.cast(_products(dcontext, tensors.value), "float32") + doutput
    mean = ops.sum(alignment * dalignment, axis=1, keepdims=True)
    dscores = alignment * (dalignment - mean) * plan.factor  # (B, S)
    if not plan.is_additive:
        dscores = ops.cast(dscores, plan.dtype)
        return ops.cast(_sums(dscores, tensors.keys), "float32"), dscores, totals
    energy = _energy(tensors, projected)
    vector = ops.cast(tensors.score[1], "float32")
    dvector = ops.sum(dscores[..., None] * energy, axis=(0, 1))
    denergy = dscores[..., None] * vector * (1.0 - energy * energy)
    totals = [totals[0] + denergy, totals[1] + dvector]
    dprojected = ops.cast(ops.sum(denergy, axis=1), plan.dtype)
    dquery = ops.cast(ops.matmul(dprojected, transposed.score[0]), "float32")
    return dquery, dprojected, totals
