"""Adam in one operation: against Keras's own, step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Adam, optimizers

SHAPES = ((7, 3), (5,))


def steps(optimizer_class, gradients, in_graph=False, jit_compile=None, **kwargs):
    """Weights after a step with each of the gradients."""
    rng = np.random.default_rng(0)
    weights = [
        keras.Variable(rng.normal(size=shape), dtype="float32") for shape in SHAPES
    ]
    optimizer = optimizer_class(**kwargs)
    optimizer.build(weights)

    def step(gradient):
        optimizer.apply(gradient, weights)

    if in_graph:
        step = tf.function(step, jit_compile=jit_compile, autograph=False)
    for gradient in gradients:
        step([tf.constant(x) for x in gradient])
    return [weight.numpy() for weight in weights], optimizer


@pytest.fixture(scope="module")
def gradients():
    rng = np.random.default_rng(1)
    sizes = (1.0, 1e-4, 1e3, 0.0, 1.0)
    return [
        [(size * rng.normal(size=shape)).astype("float32") for shape in SHAPES]
        for size in sizes
    ]


@pytest.mark.parametrize(
    "kwargs",
    [
        {"learning_rate": 0.1},
        {"learning_rate": 0.03, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
        {"learning_rate": 0.1, "global_clipnorm": 0.7},
        {"learning_rate": 0.1, "clipvalue": 0.3, "weight_decay": 0.01},
        {"learning_rate": 0.1, "use_ema": True, "ema_overwrite_frequency": 2},
        {"learning_rate": 0.1, "gradient_accumulation_steps": 2},
        {"learning_rate": 0.1, "amsgrad": True},
        {"learning_rate": keras.optimizers.schedules.ExponentialDecay(0.2, 2, 0.5)},
    ],
    ids=lambda kwargs: "-".join(kwargs),
)
def test_adam_is_keras_adam(gradients, kwargs):
    (actual, _), (expected, _) = (
        steps(one, gradients, **kwargs) for one in (Adam, keras.optimizers.Adam)
    )
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [None, True])
def test_adam_in_a_graph(gradients, jit_compile):
    actual, optimizer = steps(
        Adam, gradients, in_graph=True, jit_compile=jit_compile, learning_rate=0.1
    )
    expected, _ = steps(keras.optimizers.Adam, gradients, learning_rate=0.1)
    for ours, theirs in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert int(optimizer.iterations) == len(gradients)


def test_it_is_one_operation(gradients):
    weight = keras.Variable(np.ones((7, 3)))
    optimizer = Adam()
    optimizer.build([weight])
    graph = tf.function(lambda x: optimizer.apply([x], [weight]), autograph=False)
    concrete = graph.get_concrete_function(tf.TensorSpec((7, 3)))
    names = [x.type for x in concrete.graph.get_operations()]
    assert names.count("ResourceApplyAdam") == 1
    assert "AssignSubVariableOp" not in names


def test_rows_of_an_embedding():
    """Also where a row comes twice, and others do not come at all."""
    rows = tf.IndexedSlices(tf.ones((3, 2)), tf.constant([4, 1, 4]), (5, 2))
    results = []
    for one in (Adam, keras.optimizers.Adam):
        weight = keras.Variable(np.ones((5, 2)))
        optimizer = one(0.1, global_clipnorm=1.0)
        for _ in range(3):
            optimizer.apply([rows], [weight])
        results.append(weight.numpy())
    np.testing.assert_allclose(*results, rtol=1e-5)
    assert np.ptp(results[0]) > 0.1


def recorder(base, norm, shapes, dtype="float32", **kwargs):
    """An optimizer, and a function from gradients to those that its step is made of."""
    recorded = []

    class Recorder(base):
        def update_step(self, gradient, variable, learning_rate):
            recorded.append(gradient)

    weights = [keras.Variable(np.zeros(shape), dtype=dtype) for shape in shapes]
    optimizer = Recorder(global_clipnorm=norm, **kwargs)
    optimizer.build(weights)

    def apply(*gradients):
        recorded.clear()
        optimizer.apply([*gradients], weights)
        return [*recorded]

    return optimizer, apply


def clipped(base, norm, gradients, in_graph=False, **kwargs):
    """Gradients after clipping."""
    shapes, dtype = [x.shape for x in gradients], gradients[0].dtype
    optimizer, apply = recorder(base, norm, shapes, dtype, **kwargs)
    results = (tf.function(apply, autograph=False) if in_graph else apply)(*gradients)
    assert optimizer.global_clipnorm == norm
    return results


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("size", [0.0, 1e-3, 0.1, 1.0, 1e4, np.inf, np.nan])
def test_clipping_is_keras_own(size, in_graph):
    """Below the norm, above it and without one."""
    rng = np.random.default_rng(2)
    sizes = np.array([[size], [0.01]])  # one row alone is endless or no number
    dense, rows = (
        tf.constant(sizes * rng.uniform(0.1, 1.0, (2, width)), "float32")
        for width in (3, 5)
    )
    slices = tf.IndexedSlices(rows, tf.constant([4, 1]), tf.constant([11, 5]))
    (ours, our_rows), (theirs, their_rows) = (
        clipped(one, 0.7, [dense, slices], in_graph)
        for one in (Adam, keras.optimizers.Adam)
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert isinstance(our_rows, tf.IndexedSlices)  # the others are not even written
    their_rows = tf.gather(tf.convert_to_tensor(their_rows), our_rows.indices)
    np.testing.assert_allclose(our_rows.values, their_rows, rtol=1e-5)


@pytest.mark.parametrize("norm", [0.0, -1.0])
def test_a_norm_that_is_none_clips_nothing(norm):
    gradients = [tf.constant([3.0, -4.0])]
    for one in (Adam, keras.optimizers.Adam):
        np.testing.assert_array_equal(clipped(one, norm, gradients)[0], gradients[0])


def test_a_scaled_loss_is_clipped_by_its_own_norm():
    """Keras takes the factor of the loss out of gradients first."""
    gradients = [tf.constant([3.0, -4.0])]
    for one in (Adam, keras.optimizers.Adam):
        (half,) = clipped(one, 1.0, gradients, loss_scale_factor=10.0)
        np.testing.assert_allclose(half, [0.3, -0.4], rtol=1e-6)


def test_weights_without_a_gradient():
    weights = [keras.Variable([1.0, 2.0]), keras.Variable([3.0])]
    optimizer = Adam(0.1, global_clipnorm=1.0)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        optimizer.apply([tf.constant([3.0, -4.0]), None], weights)
    np.testing.assert_allclose(weights[0], [0.9, 2.1], rtol=1e-5)
    assert float(weights[1].value[0]) == 3.0
    with pytest.raises(ValueError, match="No gradients provided"):
        optimizer.apply([None, None], weights)
    assert optimizer.global_clipnorm == 1.0


def test_a_norm_beyond_float16_is_no_endless_one():
    gradients = [tf.constant([3e4, -4e4], "float16")]
    (small,) = clipped(Adam, 1.0, gradients)
    assert small.dtype == "float16"
    np.testing.assert_allclose(small, [0.6, -0.8], rtol=2e-3)


def variables_after_scaled_steps(base, in_graph):
    weight = keras.Variable([1.0, -2.0, 3.0])
    optimizer = keras.optimizers.LossScaleOptimizer(
        base, initial_scale=8.0, dynamic_growth_steps=2
    )
    optimizer.build([weight])

    def step(gradient):
        optimizer.apply([gradient], [weight])

    step = tf.function(step, autograph=False) if in_graph else step
    for gradient in ([8.0, 4.0, -8.0], [np.inf, 1.0, np.nan], [1.0, 0.0, 2.0]):
        step(tf.constant(gradient))
    return [weight, *optimizer.variables]


@pytest.mark.parametrize("in_graph", [False, True])
def test_scaled_losses(in_graph):
    """A step whose gradients overflowed leaves all as it was, as with Keras's Adam."""
    both = [
        variables_after_scaled_steps(one(0.1, global_clipnorm=0.5), in_graph)
        for one in (Adam, keras.optimizers.Adam)
    ]
    assert len(both[0]) == len(both[1]) > 6
    for ours, theirs in zip(*both, strict=True):
        # TensorFlow's operation takes 1 - beta_2 in float32.
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    assert np.isfinite(both[0][0]).all()


