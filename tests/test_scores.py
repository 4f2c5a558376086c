"""Scores, masked softmax and zeroed padding against loops."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers.scores import (
    additive_score,
    dot_score,
    masked_softmax,
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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_a_row_without_a_position_is_zero(dtype):
    scores = tf.cast(random(B, T, S), dtype)
    mask = np.array([[False] * S, [True] * S])
    with tf.GradientTape() as tape:
        tape.watch(scores)
        alignment = masked_softmax(scores, mask)
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
