"""Refusals of the parts of a decoder, and of the inputs of a single step."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import (
    BahdanauAttention,
    DecoderCell,
    DecoderRNN,
    DecoderStart,
    DecoderStep,
    LuongAttention,
)

# All different, so that a swapped axis cannot pass.
B, T, S, D, M, U, A = 2, 3, 5, 7, 11, 13, 17


def make_cell(attentional=None, **options):
    attentional = attentional or keras.layers.Dense(A)
    attention = BahdanauAttention(4)
    return DecoderCell([keras.layers.GRUCell(U)], attention, attentional, **options)


@pytest.mark.parametrize("units", [(5, 6), (1, 6), (6, 1)])
def test_a_residual_is_of_the_same_size(units):
    cells = [keras.layers.GRUCell(size) for size in units]
    with pytest.raises(ValueError, match=rf"cells of \[{units[0]}, {units[1]}"):
        DecoderCell(cells, input_feeding=False, residual=True)
    DecoderCell(cells, input_feeding=False)
    DecoderCell(cells, input_feeding=False, residual=True, residual_from=3)


@pytest.mark.parametrize("attention", [LuongAttention, keras.layers.Attention()])
def test_attention_is_a_layer_of_these(attention):
    with pytest.raises(ValueError, match="`attention` must be an .*Received: attent"):
        DecoderCell([keras.layers.GRUCell(U)], attention)


def test_what_is_behind_attention_is_a_layer():
    with pytest.raises(ValueError, match="`attentional` must be a layer, .*function"):
        make_cell(keras.activations.tanh)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("input_feeding", [False, True])
def test_the_size_of_the_output_is_that_of_any_layer(symbolic, input_feeding):
    make = keras.KerasTensor if symbolic else keras.ops.ones
    inputs, memory = make((B, T, D)), make((B, S, M))
    several = keras.Sequential([keras.layers.Dense(3), keras.layers.Dense(A)])
    for attentional, size in ((several, A), (keras.layers.ReLU(), M + U)):
        cell = make_cell(attentional, input_feeding=input_feeding)
        assert tuple(DecoderRNN(cell)(inputs, memory).shape) == (B, T, size)
        assert cell.state_size == [U, size][: 1 + input_feeding]


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("shape", "states", "match"),
    [
        ((B, D), [(B, 1, U), (B, 1, A)], r"\(batch, beam, input_dim\).*=\(2, 7\)"),
        ((B, 1, D), [(B, U), (B, A)], r"state\[:, None\].*\[\(2, 13\), \(2, 17\)\]"),
        ((B, 1, D), [(B, 1, U)], r"at least 2 states.*shapes \[\(2, 1, 13\)\]"),
        ((B, 3, D), [(B, 1, U), (B, 1, A)], r"inputs.shape=\(2, 3, 7\), states of sh"),
        ((B, 1, D), [(B, 1, A), (B, 1, U)], r"with sizes \[13, 17\].*\(2, 1, 13\)\]"),
    ],
)
def test_a_step_takes_hypotheses(symbolic, shape, states, match):
    cell = make_cell()
    cell.build((B, D), (B, S, M))
    _, memory = DecoderStart(cell)([np.ones((B, U), "float32")], np.ones((B, S, M)))
    make = keras.KerasTensor if symbolic else keras.ops.ones
    with pytest.raises(ValueError, match=match):
        DecoderStep(cell)(make(shape), [make(x) for x in states], memory)


@pytest.mark.parametrize("symbolic", [False, True])
def test_inputs_are_of_the_size_that_there_are_weights_for(symbolic):
    make = keras.KerasTensor if symbolic else keras.ops.ones
    layer, memory = DecoderRNN(make_cell()), make((B, S, M))
    layer(make((B, T, D)), memory)
    with pytest.raises(ValueError, match=r"shape=\(2, 3, 8\), for weights of size 7"):
        layer(make((B, T, D + 1)), memory)
    states = [make((B, 1, U)), make((B, 1, A))]
    with pytest.raises(ValueError, match=r"shape=\(2, 1, 8\), for weights of size 7"):
        DecoderStep(layer.cell)(make((B, 1, D + 1)), states, {"value": memory})


def test_inputs_of_no_known_size_are_refused():
    inputs, memory = keras.KerasTensor((B, T, None)), keras.KerasTensor((B, S, M))
    with pytest.raises(ValueError, match="of a known size.*None\\), for weights"):
        DecoderRNN(make_cell())(inputs, memory)


@pytest.mark.parametrize("built", [False, True])
def test_a_step_takes_a_memory_that_is_prepared(built):
    cell, memory = make_cell(), np.ones((B, S, M), "float32")
    if built:
        cell.build((B, D), memory.shape)
    states = [np.ones((B, 1, size), "float32") for size in (U, A)]
    match = "dict that `DecoderStart`.*a tensor" if built else "memory_shape=None"
    with pytest.raises(ValueError, match=match):
        DecoderStep(cell)(np.ones((B, 1, D), "float32"), states, memory)


def test_a_cell_is_run_by_others():
    cell, inputs = make_cell(), np.ones((B, T, D), "float32")
    with pytest.raises(ValueError, match=r"DecoderRNN\(cell\).*`start` and `step`"):
        cell(inputs[:, 0], [np.ones((B, U), "float32")])
    with pytest.raises(ValueError, match="keras.layers.RNN has no memory"):
        keras.layers.RNN(cell)(inputs)
