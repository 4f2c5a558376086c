"""Accuracy and perplexity of the real tokens, against loops."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import VocabularyProduct
from kseq2seq.losses import (
    MaskedCrossentropy,
    Perplexity,
    TokenAccuracy,
    VocabularyLogits,
)
from kseq2seq.utils import PAD_ID
from padded_labels import B, T, V, compiled_model, reference


def test_accuracy_counts_real_tokens(labels, logits, weights):
    guesses, mask = logits.argmax(-1), labels != PAD_ID
    # Two right guesses at least, so that the shares below are not all 0.
    guesses[0, 1], guesses[1, 0] = labels[0, 1], labels[1, 0]
    metric = TokenAccuracy()
    one_hot = keras.ops.one_hot(guesses, V)
    expected = np.mean((guesses == labels)[mask])
    np.testing.assert_allclose(metric(labels, one_hot), expected, rtol=1e-6)
    metric.reset_state()
    expected = np.average((guesses == labels)[mask], weights=weights[mask])
    received = metric(labels, one_hot, sample_weight=weights)
    np.testing.assert_allclose(received, expected, rtol=1e-6)


def test_perplexity_is_the_exponential_of_the_unsmoothed_loss(labels, logits, weights):
    expected = np.exp(reference(labels, logits))
    np.testing.assert_allclose(Perplexity()(labels, logits), expected, rtol=1e-5)
    expected = np.exp(reference(labels, logits, weights))
    received = Perplexity()(labels, logits, sample_weight=weights)
    np.testing.assert_allclose(received, expected, rtol=1e-5)


@pytest.mark.parametrize("metric", [TokenAccuracy, Perplexity])
def test_metrics_do_not_depend_on_how_data_are_batched(metric, labels, logits):
    labels[1, 0] = logits[1, 0].argmax()
    whole, parts = metric(), metric()
    whole.update_state(labels, logits)
    # A batch of 5 tokens and, padded less, one of 3; the mean of the two means is
    # another value.
    parts.update_state(labels[:1], logits[:1])
    parts.update_state(labels[1:, :2], logits[1:, :2])
    np.testing.assert_allclose(parts.result(), whole.result(), rtol=1e-6)
    parts.reset_state()
    assert float(parts.result()) == {TokenAccuracy: 0.0, Perplexity: 1.0}[metric]


def test_evaluate_reports_perplexity_per_token_and_loss_per_batch(labels):
    model = compiled_model()
    reported = model.evaluate(labels, labels, batch_size=2, verbose=0, return_dict=True)
    logits = model.predict(labels, verbose=0)
    whole = reference(labels, logits)
    assert reported["perplexity"] == pytest.approx(np.exp(whole), rel=1e-5)
    # What Keras makes of the loss: batches weighted by sentences, as documented.
    parts = [float(MaskedCrossentropy()(labels[p], logits[p])) for p in ([0, 1], [2])]
    expected = (2 * parts[0] + 1 * parts[1]) / 3
    assert reported["loss"] == pytest.approx(expected, rel=1e-5)
    assert expected != pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("make", [TokenAccuracy, Perplexity])
@pytest.mark.parametrize("features", [False, True])
@pytest.mark.parametrize("label", [-1, V])
def test_metrics_of_labels_outside_of_the_vocabulary(make, features, label, logits):
    """With XLA, which raises no error, they would be those of another label."""
    metric, labels = make(), np.ones((B, T), "int32")
    labels[1, 2] = label

    @tf.function(jit_compile=True)
    def update(labels, logits):
        if features:
            eye = VocabularyProduct(tf.eye(V), None, transposed=False)
            logits = VocabularyLogits(logits, logits, eye)
        metric.update_state(labels, logits)

    update(tf.constant(labels), tf.constant(logits))
    assert np.isnan(metric.result())
