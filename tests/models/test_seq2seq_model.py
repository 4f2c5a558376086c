"""A model that trains at the real positions alone, against its plain graph."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from backends import run_on
from kseq2seq.losses import (
    MaskedCrossentropy,
    Perplexity,
    SampledCrossentropy,
    VocabularyLogits,
    vocabulary_logits,
)
from kseq2seq.models import Seq2SeqModel, float32_copy
from real_positions import (
    INPUTS,
    LABELS,
    RNG,
    WEIGHTS,
    B,
    E,
    T,
    V,
    compiled,
    make_model,
)
from reference import randomize


def reported(model, **kwargs):
    """Reports of three steps and an evaluation, one batch without anything real."""
    compiled(model, **kwargs)
    results = [
        model.train_on_batch(INPUTS, labels, WEIGHTS, return_dict=True)
        for labels in (LABELS, np.zeros_like(LABELS), LABELS)
    ]
    results.append(
        model.evaluate(INPUTS, LABELS, batch_size=2, verbose=0, return_dict=True)
    )
    numbers = [[float(x) for _, x in sorted(result.items())] for result in results]
    return np.array(numbers), model.get_weights()


@functools.cache
def reported_of_plain():
    """Of a model of Keras's own with the usual settings, as several tests expect it.

    Eagerly, as all that is expected: its few steps would not pay for tracing.
    """
    return reported(make_model(plain=True), run_eagerly=True)


def assert_same(received, expected, **tolerance):
    np.testing.assert_allclose(received[0], expected[0], rtol=1e-5)
    for x, y in zip(received[1], expected[1], strict=True):
        np.testing.assert_allclose(x, y, **(tolerance or {"atol": 1e-6}))


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


COVERAGE = {
    "attention": "coverage",
    "attention_options": {"loss_weight": 1.0},
    "input_feeding": True,
}


@pytest.mark.parametrize(
    "values",
    [{}, {"tie_embeddings": True}, COVERAGE, {"attention": "none"}],
    ids=["free", "tied", "coverage", "none"],
)
def test_it_reports_and_learns_the_same(values, runs):
    expected = (
        reported(make_model(plain=True, **values), run_eagerly=True)
        if values
        else reported_of_plain()
    )
    assert not runs
    received = reported(make_model(**values))
    assert len(runs) == 2  # one tracing of each function
    assert_same(received, expected)


@pytest.mark.parametrize(
    "kind",
    [{"run_eagerly": True}, {"jit_compile": True}, {"steps_per_execution": 2}],
    ids=str,
)
def test_in_every_way_to_run(kind, runs):
    expected = reported_of_plain()
    received = reported(make_model(), **kind)
    assert runs
    assert_same(received, expected)


def test_several_steps_at_once(runs):
    """As `fit` makes them of a data set; and it traces the first step once."""
    histories = []
    for plain in (True, False):
        kind = {"run_eagerly": True} if plain else {"steps_per_execution": 2}
        model = compiled(make_model(plain), optimizer="adam", **kind)
        data = tf.data.Dataset.from_tensors((INPUTS, LABELS, WEIGHTS)).repeat(4)
        history = model.fit(data, epochs=2, verbose=0).history
        histories.append([history[name] for name in sorted(history)])
    assert len(runs) == 1
    np.testing.assert_allclose(histories[1], histories[0], rtol=1e-5)


def test_a_scaled_loss(runs):
    """In float16, whose small gradients need it."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        received, expected = (
            reported(
                make_model(plain), optimizer=keras.optimizers.SGD(), run_eagerly=plain
            )
            for plain in (False, True)
        )
    finally:
        keras.config.set_dtype_policy("float32")
    assert runs
    np.testing.assert_allclose(received[0], expected[0], rtol=0.01)
    for x, y in zip(received[1], expected[1], strict=True):
        np.testing.assert_allclose(x, y, atol=0.01)


REPLICAS = """
    import sys
    import keras
    import numpy as np
    import tensorflow as tf
    from kseq2seq import (
        Adam, MaskedCrossentropy, Perplexity, Seq2SeqConfig, build_model
    )
    from kseq2seq.models import GuidedAlignment
    from reference import randomize
    from replicas import make_two_cpus

    make_two_cpus()
    config = Seq2SeqConfig(
        source_vocabulary_size=23, target_vocabulary_size=29, embedding_size=8, units=8,
        dropout=0.0,
    )
    rng = np.random.default_rng(0)
    ids = rng.integers(4, 23, (13, 5)).astype("int32")
    ids[:4, 1:] = 0  # one replica has few tokens, and in the last batch no row
    # As many links as source and target have tokens.
    links = (ids[:, :, None] > 0) * np.eye(5, dtype="float32")
    inputs = {"source": ids, "target": ids[:, ::-1], "links": links}
    data = tf.data.Dataset.from_tensor_slices((inputs, ids)).batch(6)
    results = []
    for devices in (["CPU:0", "CPU:1"], ["CPU:0"]):
        with tf.distribute.MirroredStrategy(devices).scope():
            model = build_model(config)
            randomize(model, scale=0.4)
            optimizer = Adam(0.01, global_clipnorm=0.5)
            model.compile(optimizer, MaskedCrossentropy(), metrics=[Perplexity()])
            model.guided_alignment = GuidedAlignment(0.5)
        history = model.fit(data, epochs=3, verbose=0).history
        evaluated = model.evaluate(data, verbose=0)
        results.append([*history["loss"], *history["perplexity"], *evaluated])
        assert len(model.distribute_strategy.extended.worker_devices) == len(devices)
    np.testing.assert_allclose(*results, rtol=1e-4)
"""


