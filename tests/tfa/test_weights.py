"""Weights with tensorflow-addons' names in our layers, proven by its outputs."""

import keras
import numpy as np
import pytest

import reference
import tfa
from kseq2seq.layers import (
    BahdanauAttention,
    DecoderCell,
    DecoderRNN,
    LocationSensitiveAttention,
    LuongAttention,
    MonotonicAttention,
)
from kseq2seq.tfa import (
    load_attention,
    load_decoder_cell,
    make_attention,
    make_decoder_cell,
)
from tfa import A, D, H, M, U, luong_weights, random

MECHANISMS = {
    "bahdanau": lambda: BahdanauAttention(5),
    "bahdanau_normalize": lambda: BahdanauAttention(5, normalize=True),
    "luong": lambda: LuongAttention("general"),
    "luong_scale": lambda: LuongAttention("general", use_scale=True),
}
WRAPPERS = [
    "bahdanau",
    "bahdanau_layer",
    "luong",
    "luong_layer",
    "bahdanau_monotonic_layer",
]
NAMES = pytest.mark.parametrize(
    "names",
    [tfa.VARIABLES, tfa.WITH_MEMORY, tfa.CHECKPOINT],
    ids=["variables", "with memory", "checkpoint"],
)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, atol=1e-5)


@NAMES
@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("way", ["made", "loaded", "loaded when built"])
def test_attention(goldens_root, name, names, way):
    golden = np.load(goldens_root / f"{name}.npz")
    query, memory = golden["query"][:, None], golden["memory"]
    weights = tfa.weights(golden, names)
    layer = MECHANISMS[name]()
    if way == "made":
        layer = make_attention(weights, name="mine")
        assert layer.name == "mine"
    else:
        if way == "loaded when built":
            layer.build(query.shape, memory.shape)
        load_attention(layer, weights)
    context, alignment = layer(
        query, memory, value_mask=golden["mask"], return_attention_scores=True
    )
    close(alignment[:, 0], golden["alignments"])
    close(context[:, 0], golden["context"])
    assert type(layer) is type(MECHANISMS[name]())


@NAMES
@pytest.mark.parametrize("mode", ["parallel", "recursive", "hard"])
@pytest.mark.parametrize("name", ["bahdanau_monotonic", "luong_monotonic"])
def test_monotonic_attention(goldens_root, name, mode, names):
    golden = np.load(goldens_root / f"{name}.npz")
    options = {"hard": True} if mode == "hard" else {}
    made = make_attention(tfa.weights(golden, names), **options)
    score = BahdanauAttention(5) if "bahdanau" in name else LuongAttention()
    loaded = MonotonicAttention(score, **{"hard": False, **options})
    load_attention(loaded, tfa.weights(golden, names))
    previous = "previous_alignments" + "_onehot" * (mode == "hard")
    for layer in (made, loaded):
        context, alignment, (state,) = layer.attend(
            golden["query"][:, None],
            layer.prepare(golden["memory"], value_mask=golden["mask"]),
            (golden[previous][:, None],),
        )
        close(context[:, 0], golden[f"context_{mode}"])
        close(alignment[:, 0], golden[f"alignments_{mode}"])
        close(state[:, 0], golden[f"next_state_{mode}"])


def make_cell(name):
    attention = BahdanauAttention(6) if "bahdanau" in name else LuongAttention()
    if "monotonic" in name:
        attention = MonotonicAttention(attention, hard=False)
    attentional = keras.layers.Dense(4, use_bias=False) if "layer" in name else None
    return DecoderCell([keras.layers.LSTMCell(5)], attention, attentional)


@NAMES
@pytest.mark.parametrize("name", WRAPPERS)
@pytest.mark.parametrize("way", ["made", "loaded", "loaded when built"])
def test_decoder_cell(goldens_root, name, names, way):
    golden = np.load(goldens_root / f"wrapper_{name}.npz")
    weights = tfa.weights(golden, names)
    if way == "made":
        cell = make_decoder_cell(weights)
    else:
        cell = make_cell(name)
        if way == "loaded when built":
            cell.build(golden["inputs"].shape, golden["memory"].shape)
        load_decoder_cell(cell, weights)
    outputs = DecoderRNN(cell)(
        golden["inputs"],
        golden["memory"],
        memory_mask=golden["mask"],
        initial_state=[golden["initial_h"], golden["initial_c"]],
    )
    close(outputs, golden["outputs"])


