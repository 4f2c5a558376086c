"""The masked loss against loops and against Keras's dense losses."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import VocabularyProduct
from kseq2seq.losses import (
    EntmaxLoss,
    MaskedCrossentropy,
    Perplexity,
    SampledCrossentropy,
    TokenAccuracy,
    VocabularyLogits,
)
from kseq2seq.utils import PAD_ID
from padded_labels import LENGTHS, B, T, V, compiled_model, log_softmax, reference


def sampled():
    return SampledCrossentropy(3)


@pytest.mark.parametrize("smoothing", [0, 0.1, 0.37])
def test_matches_the_loop(labels, logits, weights, smoothing):
    loss = MaskedCrossentropy(smoothing)
    expected = reference(labels, logits, smoothing=smoothing)
    np.testing.assert_allclose(loss(labels, logits), expected, rtol=1e-6)
    expected = reference(labels, logits, weights, smoothing)
    np.testing.assert_allclose(loss(labels, logits, weights), expected, rtol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_matches_keras_on_one_hot_targets(labels, logits, smoothing):
    dense = keras.losses.CategoricalCrossentropy(
        from_logits=True,
        label_smoothing=smoothing,
        reduction="mean_with_sample_weight",
    )
    mask = (labels != PAD_ID).astype("float32")
    expected = dense(keras.ops.one_hot(labels, V), logits, sample_weight=mask)
    received = MaskedCrossentropy(smoothing)(labels, logits)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


def test_sentence_weights_weigh_every_token_of_the_sentence(labels, logits):
    per_sentence = np.array([2.0, 0.5, 3.0], "float32")
    per_token = np.repeat(per_sentence[:, None], T, axis=1)
    expected = reference(labels, logits, per_token)
    for weights in (per_sentence, per_sentence[:, None]):
        received = MaskedCrossentropy()(labels, logits, weights)
        np.testing.assert_allclose(received, expected, rtol=1e-6)
    # As many sentences as time steps: (B,) must not be taken for (T,).
    square = MaskedCrossentropy()(labels[:, :B], logits[:, :B], per_sentence)
    expected = MaskedCrossentropy()(
        labels[:, :B], logits[:, :B], np.repeat(per_sentence[:, None], B, axis=1)
    )
    np.testing.assert_allclose(square, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", ["mask", "real"])
def test_matches_tfa_sequence_loss(kind, goldens_root):
    golden = np.load(goldens_root / "sequence_loss.npz")
    received = MaskedCrossentropy()(
        golden["targets"], golden["logits"], golden[f"weights_{kind}"]
    )
    np.testing.assert_allclose(received, golden[f"avg_time_batch__{kind}"], atol=1e-6)


def pad(labels, logits, columns, value):
    labels = np.pad(labels, ((0, 0), (0, columns)), constant_values=PAD_ID)
    logits = np.pad(logits, ((0, 0), (0, columns), (0, 0)), constant_values=value)
    return labels, logits


@pytest.mark.parametrize("shape", [(B, T, 1), (T,), (B, T + 1), (T, T), (B + 1, 1)])
@pytest.mark.parametrize("make", [MaskedCrossentropy, TokenAccuracy, Perplexity])
def test_weights_of_other_shapes_are_refused(labels, logits, make, shape):
    match = re.escape("(batch, length), for one of each position. Received: sample_")
    with pytest.raises(ValueError, match=f"{match}.*={re.escape(str(shape))}"):
        make()(labels, logits, np.ones(shape, "float32"))


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "make", [MaskedCrossentropy, lambda: MaskedCrossentropy(0.1), sampled, EntmaxLoss]
)
def test_labels_outside_of_the_vocabulary_are_not_taken_for_others_by_xla(
    labels, logits, make, plain
):
    """XLA raises no errors: it takes the nearest label."""
    kernel = tf.constant(np.random.default_rng(5).normal(size=(V, V)), tf.float32)

    def loss(labels):
        y_pred = tf.matmul(logits, kernel)
        if not plain:
            product = VocabularyProduct(kernel, None, False)
            y_pred = VocabularyLogits(y_pred, tf.constant(logits), product)
        return make()(labels, y_pred)

    compiled = tf.function(loss, jit_compile=True, autograph=False)
    assert np.isfinite(compiled(tf.constant(labels)))
    for label in (-1, -100, V, V + 11):
        labels[1, 0] = label
        assert np.isnan(compiled(tf.constant(labels))), label


def test_one_sentence_has_one_weight(labels, logits):
    with pytest.raises(ValueError, match=r"sample_weight.shape=\(3,\), labels"):
        MaskedCrossentropy()(labels[:1], logits[:1], np.ones(B, "float32"))


@pytest.mark.parametrize("name", ["loss", "token_accuracy", "perplexity"])
def test_a_fit_may_have_weights_of_sentences_and_then_of_tokens(labels, logits, name):
    """TensorFlow's graph then knows no number of axes."""
    model = keras.Sequential([keras.Input((T, V)), keras.layers.Identity()])
    metrics = [TokenAccuracy(), Perplexity()]
    model.compile("sgd", MaskedCrossentropy(), weighted_metrics=metrics)
    per_sentence = np.array([0.5, 2.0, 1.3], "float32")
    per_token = np.repeat(per_sentence[:, None], T, axis=1)
    values = [
        model.evaluate(logits, labels, verbose=0, return_dict=True, sample_weight=x)
        for x in (per_sentence, per_token, per_sentence[:, None], per_sentence)
    ]
    np.testing.assert_allclose([x[name] for x in values], values[0][name], rtol=1e-6)
    expected = reference(labels, logits, per_token)
    np.testing.assert_allclose(values[1]["loss"], expected, rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e4, np.inf, np.nan])