def test_two_replicas_are_as_one_device():
    run_on("tensorflow", REPLICAS)


ON_ANOTHER = """
    import sys
    import keras
    import numpy as np
    from kseq2seq import MaskedCrossentropy, Perplexity
    from kseq2seq.models import Seq2SeqModel

    inputs = dict(np.load(sys.argv[2]))
    labels, weights = inputs.pop("labels"), inputs.pop("weights")
    model = keras.models.load_model(sys.argv[1])
    assert type(model) is Seq2SeqModel
    model.compile("sgd", MaskedCrossentropy(0.1), metrics=[Perplexity()])
    step = model.train_on_batch(inputs, labels, weights)
    np.save(sys.argv[3], [*step, *model.evaluate(inputs, labels, verbose=0)])
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_train_the_same(backend, tmp_path):
    model = make_model()
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", **INPUTS, labels=LABELS, weights=WEIGHTS)
    compiled(model, metrics=[Perplexity()], run_eagerly=True)
    step = model.train_on_batch(INPUTS, LABELS, WEIGHTS)
    expected = [*step, *model.evaluate(INPUTS, LABELS, verbose=0)]
    names = ("model.keras", "data.npz", "results.npy")
    run_on(backend, ON_ANOTHER, *(tmp_path / name for name in names))
    received = np.load(tmp_path / "results.npy")
    np.testing.assert_allclose(received, expected, rtol=1e-4)


def products_of_a_step(**kwargs):
    """Shapes of all that is multiplied for what a training step gives or changes."""
    model = compiled(make_model(), **kwargs)
    data = tf.nest.map_structure(tf.constant, (INPUTS, LABELS))
    model.train_on_batch(*data)  # makes the optimizer's variables
    graph = (
        tf.function(model.train_step, autograph=False).get_concrete_function(data).graph
    )
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
    products = [x for x in products_of_a_step() if x[-1] == V]
    # Gradients of the bias and of the kernel, and the logits.
    assert sorted(products, key=str) == [(1, V), (E, V), (None, V)]

    def mean(labels, logits):
        return keras.ops.mean(logits, axis=(1, 2))

    # What asks for all of them gets them.
    metrics = [keras.metrics.MeanMetricWrapper(mean)]
    asked = [x for x in products_of_a_step(metrics=metrics) if x[-1] == V]
    assert len(asked) == 4


def test_losses_and_metrics_of_keras_get_plain_logits():
    arguments = {
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "metrics": ["accuracy", lambda labels, logits: logits[:, :, 4] - 1],
    }
    received, expected = (
        reported(make_model(plain), run_eagerly=plain, **arguments)
        for plain in (False, True)
    )
    assert_same(received, expected)


def test_a_loss_of_ones_own_sees_features():
    class Own(Seq2SeqModel):
        def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
            seen.append(y_pred)
            return super().compute_loss(x, y, y_pred, sample_weight, training)

    seen, model = [], make_model()
    compiled(Own(model.input, model.output))
    own = compiled(Own(model.input, model.output), run_eagerly=True)
    own.test_on_batch(INPUTS, LABELS)
    (logits,) = seen
    assert type(logits) is VocabularyLogits
    assert logits.features.shape == (B, T, E)
    expected = logits.features @ model.get_layer("projection").kernel
    expected += model.get_layer("projection").bias
    np.testing.assert_allclose(logits, expected, rtol=1e-5)
    np.testing.assert_allclose(logits, model(INPUTS), rtol=1e-5)


def between(model):
    """The same with a layer between features and logits, of which nobody is told."""
    features = model.get_layer("output_dropout").output
    features = keras.layers.Lambda(lambda x: 2 * x)(features)
    return model.get_layer("logits")(model.get_layer("projection")(features))


@pytest.mark.parametrize(
    "change",
    [
        lambda model: keras.layers.Lambda(lambda x: x / 2)(model.output),
        lambda model: keras.ops.multiply(model.output, 2.0),
        lambda model: keras.layers.Dense(V)(model.get_layer("output_dropout").output),
        lambda model: (
            model.output
            + keras.layers.Dense(V)(model.get_layer("target_dropout").output)
        ),
        between,
    ],
    ids=["layer", "operation", "other", "beside", "between"],
)
def test_other_graphs_are_plain(change, runs):
    def make(kind):
        model = make_model()
        changed = kind(model.input, change(model))
        randomize(changed, scale=0.4)
        return changed

    received, expected = (
        compiled(make(kind), run_eagerly=True).test_on_batch(INPUTS, LABELS)
        for kind in (Seq2SeqModel, keras.Model)
    )
    assert not runs
    np.testing.assert_allclose(received, expected, rtol=1e-5)


def test_other_outputs_are_plain():
    model = make_model()
    model = Seq2SeqModel(model.input, {"logits": model.output})
    model.compile("sgd", {"logits": MaskedCrossentropy()})
    labels = {"logits": LABELS}
    assert np.isfinite(model.train_on_batch(INPUTS, labels))
    other = Seq2SeqModel(model.input, model.get_layer("target_embedding").output)
    other.compile("sgd", "mse")
    assert np.isfinite(other.train_on_batch(INPUTS, np.zeros((B, T, E))))


def test_a_quantised_model_is_plain(runs):
    model = make_model()
    model.get_layer("projection").quantize("int8")
    compiled(model, run_eagerly=True).evaluate(INPUTS, LABELS, verbose=0)
    assert not runs


class MaskFirst(keras.layers.Layer):
    """Sends a mask on that is no other than the first position."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs):
        return inputs

    def compute_mask(self, inputs, mask=None):
        return keras.ops.arange(T)[None] < keras.ops.ones((B, 1), "int32")


