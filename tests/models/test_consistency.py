"""Consistency: the divergence of two passes, and what is trained by it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from backends import run_on
from kseq2seq import MaskedCrossentropy
from kseq2seq.losses import EntmaxLoss, SampledCrossentropy, VocabularyLogits
from kseq2seq.models import Consistency, ScheduledSampling
from kseq2seq.utils import PAD_ID
from small_models import make_model, random_model, training_batch

INPUTS, LABELS = training_batch()
WEIGHTS = np.random.default_rng(3).uniform(0.5, 2, len(LABELS)).astype("float32")


def numpy_divergence(labels, logits, weights):
    """Mean of (KL(p || q) + KL(q || p)) / 2 over the real tokens, token by token."""
    half, total, count = len(labels) // 2, 0.0, 0.0
    for row in range(half):
        for place, label in enumerate(labels[row]):
            if label == PAD_ID:
                continue
            p, q = (np.exp(x[place]) for x in (logits[row], logits[half + row]))
            p, q = p / p.sum(), q / q.sum()
            both = np.sum(p * np.log(p / q)) + np.sum(q * np.log(q / p))
            total += weights[row] * both / 2
            count += weights[row]
    return total / count


@pytest.mark.parametrize("weighted", [False, True])
def test_the_divergence_is_that_of_a_loop(weighted):
    rng = np.random.default_rng(5)
    labels = np.array([[3, 1, 7, 2, 0], [5, 2, 0, 0, 0], [4, 4, 0, 0, 0]] * 2)
    logits = rng.normal(size=(6, 5, 11)).astype("float32") * 3
    weights = rng.uniform(0.5, 2, 3) if weighted else np.ones(3)
    given = np.tile(weights, 2).astype("float32") if weighted else None
    loss, total = Consistency(0.7).loss(labels, logits, given)
    expected = numpy_divergence(labels, logits.astype("float64"), weights)
    assert float(loss) == pytest.approx(0.7 * expected, rel=1e-5)
    assert float(total) == pytest.approx(np.sum(weights * [4, 2, 2]), rel=1e-6)
    # Whatever stands at padding.
    logits[labels == PAD_ID] = 1e9
    again, _ = Consistency(0.7).loss(labels, logits, given)
    assert float(again) == float(loss)


def test_equal_passes_and_empty_batches_have_no_loss():
    labels, logits = np.zeros((4, 3), "int32"), np.zeros((4, 3, 7), "float32")
    assert [float(x) for x in Consistency().loss(labels, logits)] == [0, 0]
    labels, logits = labels + 1, np.tile(np.arange(7, dtype="float32"), (4, 3, 1))
    assert float(Consistency().loss(labels, logits)[0]) == 0
    assert float(Consistency().loss(labels * 0, logits, ignore_class=None)[1]) == 6


@pytest.mark.parametrize("name", ["dot_feed", "copying", "transformer_deep"])
def test_a_step_is_one_of_both_losses(name):
    trained, twice = [], {key: np.concatenate([x, x]) for key, x in INPUTS.items()}
    labels, weights = np.concatenate([LABELS, LABELS]), np.tile(WEIGHTS, 2)
    for by_fit in (True, False):
        model, consistency = model_with_dropout(name), Consistency(0.7)
        optimizer = keras.optimizers.SGD(1.0)
        if by_fit:
            model.compile(optimizer, MaskedCrossentropy(0.1))
            model.consistency = consistency
            loss = model.train_on_batch(INPUTS, LABELS, WEIGHTS)
        else:
            with tf.GradientTape() as tape:
                logits = model(twice, training=True)
                own, _ = consistency.loss(labels, logits, weights)
                expected = MaskedCrossentropy(0.1)(labels, logits, weights) + own
            assert float(own) > 0.001
            variables = model.trainable_weights
            optimizer.apply(tape.gradient(expected, variables), variables)
            assert float(loss) == pytest.approx(float(expected), rel=1e-5)
        trained.append(model.get_weights())
    for received, wanted in zip(*trained, strict=True):
        np.testing.assert_allclose(received, wanted, atol=1e-5)


def model_with_dropout(name, dropout=0.3):
    """A model whose dropout draws the same each time that it is made."""
    keras.utils.set_random_seed(7)
    model = make_model(name, dropout=dropout)
    weights = random_model(name).get_weights()
    for variable, value in zip(model.trainable_weights, weights, strict=True):
        variable.assign(value)
    return model


def test_both_losses_share_a_product(monkeypatch):
    model, given = model_with_dropout("dot_feed"), []
    compute_loss = model.compute_loss

    def record(x, y, y_pred, *args, **kwargs):
        given.append(type(y_pred))
        return compute_loss(x, y, y_pred, *args, **kwargs)

    monkeypatch.setattr(model, "compute_loss", record)
    model.compile("sgd", MaskedCrossentropy())
    for consistency in (None, Consistency()):
        model.consistency = consistency
        model.train_step((INPUTS, LABELS))
    assert [x is VocabularyLogits for x in given] == [True, False]


def test_positions_count_that_count_for_the_loss():
    """Though their label is 0, where the loss leaves out another one."""
    labels = np.where(LABELS == PAD_ID, -1, LABELS)
    labels[0, 0] = PAD_ID
    model, crossentropy = model_with_dropout("dot_feed"), MaskedCrossentropy
    model.compile("sgd", crossentropy(ignore_class=-1))
    model.consistency = Consistency(3.0)
    loss = model.train_on_batch(INPUTS, labels)
    inputs, twice = model.consistency.twice((INPUTS, labels))
    logits = model_with_dropout("dot_feed")(inputs, training=True)
    expected = crossentropy(ignore_class=-1)(twice, logits)
    expected += model.consistency.loss(twice, logits, ignore_class=-1)[0]
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_padding_and_rows_without_weight_change_nothing():
    losses = []
    for width in (0, 3):
        model = model_with_dropout("dot_feed")
        model.compile("sgd", MaskedCrossentropy())
        # Dropout draws for other shapes; the divergence of no dropout is 0.
        model.consistency = Consistency(5.0)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0
        padded = {k: np.pad(x, [(0, 0), (0, width)]) for k, x in INPUTS.items()}
        labels = np.pad(LABELS, [(0, 0), (0, width)])
        losses.append(model.train_on_batch(padded, labels))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_both_passes_read_the_same_predictions():
    losses = []
    for weight in (1e-6, 5.0):
        model = model_with_dropout("dot_feed", dropout=0.0)
        model.compile("sgd", MaskedCrossentropy())
        model.consistency = Consistency(weight)
        model.scheduled_sampling = ScheduledSampling("constant", 0.5)
        losses.append(float(model.train_on_batch(INPUTS, LABELS)))
    # Without dropout nothing differs, however many tokens are predicted.
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_dropout_comes_to_change_less():
    divergences = []
    for weight in (0.01, 5.0):
        model = model_with_dropout("dot_feed")
        model.compile(keras.optimizers.Adam(0.01), MaskedCrossentropy())
        model.consistency = Consistency(weight)
        batch = tf.data.Dataset.from_tensors((INPUTS, LABELS)).repeat(40)
        model.fit(batch, shuffle=False, verbose=0)
        twice = model.consistency.twice((INPUTS, LABELS))
        logits = model(twice[0], training=True)
        divergences.append(float(Consistency(1.0).loss(twice[1], logits)[0]))
    assert divergences[1] < divergences[0] / 2


def test_it_compiles_with_xla():
    model = model_with_dropout("dot_feed")
    model.compile("sgd", MaskedCrossentropy(), jit_compile=True)
    model.consistency = Consistency()
    assert np.isfinite(model.train_on_batch(INPUTS, LABELS))
    # `evaluate` has one pass, and no divergence.
    with_it = model.evaluate(INPUTS, LABELS, verbose=0)
    model.consistency = None
    assert model.evaluate(INPUTS, LABELS, verbose=0) == with_it


def test_what_cannot_be_compared_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"`weight`.*above 0.*Received: weight=0"):
        Consistency(0)
    model = make_model("general")
    model.consistency = Consistency()
    for loss in (EntmaxLoss("sparsemax"), SampledCrossentropy(3)):
        model.compile("sgd", loss)
        with pytest.raises(ValueError, match=r"`consistency` .* of a softmax.*loss=<"):
            model.train_on_batch(INPUTS, LABELS)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"`consistency` needs TensorFlow.*'jax'"):
        model.train_step((INPUTS, LABELS))


REPLICAS = """
    import keras
    import numpy as np
    import tensorflow as tf
    from keras import ops
    from kseq2seq import MaskedCrossentropy, Seq2SeqConfig, build_model
    from kseq2seq.losses import token_weights
    from kseq2seq.models import Consistency, ScheduledSampling
    from reference import randomize
    from replicas import make_two_cpus

    class Squares(Consistency):
        # In place of the divergence, which draws other numbers on each replica.
        def loss(self, labels, logits, sample_weight=None, ignore_class=0):
            weights = token_weights(labels, sample_weight, ignore_class)
            total = ops.sum(weights)
            squares = ops.sum(ops.mean(logits**2, axis=-1) * weights)
            return self.weight * ops.divide_no_nan(squares, total), total

    make_two_cpus()
    config = Seq2SeqConfig(
        source_vocabulary_size=23, target_vocabulary_size=29, embedding_size=8, units=8,
        dropout=0.0,
    )
    ids = np.random.default_rng(0).integers(4, 23, (13, 5)).astype("int32")
    ids[:4, 1:] = 0  # one replica has few tokens, and in the last batch no row
    inputs = {"source": ids, "target": ids[:, ::-1]}
    data = tf.data.Dataset.from_tensor_slices((inputs, ids)).batch(6)
    losses = []
    for devices in (["CPU:0", "CPU:1"], ["CPU:0"]):
        with tf.distribute.MirroredStrategy(devices).scope():
            model = build_model(config)
            randomize(model, scale=0.4)
            model.compile(keras.optimizers.Adam(0.01), MaskedCrossentropy())
            model.consistency = Squares(3.0)
        losses.append(model.fit(data, epochs=2, verbose=0).history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-4)
"""


def test_two_replicas_are_as_one_device():
    run_on("tensorflow", REPLICAS)
