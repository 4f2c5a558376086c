"""Losses that are made at the real positions alone, against those of plain logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import Logits, VocabularyEmbedding, VocabularyProjection
from kseq2seq.losses import (
    MaskedCrossentropy,
    Perplexity,
    TokenAccuracy,
    VocabularyLogits,
    vocabulary_logits,
)
from kseq2seq.utils import PAD_ID
from reference import randomize

# All different, so that a swapped axis cannot pass: batch, length, size, vocabulary.
B, T, D, V = 3, 5, 11, 29
LENGTHS = (5, 1, 3)
REAL = np.arange(T) < np.array(LENGTHS)[:, None]
RNG = np.random.default_rng(0)
LABELS = np.where(REAL, RNG.integers(4, V, (B, T)), PAD_ID).astype("int32")
WEIGHTS = RNG.uniform(0.5, 2, (B, T)).astype("float32")


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


FEATURES = random(B, T, D)


def make_layer(kind, **kwargs):
    """A layer with random weights, and what makes `VocabularyLogits` by it."""
    if kind == "tied":
        layer = VocabularyEmbedding(V, D, **kwargs)
        layer.build()
        project = lambda x: layer(x, reverse=True)  # noqa: E731
    else:
        layer = project = VocabularyProjection(V, use_bias=kind == "bias", **kwargs)
        layer.build((B, T, D))
    randomize(layer, scale=0.5)

    def make(x):
        features = keras.ops.cast(x, layer.compute_dtype)
        return VocabularyLogits(Logits()(project(features)), features, layer.product())

    return layer, make


KINDS = ("bias", "no_bias", "tied")


def plainly(make):
    """A layer that makes plain logits instead."""
    return lambda x: make(x).logits


@pytest.fixture(name="runs")
def runs_(monkeypatch):
    """Number of times that logits of the real positions were computed."""
    runs, crossentropy = [], vocabulary_logits._crossentropy
    monkeypatch.setattr(
        vocabulary_logits,
        "_crossentropy",
        lambda *arguments: runs.append(1) or crossentropy(*arguments),
    )
    return runs


def loss_and_gradients(make, weights, loss, labels=LABELS, sample_weight=None, x=None):
    """Of the features, then of the weights."""
    x = tf.constant(FEATURES if x is None else x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(labels, make(x), sample_weight)
    gradients = tape.gradient(value, [x, *weights])
    assert value.dtype == "float32" and None not in gradients
    numbers = (value, *map(tf.convert_to_tensor, gradients))
    return [np.asarray(tf.cast(x, "float32")) for x in numbers]


def assert_close(actual, expected, **tolerance):
    for x, y in zip(actual, expected, strict=True):
        np.testing.assert_allclose(x, y, **(tolerance or {"atol": 1e-6}))


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS, WEIGHTS[:, 0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients(kind, smoothing, sample_weight, runs):
    layer, make = make_layer(kind)
    loss = MaskedCrossentropy(smoothing)
    arguments = (layer.weights, loss, LABELS, sample_weight)
    expected = loss_and_gradients(plainly(make), *arguments)
    assert not runs
    actual = loss_and_gradients(make, *arguments)
    assert runs == [1]
    assert_close(actual, expected)
    assert all(np.abs(x).max() > 1e-3 for x in actual)
    assert not np.any(actual[1][~REAL])


def test_gradients_are_slopes():
    """Against differences of the loss's formula in NumPy."""
    layer, make = make_layer("bias")
    values = [FEATURES, *layer.get_weights()]
    actual = loss_and_gradients(make, layer.weights, MaskedCrossentropy(0.3))

    def loss(x, kernel, bias):
        total = 0.0
        for b, t in zip(*np.nonzero(REAL), strict=True):
            z = x[b, t] @ kernel + bias
            z = z - np.log(np.exp(z).sum())
            total -= 0.7 * z[LABELS[b, t]] + 0.3 * z.mean()
        return total / REAL.sum()

    values = [np.asarray(x, "float64") for x in values]
    np.testing.assert_allclose(actual[0], loss(*values), rtol=1e-6)
    for place, gradient in enumerate(actual[1:]):
        direction = np.random.default_rng(3).normal(size=gradient.shape)
        above, below = list(values), list(values)
        above[place] = values[place] + 1e-6 * direction
        below[place] = values[place] - 1e-6 * direction
        slope = (loss(*above) - loss(*below)) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [1e4, np.inf, np.nan])
