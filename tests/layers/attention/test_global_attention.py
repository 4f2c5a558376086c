"""Base class of attention to all positions: dropout, and what is checked."""

import numpy as np
import pytest

from kseq2seq.layers import BahdanauAttention, GlobalAttention, LuongAttention

# All different, so that a swapped axis cannot pass. Keys have the query's size.
B, T, S, D, DV = 2, 3, 5, 7, 13
# Those that drop parts of their alignment.
DROPPING = {
    "bahdanau": lambda **kw: BahdanauAttention(11, use_bias=True, **kw),
    "dot": lambda **kw: LuongAttention("dot", use_scale=True, **kw),
    "concat": lambda **kw: LuongAttention("concat", 11, **kw),
}


@pytest.fixture(params=DROPPING)
def make_dropping(request):
    return DROPPING[request.param]


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, D)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, D)).astype("float32"),
    }


DROPPED = 0.3


def dropout_factors(layer, length, training=True):
    """Factors of dropout for each position: values are one-hot."""
    query = np.random.default_rng(1).normal(size=(B, length, S)).astype("float32")
    value = np.repeat(np.eye(S, dtype="float32")[None], B, axis=0)
    context, alignment = layer(
        query, value, return_attention_scores=True, training=training
    )
    np.testing.assert_allclose(np.sum(alignment, axis=-1), 1, atol=1e-5)  # undropped
    return np.asarray(context) / np.asarray(alignment)


def test_dropout(make_dropping):
    layer = make_dropping(dropout=DROPPED, seed=7)
    length = 1009
    np.testing.assert_allclose(dropout_factors(layer, length, False), 1, rtol=1e-5)
    factors = dropout_factors(layer, length)
    kept = factors > 0
    np.testing.assert_allclose(factors[kept], 1 / (1 - DROPPED), rtol=1e-5)
    count = factors.size
    deviation = (DROPPED * (1 - DROPPED) / count) ** 0.5
    assert abs(np.mean(~kept) - DROPPED) < 4 * deviation
    # Anew for each row, each query and each call.
    assert (kept[0] != kept[1]).any() and (kept[:, 0] != kept[:, 1]).any()
    assert ((dropout_factors(layer, length) > 0) != kept).any()
    # The same again from the same seed, other numbers from another.
    again = make_dropping(dropout=DROPPED, seed=7)
    np.testing.assert_array_equal(dropout_factors(again, length) > 0, kept)
    other = make_dropping(dropout=DROPPED, seed=8)
    assert ((dropout_factors(other, length) > 0) != kept).any()


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5])
def test_dropout_must_be_a_fraction(make_dropping, dropout):
    with pytest.raises(ValueError, match=f"less than 1.*dropout={dropout}"):
        make_dropping(dropout=dropout)


def test_the_base_class_has_no_score(inputs):
    with pytest.raises(TypeError, match="GlobalAttention must define `scores"):
        GlobalAttention()(**inputs)


def test_settings_of_the_probabilities_are_checked():
    with pytest.raises(ValueError, match="sparsemax, entmax15, hardmax.*'max'"):
        LuongAttention(probability_fn="max")
    for temperature in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match=f"above 0.*temperature={temperature}"):
            BahdanauAttention(11, temperature=temperature)
