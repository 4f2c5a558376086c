"""Losses that are made at the real positions alone, against those of plain logits."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import Logits, VocabularyEmbedding, VocabularyProjection, head_tf
from kseq2seq.losses import MaskedCrossentropy, Perplexity, TokenAccuracy
from kseq2seq.models import build_model
from kseq2seq.utils import PAD_ID
from reference import randomize

# All different, so that a swapped axis cannot pass: batch, source, target, features,
# vocabulary, embedding.
B, S, T, D, V, E = 3, 7, 5, 11, 29, 13
LENGTHS = (5, 1, 3)
REAL = np.arange(T) < np.array(LENGTHS)[:, None]
RNG = np.random.default_rng(0)
LABELS = np.where(REAL, RNG.integers(4, V, (B, T)), PAD_ID).astype("int32")
WEIGHTS = RNG.uniform(0.5, 2, (B, T)).astype("float32")
INPUTS = {
    "source": RNG.integers(4, 23, (B, S)).astype("int32"),
    "target": np.where(REAL, RNG.integers(4, V, (B, T)), PAD_ID).astype("int32"),
}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


FEATURES = random(B, T, D)


def make_layer(kind, **kwargs):
    """A layer with random weights, and what makes logits of features by it."""
    if kind == "tied":
        layer = VocabularyEmbedding(V, D, **kwargs)
        layer.build()
        make = lambda x: layer(x, reverse=True)  # noqa: E731
    else:
        layer = make = VocabularyProjection(V, use_bias=kind == "bias", **kwargs)
        layer.build((B, T, D))
    randomize(layer, scale=0.5)
    return layer, lambda x: Logits()(make(x))


KINDS = ("bias", "no_bias", "tied")


@pytest.fixture(name="runs")
def runs_(monkeypatch):
    """How often logits of the real positions were computed."""
    found, plain = [], head_tf._crossentropy
    monkeypatch.setattr(
        head_tf, "_crossentropy", lambda *x: found.append(1) or plain(*x)
    )
    return found


@pytest.fixture(name="plainly")
def plainly_(monkeypatch):
    """Runs a function with logits that tell nothing of what they were made of."""

    def run(function, *arguments, **kwargs):
        with monkeypatch.context() as patch:
            patch.setattr(head_tf, "leave", lambda logits, *_, **__: logits)
            return function(*arguments, **kwargs)

    return run


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


def assert_close(found, expected, **tolerance):
    for x, y in zip(found, expected, strict=True):
        np.testing.assert_allclose(x, y, **(tolerance or {"atol": 1e-6}))


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS, WEIGHTS[:, 0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients(kind, smoothing, sample_weight, runs, plainly):
    layer, make = make_layer(kind)
    loss = MaskedCrossentropy(smoothing)
    arguments = (make, layer.weights, loss, LABELS, sample_weight)
    expected = plainly(loss_and_gradients, *arguments)
    assert not runs
    found = loss_and_gradients(*arguments)
    assert runs == [1]
    assert_close(found, expected)
    assert all(np.abs(x).max() > 1e-3 for x in found)
    assert not np.any(found[1][~REAL])


def test_gradients_are_slopes():
    """Against differences of the loss's formula in NumPy."""
    layer, make = make_layer("bias")
    values = [FEATURES, *layer.get_weights()]
    found = loss_and_gradients(make, layer.weights, MaskedCrossentropy(0.3))

    def loss(x, kernel, bias):
        total = 0.0
        for b, t in zip(*np.nonzero(REAL), strict=True):
            z = x[b, t] @ kernel + bias
            z = z - np.log(np.exp(z).sum())
            total -= 0.7 * z[LABELS[b, t]] + 0.3 * z.mean()
        return total / REAL.sum()

    values = [np.asarray(x, "float64") for x in values]
    np.testing.assert_allclose(found[0], loss(*values), rtol=1e-6)
    for place, gradient in enumerate(found[1:]):
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
def test_metrics_alone(metric, sample_weight, runs, plainly):
    _, make = make_layer("bias")
    x = tf.constant(FEATURES)
    labels = LABELS.copy()
    labels[0, :2] = np.argmax(make(x)[0, :2], axis=-1)  # two right guesses

    def value():
        return float(metric()(labels, make(x), sample_weight))

    expected = plainly(value)
    assert not runs
    assert value() == pytest.approx(expected, rel=1e-5)
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
    plain = keras.ops.copy(logits)
    assert head_tf.find(logits) and not head_tf.find(plain)
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
    plain = keras.ops.copy(logits)
    randomize(layer, seed=1)
    for use in (MaskedCrossentropy(0.1), Perplexity()):
        found, expected = (float(use(LABELS, x)) for x in (logits, plain))
        assert found == pytest.approx(expected, rel=1e-5)