def test_more_padding_changes_nothing(labels, logits, weights, value):
    padded_labels, padded_logits = pad(labels, logits, 11, value)
    loss = MaskedCrossentropy(0.1)
    np.testing.assert_allclose(
        loss(padded_labels, padded_logits), loss(labels, logits), rtol=1e-6
    )
    for metric in (TokenAccuracy(), Perplexity()):
        expected = metric(labels, logits)
        metric.reset_state()
        np.testing.assert_allclose(
            metric(padded_labels, padded_logits), expected, rtol=1e-6
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_summed_in_float32(labels, logits, dtype):
    half = keras.ops.cast(logits, dtype)
    exact = np.asarray(keras.ops.cast(half, "float32"))
    loss = MaskedCrossentropy(0.1)(labels, half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    expected = reference(labels, exact, smoothing=0.1)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    perplexity = Perplexity()(labels, half)
    np.testing.assert_allclose(perplexity, np.exp(reference(labels, exact)), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_gradient_is_that_of_the_mean_and_zero_at_padding(labels, logits, dtype):
    smoothing, x = 0.1, tf.cast(logits, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = MaskedCrossentropy(smoothing)(labels, x)
    gradient = tf.cast(tape.gradient(loss, x), "float32").numpy()
    expected = np.zeros((B, T, V))
    for b, length in enumerate(LENGTHS):
        for t in range(length):
            row = np.exp(log_softmax(logits[b, t])) - smoothing / V
            row[labels[b, t]] -= 1 - smoothing
            expected[b, t] = row / sum(LENGTHS)
    tolerance = {"float32": 1e-7, "float16": 1e-3, "bfloat16": 1e-2}[dtype]
    np.testing.assert_allclose(gradient, expected, atol=tolerance)
    assert not np.any(gradient[labels == PAD_ID])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_batch_of_padding_alone_is_zero_with_zero_gradient(logits, smoothing):
    x = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = MaskedCrossentropy(smoothing)(np.zeros((B, T), "int32"), x)
    assert float(loss) == 0.0
    np.testing.assert_array_equal(tape.gradient(loss, x), np.zeros((B, T, V)))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit_learns_the_real_tokens(labels, jit_compile):
    model = compiled_model(jit_compile=jit_compile)
    embeddings = model.layers[0].embeddings
    before = embeddings.numpy()
    history = model.fit(labels, labels, epochs=30, verbose=0).history
    assert set(history) == {"loss", "token_accuracy", "perplexity"}
    assert history["loss"][-1] < 0.1 < history["loss"][0]
    assert history["token_accuracy"][-1] == 1.0
    assert history["perplexity"][-1] == pytest.approx(np.exp(history["loss"][-1]), 1e-4)
    # Fed at the padding alone, where there is nothing to learn.
    np.testing.assert_array_equal(embeddings[PAD_ID], before[PAD_ID])
    assert np.all(embeddings.numpy()[labels[0, 0]] != before[labels[0, 0]])


def test_config_round_trip():
    for thing in (MaskedCrossentropy(0.2, name="a"), Perplexity("b"), TokenAccuracy()):
        config = keras.saving.serialize_keras_object(thing)
        restored = keras.saving.deserialize_keras_object(config)
        assert type(restored) is type(thing)
        assert restored.get_config() == thing.get_config()
    assert MaskedCrossentropy(0.2).get_config()["label_smoothing"] == 0.2


def test_compiled_model_reloads_without_custom_objects(tmp_path, labels):
    model = compiled_model(smoothing=0.2)
    model.fit(labels, labels, verbose=0)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    expected = model.evaluate(labels, labels, verbose=0)
    assert restored.evaluate(labels, labels, verbose=0) == expected


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, float("nan"), "0.1", None])
def test_label_smoothing_must_be_a_share(value):
    with pytest.raises(ValueError, match=f"less than 1.*label_smoothing={value!r}"):
        MaskedCrossentropy(value)


@pytest.mark.parametrize("use", [MaskedCrossentropy(), TokenAccuracy(), Perplexity()])
@pytest.mark.parametrize("shape", [(B, T, V), (B, T, 1), (B,), (B, T + 1)])
def test_labels_must_be_sparse_and_as_long_as_the_logits(use, shape, logits):
    message = rf"not one-hot.*labels.shape=\({B},.*logits.shape=\({B}, {T}, {V}\)"
    with pytest.raises(ValueError, match=message):
        use(np.ones(shape, "int32"), logits)
