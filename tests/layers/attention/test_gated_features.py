"""Gated attention to text and features, against loops written from the paper."""

import keras
import numpy as np
import pytest

import reference
from kseq2seq import layers
from kseq2seq.layers import BahdanauAttention, GatedFeaturesAttention, LuongAttention

# All different, so that a swapped axis cannot pass.
B, T, S, DQ, DK, DV, U, V = 3, 5, 11, 2, 7, 17, 19, 23
# Features behind the text; one row has none, one has holes.
KINDS = np.array(
    [
        [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2],
        [1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 1, 2, 0, 2, 0, 0, 0, 0],
    ],
    np.int32,
)


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, DK)).astype("float32"),
    }


def built(layer, inputs):
    layer(**inputs, value_mask=KINDS)
    reference.randomize(layer)
    return layer


def read(score, query, keys, values):
    """Context and alignment over some positions; zeros of none."""
    if not len(keys):
        return np.zeros(DV), np.zeros(0)
    alignment = reference.softmax([score(query, key) for key in keys])
    return alignment @ values, alignment


def test_attention_is_the_papers(inputs):
    layer = built(
        GatedFeaturesAttention(LuongAttention("general"), BahdanauAttention(V)), inputs
    )
    outputs = layer(**inputs, value_mask=KINDS, return_attention_scores=True)
    of_text = reference.luong_score("general", reference.named_weights(layer.attention))
    of_features = reference.bahdanau_score(reference.named_weights(layer.features))
    kernel = np.asarray(layer.gate_kernel, "float64")[:, 0]
    bias = float(layer.gate_bias[0])
    contexts, alignments = np.zeros((B, T, DV)), np.zeros((B, T, S))
    for b in range(B):
        text, features = (np.flatnonzero(KINDS[b] == kind) for kind in (1, 2))
        keys, values = (np.float64(inputs[name][b]) for name in ("key", "value"))
        for t in range(T):
            query = np.float64(inputs["query"][b, t])
            context, weights = read(of_text, query, keys[text], values[text])
            other, others = read(of_features, query, keys[features], values[features])
            logit = kernel @ np.concatenate([query, context, other]) + bias
            gate = reference.sigmoid(logit) if len(features) else 1
            contexts[b, t] = gate * context + (1 - gate) * other
            alignments[b, t, text] = gate * weights
            alignments[b, t, features] = (1 - gate) * others
    np.testing.assert_allclose(outputs[0], contexts, atol=1e-5)
    np.testing.assert_allclose(outputs[1], alignments, atol=1e-5)
    # What the alignment says is what the context holds.
    np.testing.assert_allclose(alignments.sum(axis=2), 1)
    np.testing.assert_allclose(contexts, alignments @ inputs["value"], atol=1e-6)


@pytest.mark.parametrize("mask", [KINDS == 1, None])
def test_without_features_it_is_the_attention_alone(inputs, mask):
    layer = built(
        GatedFeaturesAttention(LuongAttention("general"), BahdanauAttention(V)), inputs
    )
    given = {"value_mask": mask, "return_attention_scores": True}
    for ours, alone in zip(
        layer(**inputs, **given), layer.attention(**inputs, **given), strict=True
    ):
        np.testing.assert_allclose(ours, alone, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.LocationSensitiveAttention(U, 3, 5, cumulative=True),
        lambda: layers.CoverageAttention(U),
        lambda: layers.LocalMonotonicAttention(LuongAttention("general"), 1),
        lambda: layers.MonotonicAttention(LuongAttention("general"), hard=False),
    ],
)
def test_a_state_is_that_of_the_attention_to_the_text(inputs, make):
    layer = built(GatedFeaturesAttention(make(), BahdanauAttention(V)), inputs)
    context, alignment = layer(**inputs, value_mask=KINDS, return_attention_scores=True)
    memory = layer.prepare(inputs["value"], inputs["key"], KINDS)
    state = tuple(x[:, None] for x in layer.initial_state(memory))
    assert state
    for t in range(T):
        query = inputs["query"][:, t : t + 1]
        one_context, one_alignment, state = layer.attend(query, memory, state)
        np.testing.assert_allclose(one_context[:, 0], context[:, t], atol=1e-5)
        np.testing.assert_allclose(one_alignment[:, 0], alignment[:, t], atol=1e-5)
    assert np.all(np.asarray(alignment)[np.repeat(KINDS[:, None] == 0, T, 1)] == 0)


def test_dropout_of_both_is_drawn(inputs):
    layer = built(
        GatedFeaturesAttention(
            LuongAttention("general", dropout=0.5, seed=3),
            BahdanauAttention(V, dropout=0.5, seed=5),
        ),
        inputs,
    )
    call = {**inputs, "value_mask": KINDS}
    drawn = layer.draw(layer.prepare(inputs["value"], inputs["key"], KINDS), T, True)
    assert sorted(drawn) == ["features_dropout", "text_dropout"]
    assert not np.allclose(layer(**call, training=True), layer(**call))


def test_what_cannot_be_gated_is_refused(inputs):
    with pytest.raises(ValueError, match="without a loss.*CoverageAttention"):
        GatedFeaturesAttention(
            layers.CoverageAttention(U, loss_weight=0.7), BahdanauAttention(V)
        )
    with pytest.raises(ValueError, match="`attention` must be .*Received: .*None"):
        GatedFeaturesAttention(None, BahdanauAttention(V))
    with pytest.raises(ValueError, match="`features` must be an attention layer"):
        GatedFeaturesAttention(LuongAttention("dot"), keras.layers.Dense(3))
    layer = GatedFeaturesAttention(LuongAttention("general"), BahdanauAttention(V))
    with pytest.raises(ValueError, match="must be boolean"):
        layer(**inputs, value_mask=KINDS.astype("float32"))
    with pytest.raises(ValueError, match="`value_mask` of Gated.* length of `value`"):
        layer(**inputs, value_mask=KINDS[:, :5])
