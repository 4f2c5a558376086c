"""Pointer-generator, against plain loops over See et al. (2017), section 2.2."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import CopiedIds, PointerGenerator, masked_softmax
from kseq2seq.utils import PAD_ID

# All different, so that a swapped axis cannot pass.
B, T, S, V, D, E = 2, 3, 5, 13, 7, 11
COPIED = np.array([[7, 4, 7, 1, 3], [12, 0, 3, 0, 0]], "int32")
MASK = np.array([[True] * 5, [True, True, True, False, False]])


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@pytest.fixture(name="inputs")
def inputs_():
    alignment = softmax(np.where(MASK[:, None], random(B, T, S, seed=3), -np.inf))
    # Attention may look at nothing, or at one position alone.
    alignment[0, 0] *= 0.7
    alignment[0, 1] = [0, 1, 0, 0, 0]
    features, embedded = random(B, T, D, seed=1), random(B, T, E, seed=2)
    return [
        random(B, T, V) * 3,
        features,
        embedded,
        alignment.astype("float32"),
        COPIED,
    ]


def by_hand(layer, logits, features, embedded, alignment, copied):
    """Probabilities, one token of the vocabulary and the source at a time."""
    w, bias = (np.asarray(x, "float64") for x in layer.get_weights())
    result = np.zeros((B, T, V))
    for b in range(B):
        for t in range(T):
            z = w[:, 0] @ np.concatenate([features[b, t], embedded[b, t]]) + bias[0]
            generates = 1 / (1 + np.exp(-z))
            rest = 1.0
            for s in range(S):
                if copied[b, s] != PAD_ID:
                    share = (1 - generates) * alignment[b, t, s]
                    result[b, t, copied[b, s]] += share
                    rest -= share
            result[b, t] += rest * softmax(logits[b, t])
    return result


def test_equals_the_loops(inputs):
    layer = PointerGenerator()
    layer(*inputs)
    layer.set_weights([random(D + E, 1, seed=5), random(1, seed=6)])
    actual = np.exp(layer(*inputs))
    np.testing.assert_allclose(actual, by_hand(layer, *inputs), atol=1e-6)
    np.testing.assert_allclose(actual.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("bias", [-300.0, 300.0])
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_extremes_have_finite_logarithms_and_gradients(bias, dtype, inputs):
    layer = PointerGenerator(dtype=dtype)
    inputs[0] = inputs[0] * 30  # far beyond what float16 could tell of
    layer(*inputs)
    layer.set_weights([np.zeros((D + E, 1)), np.array([bias])])
    tensors = [tf.constant(x) for x in inputs[:4]]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        log_probs = layer(*tensors, COPIED)
        loss = -tf.reduce_sum(log_probs[..., 4])
    assert log_probs.dtype == "float32" and np.isfinite(log_probs).all()
    gradients = tape.gradient(loss, [*tensors, *layer.trainable_variables])
    assert all(np.isfinite(x).all() for x in gradients)
    generated = np.asarray(tf.nn.log_softmax(inputs[0]))
    if bias > 0:
        np.testing.assert_allclose(log_probs, generated, atol=1e-4)
    else:
        np.testing.assert_allclose(log_probs[0, 1, 4], 0, atol=1e-5)


def test_the_gradient_of_a_small_share_is_finite_in_float16(inputs):
    layer = PointerGenerator(dtype="mixed_float16")
    layer(*inputs)
    # Token 12 can be copied alone, of one position that is hardly looked at.
    layer.set_weights([np.zeros((D + E, 1)), np.array([-300.0])])
    scores = tf.constant([[[-9.0, 0.0, 0.0, 0.0, 0.0]] * T] * B)
    copied = np.array([[12, 4, 7, 1, 3]] * B)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        alignment = masked_softmax(tf.cast(scores, "float16"))
        log_probs = layer(*inputs[:3], alignment, copied)
        loss = -tf.reduce_mean(log_probs[..., 12]) / 100 * 32768
    gradient = tape.gradient(loss, scores)
    assert np.isfinite(gradient).all()
    assert (np.asarray(gradient)[..., 0] < -0.5).all()


def test_ids_are_looked_up():
    layer = CopiedIds(np.array([0, 1, 0, 3, 6, 5]))
    np.testing.assert_array_equal(
        layer(np.array([[5, 4, 3, 2, 1, 0]])), [[5, 6, 3, 0, 1, 0]]
    )
    assert keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(layer)
    ).target_ids == [0, 1, 0, 3, 6, 5]
    with pytest.raises(ValueError, match=r"target_ids.*-1"):
        CopiedIds([0, -1])
