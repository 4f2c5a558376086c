"""The loss of attention against a loop, and its gradient against differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import masked_softmax
from kseq2seq.losses import AlignmentCrossentropy

B, T, S = 3, 5, 7
LENGTHS = ((5, 7), (2, 3), (1, 5))  # of target and source


def drawn():
    """Links between real tokens, some tokens without, and scores of attention."""
    rng = np.random.default_rng(0)
    links = np.zeros((B, T, S), "float32")
    for row, (target, source) in enumerate(LENGTHS):
        chosen = rng.uniform(size=(target, source)) < 0.4
        links[row, :target, :source] = chosen / np.maximum(chosen.sum(1), 1)[:, None]
    links[0, 3] = 0.0
    assert (links.sum(axis=2) > 0).sum() == 7 and (links == 0.5).any()
    return links, rng.normal(size=(B, T, S))


LINKS, SCORES = drawn()


def attention(scores):
    """A softmax over the real tokens of each source, 0 at its padding."""
    scores = np.array(scores)
    for row, (_, source) in enumerate(LENGTHS):
        scores[row, :, source:] = -np.inf
    powers = np.exp(scores - scores.max(axis=2, keepdims=True))
    return powers / powers.sum(axis=2, keepdims=True)


def by_hand(weights, of_tokens=None):
    """The cross-entropy, one link at a time."""
    total = count = 0.0
    for row in range(B):
        for token in range(T):
            if not LINKS[row, token].any():
                continue
            own = 1.0 if of_tokens is None else of_tokens[row, token]
            count += own
            for place in range(S):
                if LINKS[row, token, place]:
                    log = np.log(weights[row, token, place])
                    total -= own * LINKS[row, token, place] * log
    return total / count


@pytest.mark.parametrize("weighted", [None, "sentences", "tokens"])
def test_the_loss_is_that_of_a_loop(weighted):
    rng, weights = np.random.default_rng(1), attention(SCORES)
    shape = {None: None, "sentences": (B,), "tokens": (B, T)}[weighted]
    given = None if shape is None else rng.uniform(0.5, 2, shape).astype("float32")
    of_tokens = given
    if weighted == "sentences":
        of_tokens = np.repeat(given[:, None], T, axis=1)
    loss = AlignmentCrossentropy()(LINKS, weights.astype("float32"), given)
    assert float(loss) == pytest.approx(by_hand(weights, of_tokens), rel=1e-6)


def gradient(links, scores, mask):
    scores = tf.Variable(scores.astype("float32"))
    with tf.GradientTape() as tape:
        weights = tf.nn.softmax(tf.where(mask, scores, -1e9))
        loss = AlignmentCrossentropy()(links, weights)
    return float(loss), tape.gradient(loss, scores).numpy()


def test_the_gradient_is_that_of_differences_and_none_at_padding():
    sources = np.array([source for _, source in LENGTHS])
    mask = np.arange(S) < sources[:, None, None]
    _, actual = gradient(LINKS, SCORES, mask)
    expected, step = np.zeros_like(SCORES), 1e-6
    for place in np.ndindex(SCORES.shape):
        ends = []
        for sign in (1, -1):
            moved = SCORES.copy()
            moved[place] += sign * step
            ends.append(by_hand(attention(moved)))
        expected[place] = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    counts_nothing = ~LINKS.any(axis=2, keepdims=True) | ~mask
    np.testing.assert_array_equal(actual[counts_nothing], 0)


def test_padding_changes_nothing_whatever_it_holds():
    weights = attention(SCORES).astype("float32")
    expected = AlignmentCrossentropy()(LINKS, weights)
    further = [(0, 2), (0, 3), (0, 4)]
    links = np.pad(LINKS, further)
    for fill in (0.0, np.nan, np.inf):
        padded = np.pad(weights, further, constant_values=fill)
        assert AlignmentCrossentropy()(links, padded) == expected
        with tf.GradientTape() as tape:
            tape.watch(padded := tf.constant(padded))
            loss = AlignmentCrossentropy()(links, padded)
        inside = tape.gradient(loss, padded).numpy()
        np.testing.assert_array_equal(inside[links == 0], 0)
        assert np.isfinite(inside).all()


def test_without_links_there_is_no_loss_and_without_attention_a_finite_one():
    weights = attention(SCORES).astype("float32")
    assert float(AlignmentCrossentropy()(np.zeros_like(LINKS), weights)) == 0
    assert 60 < float(AlignmentCrossentropy()(LINKS, np.zeros_like(weights))) < 80
    half = keras.ops.cast(weights, "float16")
    loss = AlignmentCrossentropy()(LINKS, half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(by_hand(weights), rel=1e-3)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_gradient_of_a_small_weight_is_finite_in_half_precision(dtype, jit_compile):
    def loss_and_gradient(scores):
        with tf.GradientTape() as tape:
            tape.watch(scores)
            weights = masked_softmax(tf.cast(scores, dtype))
            # What a LossScaleOptimizer makes of it in a batch of 100 tokens.
            loss = AlignmentCrossentropy()([[[0.0, 1.0, 0.0]]], weights)
            scaled = loss * 0.1 / 100 * 32768
        return weights, tape.gradient(scaled, scores)

    run = tf.function(loss_and_gradient, jit_compile=jit_compile)
    weights, gradient = run(tf.constant([[[0.0, -7.3, 0.0]]]))
    assert float(weights[0, 0, 1]) == pytest.approx(3.4e-4, rel=0.03)
    expected = 32.768 * np.array([[[0.5, -1, 0.5]]])
    if dtype == "float16":
        expected *= 32752 / (32.768 / float(weights[0, 0, 1]))  # clipped
    np.testing.assert_allclose(gradient, expected, rtol=0.02)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"target_length, source_length.*\(3, 5, 6\)"):
        AlignmentCrossentropy()(LINKS, np.ones((B, T, S - 1), "float32"))


def test_a_config_makes_the_same_loss():
    loss = AlignmentCrossentropy(name="links")
    config = keras.saving.serialize_keras_object(loss)
    assert keras.saving.deserialize_keras_object(config).name == "links"
