"""Recurrent dropout and zoneout, against NumPy with the same draws."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Seq2SeqConfig
from kseq2seq.layers import DecoderCell, DecoderRNN, RegularizedCell, RegularizedRNN
from reference import lstm_step, named_weights, randomize

# All different, so that a swapped axis cannot pass.
B, T, D, U = 3, 5, 7, 11
LENGTHS = (5, 2, 0)
MASK = np.arange(T) < np.array(LENGTHS)[:, None]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


X, H, C = random(B, T, D), random(B, U, seed=1), random(B, U, seed=2)


def make_cell(recurrent_dropout=0.4, zoneout=0.3):
    cell = RegularizedCell(keras.layers.LSTMCell(U), recurrent_dropout, zoneout)
    cell.build((None, D))
    randomize(cell, scale=0.5)
    return cell


def steps(cell, row, places, mask, changes):
    """States after each place of a row, given draws that may be shares."""
    weights = named_weights(cell.cell)
    state, collected = (H[row].astype(float), C[row].astype(float)), {}
    for place in places:
        given = state[0] * mask[row, place], state[1]
        new = lstm_step(weights, X[row, place], given)
        shares = [x[row, place] for x in changes]
        state = tuple(
            share * x + (1 - share) * old
            for share, x, old in zip(shares, new, state, strict=True)
        )
        collected[place] = state
    return collected, state


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_stands_at_padding_has_no_part_in_gradients(value):
    hidden = np.where(MASK[..., None], X, np.float32(value))
    found = []
    for inputs in (np.where(MASK[..., None], X, 0), hidden):
        cell = make_cell(recurrent_dropout=0.0, zoneout=0.0)
        layer = RegularizedRNN(cell, return_sequences=True, zero_output_for_mask=True)
        sequences = tf.convert_to_tensor(inputs)
        with tf.GradientTape() as tape:
            tape.watch(sequences)
            outputs = layer(sequences, mask=MASK, training=True)
        found.append(tape.gradient(outputs, [sequences, *layer.trainable_variables]))
    for expected, actual in zip(*found, strict=True):
        np.testing.assert_array_equal(actual, expected)


def record_draws(cell, monkeypatch):
    drawn, draw = {}, cell.draw
    monkeypatch.setattr(cell, "draw", lambda x: drawn.update(draw(x)) or drawn)
    return drawn


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("go_backwards", [True, False])
def test_equals_the_equations(training, go_backwards, monkeypatch):
    cell = make_cell()
    drawn = record_draws(cell, monkeypatch)
    layer = RegularizedRNN(
        cell,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        go_backwards=go_backwards,
    )
    outputs, h, c = layer(X, mask=MASK, initial_state=[H, C], training=training)
    mask, changes = np.ones((B, T, U)), [np.full((B, T, U), 0.7)] * 2
    if training:
        mask = np.array(drawn["mask"])
        changes = [np.array(drawn[f"changes_{i}"]) for i in range(2)]
    for row, length in enumerate(LENGTHS):
        order = range(length)[::-1] if go_backwards else range(length)
        expected, last = steps(cell, row, order, mask, changes)
        for place in range(T):
            output = outputs[row, T - 1 - place if go_backwards else place]
            other = expected[place][0] if place < length else np.zeros(U)
            np.testing.assert_allclose(output, other, atol=1e-5)
        np.testing.assert_allclose(h[row], last[0], atol=1e-5)
        np.testing.assert_allclose(c[row], last[1], atol=1e-5)


@pytest.mark.parametrize("zero_output", [True, False])
@pytest.mark.parametrize("go_backwards", [True, False])
def test_padding_has_the_outputs_of_keras(zero_output, go_backwards):
    cell = keras.layers.LSTMCell(U)
    options = {
        "return_sequences": True,
        "return_state": True,
        "zero_output_for_mask": zero_output,
        "go_backwards": go_backwards,
    }
    # Ahead of what is real, between and behind it.
    mask = np.array([[0, 0, 1, 0, 1], [1, 0, 1, 1, 0], [0, 0, 0, 0, 0]], bool)
    given = {"initial_state": [H, C], "mask": mask, "training": True}
    expected = keras.layers.RNN(cell, **options)(X, **given)
    received = RegularizedRNN(RegularizedCell(cell), **options)(X, **given)
    for actual, wanted in zip(received, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, atol=1e-6)


def test_the_decoder_does_the_same(monkeypatch):
    cell = make_cell()
    drawn = record_draws(cell, monkeypatch)
    layer = DecoderRNN(DecoderCell([cell], input_feeding=False))
    outputs = layer(X, initial_state=[H, C], training=True)
    mask, *changes = (np.array(x) for x in drawn.values())
    for row in range(B):
        expected, _ = steps(cell, row, range(T), mask, changes)
        for place in range(T):
            np.testing.assert_allclose(
                outputs[row, place], expected[place][0], atol=1e-5
            )


def test_rates_and_masks():
    drawn = make_cell().draw(np.zeros((101, 53, D)))
    mask, *changes = (np.array(x) for x in drawn.values())
    # One mask for all steps, scaled; others at each step and in each state.
    np.testing.assert_array_equal(mask, np.repeat(mask[:, :1], 53, axis=1))
    np.testing.assert_allclose(np.unique(mask), [0, 1 / 0.6], rtol=1e-6)
    assert abs(np.mean(mask == 0) - 0.4) < 0.06
    assert all(set(np.unique(x)) == {0, 1} for x in changes)
    assert all(abs(np.mean(x) - 0.7) < 0.01 for x in changes)
    assert abs(np.mean(changes[0] * changes[1]) - 0.49) < 0.01
    assert abs(np.mean(changes[0][:, 1:] * changes[0][:, :-1]) - 0.49) < 0.01


def test_arguments():
    cell = keras.layers.GRUCell(U)
    with pytest.raises(ValueError, match="needs a cell with .*recurrent_dropout=0.1"):
        RegularizedCell(cell, recurrent_dropout=0.1)
    for other in (None, keras.layers.LSTM(U), keras.layers.LSTMCell(U, dropout=0.1)):
        with pytest.raises(
            ValueError, match="must be a recurrent cell.* without dropo"
        ):
            RegularizedCell(other, zoneout=0.1)
    with pytest.raises(ValueError, match="must be a RegularizedCell.*Received: cell="):
        RegularizedRNN(cell)
    with pytest.raises(ValueError, match="keeps no state.*Received: stateful=True"):
        RegularizedRNN(make_cell(), stateful=True)
    with pytest.raises(ValueError, match="needs an LSTM.*cell='gru'"):
        Seq2SeqConfig(
            source_vocabulary_size=11,
            target_vocabulary_size=13,
            cell="gru",
            recurrent_dropout=0.1,
        )