def test_what_stands_at_padding_is_not_seen(kind, value):
    layer, make = make_layer(kind)
    loss = MaskedCrossentropy(0.1)
    expected = loss_and_gradients(make, layer.weights, loss)
    x = np.where(REAL[..., None], FEATURES, np.float32(value))
    for y, z in zip(
        loss_and_gradients(make, layer.weights, loss, x=x), expected, strict=True
    ):
        np.testing.assert_array_equal(y, z)
    for metric in (TokenAccuracy(), Perplexity()):
        assert np.isfinite(metric(LABELS, make(tf.constant(x))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_nothing_real(kind, smoothing, runs):
    layer, make = make_layer(kind)
    labels = np.zeros_like(LABELS)
    for x in loss_and_gradients(
        make, layer.weights, MaskedCrossentropy(smoothing), labels
    ):
        np.testing.assert_array_equal(x, np.zeros_like(x))
    assert runs
    logits = make(tf.constant(FEATURES))
    assert float(TokenAccuracy()(labels, logits)) == 0
    assert float(Perplexity()(labels, logits)) == 1


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS, WEIGHTS[:, 0]])
@pytest.mark.parametrize("metric", [TokenAccuracy, Perplexity])
def test_metrics_alone(metric, sample_weight, runs):
    _, make = make_layer("bias")
    logits = make(tf.constant(FEATURES))
    labels = LABELS.copy()
    labels[0, :2] = np.argmax(logits[0, :2], axis=-1)  # two right guesses
    expected = float(metric()(labels, logits.logits, sample_weight))
    assert not runs
    value = float(metric()(labels, logits, sample_weight))
    assert value == pytest.approx(expected, rel=1e-5)
    assert runs and expected > 0.1


def test_the_loss_and_the_metrics_share_the_work(runs):
    _, make = make_layer("bias")
    labels, logits = tf.constant(LABELS), make(tf.constant(FEATURES))
    for use in (MaskedCrossentropy(0.1), TokenAccuracy(), Perplexity()):
        use(labels, logits)
    assert runs == [1]
    MaskedCrossentropy(0.2)(labels, logits)
    assert runs == [1, 1]


