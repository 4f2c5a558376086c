"""Scheduled sampling, against loops over the whole model, token by token."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import MaskedCrossentropy
from kseq2seq.models import ScheduledSampling
from kseq2seq.utils import BOS_ID, PAD_ID
from small_models import ONE_WAY, V, make_model, random_model, train, training_batch

INPUTS, LABELS = training_batch()
SOURCE, TARGET = INPUTS["source"], INPUTS["target"]


def predictions(model, target, **kwargs):
    logits = np.array(model({"source": SOURCE, "target": target}, **kwargs))
    logits[..., PAD_ID] = -np.inf
    return logits.argmax(axis=-1)


def mixed(model, sampling, step=5):
    step = tf.constant(step, "int64")
    return sampling.mixed_target(model, INPUTS, step).numpy()


def test_at_once_predictions_are_those_from_the_true_tokens():
    model = random_model("general")
    actual = mixed(model, ScheduledSampling("constant", 0.9999))
    shifted = np.roll(predictions(model, TARGET), 1, axis=1)
    expected = np.where(TARGET == PAD_ID, PAD_ID, shifted)
    expected[:, 0] = BOS_ID
    np.testing.assert_array_equal(actual, expected)
    assert (actual != TARGET).any()


@pytest.mark.parametrize(
    ("name", "probability"), [("general_feed", 0.5), ("copying_feed", 0.9999)]
)
def test_step_by_step_predictions_are_those_from_mixed_tokens(name, probability):
    model = random_model(name)
    actual = mixed(model, ScheduledSampling("constant", probability))
    by_hand, shares = TARGET.copy(), []
    for t in range(1, TARGET.shape[1]):
        predicted = predictions(model, by_hand)[:, t - 1]
        is_real = TARGET[:, t] != PAD_ID
        is_own = is_real & (actual[:, t] == predicted)
        assert np.all(is_own | (actual[:, t] == TARGET[:, t]))
        by_hand[:, t] = actual[:, t]
        shares += [*is_own[is_real & (predicted != TARGET[:, t])]]
    np.testing.assert_array_equal(actual[:, 0], BOS_ID)
    np.testing.assert_array_equal(actual == PAD_ID, TARGET == PAD_ID)
    # By chance, or all of them.
    tolerance = 0.3 if probability == 0.5 else 1e-3
    assert np.mean(shares) == pytest.approx(probability, abs=tolerance)


def test_what_is_drawn_depends_on_seed_and_step():
    model = random_model("general")

    def drawn(seed, step):
        sampling = ScheduledSampling("constant", 0.5, draws=True, seed=seed)
        return mixed(model, sampling, step)

    np.testing.assert_array_equal(drawn(1, 3), drawn(1, 3))
    assert (drawn(1, 3) != drawn(1, 4)).any() and (drawn(1, 3) != drawn(2, 3)).any()
    # As often as the model's probabilities say, at a place with true tokens before it.
    many = {name: np.repeat(x[6:7], 900, axis=0) for name, x in INPUTS.items()}
    sampling = ScheduledSampling("constant", 0.9999, draws=True)
    draws = sampling.mixed_target(model, many, tf.constant(3)).numpy()[:, 1]
    logits = np.array(model(INPUTS))[6, 0]
    logits[PAD_ID] = -np.inf
    expected = np.exp(logits - logits.max())
    counts = np.bincount(draws, minlength=len(logits)) / 900
    np.testing.assert_allclose(counts, expected / expected.sum(), atol=0.05)


@pytest.mark.parametrize("name", ["general", "general_feed"])
@pytest.mark.parametrize("probability_fn", ["entmax15", "sparsemax"])
def test_what_is_impossible_is_not_drawn(name, probability_fn):
    """At once and step by step: of two tokens, the one twice as probable."""
    model = make_model(name, output_probability_fn=probability_fn)
    projection = model.get_layer("projection")
    bias = np.where(np.arange(projection.bias.shape[0]) > V - 3, 5.0, 0.0)
    root = 2 * (np.sqrt(2 / 3) - np.sqrt(1 / 3))
    bias[-1] += {"entmax15": root, "sparsemax": 1 / 3}[probability_fn]
    projection.kernel.assign(0 * projection.kernel)
    projection.bias.assign(bias)
    many = {name: np.repeat(x[6:], 300, axis=0) for name, x in INPUTS.items()}
    sampling = ScheduledSampling("constant", 0.9999, draws=True)
    drawn = sampling.mixed_target(model, many, tf.constant(3)).numpy()[:, 1]
    counts = np.bincount(drawn, minlength=V) / 300
    expected = np.where(np.arange(V) == V - 2, 1 / 3, 0)
    expected[-1] = 2 / 3
    np.testing.assert_allclose(counts, expected, atol=0.08)
    assert not counts[:-2].any()


@pytest.mark.parametrize(
    ("schedule", "by_hand"),
    [
        ("constant", lambda i, k: 1),
        ("linear", lambda i, k: min(i / k, 1)),
        ("exponential", lambda i, k: 1 - np.exp(-1 / k) ** i),
        ("inverse_sigmoid", lambda i, k: 1 - k / (k + np.exp(i / k))),
    ],
)
def test_schedules(schedule, by_hand):
    sampling = ScheduledSampling(schedule, 0.3, steps=7)
    for step in (0, 3, 7, 23):
        expected = 0.3 * by_hand(step, 7)
        assert float(sampling.probability_at(step)) == pytest.approx(expected, abs=1e-6)
    assert float(sampling.probability_at(10**6)) == pytest.approx(0.3)


@pytest.mark.parametrize(("name", "jit"), [("general", True), ("dot_feed", False)])
def test_fit_reads_mixed_tokens(name, jit):
    """A step is one with the mixed target, in the place of the true one."""
    trained = []
    for samples in (True, False):
        keras.utils.set_random_seed(7)
        # Few layers, which take XLA less time; how many makes no difference to a step.
        model = make_model(name, encoder_layers=1, decoder_layers=1, **ONE_WAY)
        # XLA draws other numbers: there all tokens are replaced.
        sampling = ScheduledSampling("constant", 0.99999 if jit else 0.7, seed=3)
        loss, jit_compile = MaskedCrossentropy(), jit and samples
        model.compile(
            keras.optimizers.SGD(1.0),
            loss,
            jit_compile=jit_compile,
            run_eagerly=not samples,  # one step, which tracing would not pay for
        )
        target = TARGET
        if samples:
            model.scheduled_sampling = sampling
        else:
            target = mixed(model, sampling, step=0)
            assert (target != TARGET).any()
        inputs = {"source": SOURCE, "target": target}
        model.fit(inputs, LABELS, batch_size=7, shuffle=False, verbose=0)
        trained.append(model.get_weights())
    for received, expected in zip(*trained, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-5)


@pytest.mark.parametrize("scales", [False, True])
def test_each_batch_is_a_step_where_gradients_are_accumulated(monkeypatch, scales):
    model, steps = make_model("general"), []
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=3)
    if scales:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(optimizer, MaskedCrossentropy(), run_eagerly=True)
    model.scheduled_sampling = ScheduledSampling("linear", 0.5, steps=7)

    def mixed_target(model, inputs, step):
        steps.append(int(step))
        return inputs["target"]

    monkeypatch.setattr(model.scheduled_sampling, "mixed_target", mixed_target)
    for _ in range(5):
        model.train_on_batch(INPUTS, LABELS)
    assert steps == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("name", ["general", "dot_feed"])
def test_an_eager_step_reads_arrays(name):
    model = make_model(name)
    model.compile("sgd", MaskedCrossentropy(), run_eagerly=True)
    model.scheduled_sampling = ScheduledSampling("constant", 0.5)
    assert np.isfinite(model.train_on_batch(INPUTS, LABELS))


@pytest.mark.filterwarnings("error")
def test_step_by_step_the_encoder_of_frames_gets_no_links():
    frames = {"source_vocabulary_size": 0, "source_frame_size": 3}
    model = make_model("dot_feed", **frames, **ONE_WAY, encoder_layers=1)
    sampling, batch = ScheduledSampling("constant", 0.5), len(TARGET)
    frames = np.random.default_rng(0).normal(size=(batch, 5, 3)).astype("float32")
    mask = np.ones((batch, 5), bool)
    inputs = {"frames": frames, "frame_mask": mask, "target": TARGET}
    expected = sampling.mixed_target(model, inputs, tf.constant(3))
    inputs["links"] = np.zeros((*TARGET.shape, 5), "float32")
    received = sampling.mixed_target(model, inputs, tf.constant(3))
    np.testing.assert_array_equal(received, expected)


def test_what_cannot_be_sampled_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="schedule.*'cosine'"):
        ScheduledSampling("cosine")
    with pytest.raises(ValueError, match="probability.*1.5"):
        ScheduledSampling(probability=1.5)
    model = make_model("hard")
    model.scheduled_sampling = ScheduledSampling()
    with pytest.raises(ValueError, match="None for a model of hard attention"):
        train(model, steps=1)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="needs TensorFlow.*'jax'"):
        model.train_step((INPUTS, LABELS))
