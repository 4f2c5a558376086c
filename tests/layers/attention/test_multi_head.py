"""Attention of several heads against a loop, and against Keras."""

import keras
import numpy as np
import pytest

import reference
from kseq2seq.layers import MultiHeadAttention
from learning import exact_match_after_training, random_tokens

# All different, so that a swapped axis cannot pass; heads N of size H, of values W.
B, T, S, DQ, DK, N, H, W = 2, 5, 7, 11, 13, 3, 17, 19
U, DV = N * H, N * W
SCORES = ("additive", "dot")
HOLES = np.array([[1, 0, 1, 1, 0, 0, 1], [0, 0, 1, 0, 1, 1, 0]], bool)


@pytest.fixture(params=SCORES, name="score")
def score_(request):
    return request.param


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, DK)).astype("float32"),
    }


def built(layer, inputs):
    layer(**inputs)
    reference.randomize(layer)
    return layer


def head_score(weights, n):
    """The score of one head: Vaswani et al. 2017, 3.2.1; Chen et al. 2018, 4.1."""
    query_kernel = weights["query_kernel"][:, n * H : (n + 1) * H]
    key_kernel = weights["key_kernel"][:, n * H : (n + 1) * H]

    def score(query, key):
        query, key = query @ query_kernel, key @ key_kernel
        if "score_vectors" in weights:
            return weights["score_vectors"][n] @ np.tanh(query + key)
        return query @ key / np.sqrt(H)

    return score


def multi_head(layer, query, value, key=None, mask=None):
    """Context and alignments `(B, N, T, S)`, one head after the other."""
    weights = reference.named_weights(layer)
    key = value if key is None else key
    contexts, alignments = [], []
    for n in range(N):
        value_kernel = weights["value_kernel"][:, n * W : (n + 1) * W]
        context, alignment = reference.attention(
            head_score(weights, n), query, value @ value_kernel, key, mask
        )
        contexts.append(context)
        alignments.append(alignment)
    return np.concatenate(contexts, axis=-1), np.stack(alignments, axis=1)


@pytest.mark.parametrize("separate_key", [False, True])
@pytest.mark.parametrize("mask", [None, HOLES], ids=["all", "holes"])
def test_matches_the_paper(score, separate_key, mask, inputs):
    if not separate_key:
        del inputs["key"]
    layer = built(MultiHeadAttention(N, U, score), inputs)
    actual = layer(**inputs, value_mask=mask, return_attention_scores=True)
    context, alignments = multi_head(layer, **inputs, mask=mask)
    np.testing.assert_allclose(actual[0], context, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(actual[1], alignments.mean(axis=1), atol=1e-5)
    query = inputs.pop("query")
    memory = layer.prepare(**inputs, value_mask=mask)
    actual = layer.head_alignments(query, memory)
    np.testing.assert_allclose(actual, alignments, atol=1e-5)
    # Heads differ, so that their mean is none of them.
    assert np.abs(alignments - alignments.mean(axis=1, keepdims=True)).max() > 0.1


def test_dot_equals_keras(inputs):
    layer = built(MultiHeadAttention(N, U, "dot"), inputs)
    query, value, key = inputs["query"], inputs["value"], inputs["key"]
    theirs = keras.layers.MultiHeadAttention(
        num_heads=N, key_dim=H, value_dim=W, use_bias=False, output_shape=DV
    )
    theirs.build(query.shape, value.shape, key.shape)
    ours = reference.named_weights(layer)
    values = {
        "query": ours["query_kernel"].reshape(DQ, N, H),
        "key": ours["key_kernel"].reshape(DK, N, H),
        "value": ours["value_kernel"].reshape(DV, N, W),
        "attention_output": np.eye(DV).reshape(N, W, DV),
    }
    for weight in theirs.weights:
        weight.assign(values[weight.path.split("/")[-2]])
    mask = np.repeat(HOLES[:, None], T, axis=1)
    expected, alignments = theirs(
        query, value, key, attention_mask=mask, return_attention_scores=True
    )
    actual = layer(**inputs, value_mask=HOLES)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5)
    memory = layer.prepare(value, key, HOLES)
    actual = layer.head_alignments(query, memory)
    np.testing.assert_allclose(actual, alignments, atol=1e-5)


def test_weights(score, inputs):
    layer = MultiHeadAttention(N, U, score)
    layer(**inputs)
    expected = {
        "query_kernel": (DQ, U),
        "key_kernel": (DK, U),
        "value_kernel": (DV, DV),
    }
    if score == "additive":
        expected["score_vectors"] = (N, H)
    assert {x.name: tuple(x.shape) for x in layer.weights} == expected


def test_the_source_is_projected_ahead_of_the_loop(score, inputs):
    layer = built(MultiHeadAttention(N, U, score), inputs)
    query = inputs.pop("query")
    memory = layer.prepare(**inputs, value_mask=HOLES)
    assert tuple(memory["keys"].shape) == (B, S, U)
    assert np.all(np.asarray(memory["value"])[~HOLES] == 0)
    expected = layer(query, **inputs, value_mask=HOLES)
    layer.key_kernel.assign(np.full((DK, U), np.nan))
    layer.value_kernel.assign(np.full((DV, DV), np.nan))
    actual, _, state = layer.attend(query, memory)
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    assert state == ()


