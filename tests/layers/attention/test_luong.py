"""LuongAttention against a loop written from the paper, Keras, and tfa."""

import itertools

import keras
import numpy as np
import pytest

import reference
from kseq2seq.layers import LuongAttention

# All different, so that a swapped axis cannot pass; but DK is DQ for dot products.
B, T, S, DQ, DK, DV, U = 2, 3, 5, 7, 11, 13, 17
HOLES = np.array([[True, False, True, True, False], [False, False, True, False, True]])
SCORES = ("dot", "general", "concat", "scaled_dot", "scaled_general")


def random_inputs(key_size=DQ):
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, key_size)).astype("float32"),
    }


@pytest.mark.parametrize(
    ("score", "use_scale", "separate_key"),
    itertools.product(SCORES, [False, True], [False, True]),
)
def test_matches_the_paper(score, use_scale, separate_key):
    dot = "dot" in score
    inputs = random_inputs(DQ if dot else DK)
    if not separate_key:
        del inputs["key"]
        inputs["query"] = inputs["query"][..., :5]
        inputs["value"] = inputs["value"][..., : 5 if dot else DV]
    layer = LuongAttention(score, U if score == "concat" else None, use_scale)
    layer(**inputs)
    assert bool(layer.weights) == (not dot or use_scale)
    reference.randomize(layer)
    weights = reference.named_weights(layer)
    expected_score = reference.luong_score(score, weights)
    for mask in (None, HOLES):
        context, alignment = layer(
            **inputs, value_mask=mask, return_attention_scores=True
        )
        expected_context, expected = reference.attention(
            expected_score, **inputs, mask=mask
        )
        np.testing.assert_allclose(alignment, expected, atol=1e-6)
        np.testing.assert_allclose(context, expected_context, atol=1e-5)


@pytest.mark.parametrize("use_scale", [False, True])
def test_dot_equals_keras(use_scale):
    inputs = random_inputs()
    ours = LuongAttention("dot", use_scale=use_scale)
    theirs = keras.layers.Attention(use_scale=use_scale)
    query, value, key = inputs["query"], inputs["value"], inputs["key"]
    theirs.build([query.shape, value.shape, key.shape])
    ours.build(query.shape, value.shape, key.shape)
    for layer in (ours, theirs):
        layer.set_weights([np.float32(0.37)] * use_scale)
    actual = ours(**inputs, value_mask=HOLES, return_attention_scores=True)
    expected = theirs(
        [query, value, key], mask=[None, HOLES], return_attention_scores=True
    )
    for x, y in zip(actual, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_scaled_dot_equals_one_head_of_keras():
    inputs = random_inputs()
    query, value, key = inputs["query"], inputs["value"], inputs["key"]
    layer = keras.layers.MultiHeadAttention(
        num_heads=1, key_dim=DQ, value_dim=DV, use_bias=False, output_shape=DV
    )
    layer.build(query.shape, value.shape, key.shape)
    for weight in layer.weights:  # query, key, value, output
        weight.assign(np.eye(DV if DV in weight.shape else DQ).reshape(weight.shape))
    mask = np.repeat(HOLES[:, None], T, axis=1)
    expected = layer(query, value, key, attention_mask=mask)
    actual = LuongAttention("scaled_dot")(**inputs, value_mask=HOLES)
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize("name", ["luong", "luong_scale"])
def test_equals_tensorflow_addons(goldens_root, name):
    golden = np.load(goldens_root / f"{name}.npz")
    # Its memory layer makes tfa's "dot" the paper's "general".
    layer = LuongAttention("general", use_scale="attention_g" in golden)
    query, memory = golden["query"][:, None], golden["memory"]  # (B, 1, Q), (B, S, M)
    layer.build(query.shape, memory.shape)
    names = {"key_kernel": "memory_kernel", "scale": "attention_g"}
    for weight in layer.weights:
        weight.assign(golden[names[weight.name]])
    for mask, suffix in (
        (golden["mask"], ""),
        (golden["mask_holes"], "_holes"),
        (None, "_nomask"),
    ):
        context, alignment = layer(
            query, memory, value_mask=mask, return_attention_scores=True
        )
        expected = golden[f"alignments{suffix}"]
        np.testing.assert_allclose(alignment[:, 0], expected, atol=1e-5)
        expected = golden[f"context{suffix}"]
        np.testing.assert_allclose(context[:, 0], expected, atol=1e-5)


def test_scale_starts_at_one():
    inputs = random_inputs()
    expected = LuongAttention("dot")(**inputs)
    actual = LuongAttention("dot", use_scale=True)(**inputs)
    np.testing.assert_array_equal(actual, expected)


def test_score_must_be_known():
    with pytest.raises(ValueError, match="one of dot, general.*score='cosine'"):
        LuongAttention("cosine")


@pytest.mark.parametrize("units", [0, -1, 2.5, None, True])
def test_concat_needs_units(units):
    with pytest.raises(ValueError, match=f"at least 1.*units={units!r}"):
        LuongAttention("concat", units)


@pytest.mark.parametrize("score", ["dot", "general", "scaled_dot", "scaled_general"])
def test_units_belong_to_concat(score):
    with pytest.raises(ValueError, match=f"leave it out.*{score}.*units=7"):
        LuongAttention(score, units=7)


@pytest.mark.parametrize("score", ["dot", "scaled_dot"])
def test_dot_products_need_equal_sizes(score):
    with pytest.raises(ValueError, match="'scaled_general' .*_dim=7, key_dim=11"):
        LuongAttention(score)(**random_inputs(DK))
