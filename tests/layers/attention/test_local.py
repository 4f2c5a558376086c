"""Local attention against loops written from the paper, at every edge."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import reference
from kseq2seq.layers import (
    BahdanauAttention,
    CoverageAttention,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
    LuongAttention,
    MultiHeadAttention,
)
from learning import exact_match_after_training, random_tokens

# All different, so that a swapped axis cannot pass. The target is the longer one.
B, T, S, DQ, DK, DV, U, V = 3, 13, 11, 5, 7, 17, 19, 23
D = 2  # half width
SCORES = {
    "bahdanau": lambda **kw: BahdanauAttention(U, **kw),
    "luong": lambda **kw: LuongAttention("general", **kw),
}
# Right padding, left padding, and holes that no prefix is.
MASK = np.array(
    [
        [True] * 5 + [False] * 6,
        [False] * 4 + [True] * 7,
        [True, False, False, True, True, False, True, False, True, True, False],
    ]
)


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


def call(layer, inputs, **kwargs):
    outputs = layer(**inputs, return_attention_scores=True, **kwargs)
    return [np.asarray(x) for x in outputs]


def score_function(layer):
    weights = reference.named_weights(layer)
    if isinstance(layer, BahdanauAttention):
        return reference.bahdanau_score(weights)
    return reference.luong_score(layer.score, weights)


def window(score, center, half_width, query, keys):
    """Luong et al. 2015, section 3.2: softmax of the scores within the window."""
    inside = [s for s in range(len(keys)) if abs(s - center) <= half_width]
    alignment = np.zeros(len(keys))
    alignment[inside] = reference.softmax([score(query, keys[s]) for s in inside])
    return alignment


def local_attention(layer, query, value, key, mask=None, query_mask=None):
    """One row, one query and one position at a time, without padding."""
    score, half_width = score_function(layer.score), layer.half_width
    weights = reference.named_weights(layer)
    mask = np.ones(value.shape[:2], bool) if mask is None else mask
    contexts = np.zeros((*query.shape[:2], value.shape[-1]))
    alignments = np.zeros((*query.shape[:2], value.shape[1]))
    for b in range(len(query)):
        real, step = np.flatnonzero(mask[b]), 0
        for t in range(query.shape[1]):
            if query_mask is not None and not query_mask[b, t]:
                continue
            keys, h = key[b, real], query[b, t].astype("float64")
            if isinstance(layer, LocalMonotonicAttention):
                center = min(step, len(real) - 1)
                alignment = window(score, center, half_width, h, keys)
            else:
                hidden = np.tanh(h @ weights["position_kernel"])
                share = reference.sigmoid(weights["position_vector"] @ hidden)
                center, sigma = len(real) * share, half_width / 2
                alignment = window(score, center, half_width, h, keys)
                for s in range(len(real)):
                    alignment[s] *= np.exp(-((s - center) ** 2) / (2 * sigma**2))
            alignments[b, t, real] = alignment
            contexts[b, t] = alignment @ value[b, real]
            step += 1
    return contexts, alignments


@pytest.mark.parametrize("half_width", [1, D, 3, 5, 31])
@pytest.mark.parametrize("kind", [LocalMonotonicAttention, LocalPredictiveAttention])
def test_matches_the_paper(kind, score, half_width, inputs):
    layer = built(kind(SCORES[score](), half_width), inputs)
    for mask in (None, MASK):
        actual = call(layer, inputs, value_mask=mask)
        expected = local_attention(layer, **inputs, mask=mask)
        for x, y in zip(actual, expected, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5)


def test_masked_queries_are_no_steps(inputs):
    layer = built(LocalMonotonicAttention(LuongAttention("general"), D), inputs)
    query_mask = np.random.default_rng(1).random((B, T)) < 0.7
    actual = call(layer, inputs, query_mask=query_mask, value_mask=MASK)
    expected = local_attention(layer, **inputs, mask=MASK, query_mask=query_mask)
    for x, y in zip(actual, expected, strict=True):
        np.testing.assert_allclose(x[query_mask], y[query_mask], atol=1e-5)


def test_the_window_moves_on_and_rests_on_the_last_position(inputs):
    layer = built(LocalMonotonicAttention(LuongAttention("general"), D), inputs)
    _, alignment = call(layer, inputs, value_mask=MASK)
    for b, t in np.ndindex(B, T):
        real = np.flatnonzero(MASK[b])
        center = min(t, len(real) - 1)
        seen = real[max(0, center - D) : center + D + 1]
        assert np.flatnonzero(alignment[b, t]).tolist() == seen.tolist()


def test_steps_are_counted_beyond_what_half_precision_can(inputs):
    layer = LocalMonotonicAttention(LuongAttention("dot"), 1, dtype="mixed_float16")
    value = np.ones((1, 2503, DQ), "float16")
    memory = layer.prepare(value)
    (step,) = layer.initial_state(memory)
    state = (step[:, None] + 2500,)
    _, alignment, state = layer.attend(value[:, :1], memory, state)
    assert np.flatnonzero(alignment[0, 0]).tolist() == [2499, 2500, 2501]
    _, alignment, state = layer.attend(value[:, :1], memory, state)
    assert np.flatnonzero(alignment[0, 0]).tolist() == [2500, 2501, 2502]
    assert state[0].dtype == "int32" and int(state[0][0, 0, 0]) == 2502


def predict(center, length, half_width=D, dtype="float32", source_length=S):
    """The alignment of a source of `length` whose scores are equal, about `center`.

    `center` is reached through the weights: the query is one number, and `tanh(1)`
    what `v_p` is multiplied with.
    """
    layer = LocalPredictiveAttention(
        LuongAttention("dot", dtype=dtype), half_width, 1, dtype=dtype
    )
    query = np.ones((1, 1, 1), "float32")
    value = np.zeros((1, source_length, 1), "float32")
    layer(query, value)
    with np.errstate(divide="ignore"):
        logit = np.log(center) - np.log(length - center)
    layer.position_kernel.assign([[1.0]])
    layer.position_vector.assign([np.clip(logit, -1e4, 1e4) / np.tanh(1)])
    mask = np.arange(source_length)[None] < length
    _, alignment = layer(query, value, value_mask=mask, return_attention_scores=True)
    return np.asarray(alignment, "float64")[0, 0, :length]


@pytest.mark.parametrize(
    ("center", "length", "seen"),
    [
        (0, 7, [0, 1, 2]),  # over the left edge
        (0.99, 7, [0, 1, 2]),
        (1.5, 7, [0, 1, 2, 3]),
        (3.2, 7, [2, 3, 4, 5]),
        (5.5, 7, [4, 5, 6]),  # over the right one
        (6.01, 7, [5, 6]),
        (7, 7, [5, 6]),  # one behind the last position
        (0.5, 1, [0]),  # shorter than the window
        (1, 1, [0]),
        (0, 1, [0]),
        (1.9, 2, [0, 1]),
        (2, 2, [0, 1]),
    ],
)
def test_the_window_lies_about_the_prediction(center, length, seen):
    actual = predict(center, length)
    expected = np.zeros(length)
    for s in seen:
        expected[s] = np.exp(-((s - center) ** 2) / (2 * (D / 2) ** 2)) / len(seen)
    np.testing.assert_allclose(actual, expected, atol=1e-4)
    assert actual.sum() > 0


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_finds_its_place_in_a_long_source(dtype):
    # p_t is the middle of 3001 positions, 1500.5, which neither dtype can tell.
    actual = predict(1500.5, 3001, 3, dtype, 3011)
    assert np.flatnonzero(actual).tolist() == list(range(1498, 1504))
    near = np.exp(-(0.5**2) / (2 * 1.5**2)) / 6
    np.testing.assert_allclose(actual[1500:1502], near, rtol=0.01)


def test_a_window_over_all_is_global_attention(score, inputs):
    inner = SCORES[score](temperature=0.7, probability_fn="sparsemax")
    layer = built(LocalMonotonicAttention(inner, T + S), inputs)
    expected = call(inner, inputs, value_mask=MASK)
    for x, y in zip(call(layer, inputs, value_mask=MASK), expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)
    # So wide a Gaussian is flat.
    layer = LocalPredictiveAttention(inner, 100_000)
    for x, y in zip(call(layer, inputs, value_mask=MASK), expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


@pytest.mark.parametrize("kind", [LocalMonotonicAttention, LocalPredictiveAttention])
def test_settings_of_the_score_hold(kind, inputs):
    inner = LuongAttention("general", dropout=0.5, seed=7, probability_fn="hardmax")
    layer = built(kind(inner, D), inputs)
    context, alignment = call(layer, inputs, value_mask=MASK, training=True)
    assert ((alignment > 0).sum(axis=-1) == 1).all()
    kept = np.any(context != 0, axis=-1)
    assert 0 < kept.mean() < 1
    expected, _ = call(layer, inputs, value_mask=MASK)
    np.testing.assert_allclose(context[kept], 2 * expected[kept], rtol=1e-5)


def gradients(layer, inputs, mask):
    with tf.GradientTape() as tape:
        context = layer(**inputs, value_mask=mask)
        loss = tf.reduce_sum(context**2)
    weights = [layer.position_kernel, layer.position_vector]
    return [np.asarray(x) for x in tape.gradient(loss, [w.value for w in weights])]


def test_gradients_reach_the_prediction_through_the_gaussian(inputs):
    # Nothing else lets them through: hardmax passes none.
    inner = LuongAttention("general", probability_fn="hardmax")
    layer = built(LocalPredictiveAttention(inner, 5, U), inputs)
    for actual in gradients(layer, inputs, MASK):
        assert (np.abs(actual) > 1e-6).all()
    # And none that is not finite, though a row is empty.
    for actual in gradients(layer, inputs, MASK & np.array([[True], [False], [True]])):
        assert np.isfinite(actual).all() and (np.abs(actual) > 1e-6).all()


def test_gradients_are_those_of_differences(inputs):
    layer = LocalPredictiveAttention(LuongAttention("general"), 31)
    layer = built(layer, inputs)
    actual = gradients(layer, inputs, MASK)[1]
    vector = layer.position_vector.numpy()
    for i, expected in enumerate(actual):
        both = []
        for sign in (-1, 1):
            layer.position_vector.assign(vector + sign * 1e-2 * np.eye(DQ)[i])
            context, _ = local_attention(layer, **inputs, mask=MASK)
            both.append((context**2).sum())
        difference = (both[1] - both[0]) / 2e-2
        np.testing.assert_allclose(expected, difference, rtol=1e-2)


def test_weights(inputs):
    layer = LocalPredictiveAttention(LuongAttention("general"), units=V)
    layer(**inputs)
    assert {x.name: tuple(x.shape) for x in layer.weights} == {
        "key_kernel": (DK, DQ),
        "position_kernel": (DQ, V),
        "position_vector": (V,),
    }
    layer = LocalPredictiveAttention(LuongAttention("general"))
    layer(**inputs)
    assert tuple(layer.position_kernel.shape) == (DQ, DQ)
    # One initializer for both is not one draw for both.
    layer = LocalPredictiveAttention(LuongAttention("dot"), 3, 1, "ones")
    layer(np.ones((1, 1, 1)), np.ones((1, 2, 1)))
    assert [float(np.squeeze(x)) for x in layer.get_weights()] == [1.0, 1.0]


@pytest.mark.parametrize("kind", [LocalMonotonicAttention, LocalPredictiveAttention])
@pytest.mark.parametrize(
    "score",
    [
        "luong",
        None,
        keras.layers.Attention(),
        *(MultiHeadAttention(2, 4), CoverageAttention(5)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_the_score_must_be_one_of_all_positions(kind, score):
    with pytest.raises(ValueError, match="`score` must be.*such as.*Received: score="):
        kind(score)


@pytest.mark.parametrize("kind", [LocalMonotonicAttention, LocalPredictiveAttention])
@pytest.mark.parametrize("half_width", [0, -1, 2.5, None, True])
def test_the_half_width_must_be_a_positive_integer(kind, half_width):
    with pytest.raises(ValueError, match=f"at least 1.*half_width={half_width}"):
        kind(LuongAttention("dot"), half_width)


@pytest.mark.parametrize("units", [0, -1, 2.5, True])
def test_units_must_be_a_positive_integer(units):
    with pytest.raises(ValueError, match=f"at least 1.*units={units}"):
        LocalPredictiveAttention(LuongAttention("dot"), units=units)


def largest_of_neighbours(rng):
    source = random_tokens(rng, rng.integers(1, 16), 6)
    padded = [source[0], *source, source[-1]]
    return source, [max(padded[i : i + 3]) for i in range(len(source))]


def reversal(rng):
    source = random_tokens(rng, rng.integers(1, 21), 10)
    return source, source[::-1]


def test_local_m_learns_what_depends_on_neighbours():
    layer = LocalMonotonicAttention(LuongAttention("general"), 1)
    share = exact_match_after_training(layer, largest_of_neighbours, 6, 400, 0.02)
    assert share >= 0.95


def test_local_p_learns_to_walk_backwards():
    layer = LocalPredictiveAttention(LuongAttention("general"), 3)
    share = exact_match_after_training(layer, reversal, 10, 400, 0.02)
    assert share >= 0.95