def test_a_metric_first_leaves_the_loss_its_gradient():
    layer, make = make_layer("bias")
    labels, x = tf.constant(LABELS), tf.constant(FEATURES)
    with tf.GradientTape() as tape:
        logits = make(x)
        with tape.stop_recording():
            Perplexity()(labels, logits)
        loss = MaskedCrossentropy()(labels, logits)
    found = tape.gradient(loss, layer.weights)
    expected = loss_and_gradients(make, layer.weights, MaskedCrossentropy())[2:]
    assert_close(found, expected)


def test_a_loss_that_no_tape_saw_leaves_the_next_its_gradient():
    layer, make = make_layer("bias")
    labels, x, loss = tf.constant(LABELS), tf.constant(FEATURES), MaskedCrossentropy()
    with tf.GradientTape() as tape:
        logits = make(x)
        with tape.stop_recording():
            shown = loss(labels, logits)
        value = loss(labels, logits)
    assert float(shown) == float(value)
    found = tape.gradient(value, layer.weights)
    assert_close(found, loss_and_gradients(make, layer.weights, loss)[2:])


@pytest.mark.parametrize("use", [MaskedCrossentropy(0.1), Perplexity()])
def test_what_a_branch_has_found_stays_in_it(use):
    _, make = make_layer("bias")
    labels, logits = tf.constant(LABELS), make(tf.constant(FEATURES))
    expected = float(use(labels, keras.ops.copy(logits)))

    @tf.function
    def run(x):
        logits = make(x)
        inside = tf.cond(x[0, 0, 0] < 9.0, lambda: use(labels, logits), lambda: 0.0)
        return inside, use(labels, logits)

    graph = tf.function(lambda: use(labels, logits))
    for value in (*run(tf.constant(FEATURES)), graph(), use(labels, logits)):
        assert float(value) == pytest.approx(expected, rel=1e-5)


def test_a_mask_of_the_logits_is_heeded_as_by_keras(runs):
    """Though labels stand where it is False."""
    ids = tf.constant([[4, 5, 0], [6, 0, 0]])
    layer = VocabularyProjection(V)
    logits = Logits()(layer(keras.layers.Embedding(7, D, mask_zero=True)(ids)))
    labels = tf.constant([[4, 1, 5], [9, 1, 7]])
    found = float(MaskedCrossentropy()(labels, logits))
    here = np.array([[0, 0], [0, 1], [1, 0]]).T
    log_p = np.log(keras.ops.softmax(logits))[(*here, labels.numpy()[tuple(here)])]
    assert found == pytest.approx(-log_p.mean(), rel=1e-5)
    assert not runs


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
    """Where logits are equal, as in bfloat16 they may be, none of them is wrong."""
    layer = VocabularyProjection(V, kernel_initializer="zeros")
    logits = layer(tf.constant(FEATURES))
    assert float(TokenAccuracy()(LABELS, logits)) == 1
    # Plain logits know of an order: the first one is taken.
    assert float(TokenAccuracy()(LABELS, keras.ops.copy(logits))) == 0


def test_keras_scales_it_for_replicas(monkeypatch):
    _, make = make_layer("bias")
    loss = MaskedCrossentropy(0.1)
    logits = make(tf.constant(FEATURES))
    plain = keras.ops.copy(logits)
    alone = float(loss(LABELS, logits))

    class Strategy:
        num_replicas_in_sync = 2

    monkeypatch.setattr(tf.distribute, "get_strategy", Strategy)
    assert float(loss(LABELS, logits)) == pytest.approx(alone / 2, rel=1e-6)
    assert float(loss(LABELS, plain)) == pytest.approx(alone / 2, rel=1e-6)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision(kind, dtype, runs, plainly):
    layer, make = make_layer(kind, dtype=dtype)
    loss = MaskedCrossentropy(0.1)
    found = loss_and_gradients(make, layer.weights, loss)
    assert runs
    assert make(tf.constant(FEATURES)).dtype == "float32"
    expected = plainly(loss_and_gradients, make, layer.weights, loss)
    exact, make_exact = make_layer(kind)
    exact = loss_and_gradients(make_exact, exact.weights, loss)
    errors = [
        [
            np.linalg.norm(x - y) / np.linalg.norm(y)
            for x, y in zip(z, exact, strict=True)
        ]
        for z in (found, expected)
    ]
    assert max(errors[0]) < {"mixed_bfloat16": 0.02, "mixed_float16": 0.002}[dtype]
    assert np.mean(errors[0]) < 1.5 * np.mean(errors[1])


def test_sums_are_in_float32_whatever_keras_has_for_floats():
    _, make = make_layer("bias")
    logits, loss = make(tf.constant(FEATURES)), MaskedCrossentropy(0.1)
    expected = loss(LABELS, logits)
    keras.config.set_floatx("bfloat16")
    try:
        found = loss(LABELS, logits)
    finally:
        keras.config.set_floatx("float32")
    assert found.dtype == "float32"
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_lora(kind, runs, plainly):
    layer, make = make_layer(kind)
    layer.enable_lora(2)
    randomize(layer, scale=0.5)
    assert len(layer.trainable_variables) == {"bias": 3}.get(kind, 2)
    arguments = (make, layer.trainable_variables, MaskedCrossentropy(0.1))
    assert_close(
        loss_and_gradients(*arguments), plainly(loss_and_gradients, *arguments)
    )
    assert runs


