"""The loss of sparse probabilities against loops, and what a search makes of it."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Seq2SeqConfig, build_model, decoding
from kseq2seq.losses import EntmaxLoss
from kseq2seq.models import encode_and_step, start_decoding
from kseq2seq.utils import EOS_ID, PAD_ID
from padded_labels import LENGTHS, B, T, V

ALPHAS = {"entmax15": 1.5, "sparsemax": 2.0}


def entmax(row, alpha):
    """Peters et al. 2019, equation 10, by bisection."""
    row = (alpha - 1) * np.asarray(row, "float64")
    low, high = row.max() - 1, row.max()
    for _ in range(100):
        middle = (low + high) / 2
        powers = np.maximum(row - middle, 0) ** (1 / (alpha - 1))
        low, high = (middle, high) if powers.sum() >= 1 else (low, middle)
    return powers / powers.sum()


def entropy(p, alpha):
    return np.sum(p - p**alpha) / (alpha * (alpha - 1))


def reference(labels, logits, alpha, smoothing=0.0, weights=None):
    """Peters et al. 2019, equation 14, one real token at a time."""
    total = count = 0.0
    for b, length in enumerate(LENGTHS):
        for t in range(length):
            target = np.full(V, smoothing / V)
            target[labels[b, t]] += 1 - smoothing
            z = logits[b, t].astype("float64")
            p = entmax(z, alpha)
            loss = p @ z + entropy(p, alpha) - target @ z - entropy(target, alpha)
            weight = 1.0 if weights is None else weights[b, t]
            total, count = total + weight * loss, count + weight
    return total / count


@pytest.mark.parametrize("name", ALPHAS)
@pytest.mark.parametrize("smoothing", [0, 0.1, 0.37])
def test_matches_the_loop(labels, logits, name, smoothing):
    loss = EntmaxLoss(name, smoothing)
    expected = reference(labels, logits, ALPHAS[name], smoothing)
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=1e-5)
    weights = np.random.default_rng(2).uniform(0.5, 2.0, size=(B, T))
    expected = reference(labels, logits, ALPHAS[name], smoothing, weights)
    np.testing.assert_allclose(loss(labels, logits, weights), expected, rtol=1e-5)


@pytest.mark.parametrize("name", ALPHAS)
def test_its_gradient_is_what_the_probabilities_lack(labels, logits, name):
    z = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(z)
        loss = EntmaxLoss(name)(labels, z)
    received = tape.gradient(loss, z)
    for b, t in np.ndindex(B, T):
        expected = np.zeros(V)
        if t < LENGTHS[b]:
            expected = entmax(logits[b, t], ALPHAS[name]) - np.eye(V)[labels[b, t]]
        np.testing.assert_allclose(received[b, t], expected / sum(LENGTHS), atol=1e-6)


def test_padding_and_infinities_in_it_change_nothing(labels, logits):
    loss = EntmaxLoss(label_smoothing=0.1)
    expected = loss(labels, logits)
    longer = np.pad(labels, ((0, 0), (0, 2)))
    wild = np.pad(logits, ((0, 0), (0, 2), (0, 0)), constant_values=np.inf)
    np.testing.assert_allclose(loss(longer, wild), expected, rtol=1e-6)
    assert float(loss(np.zeros_like(labels), logits)) == 0
    shifted = np.where(labels == PAD_ID, -1, labels)
    other = EntmaxLoss(label_smoothing=0.1, ignore_class=-1)
    np.testing.assert_allclose(other(shifted, logits), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ALPHAS)
def test_a_large_vocabulary_without_probability_adds_nothing(name):
    z = np.full((1, 2, 50_000), -30.7, "float32")
    z[0, :, 7] = 0
    assert float(EntmaxLoss(name)(np.array([[7, 7]]), z)) == pytest.approx(0, abs=1e-6)
    received = EntmaxLoss(name)(np.array([[7, 9]]), z)
    np.testing.assert_allclose(received, 30.7 / 2, rtol=1e-6)


def test_settings_are_checked_and_come_back():
    loss = EntmaxLoss("sparsemax", 0.3, "own", -1)
    again = EntmaxLoss.from_config(loss.get_config())
    assert again.get_config() == loss.get_config()
    with pytest.raises(ValueError, match="entmax15, sparsemax.*'softmax'"):
        EntmaxLoss("softmax")
    with pytest.raises(ValueError, match=r"label_smoothing.*1\.0"):
        EntmaxLoss(label_smoothing=1.0)
    with pytest.raises(ValueError, match="sparse labels"):
        EntmaxLoss()(np.ones((2, 3), int), np.ones((2, 5, 7), "float32"))


def sparse_model(tie=False):
    config = Seq2SeqConfig(
        source_vocabulary_size=11,
        target_vocabulary_size=V,
        embedding_size=5,
        units=6,
        tie_embeddings=tie,
        output_probability_fn="entmax15",
    )
    model = build_model(config)
    generator = np.random.default_rng(3)
    scaled = [generator.normal(scale=0.5, size=w.shape) for w in model.get_weights()]
    model.set_weights(scaled)
    return model


def test_steps_have_its_probabilities(tmp_path):
    model = sparse_model()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    encode, step = encode_and_step([loaded])
    encoded = encode(np.array([[4, 5, 3], [7, 3, 0]]))
    states = keras.tree.map_structure(lambda x: x[:, None], encoded["states"])
    received, _, _ = step(keras.ops.full((2, 1), 2), states, encoded["memory"])
    inputs = {
        "source": np.array([[4, 5, 3], [7, 3, 0]]),
        "target": np.full((2, 1), 2),
    }
    z = np.asarray(model(inputs))
    expected = np.stack([entmax(row, 1.5) for row in z[:, 0]])
    assert (expected == 0).any()
    np.testing.assert_allclose(np.exp(received)[:, 0], expected, atol=1e-5)


def test_the_search_is_exact_and_leaves_out_the_impossible():
    model, source, length = sparse_model(), np.array([[4, 5, 3]]), 3
    step, state = start_decoding(model)(source)
    count = 200
    best = decoding.beam_search(
        step,
        state,
        beam_size=count,
        max_length=length,
        num_hypotheses=count,
        length_penalty=0.0,
    )
    expected = {}
    tokens = [x for x in range(V) if x not in (PAD_ID, 2)]
    for target in itertools.product(tokens, repeat=length):
        end = target.index(EOS_ID) + 1 if EOS_ID in target else length
        key, ids = target[:end], [2, *target[: end - 1]]
        z = np.asarray(model({"source": source, "target": np.array([ids])}))[0]
        rows = [entmax(row, 1.5) for row in z]
        p = np.prod([row[token] for row, token in zip(rows, key, strict=True)])
        if p > 0:
            expected[key] = p
    possible = np.isfinite(np.asarray(best.scores)[0])
    received = {
        tuple(int(x) for x in ids[:n]): np.exp(score)
        for ids, n, score in zip(
            np.asarray(best.ids)[0][possible],
            np.asarray(best.lengths)[0][possible],
            np.asarray(best.scores)[0][possible],
            strict=True,
        )
    }
    assert 1 < len(expected) < 100
    assert received.keys() <= expected.keys()
    missing = [p for key, p in expected.items() if key not in received]
    assert sum(missing) < 1e-6  # rounded to 0 in float32
    for key, p in received.items():
        assert p == pytest.approx(expected[key], abs=1e-5)


def test_a_model_learns_by_it():
    keras.utils.set_random_seed(0)
    model = build_model(
        Seq2SeqConfig(
            source_vocabulary_size=11,
            target_vocabulary_size=11,
            embedding_size=8,
            units=16,
            dropout=0.0,
            output_probability_fn="sparsemax",
        )
    )
    model.compile("adam", loss=EntmaxLoss("sparsemax"))
    source = np.random.default_rng(0).integers(4, 11, (64, 3))
    begin = np.full((64, 1), 2)
    inputs = {"source": source, "target": np.concatenate([begin, source[:, :-1]], 1)}
    history = model.fit(inputs, source, epochs=30, batch_size=16, verbose=0)
    losses = history.history["loss"]
    assert losses[-1] < 0.6 * losses[0]
