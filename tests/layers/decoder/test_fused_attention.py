"""One step of attention and its gradient against the formulas in NumPy."""

from types import SimpleNamespace

import numpy as np
import pytest

from kseq2seq.layers import BahdanauAttention, LuongAttention
from kseq2seq.layers.decoder import fused_attention
from slopes import assert_slopes

# All different: batch, source, queries and keys, values.
B, S, U, D = 3, 7, 5, 11
MASK = np.arange(S) < np.array([7, 3, 1])[:, None]
FACTOR = 0.7


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


QUERY, KEYS, VALUE = random(B, U), random(B, S, U, seed=1), random(B, S, D, seed=2)
KERNEL, VECTOR = random(U, U, seed=3), random(U, seed=4)


def make(is_additive):
    plan = SimpleNamespace(is_additive=is_additive, factor=FACTOR, dtype="float32")
    score = [KERNEL, VECTOR] if is_additive else []
    bias = (MASK.astype("float32") - 1) * 1e9
    tensors = SimpleNamespace(value=VALUE, keys=KEYS, score=score, bias=bias)
    return plan, tensors, SimpleNamespace(score=[x.T for x in score[:1]])


def numpy_attend(is_additive, query, keys, value, vector):
    """Context and alignment, row by row, of Bahdanau's or Luong's scores."""
    contexts, alignments = [], []
    for row in range(B):
        if is_additive:
            scores = np.tanh(query[row] @ KERNEL + keys[row]) @ vector
        else:
            scores = keys[row] @ query[row]
        weights = np.exp(FACTOR * scores) * MASK[row]
        alignments.append(weights / weights.sum())
        contexts.append(alignments[-1] @ value[row])
    return np.array(contexts), np.array(alignments)


@pytest.mark.parametrize("is_additive", [False, True])
def test_attend_is_the_formula(is_additive):
    plan, tensors, _ = make(is_additive)
    context, _, alignment = fused_attention.attend(plan, tensors, QUERY)
    expected = numpy_attend(is_additive, QUERY, KEYS, VALUE, VECTOR)
    np.testing.assert_allclose(context, expected[0], atol=1e-5)
    np.testing.assert_allclose(alignment, expected[1], atol=1e-6)


@pytest.mark.parametrize("is_additive", [False, True])
def test_gradients_are_slopes(is_additive):
    plan, tensors, transposed = make(is_additive)
    _, projected, alignment = fused_attention.attend(plan, tensors, QUERY)
    dcontext, dalignment = random(B, D, seed=5), random(B, S, seed=6)
    zeros = [np.zeros_like(KEYS), np.zeros_like(VECTOR)] if is_additive else []
    dquery, compared, totals = fused_attention.attend_gradient(
        plan, tensors, transposed, dcontext, projected, alignment, zeros, dalignment
    )

    def total(query, keys, vector):
        context, alignment = numpy_attend(is_additive, query, keys, VALUE, vector)
        return np.sum(context * dcontext) + np.sum(alignment * dalignment)

    if is_additive:
        found = [dquery, *totals]
    else:
        # Behind the loop, from the gradients of the scores.
        found = [dquery, np.asarray(compared)[..., None] * QUERY[:, None]]
    assert_slopes(total, [QUERY, KEYS, VECTOR], found, rtol=1e-3)


@pytest.mark.parametrize(
    ("attention", "supported"),
    [
        (LuongAttention("scaled_general", temperature=2.0), True),
        (BahdanauAttention(U), True),
        (BahdanauAttention(U, use_bias=True), False),
        (BahdanauAttention(U, normalize=True), False),
        (LuongAttention("dot", use_scale=True), False),
        (LuongAttention(probability_fn="sparsemax"), False),
        (LuongAttention(dropout=0.1), False),
        (None, False),
    ],
    ids=str,
)
def test_which_layers_are_supported(attention, supported):
    assert fused_attention.supports_attention(attention) == supported


def test_scores_are_scaled_as_the_layer_says():
    of_keys = fused_attention.score_factor(LuongAttention("scaled_dot"), 16)
    assert of_keys == 0.25
    warm = LuongAttention("general", temperature=2.0)
    assert fused_attention.score_factor(warm, 16) == 0.5
