"""ChunkwiseAttention against loops written from the paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import reference
from kseq2seq.layers import (
    BahdanauAttention,
    ChunkwiseAttention,
    LuongAttention,
    chunk_alignment,
)
from learning import exact_match_after_training, random_tokens

# All different, so that a swapped axis cannot pass.
B, T, S, DQ, DK, DV, U = 2, 3, 11, 7, 5, 13, 17
HOLES = np.array([[True, False, True, True] * 3, [False, False, True, False] * 3])[
    :, :S
]
SIZES = [1, 2, 5, 19]


def draw(mask):
    """An alignment that is zero at padding and sums to less than 1, and scores."""
    rng = np.random.default_rng(0)
    choice = 0.9 * rng.dirichlet(np.ones(S), size=(B, T)) * mask[:, None]
    scores = 3 * rng.normal(size=(B, T, S))
    return choice.astype("float32"), scores.astype("float32")


def expected_chunks(choice, scores, mask, size):
    """Padding is left out, not masked."""
    actual = np.zeros((B, T, S))
    for b, t in np.ndindex(B, T):
        real = np.flatnonzero(mask[b])
        row = choice[b, t, real].astype("float64"), scores[b, t, real].astype("float64")
        actual[b, t, real] = reference.chunks(*row, size)
    return actual


@pytest.mark.parametrize("size", SIZES)
def test_chunks_are_what_the_paper_defines(size):
    for mask in (np.ones_like(HOLES), HOLES, np.zeros_like(HOLES)):
        choice, scores = draw(mask)
        expected = expected_chunks(choice, scores, mask, size)
        # What stands at padding has no influence, nor is it read.
        scores = np.where(mask[:, None], scores, np.float32(50))
        actual = chunk_alignment(choice, scores, mask, size)
        np.testing.assert_allclose(actual, expected, atol=1e-6)
        np.testing.assert_allclose(np.sum(actual, -1), choice.sum(-1), atol=1e-6)


def test_a_chunk_of_one_position_is_the_choice():
    choice, scores = draw(HOLES)
    np.testing.assert_array_equal(chunk_alignment(choice, scores, HOLES, 1), choice)


def by_moving_sums(choice, scores, size):
    """As the paper computes it: exponentials of what is below the row's maximum."""

    def moving_sum(x, behind, ahead):
        x = np.pad(x, [(0, 0), (0, 0), (behind, ahead)])
        windows = np.lib.stride_tricks.sliding_window_view(x, behind + ahead + 1, -1)
        return windows.sum(-1)

    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    with np.errstate(all="ignore"):
        shares = choice / moving_sum(exponentials, size - 1, 0)
        return exponentials * moving_sum(shares, 0, size - 1)


@pytest.mark.parametrize("gap", [1, 1e2, 1e4, 1e6])
def test_chunks_far_below_the_best_score_keep_their_shares(gap):
    mask = np.ones_like(HOLES)
    choice, scores = draw(mask)
    scores[:, :, 7] += gap
    scores[:, :, 2] -= gap
    theirs = by_moving_sums(choice, scores, 3)
    assert np.isfinite(theirs).all() == (gap == 1)  # there, all of a chunk underflows
    expected = expected_chunks(choice, scores, mask, 3)
    choice, scores = tf.constant(choice), tf.constant(scores)
    factors = np.random.default_rng(1).normal(size=(B, T, S))
    with tf.GradientTape() as tape:
        tape.watch([choice, scores])
        actual = chunk_alignment(choice, scores, mask, 3)
        loss = tf.reduce_sum(actual * factors)
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    gradients = [x.numpy() for x in tape.gradient(loss, [choice, scores])]
    assert all(np.isfinite(x).all() for x in gradients)
    for k in range(S):  # that to a choice is what is read from its chunk
        own = np.zeros_like(expected)
        own[:, :, k] = 1
        read = expected_chunks(own, scores.numpy(), mask, 3) * factors
        np.testing.assert_allclose(gradients[0][..., k], read.sum(-1), atol=1e-4)


def test_gradients_to_scores_are_those_of_differences():
    choice, scores = draw(HOLES)
    factors = np.random.default_rng(1).normal(size=(B, T, S))
    scores = tf.constant(scores)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        actual = chunk_alignment(tf.constant(choice), scores, HOLES, 3)
        loss = tf.reduce_sum(actual * factors)
    gradient = tape.gradient(loss, scores).numpy()
    assert not gradient[~np.broadcast_to(HOLES[:, None], gradient.shape)].any()
    for j in range(S):
        step = 1e-5 * np.eye(S)[j]
        ahead, behind = (
            expected_chunks(choice, scores.numpy().astype("float64") + x, HOLES, 3)
            for x in (step, -step)
        )
        expected = ((ahead - behind) * factors).sum(-1) / 2e-5
        np.testing.assert_allclose(gradient[..., j], expected, atol=1e-5)


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, DK)).astype("float32"),
    }


def make(chunk_size=3, dropout=0.0, **kwargs):
    """A layer with random weights."""
    layer = ChunkwiseAttention(
        BahdanauAttention(U, dropout=dropout, seed=3),
        LuongAttention("general"),
        chunk_size,
        **kwargs,
    )
    layer.build((B, T, DQ), (B, S, DV), (B, S, DK))
    reference.randomize(layer)
    return layer