def test_a_small_norm_writes_no_gradients_anew():
    _, apply = recorder(Adam, 0.7, [(7, 3)])
    concrete = tf.function(apply, autograph=False).get_concrete_function(
        tf.TensorSpec((7, 3))
    )
    of_its_shape = [
        x.type
        for x in concrete.graph.get_operations()
        if any(output.shape == (7, 3) for output in x.outputs)
    ]
    copied = {"Identity", "IdentityN"}  # by reference
    assert set(of_its_shape) - copied == {"Placeholder", "StatelessIf"}


def test_the_first_step_is_traced_once():
    traces = []

    class Model(keras.Sequential):
        def train_step(self, data):
            traces.append(tf.inside_function())
            return super().train_step(data)

    model = Model([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(Adam(0.1), "mse")
    model.fit(np.ones((4, 3)), np.zeros((4, 2)), verbose=0)
    assert traces == [True]
    assert int(model.optimizer.iterations.value.numpy()) == 1


def test_under_a_strategy_it_is_keras_own(monkeypatch):
    monkeypatch.setattr(Adam, "_update_at_once", None)
    monkeypatch.setattr(optimizers, "_clip_by_global_norm", None)
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile(Adam(0.1, global_clipnorm=1.0), "mse")
    model.fit(np.ones((4, 3)), np.zeros((4, 2)), verbose=0)
    assert int(model.optimizer.iterations.value.numpy()) == 1


def test_a_model_goes_on_from_its_file(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(Adam(0.1, global_clipnorm=1.0), "mse")
    x, y = np.ones((4, 3)), np.zeros((4, 2))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.optimizer) is Adam
    losses = [one.fit(x, y, verbose=0).history["loss"] for one in (model, loaded)]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