@pytest.mark.parametrize("kind", KINDS)
def test_quantised_weights_are_left_alone(kind):
    layer, make = make_layer(kind)
    layer.quantize("int8")
    assert head_tf.find(make(tf.constant(FEATURES))) is None


def test_what_leaves_nothing():
    x = tf.constant(FEATURES)
    free = VocabularyEmbedding(V, D, tie_weights=False)
    capped = VocabularyEmbedding(V, D, logit_soft_cap=3.0)
    cast = VocabularyEmbedding(V, D, reverse_dtype="float32")
    for logits in (
        VocabularyProjection(V, activation="softmax")(x),
        VocabularyProjection(V)(x[0]),
        VocabularyProjection(V)(x[None]),
        *(layer(x, reverse=True) for layer in (free, capped, cast)),
        VocabularyEmbedding(V, D)(LABELS),
        keras.layers.Dense(V)(x),
        Logits()(keras.layers.Dense(V)(x)),
        VocabularyProjection(V)(x) + 1,
    ):
        assert head_tf.find(logits) is None
    logits = VocabularyProjection(V)(x)
    assert head_tf.find(logits)
    assert head_tf.find(Logits()(logits)) is head_tf.find(logits)


CONFIG = Seq2SeqConfig(
    23, V, E, E, attention="luong_dot", dropout=0.0, bidirectional=False
)


def small_model():
    layers = [
        keras.Input((None,), dtype="int32"),
        keras.layers.Embedding(V, D),
        VocabularyProjection(V),
        Logits(),
    ]
    return keras.Sequential(layers)


def compiled(model, **kwargs):
    randomize(model, scale=0.4)
    kwargs = {"jit_compile": False, **kwargs}
    kwargs = {"metrics": [TokenAccuracy(), Perplexity()], **kwargs}
    model.compile("sgd", MaskedCrossentropy(0.1), **kwargs)
    return model


def reported(make, inputs, **kwargs):
    """What three steps and an evaluation report, one batch without anything real."""
    model = compiled(make(), **kwargs)
    found = [
        model.train_on_batch(inputs, labels, WEIGHTS, return_dict=True)
        for labels in (LABELS, np.zeros_like(LABELS), LABELS)
    ]
    found.append(
        model.evaluate(inputs, LABELS, batch_size=2, verbose=0, return_dict=True)
    )
    names = ("loss", "token_accuracy", "perplexity")
    return [[float(x[name]) for name in names] for x in found], model.get_weights()


@pytest.mark.parametrize("tie", [False, True])
def test_a_model_reports_and_learns_the_same(tie, runs, plainly):
    def make():
        return build_model(dataclasses.replace(CONFIG, tie_embeddings=tie))

    expected, expected_weights = plainly(reported, make, INPUTS, run_eagerly=True)
    assert not runs
    found, weights = reported(make, INPUTS)
    assert len(runs) == 2  # one tracing of each function
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert_close(weights, expected_weights, atol=1e-5)


@pytest.mark.parametrize(
    "kind", [{"run_eagerly": True}, {"jit_compile": True}], ids=str
)
def test_in_every_way_to_run(kind, runs, plainly):
    inputs = INPUTS["target"]
    expected, expected_weights = plainly(reported, small_model, inputs)
    assert not runs
    found, weights = reported(small_model, inputs, **kind)
    assert runs
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert_close(weights, expected_weights)


def products_of_a_step(**kwargs):
    """Shapes of all that is multiplied for what a training step gives or changes."""
    model = compiled(build_model(CONFIG), **kwargs)
    data = tf.nest.map_structure(tf.constant, (INPUTS, LABELS))
    model.train_on_batch(*data)  # makes the optimizer's variables
    graph = tf.function(model.train_step).get_concrete_function(data).graph
    left, seen = [*graph.control_outputs, *[x.op for x in graph.outputs]], set()
    while left:
        op = left.pop()
        if op not in seen:
            seen.add(op)
            left += [*op.control_inputs, *[x.op for x in op.inputs]]
    products = [x for x in seen if "MatMul" in x.type]
    return [tuple(x.outputs[0].shape) for x in products]


def test_logits_of_padding_are_not_in_the_graph():
    """Nor are those of the real positions computed twice."""
    found = [x for x in products_of_a_step() if x[-1] == V]
    # Gradients of the bias and of the kernel, and the logits.
    assert sorted(found, key=str) == [(1, V), (E, V), (None, V)]

    def mean(labels, logits):
        return keras.ops.mean(logits, axis=(1, 2))

    # What asks for all of them gets them.
    metrics = [keras.metrics.MeanMetricWrapper(mean)]
    asked = [x for x in products_of_a_step(metrics=metrics) if x[-1] == V]
    assert len(asked) == 4