@pytest.mark.parametrize("mask", [None, HOLES], ids=["whole", "holes"])
@pytest.mark.parametrize("hard", [True, False])
def test_matches_the_paper(inputs, hard, mask):
    layer = make(hard=hard)
    energy_of = reference.bahdanau_score(reference.named_weights(layer.score))
    score_of = reference.luong_score(
        "general", reference.named_weights(layer.chunk_score)
    )
    bias = float(layer.score_bias.numpy())
    for training in (True, False):
        context, alignment = layer(
            **inputs, value_mask=mask, return_attention_scores=True, training=training
        )
        for b in range(B):
            real = np.arange(S) if mask is None else np.flatnonzero(mask[b])
            key = inputs["key"][b, real]
            energies, scores = (
                np.array([[f(q, k) for k in key] for q in inputs["query"][b]])
                for f in (energy_of, score_of)
            )
            energies = energies + bias
            if hard and not training:
                stops = reference.hard_choices(energies)
                stops = [len(key) if stop is None else stop for stop in stops]
                choice = np.eye(len(key) + 1)[stops, :-1]
            else:
                choice = reference.expected_choices(
                    reference.sigmoid(energies), np.eye(len(key))[0]
                )
            both = zip(choice, scores, strict=True)
            expected = np.array([reference.chunks(*x, 3) for x in both])
            actual = np.asarray(alignment[b])
            np.testing.assert_allclose(actual[:, real], expected, atol=1e-6)
            assert np.isclose(actual.sum(), expected.sum(), atol=1e-5)
            expected = expected @ inputs["value"][b, real]
            np.testing.assert_allclose(context[b], expected, atol=1e-5)


def test_what_follows_is_the_choice_and_not_the_chunk(inputs):
    """In training, with noise and dropout, and in a loop as for a whole target."""
    layer = make(dropout=0.3, sigmoid_noise=0.7, seed=7)
    memory = layer.prepare(inputs["value"], inputs["key"], HOLES)
    assert sorted(memory) == ["chunk_keys", "keys", "mask", "value"]
    draws = layer.draw(memory, T, True)
    context, alignment = layer.attend_all(
        inputs["query"], memory, draws=draws, training=True
    )
    assert np.abs(context - alignment @ memory["value"]).max() > 0.1  # dropped
    state = tuple(x[:, None] for x in layer.initial_state(memory))
    for t in range(T):
        now = slice(t, t + 1)
        drawn = {name: x[:, now] for name, x in draws.items()}
        actual = layer.attend(inputs["query"][:, now], memory, state, drawn, True)
        for x, y in zip(actual, (context, alignment), strict=False):
            np.testing.assert_allclose(x[:, 0], y[:, t], atol=1e-6)
        (previous,), state = state, actual[-1]
        assert np.abs(state[0] - actual[1]).max() > 0.01
        # The chunk goes back, the choice does not.
        both = [np.cumsum(x, axis=-1) for x in (previous, state[0])]
        assert (both[1] - both[0]).max() <= 1e-6


def test_every_weight_is_trained_although_the_choice_will_be_hard(inputs):
    """Both scores have weights of their own, and each its own part."""
    layer = make()
    collected = {}
    for training in (True, False):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(**inputs, training=training) ** 3)
        weights = layer.trainable_variables
        gradients = tape.gradient(loss, weights)
        collected[training] = {
            x.path for x, y in zip(weights, gradients, strict=True) if y is not None
        }
    of_chunks = {x.path for x in layer.chunk_score.weights}
    assert collected[True] == {x.path for x in weights} and len(weights) == 3 + 1 + 1
    assert collected[False] == of_chunks


def test_settings_are_checked():
    score, other = BahdanauAttention(U), BahdanauAttention(U)
    for size in (0, -1, 2.5, None, True):
        with pytest.raises(ValueError, match=f"at least 1.*chunk_size={size}"):
            ChunkwiseAttention(score, other, size)
    with pytest.raises(ValueError, match="`chunk_score` must be a layer of its own"):
        ChunkwiseAttention(score, score, 2)
    dropping = BahdanauAttention(U, dropout=0.3)
    with pytest.raises(ValueError, match="no dropout.*chunk_score.dropout=0.3"):
        ChunkwiseAttention(score, dropping, 2)
    ChunkwiseAttention(dropping, score, 2)
    with pytest.raises(ValueError, match="`chunk_score` must be.*such as Bahdanau"):
        ChunkwiseAttention(score, keras.layers.Dense(3), 2)
    with pytest.raises(ValueError, match="`chunk_score` must have.*temperature=0.5"):
        ChunkwiseAttention(score, BahdanauAttention(U, temperature=0.5), 2)
    with pytest.raises(ValueError, match="`score` must be"):
        ChunkwiseAttention("score", other, 2)


def test_learns_to_swap_neighbours():
    """Two at a time, read from one chunk that a hard choice has found."""

    def pair(rng):
        source = random_tokens(rng, 2 * rng.integers(1, 5), 5)
        pairs = zip(source[1::2], source[::2], strict=True)
        return source, [x for both in pairs for x in both]

    attention = ChunkwiseAttention(
        LuongAttention("general"), LuongAttention("general"), 2, sigmoid_noise=1.0
    )
    share = exact_match_after_training(attention, pair, 5, 300)
    assert share >= 0.95
