"""Exact hard attention, against an enumeration of all alignments."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import AlignmentMarginal, MarginalStep

# All different, so that a swapped axis cannot pass.
B, T, S, V, U = 2, 3, 5, 7, 11
LENGTHS = [5, 4]
MASK = np.arange(S) < np.array(LENGTHS)[:, None]
TOKENS = np.array([[2, 4, 6], [2, 5, 5]])
LABELS = np.array([[4, 6, 3], [5, 5, 3]])
KINDS = list(itertools.product([False, True], [0, 1]))


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


@pytest.fixture(name="inputs")
def inputs_():
    alignment = softmax(np.where(MASK[:, None], random(B, T, S, seed=1) * 2, -np.inf))
    return random(B, T, S, V) * 2, alignment, random(B, T, U, seed=2), MASK, TOKENS


def make(monotonic, order, **kwargs):
    layer = AlignmentMarginal(monotonic, order, max_jump=2, **kwargs)
    if order:
        layer.build(None, None, (None, None, U))
        count = 3 if monotonic else 5
        layer.set_weights([random(U, count, seed=3), random(count, seed=4)])
    return layer


def by_enumeration(layer, inputs, row, labels):
    """The probability of a target: the sum over all sequences of positions."""
    logits, alignment, query, _, _ = (np.asarray(x[row], "float64") for x in inputs)
    emission, total = softmax(logits), 0.0
    positions = range(LENGTHS[row])
    for path in itertools.product(positions, repeat=len(labels)):
        probability, last = 1.0, 0
        for t, position in enumerate(path):
            weights = alignment[t, : LENGTHS[row]].copy()
            if layer.order:
                kernel, bias = (np.asarray(x, "float64") for x in layer.get_weights())
                jumps = query[t] @ kernel + bias
                least = 0 if layer.monotonic else -2
                for j in positions:
                    weights[j] *= np.exp(jumps[np.clip(j - last, least, 2) - least])
            if layer.monotonic:
                weights[:last] = 0
            transition = weights[position] / weights.sum()
            probability *= transition * emission[t, position, labels[t]]
            last = position
        total += probability
    return total


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_sum_over_all_alignments(kind, inputs):
    layer = make(*kind)
    log_probs = np.asarray(layer(*inputs))
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1, atol=1e-5)
    picked = np.take_along_axis(log_probs, LABELS[..., None], axis=2)[..., 0]
    for row in range(B):
        # The factors up to each step, too.
        for length in range(1, T + 1):
            expected = by_enumeration(layer, inputs, row, LABELS[row, :length])
            actual = np.exp(picked[row, :length].sum())
            np.testing.assert_allclose(actual, expected, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_steps_give_the_same(kind, inputs):
    layer = make(*kind)
    logits, alignment, query, mask, tokens = inputs
    expected = layer(*inputs)
    state = [x[:, None] for x in layer.initial_state(tf.constant(mask), V)]
    for t in range(T):
        now = [x[:, t : t + 1] for x in (logits, alignment, query)]
        log_probs, state, positions = MarginalStep(layer)(
            *now, mask, tokens[:, t : t + 1], state
        )
        np.testing.assert_allclose(log_probs[:, 0], expected[:, t], atol=1e-5)
        np.testing.assert_allclose(np.sum(positions, axis=-1), 1, atol=1e-5)
        assert np.all(positions[1, 0, LENGTHS[1] :] == 0)


@pytest.mark.parametrize("kind", [(True, 0), (False, 1)])
def test_what_attention_rounds_to_0_has_finite_gradients(kind, inputs):
    layer = make(*kind)
    logits, alignment, query, mask, tokens = inputs
    # All of it is before where the first token came from.
    alignment[:, 0] = np.eye(S)[3]
    alignment[:, 1:] = np.eye(S)[0]
    tensors = [
        tf.constant(x) for x in (logits * 50, alignment.astype("float32"), query)
    ]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        log_probs = layer(*tensors, mask, tokens)
        loss = tf.reduce_sum(tf.gather(log_probs, LABELS, batch_dims=2))
    assert np.isfinite(loss)
    gradients = tape.gradient(loss, [*tensors, *layer.trainable_variables])
    assert all(np.isfinite(x).all() for x in gradients if x is not None)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="order.*0, 1.*2"):
        AlignmentMarginal(order=2)
    with pytest.raises(ValueError, match="max_jump.*0"):
        AlignmentMarginal(max_jump=0)
    with pytest.raises(ValueError, match="marginal=None"):
        MarginalStep(None)
    layer = AlignmentMarginal(True, 1, 3)
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert (again.monotonic, again.order, again.max_jump) == (True, 1, 3)
