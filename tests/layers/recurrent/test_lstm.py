"""Our LSTM against Keras's: values, all gradients, and when it takes Keras's way."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import LSTM
from kseq2seq.layers.recurrent import lstm
from reference import lstm_step, named_weights, randomize

# All different, so that a swapped axis cannot pass.
B, T, D, U = 5, 7, 3, 11
LENGTHS = (7, 3, 0, 5, 1)  # one row without anything real
MASK = np.arange(T) < np.array(LENGTHS)[:, None]
HOLES = np.random.default_rng(5).random((B, T)) < 0.6
# As in our models, where outputs and states are asked for.
USUAL = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


X, H, C = random(B, T, D), random(B, U, seed=1), random(B, U, seed=2)


@pytest.fixture(name="calls")
def calls_(monkeypatch):
    """Number of times that the laid out loop was taken."""
    collected = []
    plain = lstm._run
    monkeypatch.setattr(lstm, "_run", lambda *x: collected.append(1) or plain(*x))
    return collected


def pair(*shape, **arguments):
    """Keras's layer and ours, with the same random weights."""
    made = [cls(U, **{**USUAL, **arguments}) for cls in (keras.layers.LSTM, LSTM)]
    for layer in made:
        layer.build(shape or X.shape)
        randomize(layer, scale=0.4)
    return made