@pytest.mark.parametrize("kind", ["variable", "checkpoint"])
def test_stacked_cells_under_the_names_as_they_came(goldens_root, kind):
    """Of a checkpoint in falling order: its numbers count, not the order."""
    golden = np.load(goldens_root / "wrapper_stacked.npz")
    weights = {
        key.partition("|")[2]: golden[key]
        for key in golden.files
        if key.startswith(f"{kind}|")
    }
    assert len(weights) == 12
    cell = make_decoder_cell(weights)
    assert [type(own) for own in cell.cells] == [keras.layers.GRUCell] * 2
    outputs, alignments = DecoderRNN(cell)(
        golden["inputs"],
        golden["memory"],
        memory_mask=golden["mask"],
        return_attention_scores=True,
    )
    close(outputs, golden["outputs"])
    close(alignments, golden["alignments"])


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        (random(3 * H), {"reset_after": False, "use_bias": True}),
        (random(2, 3 * H), {"reset_after": True, "use_bias": True}),
        (None, {"reset_after": True, "use_bias": False}),
    ],
    ids=["before", "after", "none"],
)
def test_gated_recurrent_units(bias, expected):
    weights = luong_weights(gates=3)
    del weights["cell/bias"]
    if bias is not None:
        weights["cell/bias"] = bias
    (cell,) = make_decoder_cell(weights).cells
    assert expected.items() <= cell.get_config().items()
    for name, weight in reference.named_weights(cell).items():
        np.testing.assert_allclose(weight, weights[f"cell/{name}"], rtol=1e-6)


def test_biases_of_layers_that_were_given():
    weights = {
        "a/attention_v": random(U),
        "a/query_layer/kernel": random(H, U),
        "a/query_layer/bias": random(U),
        "a/memory_layer/kernel": random(M, U),
        "a/memory_layer/bias": random(U) + 1,
    }
    layer = make_attention(weights)
    close(layer.query_bias, weights["a/query_layer/bias"])
    close(layer.key_bias, weights["a/memory_layer/bias"])
    cell = make_decoder_cell(luong_weights() | {"attention_layer/bias": random(A)})
    close(cell.attentional.bias, random(A))


def test_options_reach_the_attention_layer():
    cell = make_decoder_cell(luong_weights(), probability_fn="hardmax")
    assert cell.attention.probability_fn == "hardmax"


def test_rows_of_the_attention_layer_change_places():
    weights = luong_weights()
    kernel = make_decoder_cell(weights).attentional.kernel
    close(kernel[:M], weights["attention_layer/kernel"][H:])
    close(kernel[M:], weights["attention_layer/kernel"][:H])


# What is refused.


def without(weights, *names):
    return {name: array for name, array in weights.items() if name not in names}


WRONG = {
    "missing": (
        without(luong_weights(), "memory_layer/kernel"),
        "Missing: memory_layer/kernel. Unknown: none. Received: cell/kernel",
    ),
    "missing bias": (without(luong_weights(), "cell/bias"), "Missing: cell/bias"),
    "unknown": (
        luong_weights() | {"dense/kernel:0": random(A, 2)},
        "leave out those of other layers.*Missing: none. Unknown: dense/kernel:0",
    ),
    "unknown of attention": (
        luong_weights() | {"attention_g:0": np.ones(())},
        "options that it had there.*Unknown: attention_g:0",
    ),
    "ambiguous": (
        luong_weights() | {"b/memory_layer/kernel:0": random(M, H)},
        "one array for memory_layer/kernel.*'memory_layer/kernel' and 'b/memory_layer",
    ),
    "another cell": (
        luong_weights()
        | {f"encoder/{x}": luong_weights()[x] for x in ("cell/recurrent_kernel",)},
        r"as many.*1: leave out others.*those of 2: cell, encoder/cell",
    ),
    "no cell": (
        {"memory_layer/kernel": random(M, H)},
        "as many.*has, 1.*those of 0: none",
    ),
    "shape": (
        luong_weights() | {"cell/recurrent_kernel": random(H, 3 * H)},
        r"cell/recurrent_kernel must have.*Expected: shape=\(5, 20\)"
        r".*shape=\(5, 15\) of 'cell/recurrent_kernel'",
    ),
    "rank": (
        luong_weights() | {"cell/bias": random(2, 4 * H)},
        r"cell/bias must have.*Expected: shape=\(20,\).*shape=\(2, 20\)",
    ),
    "no matrix": (
        luong_weights() | {"memory_layer/kernel": random(M)},
        r"memory_layer/kernel must be a matrix.*shape=\(7,\)",
    ),
    "joining": (
        luong_weights() | {"attention_layer/kernel": random(H, A)},
        r"attention_layer/kernel must have.*Expected: shape=\(12, 13\).*\(5, 13\)",
    ),
    "no input": (
        luong_weights() | {"cell/kernel": random(A, 4 * H)},
        r"more than 13 rows.*shape=\(13, 20\) of 'cell/kernel'",
    ),
}


