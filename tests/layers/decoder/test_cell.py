"""The decoder cell, step by step and in a loop, against NumPy and against tfa."""

import re

import keras
import numpy as np
import pytest

import reference
from decoder_cells import (
    LENGTHS,
    MASK,
    A,
    B,
    D,
    Echo,
    H,
    K,
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
    BahdanauAttention,
    DecoderCell,
    DecoderRNN,
    DecoderStart,
    DecoderStep,
    LayerNormLSTMCell,
    LuongAttention,
)


def stacked(cell):
    return keras.layers.StackedRNNCells([cell])


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


def test_without_an_attentional_layer_the_context_is_the_output():
    cell = built(DecoderCell(one_cell(), LuongAttention("general")))
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
    cell = built(DecoderCell([Echo()], attention, attentional, input_feeding=False))
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
        DecoderCell([*one_cell(), keras.layers.LSTMCell(H, **{name: 0.3})])


def test_an_attentional_layer_needs_attention():
    with pytest.raises(ValueError, match="leave it out.*attention=None"):
        DecoderCell(one_cell(), attentional=keras.layers.Dense(A))


def test_attention_must_be_a_layer():
    with pytest.raises(ValueError, match="`attention` must be an .*attention='dot'"):
        DecoderCell([keras.layers.GRUCell(3)], attention="dot")


def test_query_must_be_known():
    with pytest.raises(ValueError, match="current, previous.*query='next'"):
        DecoderCell(one_cell(), query="next", input_feeding=False)


def test_input_feeding_needs_an_attentional_vector():
    with pytest.raises(ValueError, match="`input_feeding` needs.*attention=None"):
        DecoderCell(one_cell())
    with pytest.raises(ValueError, match="`input_feeding` needs.*query='previous'"):
        DecoderCell(
            one_cell(), LuongAttention(), keras.layers.Dense(A), query="previous"
        )


def test_a_context_for_all_cells_comes_ahead_of_them():
    message = "known before the cells.*query='current', query_cell='last'"
    for attention in (LuongAttention("general"), None):
        with pytest.raises(ValueError, match=message):
            DecoderCell(
                one_cell(), attention, input_feeding=False, context_to_cells=True
            )