def outputs_and_gradients(layer, x=X, mask=None, states=(H, C), training=True):
    """All outputs, and gradients of inputs, initial states and weights."""
    x, *states = inputs = [tf.constant(value) for value in (x, *states)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        given = {"initial_state": states} if states else {}
        outputs = layer(x, mask=mask, training=training, **given)
        outputs = keras.tree.flatten(outputs)
        # Each number with a factor of its own.
        loss = sum(
            tf.reduce_sum(tf.cast(y, "float32") * random(*y.shape, seed=7 + i))
            for i, y in enumerate(outputs)
        )
    weights = layer.trainable_variables
    gradients = tape.gradient(loss, [*inputs, *[x.value for x in weights]])
    assert None not in gradients
    return [np.asarray(tf.cast(y, "float32")) for y in (*outputs, *gradients)]


def assert_close(actual, expected, atol=2e-5):
    assert len(actual) == len(expected)
    for place, (x, y) in enumerate(zip(actual, expected, strict=True)):
        np.testing.assert_allclose(x, y, atol=atol, err_msg=f"number {place}")


@pytest.mark.parametrize("mask", [None, MASK, HOLES], ids=["all", "padded", "holes"])
def test_equals_the_equations(mask, calls):
    """Row by row in NumPy; a step that is masked leaves the states as they were."""
    _, layer = pair()
    weights = named_weights(layer.cell)
    outputs, h, c = layer(X, mask=mask, initial_state=[H, C], training=True)
    for row, steps in enumerate(X):
        state = H[row], C[row]
        for place, inputs in enumerate(steps):
            if mask is None or mask[row, place]:
                state = lstm_step(weights, inputs, state)
                expected = state[0]
            else:
                expected = np.zeros_like(state[0])
            np.testing.assert_allclose(outputs[row, place], expected, atol=1e-5)
        np.testing.assert_allclose(h[row], state[0], atol=1e-5)
        np.testing.assert_allclose(c[row], state[1], atol=1e-5)
    assert calls


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("mask", [None, MASK, HOLES], ids=["all", "padded", "holes"])
def test_equals_keras(mask, go_backwards, calls):
    of_keras, ours = pair(go_backwards=go_backwards)
    expected = outputs_and_gradients(of_keras, mask=mask)
    assert not calls
    actual = outputs_and_gradients(ours, mask=mask)
    assert calls == [1]
    assert len(actual) == 3 + 3 + 3
    assert_close(actual, expected)
    assert all(np.abs(x).max() > 0.1 for x in actual)


@pytest.mark.parametrize("mask", [None, MASK])
def test_in_graphs_of_any_size(mask, calls):
    of_keras, ours = pair()
    expected = outputs_and_gradients(of_keras, mask=mask)
    signature = [
        tf.TensorSpec((None, None, D)),
        tf.TensorSpec((None, U)),
        tf.TensorSpec((None, U)),
        *([] if mask is None else [tf.TensorSpec((None, None), "bool")]),
    ]
    factors = [random(B, T, U, seed=7), random(B, U, seed=8), random(B, U, seed=9)]

    @tf.function(input_signature=signature, autograph=False)
    def run(x, h, c, mask=None):
        with tf.GradientTape() as tape:
            tape.watch([x, h, c])
            outputs = ours(x, initial_state=[h, c], mask=mask, training=True)
            both = zip(outputs, factors, strict=True)
            loss = sum(tf.reduce_sum(y * factor) for y, factor in both)
        weights = [x.value for x in ours.trainable_variables]
        return [*outputs, *tape.gradient(loss, [x, h, c, *weights])]

    actual = run(X, H, C, *([] if mask is None else [mask]))
    assert calls
    assert_close(actual, expected)


def test_inside_bidirectional(calls):
    results = []
    for cls in (keras.layers.LSTM, LSTM):
        layer = keras.layers.Bidirectional(cls(U, **USUAL))
        layer.build(X.shape)
        randomize(layer, scale=0.4)
        states = (H, C, H[::-1].copy(), C[::-1].copy())
        results.append(outputs_and_gradients(layer, mask=MASK, states=states))
    assert calls == [1, 1]  # each direction
    assert len(results[1]) == 5 + 5 + 6
    assert_close(*results)


def test_states_start_at_zero():
    of_keras, ours = pair()
    expected = outputs_and_gradients(of_keras, mask=MASK, states=())
    assert_close(outputs_and_gradients(ours, mask=MASK, states=()), expected)


@pytest.mark.parametrize("value", [1e4, np.nan, np.inf])
def test_what_stands_at_padding_is_not_seen(value):
    ours = pair()[1]
    expected = outputs_and_gradients(ours, np.where(MASK[..., None], X, 0), MASK)
    hidden = np.where(MASK[..., None], X, np.float32(value))
    actual = outputs_and_gradients(ours, hidden, MASK)
    for x, y in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.any(actual[0][~MASK]) and not np.any(actual[3][~MASK])
    # A row of padding alone hands on its states, and their gradients.
    np.testing.assert_array_equal(actual[1][2], H[2])
    np.testing.assert_array_equal(actual[5][2], random(B, U, seed=9)[2])


def test_more_padding_changes_nothing():
    ours = pair()[1]
    expected = outputs_and_gradients(ours, X, MASK)[1:3]
    wider = np.pad(X, ((0, 0), (0, 2), (0, 0)), constant_values=9)
    actual = outputs_and_gradients(ours, wider, np.pad(MASK, ((0, 0), (0, 2))))
    assert_close(actual[1:3], expected, atol=1e-6)


def test_one_step_of_one_row():
    of_keras, ours = pair()
    arguments = {"x": X[:1, :1], "states": (H[:1], C[:1])}
    expected = outputs_and_gradients(of_keras, **arguments)
    assert_close(outputs_and_gradients(ours, **arguments), expected)


def test_gradients_are_slopes():
    """Against differences in float64 of steps written in NumPy."""
    ours = pair()[1]
    actual = outputs_and_gradients(ours, mask=MASK)[3:]
    values = [X, H, C, *[x.numpy() for x in ours.trainable_variables]]
    factors = [random(B, T, U, seed=7), random(B, U, seed=8), random(B, U, seed=9)]

    def loss(x, h, c, kernel, recurrent_kernel, bias):
        """One step after the other in NumPy."""
        outputs = np.zeros((B, T, U))
        for t in range(T):
            z = x[:, t] @ kernel + h @ recurrent_kernel + bias
            i, f, g, o = np.split(z, 4, axis=1)
            i, f, o = (1 / (1 + np.exp(-y)) for y in (i, f, o))
            real = MASK[:, t, None]
            new_c = f * c + i * np.tanh(g)
            new_h = o * np.tanh(new_c)
            outputs[:, t] = np.where(real, new_h, 0)
            h, c = np.where(real, new_h, h), np.where(real, new_c, c)
        return sum(np.sum(y * w) for y, w in zip((outputs, h, c), factors, strict=True))

    rng = np.random.default_rng(3)
    values = [np.asarray(x, "float64") for x in values]
    for place, gradient in enumerate(actual):
        direction = rng.normal(size=gradient.shape)
        above, below = list(values), list(values)
        above[place] = values[place] + 1e-5 * direction
        below[place] = values[place] - 1e-5 * direction
        slope = (loss(*above) - loss(*below)) / 2e-5
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-4)


class OtherCell(keras.layers.LSTMCell):
    """Some cell of a user."""