def test_each_labels_their_own_loss():
    _, make = make_layer("bias")
    logits, loss = make(tf.constant(FEATURES)), MaskedCrossentropy(0.1)
    plain = logits.logits
    for seed in range(3):
        rng = np.random.default_rng(seed)
        # Thrown away at once: another tensor may come to have its address.
        labels = tf.constant(np.where(REAL, rng.integers(4, V, (B, T)), 0))
        np.testing.assert_allclose(loss(labels, logits), loss(labels, plain), rtol=1e-5)
    # Arrays can change; the same array is not the same labels.
    labels = LABELS.copy()
    before = float(loss(labels, logits))
    labels[0, 0] = 4 + (labels[0, 0] - 3) % (V - 4)
    after = float(loss(labels, logits))
    assert after != before
    assert after == pytest.approx(float(loss(labels, plain)), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_logits_are_of_the_weights_that_made_them(kind):
    """A metric may come behind the optimizer's step."""
    layer, make = make_layer(kind)
    logits = make(tf.constant(FEATURES))
    plain = logits.logits
    randomize(layer, seed=1)
    for use in (MaskedCrossentropy(0.1), Perplexity()):
        actual, expected = (float(use(LABELS, x)) for x in (logits, plain))
        assert actual == pytest.approx(expected, rel=1e-5)


def test_a_metric_first_leaves_the_loss_its_gradient():
    layer, make = make_layer("bias")
    labels, x = tf.constant(LABELS), tf.constant(FEATURES)
    with tf.GradientTape() as tape:
        logits = make(x)
        with tape.stop_recording():
            Perplexity()(labels, logits)
        loss = MaskedCrossentropy()(labels, logits)
    actual = tape.gradient(loss, layer.weights)
    expected = loss_and_gradients(make, layer.weights, MaskedCrossentropy())[2:]
    assert_close(actual, expected)


def test_a_loss_that_no_tape_saw_leaves_the_next_its_gradient():
    layer, make = make_layer("bias")
    labels, x, loss = tf.constant(LABELS), tf.constant(FEATURES), MaskedCrossentropy()
    with tf.GradientTape() as tape:
        logits = make(x)
        with tape.stop_recording():
            shown = loss(labels, logits)
        value = loss(labels, logits)
    assert float(shown) == float(value)
    actual = tape.gradient(value, layer.weights)
    assert_close(actual, loss_and_gradients(make, layer.weights, loss)[2:])


@pytest.mark.parametrize("use", [MaskedCrossentropy(0.1), Perplexity()])
def test_what_a_branch_has_found_stays_in_it(use):
    _, make = make_layer("bias")
    labels, logits = tf.constant(LABELS), make(tf.constant(FEATURES))
    expected = float(use(labels, logits.logits))

    @tf.function(autograph=False)
    def run(x):
        logits = make(x)
        inside = tf.cond(x[0, 0, 0] < 9.0, lambda: use(labels, logits), lambda: 0.0)
        return inside, use(labels, logits)

    graph = tf.function(lambda: use(labels, logits), autograph=False)
    for value in (*run(tf.constant(FEATURES)), graph(), use(labels, logits)):
        assert float(value) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float32"])
def test_labels_of_any_dtype(dtype):
    layer, make = make_layer("bias")
    loss = MaskedCrossentropy(0.1)
    expected = loss_and_gradients(make, layer.weights, loss)
    labels = LABELS.astype(dtype)
    assert_close(loss_and_gradients(make, layer.weights, loss, labels), expected)
    logits = make(tf.constant(FEATURES))
    lists = [use(LABELS.tolist(), logits) for use in (loss, Perplexity())]
    np.testing.assert_allclose(lists[0], expected[0], rtol=1e-6)


@pytest.mark.parametrize("use", [MaskedCrossentropy(), TokenAccuracy(), Perplexity()])
@pytest.mark.parametrize("shape", [(B, T - 1), (B, T + 1), (B, T, V), (B,)])
def test_labels_must_be_as_long_as_the_logits(use, shape):
    logits = make_layer("bias")[1](tf.constant(FEATURES))
    with pytest.raises(ValueError, match=r"not one-hot.*labels.shape=\("):
        use(np.ones(shape, "int32"), logits)


def test_ties_count_as_right():
    """Of equal logits, as there are in bfloat16, none is wrong."""
    layer = VocabularyProjection(V, kernel_initializer="zeros")
    features = tf.constant(FEATURES)
    logits = VocabularyLogits(layer(features), features, layer.product())
    assert float(TokenAccuracy()(LABELS, logits)) == 1
    assert float(TokenAccuracy()(LABELS, logits.logits)) == 1


def test_keras_scales_it_for_replicas(monkeypatch):
    _, make = make_layer("bias")
    loss = MaskedCrossentropy(0.1)
    logits = make(tf.constant(FEATURES))
    plain = logits.logits
    alone = float(loss(LABELS, logits))

    class Strategy:
        num_replicas_in_sync = 2

    monkeypatch.setattr(tf.distribute, "get_strategy", Strategy)
    assert float(loss(LABELS, logits)) == pytest.approx(alone / 2, rel=1e-6)
    assert float(loss(LABELS, plain)) == pytest.approx(alone / 2, rel=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision(kind, dtype, runs):
    layer, make = make_layer(kind, dtype=dtype)
    loss = MaskedCrossentropy(0.1)
    actual = loss_and_gradients(make, layer.weights, loss)
    assert runs
    assert make(tf.constant(FEATURES)).dtype == "float32"
    expected = loss_and_gradients(plainly(make), layer.weights, loss)
    exact, make_exact = make_layer(kind)
    exact = loss_and_gradients(make_exact, exact.weights, loss)
    errors = [
        [
            np.linalg.norm(x - y) / np.linalg.norm(y)
            for x, y in zip(z, exact, strict=True)
        ]
        for z in (actual, expected)
    ]
    assert max(errors[0]) < {"mixed_bfloat16": 0.02, "mixed_float16": 0.002}[dtype]
    assert np.mean(errors[0]) < 1.5 * np.mean(errors[1])


def test_sums_are_in_float32_whatever_keras_has_for_floats():
    _, make = make_layer("bias")
    logits, loss = make(tf.constant(FEATURES)), MaskedCrossentropy(0.1)
    expected = loss(LABELS, logits)
    keras.config.set_floatx("bfloat16")
    try:
        actual = loss(LABELS, logits)
    finally:
        keras.config.set_floatx("float32")
    assert actual.dtype == "float32"
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_lora(kind, runs):
    layer, make = make_layer(kind)
    layer.enable_lora(2)
    randomize(layer, scale=0.5)
    assert len(layer.trainable_variables) == {"bias": 3}.get(kind, 2)
    arguments = (layer.trainable_variables, MaskedCrossentropy(0.1))
    assert_close(
        loss_and_gradients(make, *arguments),
        loss_and_gradients(plainly(make), *arguments),
    )
    assert runs


@pytest.mark.parametrize("kind", KINDS)
def test_quantised_weights_are_no_product(kind):
    layer, _ = make_layer(kind)
    layer.quantize("int8")
    assert layer.product() is None


def test_what_is_more_than_a_product():
    for layer in (
        VocabularyProjection(V, activation="softmax"),
        VocabularyEmbedding(V, D, tie_weights=False),
        VocabularyEmbedding(V, D, logit_soft_cap=3.0),
        VocabularyEmbedding(V, D, reverse_dtype="float32"),
    ):
        layer.build((B, T, D))
        assert layer.product() is None


@pytest.mark.parametrize("kind", KINDS)
def test_quantisation_refuses_subclasses_unless_told_not_to(kind):
    layer, _ = make_layer(kind)
    own = type("Own", (type(layer),), {}).from_config(layer.get_config())
    own.build((B, T, D))
    with pytest.raises(NotImplementedError, match="Own"):
        own.quantize("int8", type_check=True)
    own.quantize("int8", type_check=False)
    layer.quantize("int8", type_check=True)


@pytest.mark.parametrize(
    ("logits", "features"),
    [((B, T, V), (B, D)), ((B, T, V), (B, T + 1, D)), ((B, V), (B, D))],
)
def test_features_must_fit_the_logits(logits, features):
    product = make_layer("bias")[0].product()
    with pytest.raises(ValueError, match=r"features.shape=\(3, .*logits.shape=\(3, "):
        VocabularyLogits(tf.zeros(logits), tf.zeros(features), product)


def test_it_stands_for_its_logits():
    _, make = make_layer("bias")
    logits = make(tf.constant(FEATURES))
    plain = logits.logits.numpy()
    assert logits.shape == (B, T, V) and logits.dtype == "float32"
    for received, expected in (
        (logits, plain),
        (tf.convert_to_tensor(logits), plain),
        (tf.convert_to_tensor(logits, tf.float64), plain),
        (keras.ops.convert_to_tensor(logits, "float16"), plain.astype("float16")),
        (keras.ops.softmax(logits), tf.nn.softmax(plain)),
        (tf.argmax(logits, axis=-1), plain.argmax(-1)),
        (logits[:, 1:], plain[:, 1:]),
        (2 - logits * 3, 2 - plain * 3),
        (-logits > 0.5, -plain > 0.5),
        (logits == plain, np.ones_like(plain, bool)),
        (logits.get_shape(), plain.shape),
        (len(logits), B),
    ):
        np.testing.assert_array_equal(np.asarray(received), expected)
    with pytest.raises(AttributeError, match="nothing"):
        logits.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="logits"):
        VocabularyLogits.__new__(VocabularyLogits).shape  # noqa: B018


def test_what_keras_makes_of_it():
    _, make = make_layer("bias")
    logits = make(tf.constant(FEATURES))
    for use in (
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        keras.metrics.SparseTopKCategoricalAccuracy(3),
        keras.metrics.MeanMetricWrapper(lambda y, z: keras.ops.mean(z[..., 3:] * 2)),
    ):
        np.testing.assert_array_equal(use(LABELS, logits), use(LABELS, logits.logits))
