"""BahdanauAttention against a loop written from the paper, and against tfa."""

import itertools

import keras
import numpy as np
import pytest

import reference
from kseq2seq.layers import BahdanauAttention

# All different, so that a swapped axis cannot pass.
B, T, S, DQ, DK, DV, U = 2, 3, 5, 7, 11, 13, 17
# No prefixes: what is masked stands anywhere.
HOLES = np.array([[True, False, True, True, False], [False, False, True, False, True]])


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, DK)).astype("float32"),
    }


@pytest.mark.parametrize(
    ("use_bias", "normalize", "separate_key"),
    itertools.product([False, True], repeat=3),
)
def test_matches_the_paper(inputs, use_bias, normalize, separate_key):
    if not separate_key:
        del inputs["key"]
    layer = BahdanauAttention(U, use_bias=use_bias, normalize=normalize)
    layer(**inputs)
    reference.randomize(layer)
    score = reference.bahdanau_score(reference.named_weights(layer))
    for mask in (None, HOLES):
        context, alignment = layer(
            **inputs, value_mask=mask, return_attention_scores=True
        )
        expected_context, expected = reference.attention(score, **inputs, mask=mask)
        np.testing.assert_allclose(alignment, expected, atol=1e-6)
        np.testing.assert_allclose(context, expected_context, atol=1e-5)


def test_weights(inputs):
    layer = BahdanauAttention(U, use_bias=True, normalize=True)
    layer(**inputs)
    weights = reference.named_weights(layer)
    assert {name: weight.shape for name, weight in weights.items()} == {
        "query_kernel": (DQ, U),
        "key_kernel": (DK, U),
        "score_vector": (U,),
        "query_bias": (U,),
        "key_bias": (U,),
        "score_gain": (),
        "score_bias": (U,),
    }
    np.testing.assert_allclose(weights["score_gain"], U**-0.5)
    for name in ("query_bias", "key_bias", "score_bias"):
        assert not weights[name].any()


def test_initializers(inputs):
    layer = BahdanauAttention(
        U,
        use_bias=True,
        kernel_initializer=keras.initializers.RandomUniform(2, 3),
        bias_initializer=keras.initializers.Constant(5.0),
    )
    layer(query=inputs["value"], value=inputs["value"])
    weights = reference.named_weights(layer)
    for name in ("query_kernel", "key_kernel", "score_vector"):
        assert 2 <= weights[name].min() < weights[name].max() <= 3
    # One initializer, two matrices.
    assert (weights["query_kernel"] != weights["key_kernel"]).any()
    assert (weights["query_bias"] == 5).all() and (weights["key_bias"] == 5).all()


@pytest.mark.parametrize("name", ["bahdanau", "bahdanau_normalize"])
def test_equals_tensorflow_addons(goldens_root, name):
    golden = np.load(goldens_root / f"{name}.npz")
    normalize = "attention_g" in golden
    layer = BahdanauAttention(golden["attention_v"].size, normalize=normalize)
    query, memory = golden["query"][:, None], golden["memory"]  # (B, 1, Q), (B, S, M)
    layer.build(query.shape, memory.shape)
    names = {
        "query_kernel": "query_kernel",
        "key_kernel": "memory_kernel",
        "score_vector": "attention_v",
        "score_gain": "attention_g",
        "score_bias": "attention_b",
    }
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


@pytest.mark.parametrize("units", [0, -1, 2.5, None, True, "7"])
def test_units_must_be_positive(units):
    with pytest.raises(ValueError, match=f"at least 1.*units={units!r}"):
        BahdanauAttention(units)
