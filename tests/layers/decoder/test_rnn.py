"""The loop over a decoder cell: masks, dropout, and what it refuses."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from decoder_cells import (
    MASK,
    A,
    B,
    D,
    Echo,
    H,
    M,
    S,
    T,
    built,
    make_cell,
    one_cell,
    random,
    random_states,
)
from kseq2seq.layers import (
    DecoderCell,
    DecoderRNN,
    DecoderStart,
    DecoderStep,
    LuongAttention,
)


def test_alignments_of_the_whole_target():
    cell = built(make_cell("general", "lstm", 1, "current", True, False))
    inputs, memory = random(B, T, D), random(B, S, M, seed=1)
    first = random_states(cell, B)
    layer = DecoderRNN(cell)
    outputs, alignment = layer(
        inputs, memory, MASK, initial_state=first, return_attention_scores=True
    )
    assert alignment.shape == (B, T, S)
    np.testing.assert_array_equal(
        layer(inputs, memory, MASK, initial_state=first), outputs
    )
    states, shared = cell.start(first, memory, MASK)
    assert [state.shape[-1] for state in states] == cell.state_size
    for t in range(T):
        output, expected, states = cell.step(inputs[:, t], states, shared)
        np.testing.assert_allclose(alignment[:, t], expected[:, 0], atol=1e-6)
        np.testing.assert_allclose(outputs[:, t], output, atol=1e-5)


def test_alignments_need_attention():
    layer = DecoderRNN(DecoderCell(one_cell(), input_feeding=False))
    with pytest.raises(ValueError, match="with attention.*attention=None"):
        layer(random(B, T, D), return_attention_scores=True)


def test_states_start_at_zero():
    cell = built(make_cell("general", "lstm", 2, "current", True, False))
    inputs, memory = random(B, T, D), random(B, S, M, seed=1)
    zeros = [np.zeros((B, H), "float32")] * 4
    layer = DecoderRNN(cell)
    np.testing.assert_array_equal(
        layer(inputs, memory), layer(inputs, memory, initial_state=zeros)
    )
    states, _ = cell.start(zeros, memory)
    np.testing.assert_array_equal(states[-1], np.zeros((B, A)))


@pytest.mark.parametrize("padding", [1e30, np.inf, np.nan])
@pytest.mark.parametrize("query", ["current", "previous"])
def test_padding_of_the_memory_has_no_influence(query, padding):
    cell = built(make_cell("bahdanau", "gru", 1, query, query == "current", False))
    layer, inputs, memory = DecoderRNN(cell), random(B, T, D), random(B, S, M, seed=1)

    def run(memory):
        memory = tf.constant(memory)
        with tf.GradientTape() as tape:
            tape.watch(memory)
            outputs = layer(inputs, memory, memory_mask=MASK)
            loss = tf.reduce_sum(outputs**2)
        return [outputs, *tape.gradient(loss, [memory, *cell.trainable_variables])]

    expected = run(memory)
    memory[~MASK] = padding
    for x, y in zip(run(memory), expected, strict=True):
        assert np.isfinite(y).all()
        np.testing.assert_array_equal(x, y)


def test_the_mask_of_the_memory_arrives():
    ids = np.array([[1, 2, 3], [4, 0, 0]])
    embedding = keras.layers.Embedding(5, M, mask_zero=True)
    cell = built(make_cell("general", "gru", 1, "current", True, False))
    layer, inputs = DecoderRNN(cell), random(B, T, D)
    memory = embedding(ids)
    expected = layer(inputs, np.asarray(memory), memory_mask=ids != 0)
    np.testing.assert_array_equal(layer(inputs, memory), expected)
    without = layer(inputs, np.asarray(memory))
    assert np.abs(without - expected)[1].max() > 1e-4


DROPPED = 0.4


def test_one_dropout_mask_between_cells_serves_all_steps():
    cell = DecoderCell([Echo(), Echo(), Echo()], input_feeding=False)
    layer = DecoderRNN(cell, dropout=DROPPED, seed=7)
    inputs = np.ones((97, T, D), "float32")
    np.testing.assert_array_equal(layer(inputs), inputs)
    np.testing.assert_array_equal(layer(inputs, training=False), inputs)
    factors = np.asarray(layer(inputs, training=True))
    np.testing.assert_array_equal(factors, factors[:, :1] * inputs)
    kept = factors[:, 0] > 0
    # Two masks, one above the other.
    np.testing.assert_allclose(factors[:, 0][kept], (1 - DROPPED) ** -2, rtol=1e-5)
    expected = (1 - DROPPED) ** 2
    deviation = (expected * (1 - expected) / kept.size) ** 0.5
    assert abs(np.mean(kept) - expected) < 4 * deviation
    assert (kept[0] != kept[1]).any()  # rows have their own
    again = np.asarray(layer(inputs, training=True))
    assert ((again[:, 0] > 0) != kept).any()  # and so has each call
    same = DecoderRNN(
        DecoderCell([Echo(), Echo(), Echo()], input_feeding=False),
        dropout=DROPPED,
        seed=7,
    )
    np.testing.assert_array_equal(same(inputs, training=True), factors)


def test_nothing_is_dropped_of_a_single_cells_input():
    layer = DecoderRNN(DecoderCell([Echo()], input_feeding=False), dropout=DROPPED)
    inputs = random(B, T, D)
    np.testing.assert_array_equal(layer(inputs, training=True), inputs)


def test_alignment_dropout_in_the_loop():
    attention = LuongAttention("general", dropout=DROPPED, seed=7)
    # The context is the output.
    layer = DecoderRNN(DecoderCell([Echo()], attention, input_feeding=False))
    # The same query each step, and one-hot values.
    inputs = np.repeat(random(B, 1, D), 101, axis=1)
    memory = np.repeat(np.eye(S, dtype="float32")[None], B, axis=0)
    alignment = np.asarray(layer(inputs, memory, training=False))
    np.testing.assert_allclose(alignment.sum(-1), 1, atol=1e-6)
    factors = np.asarray(layer(inputs, memory, training=True)) / alignment
    kept = factors > 0
    np.testing.assert_allclose(factors[kept], 1 / (1 - DROPPED), rtol=1e-5)
    deviation = (DROPPED * (1 - DROPPED) / kept.size) ** 0.5
    assert abs(np.mean(~kept) - DROPPED) < 4 * deviation
    # Anew at each step.
    assert (kept[:, 1:] != kept[:, :-1]).any()


@pytest.mark.parametrize(
    "arguments",
    [
        {"go_backwards": True},
        {"return_state": True},
        {"stateful": False},
        {"unroll": True, "return_sequences": True},
        {"zero_output_for_mask": True},
    ],
    ids=str,
)
def test_arguments_of_keras_rnn_are_refused(arguments):
    """They were taken, and went unheard or made training and decoding differ."""
    cell = DecoderCell([keras.layers.GRUCell(5)], input_feeding=False)
    last = max(arguments)
    with pytest.raises(ValueError, match=f"use `DecoderStep`.*Received: .*{last}="):
        DecoderRNN(cell, **arguments)
    with pytest.raises(ValueError, match="nothing"):
        DecoderRNN(cell, nothing=1)


@pytest.mark.parametrize("cell", [keras.layers.GRUCell(H), [], None])
@pytest.mark.parametrize("make", [DecoderRNN, DecoderStart, DecoderStep])
def test_only_a_decoder_cell_is_run(make, cell):
    with pytest.raises(ValueError, match="must be a DecoderCell; make one of"):
        make(cell)


@pytest.mark.parametrize(
    ("shapes", "received"),
    [
        ([(2, 5)], r"shapes \[\(2, 5\)\]"),
        ([(2, 5), (2, 7)], r"shapes \[\(2, 5\), \(2, 7\)\]"),
        ([(2, 5), (2, 1, 5)], r"shapes \[\(2, 5\), \(2, 1, 5\)\]"),
        ([(1, 5), (1, 5)], r"shapes \[\(1, 5\), \(1, 5\)\]"),
        ((2, 5), "of no list"),
    ],
)
def test_states_must_be_those_of_the_cells(shapes, received):
    decoder = DecoderRNN(DecoderCell([keras.layers.LSTMCell(5)], input_feeding=False))
    several = isinstance(shapes, list)
    states = [keras.ops.ones(x) for x in shapes] if several else keras.ops.ones(shapes)
    with pytest.raises(ValueError, match=rf"2 tensors .*sizes \[5, 5\].*{received}"):
        decoder(keras.ops.ones((2, 3, 4)), initial_state=states)


def test_states_of_each_cell_are_no_list_of_their_own():
    decoder = DecoderRNN(DecoderCell([keras.layers.LSTMCell(5)], input_feeding=False))
    states = [[keras.ops.ones((2, 5)), keras.ops.ones((2, 5))]]
    with pytest.raises(ValueError, match=r"must be a list .*shapes \['list'\]"):
        decoder(keras.ops.ones((2, 3, 4)), initial_state=states)


def test_states_of_other_rows_than_the_memory_s_are_refused():
    cell = make_cell("general", "gru", 1, "current", True, False)
    cell.build((B, D), (B, S, M))
    states = [keras.ops.ones((B + 1, cell.state_size[0]))]
    with pytest.raises(ValueError, match=rf"and batch {B}.*Received: shapes"):
        DecoderStart(cell)(states, keras.ops.ones((B, S, M)))


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5])
def test_dropout_must_be_a_fraction(dropout):
    cell = DecoderCell(one_cell(), input_feeding=False)
    with pytest.raises(ValueError, match=f"less than 1.*dropout={dropout}"):
        DecoderRNN(cell, dropout=dropout)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("name", "shape", "dtype", "match"),
    [
        ("inputs", (B, D), "float32", r"`inputs` .* \(batch, target_length, input_dim"),
        (
            "memory",
            (B, M),
            "float32",
            r"`memory` .* \(batch, source_length, memory_dim",
        ),
        ("memory", (T, S, M), "float32", "`memory` .* the batch size of `inputs`"),
        ("memory_mask", (B, T), "bool", "`memory_mask` .* the length of `memory`"),
        ("memory_mask", (B, S), "float32", "boolean, True .* memory_mask > -1"),
        ("target_mask", (B, S), "bool", "`target_mask` .* the length of `inputs`"),
        ("target_mask", (B,), "bool", r"`target_mask` .* \(batch, target_length\)"),
    ],
)
def test_inputs_that_cannot_be_right_are_refused(symbolic, name, shape, dtype, match):
    shapes = {"inputs": (B, T, D), "memory": (B, S, M), name: shape}
    dtypes = {"memory_mask": "bool", "target_mask": "bool"}
    make = keras.KerasTensor if symbolic else keras.ops.ones
    tensors = {x: make(y, dtypes.get(x, "float32")) for x, y in shapes.items()}
    tensors[name] = make(shape, dtype)
    layer = DecoderRNN(make_cell("general", "gru", 1, "current", True, False))
    with pytest.raises(ValueError, match=match):
        layer(**tensors)
    assert not layer.built


@pytest.mark.parametrize(
    ("memory", "mask", "match"),
    [
        (None, None, "DecoderCell .* be given a memory, .*Received: memory=None"),
        (
            (B, M),
            None,
            r"`memory` of DecoderCell .* \(batch, source_length, memory_dim",
        ),
        ((B, S, M), ((B, T), "bool"), "`memory_mask` .* the length of `memory`"),
        ((B, S, M), ((B, S), "float32"), "boolean, True .* memory_mask > -1"),
    ],
)
def test_a_memory_that_cannot_be_right_is_refused_at_the_start(memory, mask, match):
    cell = make_cell("general", "gru", 1, "current", True, False)
    cell.build((B, D), (B, S, M))
    states = [keras.ops.ones((B, size)) for size in cell.state_size[:1]]
    given = {} if memory is None else {"memory": keras.ops.ones(memory)}
    given |= {} if mask is None else {"memory_mask": keras.ops.ones(*mask)}
    with pytest.raises(ValueError, match=match):
        DecoderStart(cell)(states, **given)


def test_attention_needs_a_memory():
    layer = DecoderRNN(make_cell("general", "gru", 1, "current", True, False))
    with pytest.raises(ValueError, match="with a memory, such as .*memory=None"):
        layer(random(B, T, D))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_target_without_a_step_is_refused(training, jit_compile):
    layer = DecoderRNN(make_cell("general", "lstm", 1, "current", True, False))
    memory = random(B, S, M)
    layer(random(B, T, D), memory)
    with pytest.raises(ValueError, match=rf"BOS.*inputs.shape=\({B}, 0, {D}\)"):
        layer(random(B, 0, D), memory, training=training)

    @tf.function(jit_compile=jit_compile, autograph=False)
    def run(inputs):
        inputs = tf.ensure_shape(inputs, [None, None, D])
        return layer(inputs, memory, training=training)

    graph = run.get_concrete_function(tf.TensorSpec([None, None, D]))
    assert graph(tf.constant(random(B, T, D))).shape == (B, T, A)
    if jit_compile:  # which knows no check
        return
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one step.* BOS"):
        graph(tf.zeros((B, 0, D)))
