"""Guided alignment: what is trained, and that attention learns what it is given."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import MaskedCrossentropy, Seq2SeqConfig, build_model, decoding
from kseq2seq.losses import AlignmentCrossentropy
from kseq2seq.models import GuidedAlignment, alignment_model, start_decoding
from kseq2seq.utils import EOS_ID, PAD_ID
from small_models import SIZES, make_model, random_model, training_batch

INPUTS, LABELS = training_batch()
WEIGHTS = np.random.default_rng(3).uniform(0.5, 2, len(LABELS)).astype("float32")


def reversed_links():
    """Each token of a target to one of its source, from the last one back."""
    links = np.zeros((*LABELS.shape, INPUTS["source"].shape[1]), "float32")
    lengths = np.sum(INPUTS["source"] != PAD_ID, axis=1)
    is_token = (LABELS != PAD_ID) & (LABELS != EOS_ID)
    for row, place in zip(*np.nonzero(is_token), strict=True):
        links[row, place, (lengths[row] - 1 - place) % lengths[row]] = 1
    return links


LINKS = reversed_links()
KINDS = ("gnmt", "bahdanau_feed", "transformer_deep")


@pytest.mark.parametrize("name", KINDS)
def test_the_alignment_model_gives_logits_and_alignment(name):
    model = random_model(name)
    outputs = alignment_model(model)(INPUTS)
    np.testing.assert_allclose(outputs["logits"], model(INPUTS), atol=1e-6)
    # As a search has them, step by step.
    forced = decoding.force(*start_decoding(model)(INPUTS["source"]), LABELS)
    real = LABELS != PAD_ID
    expected = np.array(forced.alignments)[:, 0]
    actual = np.array(outputs["alignment"])
    np.testing.assert_allclose(actual[real], expected[real], atol=1e-5)


@pytest.mark.parametrize("name", ["dot_feed", "copying"])
def test_a_step_is_one_of_both_losses(name):
    trained = []
    for by_fit in (True, False):
        model = make_model(name)
        optimizer = keras.optimizers.SGD(1.0)
        for weight, value in zip(model.weights, start(name), strict=True):
            weight.assign(value)
        if by_fit:
            model.compile(optimizer, MaskedCrossentropy(0.1))
            model.guided_alignment = GuidedAlignment(0.7)
            inputs = {**INPUTS, "links": LINKS}
            loss = model.train_on_batch(inputs, LABELS, WEIGHTS)
            # Not of what is evaluated, which may have no links.
            model.guided_alignment = None
            without = model.evaluate(INPUTS, LABELS, verbose=0)
            model.guided_alignment = GuidedAlignment(0.7)
            assert model.evaluate(inputs, LABELS, verbose=0) == without
        else:
            both = alignment_model(model)
            with tf.GradientTape() as tape:
                outputs = both(INPUTS, training=True)
                first = MaskedCrossentropy(0.1)(LABELS, outputs["logits"], WEIGHTS)
                guide = AlignmentCrossentropy()
                second = guide(LINKS, outputs["alignment"], WEIGHTS)
                expected = first + 0.7 * second
            weights = model.trainable_weights
            optimizer.apply(tape.gradient(expected, weights), weights)
            assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        trained.append(model.get_weights())
    for received, wanted in zip(*trained, strict=True):
        np.testing.assert_allclose(received, wanted, atol=1e-5)


def start(name):
    return random_model(name).get_weights()


def test_attention_learns_even_reversed_links():
    keras.utils.set_random_seed(5)
    model = build_model(Seq2SeqConfig(**SIZES, attention="luong_general"))
    both, linked = alignment_model(model), LINKS.any(axis=2)

    def share_right():
        alignment = np.array(both(INPUTS)["alignment"])
        return (alignment.argmax(axis=2) == LINKS.argmax(axis=2))[linked].mean()

    assert share_right() < 0.6
    model.compile(keras.optimizers.Adam(0.05), MaskedCrossentropy())
    model.guided_alignment = GuidedAlignment(2.0)
    batch = tf.data.Dataset.from_tensors(({**INPUTS, "links": LINKS}, LABELS))
    model.fit(batch.repeat(60), shuffle=False, verbose=0)
    assert share_right() == 1


def test_what_cannot_be_guided_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"needs a model with attention.*Received: "):
        alignment_model(random_model("none"))
    with pytest.raises(ValueError, match=r"`weight`.*above 0.*Received: weight=0"):
        GuidedAlignment(0)
    model = make_model("general")
    model.compile("sgd", MaskedCrossentropy())
    model.guided_alignment = GuidedAlignment()
    with pytest.raises(ValueError, match=r"needs `links` among .*: inputs source, t"):
        model.train_on_batch(INPUTS, LABELS)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"needs TensorFlow.*alignment_model.*'jax'"):
        model.train_step(({**INPUTS, "links": LINKS}, LABELS))