@pytest.mark.parametrize("count", [1, 3])
def test_few_queries_are_attended_in_another_way(score, inputs, count):
    layer = built(MultiHeadAttention(N, U, score), inputs)
    query = inputs.pop("query")[:, :count]
    memory = layer.prepare(**inputs, value_mask=HOLES)
    context, alignments = multi_head(layer, query, **inputs, mask=HOLES)
    actual, alignment = layer.attend_few(query, memory)
    np.testing.assert_allclose(actual, context, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(alignment, alignments.mean(axis=1), atol=1e-5)
    actual, alignment, _ = layer.attend(query, memory)
    np.testing.assert_allclose(actual, context, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(alignment, alignments.mean(axis=1), atol=1e-5)
    with pytest.raises(ValueError, match="query"):
        layer.attend_few(query[0], memory)


DROPPED = 0.3


def dropout_factors(layer, length=53, training=True):
    """Factors of each head's alignment: values are one-hot.

    The matrix of the values gives each head the same one-hot values, so each head's
    part of the context is its alignment.
    """
    query = np.random.default_rng(1).normal(size=(B, length, DQ)).astype("float32")
    value = np.tile(np.eye(S, N * S, dtype="float32"), (B, 1, 1))
    key = np.random.default_rng(2).normal(size=(B, S, DK)).astype("float32")
    if not layer.built:
        layer.build(query.shape, value.shape, key.shape)
    kernel = np.tile(np.eye(S), (1, N))
    layer.value_kernel.assign(np.pad(kernel, [(0, (N - 1) * S), (0, 0)]))
    context, alignment = layer(
        query, value, key, return_attention_scores=True, training=training
    )
    expected = np.asarray(layer.head_alignments(query, layer.prepare(value, key)))
    # The alignment that is returned is not dropped from.
    np.testing.assert_allclose(alignment, expected.mean(axis=1), atol=1e-6)
    actual = np.asarray(context).reshape(B, length, N, S).swapaxes(1, 2)
    return actual / expected


def test_dropout_is_each_head_s_own(score):
    layer = MultiHeadAttention(N, U, score, dropout=DROPPED, seed=7)
    np.testing.assert_allclose(dropout_factors(layer, training=False), 1, rtol=1e-4)
    factors = dropout_factors(layer)
    kept = factors > 0
    np.testing.assert_allclose(factors[kept], 1 / (1 - DROPPED), rtol=1e-4)
    deviation = (DROPPED * (1 - DROPPED) / kept.size) ** 0.5
    assert abs(np.mean(~kept) - DROPPED) < 4 * deviation
    # Anew for each row, each head, each query and each position.
    for axis in range(4):
        first, second = np.moveaxis(kept, axis, 0)[:2]
        assert (first != second).any()
    again = MultiHeadAttention(N, U, score, dropout=DROPPED, seed=7)
    np.testing.assert_array_equal(dropout_factors(again) > 0, kept)


@pytest.mark.parametrize("name", ["num_heads", "units"])
@pytest.mark.parametrize("size", [0, -1, 2.5, None, True])
def test_sizes_must_be_positive_integers(name, size):
    with pytest.raises(ValueError, match=f"at least 1.*{name}={size}"):
        MultiHeadAttention(**{"num_heads": 1, "units": 1, name: size})


def test_heads_share_the_units_equally():
    with pytest.raises(ValueError, match="a multiple of.*units=10, num_heads=3"):
        MultiHeadAttention(3, 10)


def test_heads_share_the_values_equally(inputs):
    message = "change either, .*value_dim=57, num_heads=2"
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(2, 4)(**inputs)


def test_score_must_be_known():
    with pytest.raises(ValueError, match="one of additive, dot.*score='general'"):
        MultiHeadAttention(2, 4, "general")


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5])
def test_dropout_must_be_a_fraction(dropout):
    with pytest.raises(ValueError, match=f"less than 1.*dropout={dropout}"):
        MultiHeadAttention(2, 4, dropout=dropout)


def test_the_probabilities_of_heads_may_be_others(score, inputs):
    soft = built(MultiHeadAttention(N, U, score), inputs)
    memory = soft.prepare(inputs["value"], inputs["key"], HOLES)
    expected = np.asarray(soft.head_alignments(inputs["query"], memory))
    hard = built(MultiHeadAttention(N, U, score, probability_fn="hardmax"), inputs)
    actual = hard.head_alignments(inputs["query"], memory)
    np.testing.assert_array_equal(actual, np.eye(S)[expected.argmax(axis=-1)])
    # Softmax at temperature 1/2 is the square, normalised.
    cold = built(MultiHeadAttention(N, U, score, temperature=0.5), inputs)
    squares = expected**2 / np.sum(expected**2, axis=-1, keepdims=True)
    actual = cold.head_alignments(inputs["query"], memory)
    np.testing.assert_allclose(actual, squares, atol=1e-5)


def from_both_ends(rng):
    source = random_tokens(rng, 2 * rng.integers(1, 7), 10)
    pairs = zip(source, source[::-1], strict=True)
    return source, [x for pair in pairs for x in pair][: len(source)]


def test_heads_learn_to_read_from_both_ends():
    layer = MultiHeadAttention(4, 32, "dot")
    share = exact_match_after_training(layer, from_both_ends, 10, 400, 0.02)
    assert share >= 0.95
