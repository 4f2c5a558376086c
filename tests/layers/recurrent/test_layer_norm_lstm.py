"""The LSTM cell with layer normalization, against NumPy."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import LayerNormLSTMCell
from reference import layer_norm_lstm_step, named_weights, randomize

# All different, so that a swapped axis cannot pass.
B, T, D, U = 3, 5, 7, 11
LENGTHS = (5, 2, 0)
MASK = np.arange(T) < np.array(LENGTHS)[:, None]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


X, H, C = random(B, T, D), random(B, U, seed=1), random(B, U, seed=2)


def make_layer(**kwargs):
    layer = keras.layers.RNN(
        LayerNormLSTMCell(U, **kwargs),
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        **kwargs,
    )
    layer.build(X.shape)
    randomize(layer, scale=0.5)
    return layer


def expected_run(layer, x):
    """Outputs and last states of all rows, padding left out."""
    weights, outputs = named_weights(layer.cell), np.zeros((B, T, U))
    states = [(H[row].astype(float), C[row].astype(float)) for row in range(B)]
    for row, length in enumerate(LENGTHS):
        for place in range(length):
            states[row] = layer_norm_lstm_step(weights, x[row, place], states[row])
            outputs[row, place] = states[row][0]
    return outputs, *map(np.array, zip(*states, strict=True))


def test_equals_the_equations():
    layer = make_layer()
    actual = layer(X, mask=MASK, initial_state=[H, C])
    for one, other in zip(actual, expected_run(layer, X), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("dtype", "atol"), [("float16", 0.01), ("bfloat16", 0.06)])
def test_half_precision_keeps_statistics_in_float32(dtype, atol):
    layer = make_layer(dtype=f"mixed_{dtype}")
    # The squares of the sums do not fit into float16.
    actual = layer(1000 * X, mask=MASK, initial_state=[H, C])
    for one, other in zip(actual, expected_run(layer, 1000 * X), strict=True):
        np.testing.assert_allclose(keras.ops.cast(one, "float32"), other, atol=atol)


def test_runs_in_float16_alone():
    layer = make_layer(dtype="float16")
    actual = layer(X, mask=MASK, initial_state=[H, C], training=True)
    for one, other in zip(actual, expected_run(layer, X), strict=True):
        assert one.dtype == "float16"
        np.testing.assert_allclose(keras.ops.cast(one, "float32"), other, atol=0.01)


def test_starts_as_keras_lstm_does():
    layer, cell = keras.layers.LSTMCell(U), LayerNormLSTMCell(U)
    layer.build((None, D))
    cell.build((None, D))
    np.testing.assert_array_equal(cell.bias, layer.bias)
    for state in cell.get_initial_state(B):
        np.testing.assert_array_equal(state, np.zeros((B, U)))


def test_units_must_be_a_size():
    with pytest.raises(ValueError, match=r"`units` must be.*Received: units=0"):
        LayerNormLSTMCell(0)
