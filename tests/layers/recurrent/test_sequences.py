"""Loops with hand-written gradients against NumPy and the loops of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recurrent_layers import (
    HOLES,
    MASK,
    PAIRS,
    B,
    C,
    D,
    H,
    T,
    U,
    X,
    assert_close,
    outputs_and_gradients,
    pair,
    random,
)
from reference import layer_norm_lstm_step, lstm_step, named_weights
from slopes import assert_slopes

STEPS = {"lstm": lstm_step, "layer_norm_lstm": layer_norm_lstm_step}
NUM_WEIGHTS = {"lstm": 3, "layer_norm_lstm": 7}


@pytest.fixture(name="kind", params=PAIRS)
def kind_(request):
    """The name of a kind of cell."""
    return request.param


def numpy_run(kind, weights, x, h, c, mask=None):
    """Row by row; a step that is masked leaves the states as they were."""
    outputs = np.zeros((B, T, U))
    h, c = np.array(h, "float64"), np.array(c, "float64")
    for row, steps in enumerate(x):
        state = h[row], c[row]
        for place, inputs in enumerate(steps):
            if mask is None or mask[row, place]:
                state = STEPS[kind](weights, inputs, state)
                outputs[row, place] = state[0]
        h[row], c[row] = state
    return outputs, h, c


@pytest.mark.parametrize("mask", [None, MASK, HOLES], ids=["all", "padded", "holes"])
def test_equals_the_equations(kind, mask, calls):
    layer = pair(kind)[1]
    actual = layer(X, mask=mask, initial_state=[H, C], training=True)
    expected = numpy_run(kind, named_weights(layer.cell), X, H, C, mask)
    assert_close(actual, expected, atol=1e-5)
    assert calls


@pytest.mark.parametrize("go_backwards", [False, True])
@pytest.mark.parametrize("mask", [None, MASK, HOLES], ids=["all", "padded", "holes"])
def test_equals_keras(kind, mask, go_backwards, calls):
    of_keras, ours = pair(kind, go_backwards=go_backwards)
    expected = outputs_and_gradients(of_keras, mask=mask)
    assert not calls
    actual = outputs_and_gradients(ours, mask=mask)
    assert calls == [1]
    assert len(actual) == 3 + 3 + NUM_WEIGHTS[kind]
    assert_close(actual, expected)
    assert all(np.abs(x).max() > 0.1 for x in actual)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("mask", [None, MASK])
def test_in_graphs_of_any_size(kind, mask, jit_compile, calls):
    of_keras, ours = pair(kind)
    expected = outputs_and_gradients(of_keras, mask=mask)
    signature = [
        tf.TensorSpec((None, None, D)),
        tf.TensorSpec((None, U)),
        tf.TensorSpec((None, U)),
        *([] if mask is None else [tf.TensorSpec((None, None), "bool")]),
    ]
    factors = [random(B, T, U, seed=7), random(B, U, seed=8), random(B, U, seed=9)]

    @tf.function(input_signature=signature, autograph=False, jit_compile=jit_compile)
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


def test_states_start_at_zero(kind):
    of_keras, ours = pair(kind)
    expected = outputs_and_gradients(of_keras, mask=MASK, states=())
    assert_close(outputs_and_gradients(ours, mask=MASK, states=()), expected)


@pytest.mark.parametrize("value", [1e4, np.nan, np.inf])
def test_what_stands_at_padding_is_not_seen(kind, value):
    ours = pair(kind)[1]
    expected = outputs_and_gradients(ours, np.where(MASK[..., None], X, 0), MASK)
    hidden = np.where(MASK[..., None], X, np.float32(value))
    actual = outputs_and_gradients(ours, hidden, MASK)
    for x, y in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(x, y)
    assert not np.any(actual[0][~MASK]) and not np.any(actual[3][~MASK])
    # A row of padding alone hands on its states, and their gradients.
    np.testing.assert_array_equal(actual[1][2], H[2])
    np.testing.assert_array_equal(actual[4][2], random(B, U, seed=8)[2])
    np.testing.assert_array_equal(actual[5][2], random(B, U, seed=9)[2])


def test_more_padding_changes_nothing(kind):
    ours = pair(kind)[1]
    expected = outputs_and_gradients(ours, X, MASK)[1:3]
    wider = np.pad(X, ((0, 0), (0, 2), (0, 0)), constant_values=9)
    actual = outputs_and_gradients(ours, wider, np.pad(MASK, ((0, 0), (0, 2))))
    assert_close(actual[1:3], expected, atol=1e-6)


def test_one_step_of_one_row(kind):
    of_keras, ours = pair(kind)
    arguments = {"x": X[:1, :1], "states": (H[:1], C[:1])}
    expected = outputs_and_gradients(of_keras, **arguments)
    assert_close(outputs_and_gradients(ours, **arguments), expected)


def test_gradients_are_slopes(kind):
    """Against differences in float64 of steps written in NumPy."""
    ours = pair(kind)[1]
    actual = outputs_and_gradients(ours, mask=MASK)[3:]
    names = [x.name for x in ours.trainable_variables]
    values = [X, H, C, *[x.numpy() for x in ours.trainable_variables]]
    factors = [random(B, T, U, seed=7), random(B, U, seed=8), random(B, U, seed=9)]

    def loss(x, h, c, *weights):
        weights = dict(zip(names, weights, strict=True))
        outputs = numpy_run(kind, weights, x, h, c, MASK)
        return sum(np.sum(y * w) for y, w in zip(outputs, factors, strict=True))

    assert_slopes(loss, values, actual, step=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_as_near_to_float32_as_keras(kind, dtype, calls):
    exact = outputs_and_gradients(pair(kind)[0], mask=MASK)
    of_keras, ours = pair(kind, dtype=dtype)
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
    # Keras's LSTM has its gates in half precision, the other cell none of its sums.
    share = {"lstm": 1.0, "layer_norm_lstm": 1.2}[kind]
    assert np.mean(errors[1]) < share * np.mean(errors[0])


KERAS_WAY = {
    "unroll": ({"unroll": True}, True, MASK),
    "last_output": ({"return_sequences": False}, True, MASK),
    "repeated_output": ({"zero_output_for_mask": False}, True, MASK),
    "inference": ({}, False, MASK),
    "float64": ({"dtype": "float64"}, True, MASK),
}


@pytest.mark.parametrize("name", KERAS_WAY)
def test_what_is_not_laid_out_goes_keras_way(kind, name, calls):
    arguments, training, mask = KERAS_WAY[name]
    of_keras, ours = pair(kind, **arguments)
    options = {"mask": mask, "training": training}
    expected = outputs_and_gradients(of_keras, **options)
    assert_close(outputs_and_gradients(ours, **options), expected, atol=1e-5)
    assert not calls


def test_without_a_mask_repeated_output_is_no_question(kind, calls):
    of_keras, ours = pair(kind, zero_output_for_mask=False)
    expected = outputs_and_gradients(of_keras)
    assert_close(outputs_and_gradients(ours), expected)
    assert calls


def test_weights_are_those_of_keras(kind):
    of_keras, ours = pair(kind)
    assert ours.weights[0].path == f"{ours.name}/{kind}_cell/kernel"
    assert [x.name for x in ours.weights] == [x.name for x in of_keras.weights]
    one = keras.layers.deserialize(keras.layers.serialize(ours))
    one.build(X.shape)
    one.set_weights(of_keras.get_weights())
    assert_close(one(X, training=True), of_keras(X), atol=1e-5)