@pytest.mark.parametrize("built", [False, True], ids=["unbuilt", "built"])
@pytest.mark.parametrize(("weights", "message"), WRONG.values(), ids=WRONG)
def test_all_or_nothing(weights, message, built):
    cell = DecoderCell(
        [keras.layers.LSTMCell(H)],
        LuongAttention("general"),
        keras.layers.Dense(A, use_bias=False),
    )
    if built:
        if "rows" in message:
            message = r"cell/kernel must have.*\(16, 20\).*\(13, 20\)"
        cell.build((None, D), (None, None, M))
    before = cell.get_weights()
    with pytest.raises(ValueError, match=message):
        load_decoder_cell(cell, weights)
    assert cell.built == cell.attention.built == cell.cells[0].built == built
    for x, y in zip(cell.get_weights(), before, strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_built_cell_keeps_its_sizes():
    cell = make_decoder_cell(luong_weights())
    weights = luong_weights() | {"memory_layer/kernel": random(M + 4, H)}
    with pytest.raises(ValueError, match=r"\(7, 5\).*\(11, 5\)"):
        load_decoder_cell(cell, weights)
    weights = luong_weights() | {"cell/kernel": random(D + A + 4, 4 * H)}
    with pytest.raises(ValueError, match=r"\(16, 20\).*\(20, 20\)"):
        load_decoder_cell(cell, weights)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (BahdanauAttention(U + 2), r"query_layer/kernel must.*\(None, 13\).*\(5, 11\)"),
        (BahdanauAttention(U, normalize=True), "Missing: attention_g, attention_b"),
        (BahdanauAttention(U, use_bias=True), "query_layer/bias, memory_layer/bias"),
        (LuongAttention(), "Unknown: attention_v, kernel"),
        (LuongAttention("dot"), "LuongAttention with score='dot'"),
        (LocationSensitiveAttention(U), "LocationSensitiveAttention with"),
        (MonotonicAttention(BahdanauAttention(U)), "Missing: attention_score_bias"),
        (keras.layers.Attention(), "Attention with score=None"),
    ],
)
def test_attention_must_be_its_like(layer, message):
    weights = {
        "attention_v": random(U),
        "kernel": random(H, U),
        "memory_layer/kernel": random(M, U),
    }
    with pytest.raises(ValueError, match=message):
        load_attention(layer, weights)
    assert not layer.weights


@pytest.mark.parametrize(
    "options",
    [
        {"input_feeding": False},
        {"input_feeding": False, "query": "previous"},
        {"residual": True},
        {"query_cell": "first"},
        {"attentional": keras.layers.Activation("tanh"), "input_feeding": False},
        {"cells": [keras.layers.SimpleRNNCell(H)]},
    ],
    ids=str,
)
def test_the_cell_must_make_the_step_of_the_wrapper(options):
    options = {
        "cells": [keras.layers.LSTMCell(H)],
        "attentional": keras.layers.Dense(A),
        **options,
    }
    cell = DecoderCell(attention=LuongAttention(), **options)
    with pytest.raises(ValueError, match="step of an AttentionWrapper.*Received"):
        load_decoder_cell(cell, luong_weights())


def test_a_cell_that_is_none_is_refused():
    cell = DecoderCell([keras.layers.GRUCell(3)], input_feeding=False)
    for other in (keras.layers.GRUCell(3), DecoderRNN(cell)):
        with pytest.raises(ValueError, match="DecoderRNN is its `cell`.*Received"):
            load_decoder_cell(other, {})


def test_a_cell_must_have_attention():
    cell = DecoderCell([keras.layers.LSTMCell(H)], input_feeding=False)
    with pytest.raises(ValueError, match="step of an AttentionWrapper"):
        load_decoder_cell(cell, luong_weights())


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"memory_layer/kernel": random(M, H)}, "a mechanism alone.*make_attention"),
        (
            luong_weights() | {"encoder/cell/recurrent_kernel": random(H, 4 * H)},
            "under one name.*those of: cell, encoder/cell",
        ),
        (
            luong_weights() | {"cell/recurrent_kernel": random(H, 2 * H)},
            r"four times.*three times.*shape=\(5, 10\)",
        ),
    ],
    ids=["no cell", "two cells", "gates"],
)
def test_what_no_cell_can_be_made_of(weights, message):
    with pytest.raises(ValueError, match=message):
        make_decoder_cell(weights)


def test_stacked_cells_fit_one_on_the_other():
    weights = {
        "memory_layer/kernel": random(M, H),
        "cells/0/kernel": random(D + M, 4 * H),
        "cells/0/recurrent_kernel": random(H, 4 * H),
        "cells/0/bias": random(4 * H),
        "cells/1/kernel": random(H + 2, 4 * H),
        "cells/1/recurrent_kernel": random(H, 4 * H),
        "cells/1/bias": random(4 * H),
    }
    message = r"cells/1/kernel must.*Expected: shape=\(5, 20\).*\(7, 20\)"
    with pytest.raises(ValueError, match=message):
        make_decoder_cell(weights)
    weights["cells/1/kernel"] = random(H, 4 * H)
    assert make_decoder_cell(weights).output_size == M