KERAS_WAY = {
    "dropout": ({"dropout": 1e-9}, True, MASK),
    "recurrent_dropout": ({"recurrent_dropout": 1e-9}, True, MASK),
    "activation": ({"activation": "relu"}, True, MASK),
    "recurrent_activation": ({"recurrent_activation": "hard_sigmoid"}, True, MASK),
    "no_bias": ({"use_bias": False}, True, MASK),
    "unroll": ({"unroll": True}, True, MASK),
    "last_output": ({"return_sequences": False}, True, MASK),
    "repeated_output": ({"zero_output_for_mask": False}, True, MASK),
    "inference": ({}, False, MASK),
    "float64": ({"dtype": "float64"}, True, MASK),
}


@pytest.mark.parametrize("name", KERAS_WAY)
def test_what_is_not_laid_out_goes_keras_way(name, calls):
    arguments, training, mask = KERAS_WAY[name]
    of_keras, ours = pair(**arguments)
    options = {"mask": mask, "training": training}
    expected = outputs_and_gradients(of_keras, **options)
    assert_close(outputs_and_gradients(ours, **options), expected, atol=1e-5)
    assert not calls


def test_another_cell_goes_keras_way(calls):
    layer = LSTM(U, **USUAL)
    layer.cell = OtherCell(U)
    layer(X, mask=MASK, training=True)
    assert not calls


def test_without_a_mask_repeated_output_is_no_question(calls):
    of_keras, ours = pair(zero_output_for_mask=False)
    expected = outputs_and_gradients(of_keras)
    assert_close(outputs_and_gradients(ours), expected)
    assert calls


def test_cudnn_that_is_demanded_is_missed_as_by_keras():
    for layer in pair(use_cudnn=True):
        with pytest.raises(ValueError, match="use_cudnn=True"):
            layer(X, training=True)


def test_stateful():
    results = []
    for cls in (keras.layers.LSTM, LSTM):
        layer = cls(U, **USUAL, stateful=True)
        layer.build(X.shape)
        randomize(layer, scale=0.4)
        results.append([layer(X, training=True)[0] for _ in range(2)])
        assert np.abs(results[-1][0] - results[-1][1]).max() > 0.1
    assert_close(*results)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_nearer_to_float32_than_keras(dtype, calls):
    exact = outputs_and_gradients(pair()[0], mask=MASK)
    of_keras, ours = pair(dtype=dtype)
    assert {x.dtype for x in ours.trainable_variables} == {"float32"}
    assert {x.dtype.name for x in ours(X, training=True)} == {dtype[6:]}
    errors = []
    for layer in (of_keras, ours):
        actual = outputs_and_gradients(layer, mask=MASK)
        pairs = zip(actual, exact, strict=True)
        errors.append([np.linalg.norm(x - y) / np.linalg.norm(y) for x, y in pairs])
    assert len(calls) == 2
    tolerance = {"mixed_bfloat16": 0.02, "mixed_float16": 0.003}[dtype]
    assert max(errors[1]) < tolerance
    assert np.mean(errors[1]) < np.mean(errors[0])


def small_model(cls):
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(13, D, mask_zero=True)(inputs)
    x = keras.layers.Bidirectional(cls(U, **USUAL))(x)[0]
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    randomize(model, scale=0.4)
    return model


IDS = np.where(MASK, np.random.default_rng(4).integers(1, 13, (B, T)), 0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit(jit_compile, calls):
    losses = []
    for cls in (keras.layers.LSTM, LSTM):
        model = small_model(cls)
        model.compile("sgd", "mse", jit_compile=jit_compile and cls is LSTM)
        batch = IDS, random(B, T, 2, seed=3)
        losses.append([model.train_on_batch(*batch) for _ in range(3)])
    assert len(calls) >= 2
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[1][2] < losses[1][0]


def test_weights_are_those_of_keras():
    of_keras, ours = pair()
    assert [x.path for x in ours.weights] == [
        x.path.replace(of_keras.name, ours.name) for x in of_keras.weights
    ]
    for one, other in ((of_keras, ours), (ours, of_keras)):
        one.set_weights([x + 1 for x in other.get_weights()])
        other.set_weights(one.get_weights())
        expected = one(X, training=True)
        for x, y in zip(other(X, training=True), expected, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-6)


def test_keras_file_round_trip(tmp_path, calls):
    model = small_model(LSTM)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored(IDS), model(IDS))
    inner = restored.layers[2].forward_layer
    assert type(inner) is LSTM
    assert not calls
    restored(IDS, training=True)
    assert calls
    # And the weights alone fit Keras's layers.
    model.save_weights(tmp_path / "model.weights.h5")
    of_keras = small_model(keras.layers.LSTM)
    randomize(of_keras, seed=1)
    of_keras.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(of_keras(IDS), model(IDS))
