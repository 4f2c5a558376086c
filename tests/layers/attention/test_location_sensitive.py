"""LocationSensitiveAttention against a loop written from the papers."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import LocationSensitiveAttention
from learning import exact_match_after_training, random_tokens
from reference import named_weights, randomize, softmax

# All different, so that a swapped axis cannot pass.
B, T, S, DQ, DK, DV, U, FILTERS = 2, 5, 7, 11, 13, 17, 19, 3
MASKS = {
    "none": None,
    "right": np.arange(S) < np.array([[7], [4]]),
    "left": np.arange(S) >= np.array([[3], [0]]),
    "holes": np.array(
        [[False, True, False, True, True, False, True], [True, False] * 3 + [True]]
    ),
}
QUERY_MASKS = {
    "all": None,
    "some": np.array([[True, False, True, True, False], [True] * 3 + [False] * 2]),
}


def location_attention(weights, query, value, key, cumulative):
    """Chorowski et al. 2015, equations 8 and 9; Shen et al. 2018, section 2.2."""
    filters = weights["filters"][:, 0]
    half = len(filters) // 2
    bias = weights.get("query_bias", 0) + weights.get("key_bias", 0)
    past, contexts, alignments = np.zeros(len(key)), [], []
    for s in query:
        scores = []
        for j, h in enumerate(key):
            f = np.zeros(filters.shape[1])
            for offset in range(-half, half + 1):
                if 0 <= j + offset < len(key):
                    f += filters[half + offset] * past[j + offset]
            energy = s @ weights["query_kernel"] + h @ weights["key_kernel"] + bias
            energy = np.tanh(energy + f @ weights["location_kernel"])
            scores.append(weights["score_vector"] @ energy)
        alignment = softmax(scores)
        past = past + alignment if cumulative else alignment
        alignments.append(alignment)
        contexts.append(alignment @ value)
    return np.array(contexts), np.array(alignments)


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, DK)).astype("float32"),
    }


# Filters narrower than the source, and so wide that they stand out at both ends, each
# with every mask; a bias with either past.
@pytest.mark.parametrize(
    ("cumulative", "use_bias", "kernel_size", "mask"),
    [
        (False, False, 1, "none"),
        (True, True, 1, "right"),
        (False, True, 1, "left"),
        (True, False, 1, "holes"),
        (True, False, 5, "none"),
        (False, False, 5, "right"),
        (True, True, 5, "left"),
        (False, True, 5, "holes"),
        (False, True, 23, "none"),
        (True, False, 23, "right"),
        (False, False, 23, "left"),
        (True, True, 23, "holes"),
    ],
)
def test_matches_the_papers(inputs, cumulative, use_bias, kernel_size, mask):
    layer = LocationSensitiveAttention(U, FILTERS, kernel_size, cumulative, use_bias)
    layer(**inputs)
    randomize(layer)
    weights, mask = named_weights(layer), MASKS[mask]
    for query_mask in QUERY_MASKS.values():
        context, alignment = layer(
            **inputs,
            query_mask=query_mask,
            value_mask=mask,
            return_attention_scores=True,
        )
        for b in range(B):
            real = np.arange(S) if mask is None else np.flatnonzero(mask[b])
            asked = np.arange(T)
            if query_mask is not None:
                asked = np.flatnonzero(query_mask[b])
            expected_context, expected = location_attention(
                weights,
                inputs["query"][b, asked],
                inputs["value"][b, real],
                inputs["key"][b, real],
                cumulative,
            )
            actual = np.asarray(alignment)[b, asked]
            np.testing.assert_allclose(actual[:, real], expected, atol=1e-5)
            np.testing.assert_allclose(actual.sum(axis=1), 1, atol=1e-5)
            actual = np.asarray(context)[b, asked]
            np.testing.assert_allclose(actual, expected_context, atol=1e-4)


def test_the_past_counts(inputs):
    """So the loop above compares more than content."""
    layer = LocationSensitiveAttention(U, FILTERS, 5)
    inputs["query"][:] = inputs["query"][:, :1]
    layer(**inputs)
    randomize(layer)
    _, alignment = layer(**inputs, return_attention_scores=True)
    assert np.abs(alignment[:, 1] - alignment[:, 0]).max() > 0.05
    assert np.abs(alignment[:, 2] - alignment[:, 1]).max() > 0.01


def test_the_memory_keeps_its_order_where_padding_stands_behind(inputs):
    layer = LocationSensitiveAttention(U, FILTERS, 5)
    layer(**inputs)
    del inputs["query"]
    for name in ("right", "left"):
        memory = layer.prepare(**inputs, value_mask=MASKS[name])
        first = np.asarray(memory["place"])[0]
        expected = [*range(7)] if name == "right" else [4, 5, 6, 0, 1, 2, 3]
        np.testing.assert_array_equal(first, expected)
        np.testing.assert_array_equal(
            np.asarray(memory["front"]), np.sort(MASKS[name], axis=1)[:, ::-1]
        )


def test_weights(inputs):
    layer = LocationSensitiveAttention(U)
    layer(**inputs)
    weights = named_weights(layer)
    assert {name: weight.shape for name, weight in weights.items()} == {
        "query_kernel": (DQ, U),
        "key_kernel": (DK, U),
        "score_vector": (U,),
        "query_bias": (U,),
        "key_bias": (U,),
        "filters": (31, 1, 32),
        "location_kernel": (32, U),
    }
    layer = LocationSensitiveAttention(
        U, kernel_initializer=keras.initializers.RandomUniform(2, 3)
    )
    layer(**inputs)
    for name in ("filters", "location_kernel"):
        weight = named_weights(layer)[name]
        assert 2 <= weight.min() < weight.max() <= 3


def test_settings_are_checked():
    for name in ("num_filters", "kernel_size"):
        for size in (0, -3, 2.5, None, True):
            with pytest.raises(ValueError, match=f"at least 1.*{name}={size!r}"):
                LocationSensitiveAttention(U, **{name: size})
    with pytest.raises(ValueError, match="must be odd.*one more.*kernel_size=4"):
        LocationSensitiveAttention(U, kernel_size=4)
    with pytest.raises(ValueError, match="at least 1.*units=0"):
        LocationSensitiveAttention(0)
    with pytest.raises(ValueError, match="above 0.*temperature=-1"):
        LocationSensitiveAttention(U, temperature=-1)


def copied_runs(least, most):
    """Function that makes a sequence of runs of equal symbols, to be copied."""

    def pair(rng):
        length, actual = rng.integers(least, most + 1), []
        while len(actual) < length:
            actual += random_tokens(rng, 1, 3) * int(rng.integers(1, 6))
        return actual[:length], actual[:length]

    return pair


def test_learns_where_it_was_so_that_length_does_not_matter():
    """Copies what is twice as long as any that it saw, which content alone cannot.

    In place of this attention, `BahdanauAttention(32)` copies less than half.
    """
    share = exact_match_after_training(
        LocationSensitiveAttention(32, 8, 7),
        copied_runs(4, 10),
        num_tokens=3,
        steps=300,
        make_unseen=copied_runs(12, 20),
        cell="gru",
        bidirectional=False,
        bridge="zeros",
    )
    assert share >= 0.95