def test_a_mask_of_the_logits_is_heeded_as_by_keras(runs):
    """Though labels stand where it is False."""
    model = make_model()
    features = MaskFirst()(model.get_layer("attentional").output)
    dropout = keras.layers.Dropout(0.0, name="output_dropout")
    head = model.get_layer("logits")
    logits = head(model.get_layer("projection")(dropout(features)))
    masked = compiled(Seq2SeqModel(model.input, logits))
    received = masked.evaluate(INPUTS, LABELS, verbose=0, return_dict=True)["loss"]
    plain = MaskedCrossentropy(0.1)(LABELS[:, :1], model(INPUTS)[:, :1])
    assert received == pytest.approx(float(plain), rel=1e-5)
    assert not runs


def test_frozen_weights():
    model = make_model()
    model.trainable = False
    before = model.get_weights()
    results = compiled(model, run_eagerly=True).train_on_batch(INPUTS, LABELS)
    assert np.isfinite(results).all()
    for x, y in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_predictions_are_plain_logits():
    model = make_model()
    np.testing.assert_allclose(
        model.predict(INPUTS, verbose=0), model(INPUTS), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("name", ["before", "zones"])  # in the order of names or not
def test_what_a_dict_holds_beside_the_inputs_is_left_out(name):
    """Keras goes by their number, and takes one input for another."""
    more = {name: RNG.integers(4, 23, (B, 2)).astype("int32"), **INPUTS}
    expected, actual = (compiled(make_model(), run_eagerly=True) for _ in range(2))
    np.testing.assert_array_equal(actual(more), expected(INPUTS))
    results = [
        model.fit(inputs, LABELS, batch_size=B, verbose=0).history
        for model, inputs in ((expected, INPUTS), (actual, more))
    ]
    assert results[0] == results[1]
    np.testing.assert_array_equal(
        actual.predict(more, verbose=0), expected.predict(INPUTS, verbose=0)
    )


def test_copies_are_of_its_class(tmp_path):
    model = compiled(make_model())
    assert keras.saving.get_registered_name(type(model)) == "kseq2seq>Seq2SeqModel"
    model.save(tmp_path / "model.keras")
    config = keras.saving.serialize_keras_object(model)
    expected = model(INPUTS)
    for copy in (
        keras.saving.load_model(tmp_path / "model.keras"),
        keras.saving.deserialize_keras_object(config),
        Seq2SeqModel.from_config(model.get_config()),
        keras.models.clone_model(model),
        float32_copy(model),
    ):
        assert type(copy) is Seq2SeqModel
        assert copy.name == model.name
        assert [x.name for x in copy.layers] == [x.name for x in model.layers]
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy(INPUTS), expected)


def test_a_loaded_model_trains_on(tmp_path, runs):
    model = compiled(make_model())
    model.train_on_batch(INPUTS, LABELS)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    runs.clear()
    model.reset_metrics()  # which Keras 3.12 does not do for each batch
    expected = model.train_on_batch(INPUTS, LABELS)
    np.testing.assert_allclose(restored.train_on_batch(INPUTS, LABELS), expected)
    assert runs


def test_a_file_of_a_plain_model_trains_plainly(tmp_path, runs):
    """As files of version 0.1.0 are, whose class is Keras's."""
    plain = compiled(make_model(plain=True))
    plain.save(tmp_path / "model.keras")
    expected = reported_of_plain()
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert type(restored) is not Seq2SeqModel
    received = reported(restored, run_eagerly=True)
    assert not runs
    assert_same(received, expected)
    renewed = Seq2SeqModel(restored.input, restored.output)
    for model in (restored, renewed):
        compiled(model, loss=SampledCrossentropy(5), run_eagerly=True)
        assert np.isfinite(model.train_on_batch(INPUTS, LABELS)).all()
