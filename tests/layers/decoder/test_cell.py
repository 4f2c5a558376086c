"""The decoder cell, step by step and in a loop, against NumPy and against tfa."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import reference
from kseq2seq.layers import (
    BahdanauAttention,
    DecoderCell,
    DecoderRNN,
    DecoderStart,
    DecoderStep,
    LayerNormLSTMCell,
    LuongAttention,
)

# All different, so that a swapped axis cannot pass. M is the size of the memory, H
# of the cells, A of the attentional vector.
B, K, T, S, D, M, H, U, A = 2, 3, 5, 7, 11, 13, 17, 19, 23
LENGTHS = (7, 4)
MASK = np.arange(S) < np.array(LENGTHS)[:, None]

ATTENTIONS = {
    "none": lambda: None,
    "bahdanau": lambda: BahdanauAttention(U, use_bias=True, normalize=True),
    "general": lambda: LuongAttention("general", use_scale=True),
    "concat": lambda: LuongAttention("concat", U),
}


def stacked(cell):
    return keras.layers.StackedRNNCells([cell])


CELLS = {
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
    "layer_norm_lstm": LayerNormLSTMCell,
}
STEPS = {
    keras.layers.LSTMCell: reference.lstm_step,
    keras.layers.GRUCell: reference.gru_step,
    LayerNormLSTMCell: reference.layer_norm_lstm_step,
}

TO_ALL = {"query_cell": "first", "context_to_cells": True}
# Of each option every value, with every other option's: attention, type of cell,
# number of cells, query, input feeding, residual, and the wiring if it is another.
KINDS = [
    ("none", "lstm", 1, "current", False, False),
    ("none", "gru", 3, "current", False, True),
    ("bahdanau", "lstm", 1, "previous", False, False),
    ("bahdanau", "gru", 2, "previous", False, True),
    ("bahdanau", "lstm", 3, "current", True, True),
    ("general", "gru", 1, "current", True, False),
    ("general", "lstm", 2, "current", True, True),
    ("general", "lstm", 2, "current", False, False),
    ("general", "gru", 3, "previous", False, False),
    ("concat", "gru", 2, "current", False, True),
    ("concat", "lstm", 3, "previous", False, True),
    ("general", "layer_norm_lstm", 2, "previous", False, True),
    ("bahdanau", "lstm", 3, "previous", False, True, {**TO_ALL, "residual_from": 3}),
    ("general", "gru", 3, "current", True, False, TO_ALL),
    ("concat", "lstm", 2, "current", False, True, {"query_cell": "first"}),
    ("bahdanau", "gru", 2, "previous", False, True, {"context_to_cells": True}),
]


def make_cell(attention, cell, count, query, input_feeding, residual, wiring=None):
    attentional = keras.layers.Dense(A, "tanh") if attention != "none" else None
    return DecoderCell(
        [CELLS[cell](H) for _ in range(count)],
        ATTENTIONS[attention](),
        attentional,
        input_feeding=input_feeding,
        query=query,
        residual=residual,
        **(wiring or {}),
    )


def built(cell):
    cell.build((None, D), (None, None, M) if cell.attention else None)
    # Small weights, or rounding errors grow from step to step.
    reference.randomize(cell, scale=0.3)
    return cell


def expected_decode(cell, inputs, states, memory):
    """The NumPy loop for the weights of a `DecoderCell`, one hypothesis."""
    steps, per_cell = [], []
    for own in cell.cells:
        step = STEPS[type(own)]
        weights = reference.named_weights(own)
        steps.append(lambda x, state, f=step, w=weights: f(w, x, state))
        count = len(keras.tree.flatten(own.state_size))
        per_cell.append(states[:count])
        states = states[count:]
    if cell.attention is None:
        return reference.decode(inputs, per_cell, None, steps, residual=cell.residual)
    weights = reference.named_weights(cell.attention)
    if isinstance(cell.attention, BahdanauAttention):
        score = reference.bahdanau_score(weights)
    else:
        score = reference.luong_score(cell.attention.score, weights)
    dense = reference.named_weights(cell.attentional)
    return reference.decode(
        inputs,
        per_cell,
        memory,
        steps,
        score,
        lambda x: np.tanh(x @ dense["kernel"] + dense["bias"]),
        cell.query,
        cell.input_feeding,
        cell.residual,
        cell.residual_from,
        cell.query_cell,
        cell.context_to_cells,
    )


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def random_states(cell, *shape):
    sizes = keras.tree.flatten([own.state_size for own in cell.cells])
    return [0.5 * random(*shape, size, seed=9 + i) for i, size in enumerate(sizes)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_matches_the_loop(kind):
    cell = built(make_cell(*kind))
    inputs, memory = random(B, T, D), random(B, S, M, seed=1)
    states = random_states(cell, B)
    where = {} if cell.attention is None else {"memory": memory, "memory_mask": MASK}
    outputs = DecoderRNN(cell)(inputs, initial_state=states, **where)
    for b, length in enumerate(LENGTHS):
        expected, _, _ = expected_decode(
            cell, inputs[b], [state[b] for state in states], memory[b, :length]
        )
        np.testing.assert_allclose(outputs[b], expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_hypotheses_share_the_memory_of_their_row(kind):
    cell = built(make_cell(*kind))
    inputs, memory = random(B, K, T, D), random(B, S, M, seed=1)
    first = random_states(cell, B)
    start, step = DecoderStart(cell), DecoderStep(cell)
    if cell.attention is None:
        states, shared = start(first)
        assert shared == {}
    else:
        states, shared = start(first, memory, memory_mask=MASK)
        assert sorted(shared) == ["keys", "mask", "value"]
    # Each hypothesis a state of its own.
    factors = np.array([1, 0.5, -1], "float32")[:, None]
    states = [state[:, None] * factors for state in states]
    outputs, alignments = [], []
    for t in range(T):
        output, states, *alignment = step(inputs[:, :, t], states, shared)
        outputs.append(output)
        alignments += alignment
    for b, length in enumerate(LENGTHS):
        for k in range(K):
            expected, alignment, last = expected_decode(
                cell,
                inputs[b, k],
                [state[b] * factors[k] for state in first],
                memory[b, :length],
            )
            actual = np.stack([output[b, k] for output in outputs])
            np.testing.assert_allclose(actual, expected, atol=1e-5)
            last = [x for state in last for x in state]
            last += [expected[-1]] * cell.input_feeding
            for x, y in zip(states, last, strict=True):
                np.testing.assert_allclose(x[b, k], y, atol=1e-5)
            for x, y in zip(alignments, alignment, strict=True):
                np.testing.assert_allclose(x[b, k, :length], y, atol=1e-6)
                assert not np.any(x[b, k, length:])


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
    layer = DecoderRNN(DecoderCell(cells(), input_feeding=False))
    with pytest.raises(ValueError, match="with attention.*attention=None"):
        layer(random(B, T, D), return_attention_scores=True)


def test_without_an_attentional_layer_the_context_is_the_output():
    cell = built(DecoderCell(cells(), LuongAttention("general")))
    assert cell.output_size == M
    inputs, memory = random(1, T, D), random(1, S, M, seed=1)
    states = random_states(cell, 1)
    outputs, alignment = DecoderRNN(cell)(
        inputs, memory, initial_state=states, return_attention_scores=True
    )
    np.testing.assert_allclose(outputs[0], alignment[0] @ memory[0], atol=1e-5)


def test_a_batch_may_be_empty():
    # Of what is ours: eager TensorFlow refuses Keras's own cells without rows.
    attentional = keras.layers.Dense(A, use_bias=False)
    attention = LuongAttention("general")
    cell = built(DecoderCell([_Echo()], attention, attentional, input_feeding=False))
    states, memory = cell.start(
        [np.zeros((0, D), "float32")], random(0, S, M), np.zeros((0, S), bool)
    )
    output, alignment, states = cell.step(random(0, D), states, memory, beam=3)
    assert output.shape == (0, A) and alignment.shape == (0, 3, S)
    assert [x.shape for x in states] == [(0, D)]


@pytest.mark.parametrize("wiring", [{}, TO_ALL], ids=str)
def test_cells_may_differ(wiring):
    attention, attentional = LuongAttention("general"), keras.layers.Dense(A, "tanh")
    stack = [keras.layers.GRUCell(3), keras.layers.LSTMCell(H), keras.layers.GRUCell(2)]
    cell = built(DecoderCell(stack, attention, attentional, **wiring))
    assert cell.state_size == [3, H, H, 2, A]
    layer, inputs, memory = DecoderRNN(cell), random(1, T, D), random(1, S, M, seed=1)
    states = random_states(cell, 1)
    outputs = layer(inputs, memory, initial_state=states)
    expected, _, _ = expected_decode(cell, inputs[0], [x[0] for x in states], memory[0])
    np.testing.assert_allclose(outputs[0], expected, atol=1e-5)
    # Nor must their dropout masks be of one size.
    dropped = DecoderRNN(cell, dropout=0.5)(
        inputs, memory, initial_state=states, training=True
    )
    assert dropped.shape == outputs.shape
    assert np.abs(dropped - outputs).max() > 1e-3


def test_cells_alone_equal_keras_layers():
    cell = built(make_cell("none", "lstm", 2, "current", False, False))
    inputs, first = random(B, T, D), random_states(cell, B)
    x = inputs
    for level, own in enumerate(cell.cells):
        layer = keras.layers.LSTM(H, return_sequences=True)
        layer.build(x.shape)
        layer.set_weights(own.get_weights())
        x = layer(x, initial_state=first[2 * level : 2 * level + 2])
    actual = DecoderRNN(cell)(inputs, initial_state=first)
    np.testing.assert_allclose(actual, x, atol=1e-6)


@pytest.mark.parametrize("name", ["bahdanau", "bahdanau_layer", "luong", "luong_layer"])
def test_equals_tensorflow_addons(goldens_root, name):
    golden = np.load(goldens_root / f"wrapper_{name}.npz")
    units, depth = golden["initial_h"].shape[-1], golden["memory"].shape[-1]
    if "bahdanau" in name:
        attention = BahdanauAttention(golden["attention_v"].size)
    else:
        attention = LuongAttention("general")
    if "attention_layer_kernel" in golden:  # of [h, context], ours of [context, h]
        kernel = np.roll(golden["attention_layer_kernel"], -units, axis=0)
    else:  # the context as it is
        kernel = np.eye(depth + units, depth)
    attentional = keras.layers.Dense(kernel.shape[1], use_bias=False)
    cell = DecoderCell([keras.layers.LSTMCell(units)], attention, attentional)
    cell.build((None, golden["inputs"].shape[-1]), (None, None, depth))
    names = {
        "query_kernel": "query_kernel",
        "key_kernel": "memory_kernel",
        "score_vector": "attention_v",
    }
    for weight in attention.weights:
        weight.assign(golden[names[weight.name]])
    for weight in cell.cells[0].weights:
        weight.assign(golden[f"lstm_{weight.name}"])
    attentional.kernel.assign(kernel)

    where = {"memory": golden["memory"], "memory_mask": golden["mask"]}
    first = [golden["initial_h"], golden["initial_c"]]
    actual = DecoderRNN(cell)(golden["inputs"], initial_state=first, **where)
    np.testing.assert_allclose(actual, golden["outputs"], atol=1e-5)
    states, memory = cell.start(first, *where.values())
    for t in range(golden["inputs"].shape[1]):
        output, alignment, states = cell.step(golden["inputs"][:, t], states, memory)
        expected = golden["alignments"][:, t]
        np.testing.assert_allclose(alignment[:, 0], expected, atol=1e-5)
        np.testing.assert_allclose(states[0], golden["cell_h"][:, t], atol=1e-5)
        np.testing.assert_allclose(output, golden["outputs"][:, t], atol=1e-5)
    np.testing.assert_allclose(states[1], golden["final_c"], atol=1e-5)


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


class _Echo(keras.layers.Layer):
    """A recurrent cell that hands its input on, and remembers nothing."""

    state_size = output_size = D

    def call(self, inputs, states):
        return inputs, states


DROPPED = 0.4


def test_one_dropout_mask_between_cells_serves_all_steps():
    cell = DecoderCell([_Echo(), _Echo(), _Echo()], input_feeding=False)
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
        DecoderCell([_Echo(), _Echo(), _Echo()], input_feeding=False),
        dropout=DROPPED,
        seed=7,
    )
    np.testing.assert_array_equal(same(inputs, training=True), factors)


def test_nothing_is_dropped_of_a_single_cells_input():
    layer = DecoderRNN(DecoderCell([_Echo()], input_feeding=False), dropout=DROPPED)
    inputs = random(B, T, D)
    np.testing.assert_array_equal(layer(inputs, training=True), inputs)


def test_alignment_dropout_in_the_loop():
    attention = LuongAttention("general", dropout=DROPPED, seed=7)
    # The context is the output.
    layer = DecoderRNN(DecoderCell([_Echo()], attention, input_feeding=False))
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


def cells():
    return [keras.layers.GRUCell(H)]


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


@pytest.mark.parametrize("cells", [[], None, 8, "lstm", [8], keras.layers.LSTMCell])
def test_cells_must_be_there(cells):
    received = re.escape(f"cells={cells!r}")
    with pytest.raises(ValueError, match=f"at least one cell.*{received}"):
        DecoderCell(cells)


@pytest.mark.parametrize("make", [keras.layers.LSTM, keras.layers.Dense])
def test_layers_are_no_cells(make):
    for cells in (make(H), [make(H)]):
        with pytest.raises(ValueError, match=f"is none. Received: .*{make.__name__}"):
            DecoderCell(cells)


@pytest.mark.parametrize("cell", [keras.layers.GRUCell(H), [], None])
@pytest.mark.parametrize("make", [DecoderRNN, DecoderStart, DecoderStep])
def test_only_a_decoder_cell_is_run(make, cell):
    with pytest.raises(ValueError, match="must be a DecoderCell; make one of"):
        make(cell)


@pytest.mark.parametrize(
    "make", [lambda x: x, lambda x: (x,), stacked], ids=["itself", "tuple", "stacked"]
)
def test_a_single_cell_stands_for_a_list_of_one(make):
    own = keras.layers.GRUCell(H)
    cell = DecoderCell(make(own), input_feeding=False)
    inputs = random(B, T, D)
    actual = DecoderRNN(cell)(inputs)
    layer = keras.layers.RNN(own, return_sequences=True)
    np.testing.assert_allclose(actual, layer(inputs), atol=1e-6)
    again = DecoderCell.from_config(cell.get_config())
    assert again.get_config() == cell.get_config()


@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_cells_must_have_no_dropout(name):
    with pytest.raises(ValueError, match=f"DecoderRNN.*LSTMCell with {name}=0.3"):
        DecoderCell([*cells(), keras.layers.LSTMCell(H, **{name: 0.3})])


def test_an_attentional_layer_needs_attention():
    with pytest.raises(ValueError, match="leave it out.*attention=None"):
        DecoderCell(cells(), attentional=keras.layers.Dense(A))


def test_attention_must_be_a_layer():
    with pytest.raises(ValueError, match="`attention` must be an .*attention='dot'"):
        DecoderCell([keras.layers.GRUCell(3)], attention="dot")


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


def test_query_must_be_known():
    with pytest.raises(ValueError, match="current, previous.*query='next'"):
        DecoderCell(cells(), query="next", input_feeding=False)


def test_input_feeding_needs_an_attentional_vector():
    with pytest.raises(ValueError, match="`input_feeding` needs.*attention=None"):
        DecoderCell(cells())
    with pytest.raises(ValueError, match="`input_feeding` needs.*query='previous'"):
        DecoderCell(cells(), LuongAttention(), keras.layers.Dense(A), query="previous")


@pytest.mark.parametrize("dropout", [-0.1, 1, 1.5])
def test_dropout_must_be_a_fraction(dropout):
    cell = DecoderCell(cells(), input_feeding=False)
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


def test_a_context_for_all_cells_comes_ahead_of_them():
    message = "known before the cells.*query='current', query_cell='last'"
    for attention in (LuongAttention("general"), None):
        with pytest.raises(ValueError, match=message):
            DecoderCell(cells(), attention, input_feeding=False, context_to_cells=True)
