"""Cells with several transitions in each step, against NumPy."""

import keras
import numpy as np
import pytest

import reference
from kseq2seq.layers import (
    DecoderCell,
    DecoderRNN,
    LayerNormLSTMCell,
    RegularizedCell,
    TransitionCell,
)

# All different, so that a swapped axis cannot pass.
B, T, D, U, DEPTH = 2, 5, 7, 11, 3
LENGTHS = (5, 2)
MASK = np.arange(T) < np.array(LENGTHS)[:, None]
CELLS = {
    "lstm": (keras.layers.LSTMCell, reference.lstm_step),
    "gru": (keras.layers.GRUCell, reference.gru_step),
    "layer_norm_lstm": (LayerNormLSTMCell, reference.layer_norm_lstm_step),
}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def make_cell(name, **kwargs):
    cell = TransitionCell(CELLS[name][0](U, **kwargs), DEPTH, **kwargs)
    cell.build((None, D))
    reference.randomize(cell, scale=0.5)
    return cell


def step_of(cell, name):
    weights = reference.named_weights(cell.cell)
    further = [reference.named_weights(one) for one in cell.further]
    return reference.transition(CELLS[name][1], weights, further)


@pytest.mark.parametrize("name", CELLS)
def test_equals_the_equations(name):
    cell = make_cell(name)
    x, states = random(B, T, D), [random(B, U, seed=1), random(B, U, seed=2)]
    states = states[: len(keras.tree.flatten(cell.state_size))]
    layer = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    outputs, *last = layer(x, mask=MASK, initial_state=states)
    decoder = DecoderRNN(DecoderCell(cell, input_feeding=False))
    decoded = decoder(x, initial_state=states)
    step = step_of(cell, name)
    for row, length in enumerate(LENGTHS):
        state = tuple(x[row].astype(float) for x in states)
        for place in range(length):
            state = step(x[row, place], state)
            for actual in (outputs, decoded):
                np.testing.assert_allclose(actual[row, place], state[0], atol=1e-5)
        for actual, expected in zip(last, state, strict=True):
            np.testing.assert_allclose(actual[row], expected, atol=1e-5)


def test_all_cells_begin_alike():
    cell = TransitionCell(keras.layers.LSTMCell(U), DEPTH)
    cell.build((None, D))
    for one in cell.further:
        np.testing.assert_array_equal(one.bias, cell.cell.bias)
        kernel = np.asarray(one.recurrent_kernel)
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(U), atol=1e-5)


def test_zoneout_is_from_step_to_step():
    cell = make_cell("gru")
    regularized = RegularizedCell(cell, zoneout=0.3)
    x, h = random(B, D), random(B, U, seed=1)
    _, (new,) = cell(x, [h])
    output, _ = regularized(x, [h])
    np.testing.assert_allclose(output, 0.3 * h + 0.7 * new, atol=1e-6)


@pytest.mark.parametrize(
    "cell",
    [
        keras.layers.LSTMCell(U, "relu"),
        keras.layers.GRUCell(U, reset_after=False),
        keras.layers.GRUCell(U, dropout=0.1),
        keras.layers.SimpleRNNCell(U),
        keras.layers.GRU(U),
    ],
    ids=lambda cell: cell.name,
)
def test_other_cells_are_refused(cell):
    with pytest.raises(ValueError, match="must be an LSTMCell or.*Received: cell=<"):
        TransitionCell(cell)


def test_a_depth_is_at_least_2():
    with pytest.raises(ValueError, match="`depth` must be.*at least 2. .*depth=1"):
        TransitionCell(keras.layers.LSTMCell(U), 1)
