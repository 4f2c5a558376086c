"""Scores, masked softmax and zeroed padding against loops."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from graphs import products_of_four_axes
from kseq2seq.layers import (
    additive_score,
    dot_score,
    entmax15,
    hardmax,
    masked_probabilities,
    masked_softmax,
    sparsemax,
    zero_padding,
)
from reference import softmax

# All different, so that a swapped axis cannot pass.
B, T, S, U = 2, 3, 5, 7
HOLES = np.array([[True, False, True, True, False], [False, False, True, False, True]])


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def test_additive_score():
    query, key, vector = random(B, T, U), random(B, S, U, seed=1), random(U, seed=2)
    expected = np.zeros((B, T, S))
    for b, t, s in np.ndindex(B, T, S):
        expected[b, t, s] = vector @ np.tanh(query[b, t] + key[b, s])
    scores = additive_score(query, key, vector)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_additive_score_repeats_no_matrix():
    specs = [tf.TensorSpec([None, None, U]), tf.TensorSpec([None, None, U])]
    vector = random(U)
    assert not products_of_four_axes(lambda q, k: additive_score(q, k, vector), *specs)


def test_dot_score():
    query, key = random(B, T, U), random(B, S, U, seed=1)
    expected = np.zeros((B, T, S))
    for b, t, s in np.ndindex(B, T, S):
        expected[b, t, s] = query[b, t] @ key[b, s]
    np.testing.assert_allclose(dot_score(query, key), expected, atol=1e-5)


@pytest.mark.parametrize("mask", [None, HOLES, HOLES.astype("int32")])
def test_masked_softmax(mask):
    scores = 5 * random(B, T, S)
    expected = np.zeros((B, T, S))
    for b, t in np.ndindex(B, T):
        real = np.flatnonzero(np.ones(S) if mask is None else mask[b])
        expected[b, t, real] = softmax(scores[b, t, real])
    alignment = np.asarray(masked_softmax(tf.constant(scores), mask))
    np.testing.assert_allclose(alignment, expected, atol=1e-6)
    if mask is not None:
        hidden = np.repeat(mask[:, None] == 0, T, axis=1)
        assert not alignment[hidden].any()  # exactly


def nearest_on_the_simplex(scores):
    """Martins & Astudillo 2016, equation 2, by trying every set of positions."""
    best = None
    for size in range(1, len(scores) + 1):
        for support in itertools.combinations(range(len(scores)), size):
            chosen = list(support)
            point = np.zeros(len(scores))
            point[chosen] = scores[chosen] - (scores[chosen].sum() - 1) / size
            distance = np.sum((point - scores) ** 2)
            if point.min() >= 0 and (best is None or distance < best[0]):
                best = distance, point
    return best[1]


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_sparsemax(scale):
    scores = scale * random(11, S)
    expected = np.stack([nearest_on_the_simplex(row) for row in scores])
    actual = np.asarray(sparsemax(keras.ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    np.testing.assert_allclose(actual.sum(-1), 1, atol=1e-5)
    ties = np.array([[1.0, 0.9], [2.0, 2.0], [3.0, 0.0]], "float32")
    expected = [[0.55, 0.45], [0.5, 0.5], [1, 0]]
    np.testing.assert_allclose(sparsemax(ties), expected, atol=1e-6)


def test_the_gradient_of_sparsemax():
    """Martins & Astudillo 2016, section 2.5: its Jacobian on the support."""
    scores = tf.constant(random(1, S))
    with tf.GradientTape() as tape:
        tape.watch(scores)
        actual = sparsemax(scores)
    support = np.asarray(actual > 0, "float32")[0]
    expected = np.diag(support) - np.outer(support, support) / support.sum()
    assert 1 < support.sum() < S
    jacobian = np.asarray(tape.jacobian(actual, scores))[0, :, 0]
    np.testing.assert_allclose(jacobian, expected, atol=1e-6)


def entmax_by_bisection(scores, alpha):
    """Peters et al. 2019, equation 10: the threshold for which the sum is 1."""
    scores = (alpha - 1) * np.asarray(scores, "float64")
    low, high = scores.max() - 1, scores.max()
    for _ in range(100):
        middle = (low + high) / 2
        if np.sum(np.maximum(scores - middle, 0) ** (1 / (alpha - 1))) >= 1:
            low = middle
        else:
            high = middle
    return np.maximum(scores - low, 0) ** (1 / (alpha - 1))


def entmax15_by_bisection(scores):
    return entmax_by_bisection(scores, 1.5)


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0, 1e6])
def test_entmax15(scale):
    scores = scale * random(11, 101)
    expected = np.stack([entmax15_by_bisection(row) for row in scores])
    received = np.asarray(entmax15(keras.ops.convert_to_tensor(scores)))
    np.testing.assert_allclose(received, expected, atol=1e-6)
    np.testing.assert_allclose(received.sum(-1), 1, atol=1e-5)
    ties = np.array([[2.0, 2.0, 2.0], [0.0, 9.0, 9.0], [0.0, 0.0, 2.0]], "float32")
    expected = [[1 / 3, 1 / 3, 1 / 3], [0, 0.5, 0.5], [0, 0, 1]]
    expected[2] = entmax15_by_bisection(ties[2])
    np.testing.assert_allclose(entmax15(ties), expected, atol=1e-6)


def test_entmax15_maximises_its_entropy():
    """Peters et al. 2019, equations 8 and 9: no other distribution does better."""
    generator = np.random.default_rng(0)
    scores = generator.normal(size=S)

    def objective(p):
        return p @ scores + np.sum(p - p**1.5) / 0.75

    best = objective(np.asarray(entmax15(scores[None].astype("float32")))[0])
    others = generator.dirichlet(np.full(S, 0.3), 5000)
    assert max(map(objective, others)) <= best + 1e-6


def test_the_gradient_of_entmax15():
    """Peters et al. 2019, proposition 2: its Jacobian."""
    scores = tf.constant(3 * random(1, S))
    with tf.GradientTape() as tape:
        tape.watch(scores)
        probabilities = entmax15(scores)
    slopes = np.sqrt(np.asarray(probabilities))[0]
    expected = np.diag(slopes) - np.outer(slopes, slopes) / slopes.sum()
    assert 1 < np.count_nonzero(slopes) < S
    jacobian = np.asarray(tape.jacobian(probabilities, scores))[0, :, 0]
    np.testing.assert_allclose(jacobian, expected, atol=1e-6)
    with tf.GradientTape() as tape:
        peaked = tf.constant([[0.0, 100.0, -1e9]])
        tape.watch(peaked)
        probabilities = entmax15(peaked)[:, 1]
    np.testing.assert_array_equal(tape.gradient(probabilities, peaked), [[0, 0, 0]])


SIZE = 30_011


def large_rows(alpha):
    """Rows of a vocabulary of which one leads, and the others are about as likely."""
    rows, noise = [], random(SIZE)
    # Scores below -1 / (alpha - 1) have no probability.
    tails = [-3e-4, -0.3, -0.55, -0.9997, -1.0, -1.003, -1.37, -6.65, -30.7]
    for tail, scale in itertools.product(tails, [0, 1e-3, 0.03]):
        rows.append(tail / (alpha - 1) + scale * noise)
        rows[-1][SIZE // 3] = 0
    falls = np.arange(SIZE) / SIZE
    return np.stack([*rows, noise, 0 * noise, -(falls**3), 3 * (falls**9 - 1)])


@pytest.mark.parametrize("function", [sparsemax, entmax15])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_sparse_probabilities_of_a_large_vocabulary(function, jit_compile):
    alpha = 2 if function is sparsemax else 1.5
    scores = large_rows(alpha).astype("float32")
    expected = np.stack([entmax_by_bisection(row, alpha) for row in scores])
    received = tf.function(function, jit_compile=jit_compile)(scores)
    np.testing.assert_allclose(received, expected, atol=1e-6)
    # XLA's sums on a CPU are less exact.
    atol = 1e-3 if jit_compile else 1e-5
    np.testing.assert_allclose(np.sum(received, -1, "float64"), 1, atol=atol)


@pytest.mark.parametrize("name", ["sparsemax", "entmax15"])
def test_half_precision_and_masks_of_a_large_vocabulary(name):
    scores = np.full((1, 2, SIZE), -30.75, "float32")
    scores[:, :, [5, 8]] = 0, 100
    mask = np.arange(SIZE)[None] != 8
    for dtype in ("float16", "bfloat16", "float32"):
        received = masked_probabilities(tf.cast(scores, dtype), mask, name)
        expected = np.arange(SIZE) == 5
        np.testing.assert_array_equal(received, [[expected, expected]])


def test_hardmax_takes_the_first_of_equals():
    scores = tf.constant([[0.0, 2.0, 2.0], [-1.0, -3.0, -2.0]])
    np.testing.assert_array_equal(hardmax(scores), [[0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "entmax15", "hardmax"])
def test_masked_probabilities(name):
    functions = {
        "softmax": softmax,
        "sparsemax": nearest_on_the_simplex,
        "entmax15": entmax15_by_bisection,
        "hardmax": lambda x: np.eye(len(x))[np.argmax(x)],
    }
    scores, temperature = random(B, T, S), 0.3
    expected = np.zeros((B, T, S))
    for b, t in np.ndindex(B, T):
        real = np.flatnonzero(HOLES[b])
        expected[b, t, real] = functions[name](scores[b, t, real] / temperature)
    actual = masked_probabilities(tf.constant(scores), HOLES, name, temperature)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    every_axis = np.repeat(HOLES[:, None], T, axis=1)
    again = masked_probabilities(tf.constant(scores), every_axis, name, temperature)
    np.testing.assert_array_equal(again, actual)


@pytest.mark.parametrize("name", ["softmax", "sparsemax", "entmax15"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_row_without_a_position_is_zero(dtype, name):
    scores = tf.cast(random(B, T, S), dtype)
    mask = np.array([[False] * S, [True] * S])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        alignment = masked_probabilities(scores, mask, name)
        loss = tf.reduce_sum(alignment**2)
    assert alignment.dtype == dtype
    np.testing.assert_array_equal(alignment[0], np.zeros((T, S)))
    np.testing.assert_allclose(np.sum(alignment[1], axis=-1), 1, atol=0.02)
    gradient = np.asarray(tf.cast(tape.gradient(loss, scores), "float32"))
    np.testing.assert_array_equal(gradient[0], np.zeros((T, S)))
    assert np.isfinite(gradient[1]).all() and gradient[1].any()


def test_half_precision_adds_up_in_float32():
    # In bfloat16 a sum of ones stops growing at 256.
    alignment = masked_softmax(tf.zeros((1, 1, 997), "bfloat16"), None)
    np.testing.assert_allclose(tf.cast(alignment, "float32"), 1 / 997, rtol=0.01)
    mask = np.ones((1, 997), bool)
    masked = masked_softmax(tf.zeros((1, 1, 997), "bfloat16"), mask)
    np.testing.assert_array_equal(masked, alignment)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("padding", [1e4, np.inf, -np.inf, np.nan])
def test_zero_padding(dtype, padding):
    value = random(B, S, U)
    expected = np.where(HOLES[:, :, None], value, 0).astype(dtype)
    value[~HOLES] = padding
    value = tf.cast(value, dtype)
    with tf.GradientTape() as tape:
        tape.watch(value)
        zeroed = zero_padding(value, HOLES)
        loss = tf.reduce_sum(zeroed**2)
    assert zeroed.dtype == dtype
    np.testing.assert_array_equal(zeroed, expected)
    np.testing.assert_array_equal(tape.gradient(loss, value), 2 * expected)


def test_zero_padding_takes_integer_masks_and_none():
    value = keras.ops.convert_to_tensor(random(B, S, U))
    expected = zero_padding(value, HOLES)
    np.testing.assert_array_equal(zero_padding(value, HOLES.astype("int32")), expected)
    assert zero_padding(value) is value
