"""The sampled cross-entropy: against its formula, and against the whole one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq.layers import VocabularyEmbedding, VocabularyProjection
from kseq2seq.losses import (
    MaskedCrossentropy,
    SampledCrossentropy,
    VocabularyLogits,
)
from kseq2seq.losses import sampled as sampled_module

BATCH, LENGTH, SIZE, VOCABULARY = 3, 5, 7, 101
LABELS = np.array([[4, 0, 0, 0, 0], [9, 100, 4, 17, 1], [0, 0, 0, 0, 0]])


@pytest.fixture(params=["projection", "embedding"])
def layer(request):
    keras.utils.set_random_seed(3)
    if request.param == "projection":
        layer = VocabularyProjection(VOCABULARY, bias_initializer="glorot_uniform")
        layer.build((None, None, SIZE))
        return layer
    layer = VocabularyEmbedding(VOCABULARY, SIZE)
    layer.build((None, None))
    return layer


def logits_of(layer, features):
    arguments = {"reverse": True} if isinstance(layer, VocabularyEmbedding) else {}
    logits = layer(features, **arguments)
    return VocabularyLogits(logits, features, layer.product())


def features():
    rng = np.random.default_rng(1)
    return tf.constant(rng.normal(size=(BATCH, LENGTH, SIZE)), tf.float32)


def test_the_formula(layer, monkeypatch):
    uniform = np.random.default_rng(2).uniform(size=13)
    monkeypatch.setattr(
        tf.random, "uniform", lambda *args, **kwargs: tf.constant(uniform, tf.float32)
    )
    logits = logits_of(layer, features())
    actual = float(SampledCrossentropy(num_sampled=13)(LABELS, logits))
    drawn = np.floor((VOCABULARY + 1) ** uniform - 1).astype(int)
    assert len(set(drawn)) < 13  # some come twice
    chance = np.log((drawn + 2) / (drawn + 1)) / np.log(VOCABULARY + 1)
    losses = []
    for row, places in zip(
        logits.logits.numpy().astype("float64"), LABELS, strict=True
    ):
        for z, label in zip(row, places, strict=True):
            if label:
                terms = np.exp(z[drawn]) / (13 * chance)
                total = np.exp(z[label]) + terms[drawn != label].sum()
                losses.append(np.log(total) - z[label])
    assert len(losses) == 6
    np.testing.assert_allclose(actual, np.mean(losses), rtol=1e-5)


def test_chances_sum_to_one():
    ids = np.arange(VOCABULARY)
    chance = np.log((ids + 2) / (ids + 1)) / np.log(VOCABULARY + 1)
    np.testing.assert_allclose(chance.sum(), 1.0, rtol=1e-6)


def test_with_many_draws_it_is_the_whole_one(layer):
    """In its value and in all gradients, those of padding included: they are 0."""
    collected = []
    for loss in (SampledCrossentropy(200_000, seed=5), MaskedCrossentropy()):
        x = features()
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(LABELS, logits_of(layer, x))
        weights = [weight.value for weight in layer.trainable_weights]
        gradients = tape.gradient(value, [x, *weights])
        collected.append([tf.convert_to_tensor(g).numpy() for g in (value, *gradients)])
    for sampled, whole in zip(*collected, strict=True):
        np.testing.assert_allclose(sampled, whole, atol=0.01 * np.abs(whole).max())
    assert not collected[0][1][0, 1:].any()


def test_draws_change_and_follow_the_seed(layer):
    logits = logits_of(layer, features())
    loss = SampledCrossentropy(5)
    assert float(loss(LABELS, logits)) != float(loss(LABELS, logits))
    values = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        values.append(float(SampledCrossentropy(5, seed=4)(LABELS, logits)))
    assert values[0] == values[1]


def test_weights_of_sentences(layer, monkeypatch):
    monkeypatch.setattr(
        sampled_module,
        "spread",
        lambda values, *args: tf.constant(LABELS, tf.float32),
    )
    loss = SampledCrossentropy(5)(
        LABELS, logits_of(layer, features()), np.array([2.0, 1.0, 5.0])
    )
    expected = (2 * 4 + (9 + 100 + 4 + 17 + 1)) / (2 + 5)
    np.testing.assert_allclose(float(loss), expected, rtol=1e-6)


@pytest.mark.parametrize("jit_compile", [None, True])
def test_in_a_graph_of_ones_own(layer, jit_compile):
    loss = tf.function(
        lambda x, y: (
            SampledCrossentropy(5, seed=2)(y, logits_of(layer, x)),
            MaskedCrossentropy()(y, logits_of(layer, x)),
        ),
        jit_compile=jit_compile,
        autograph=False,
    )
    sampled, whole = loss(features(), tf.constant(LABELS))
    expected = MaskedCrossentropy()(LABELS, logits_of(layer, features()))
    np.testing.assert_allclose(float(whole), float(expected), rtol=1e-5)
    assert 0.0 < float(sampled) < 3 * float(expected)


def test_no_real_position_gives_zero(layer):
    loss = SampledCrossentropy(5)(0 * LABELS, logits_of(layer, features()))
    assert float(loss) == 0.0


@pytest.mark.parametrize("tied", [False, True])
def test_a_model_learns_by_it(tied):
    """To count on: half of the vocabulary is never drawn in most batches."""
    keras.utils.set_random_seed(1)
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=211,
        target_vocabulary_size=211,
        embedding_size=16,
        units=16,
        dropout=0.0,
        tie_embeddings=tied,
    )
    model = kseq2seq.build_model(config)
    rng = np.random.default_rng(0)
    source = rng.integers(4, 211, (64, 3)).astype("int32")
    target = np.concatenate([np.full((64, 1), 2), source[:, :-1]], axis=1)
    inputs = {"source": source, "target": target.astype("int32")}
    model.compile(kseq2seq.Adam(0.02), SampledCrossentropy(40))
    history = model.fit(inputs, source, epochs=15, batch_size=32, verbose=0)
    assert history.history["loss"][-1] < 0.8 * history.history["loss"][0]
    model.compile(loss=MaskedCrossentropy())
    assert model.evaluate(inputs, source, verbose=0) < 0.8 * np.log(211)


@pytest.mark.parametrize("num_sampled", [0, -1, 2.5, True, None])
def test_wrong_numbers(num_sampled):
    with pytest.raises(ValueError, match="at least 1. Received: num_sampled="):
        SampledCrossentropy(num_sampled)


def test_plain_logits_give_the_same(layer):
    """In the value and in the gradient of the features."""
    results = []
    for plain in (False, True):
        keras.utils.set_random_seed(1)
        x = features()
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = logits_of(layer, x)
            logits = logits.logits if plain else logits
            value = SampledCrossentropy(7, seed=4)(LABELS, logits)
        results.append([value, tape.gradient(value, x)])
    for received, expected in zip(*results, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-6)


def test_other_backends(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="needs TensorFlow.*Received: .*'jax'"):
        SampledCrossentropy(5)(LABELS, np.zeros((BATCH, LENGTH, VOCABULARY)))


def test_config():
    loss = SampledCrossentropy(num_sampled=5, seed=7, name="mine")
    config = keras.losses.serialize(loss)
    again = keras.losses.deserialize(config)
    assert type(again) is SampledCrossentropy
    assert again.get_config() == {"num_sampled": 5, "seed": 7, "name": "mine"}
