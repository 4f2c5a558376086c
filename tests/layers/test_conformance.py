"""Conformance of every public layer; one row per layer."""

import copy
import functools
import inspect
import itertools
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from backends import run_on
from kseq2seq import layers
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.models import build_model
from mechanisms import MECHANISMS, WITHOUT_GRADIENT, U
from mechanisms import WITHOUT_WEIGHTS as PLAIN_MECHANISMS
from reference import randomize

# All different, so that a swapped axis cannot pass. Queries and keys have D each,
# for the dot product; the memory has M, cells H, the attentional vector A.
B, K, T, S, D, M, H, A = 2, 3, 5, 7, 11, 13, 17, 23
MASK = np.array([[True] * 7, [True] * 4 + [False] * 3])


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Row(NamedTuple):
    make: callable  # from keyword arguments of any layer
    inputs: dict  # arrays, by name; each but the first two axes of known size
    call: callable  # from layer and inputs to outputs


def attend(layer, x):
    query, value, key, mask = (x[name] for name in ("query", "value", "key", "mask"))
    return layer(query, value, key, value_mask=mask, return_attention_scores=True)


ATTENTION_INPUTS = {
    "query": random(B, T, D),
    "value": random(B, S, M, seed=1),
    "key": random(B, S, D, seed=2),
    "mask": MASK,
}


def luong_cell(input_feeding=True, **kwargs):
    return layers.DecoderCell(
        [keras.layers.LSTMCell(H, **kwargs)],
        layers.LuongAttention("general", use_scale=True, **kwargs),
        keras.layers.Dense(A, "tanh", **kwargs),
        input_feeding=input_feeding,
        **kwargs,
    )


def bahdanau_cell(**kwargs):
    return layers.DecoderCell(
        [keras.layers.GRUCell(H, **kwargs) for _ in range(2)],
        layers.BahdanauAttention(U, use_bias=True, **kwargs),
        keras.layers.Dense(A, **kwargs),
        input_feeding=False,
        query="previous",
        residual=True,
        query_cell="first",
        context_to_cells=True,
        **kwargs,
    )


def plain_cell(**kwargs):
    cells = [keras.layers.LSTMCell(H, **kwargs)]
    return layers.DecoderCell(cells, input_feeding=False, **kwargs)


def built(cell):
    cell.build((None, D), (None, None, M) if cell.attention else None)
    return cell


STATES = {f"state_{i}": random(B, H, seed=3 + i) for i in range(2)}
MEMORY = {"memory": random(B, S, M, seed=1), "mask": MASK}


def run(layer, x):
    states = [x["state_0"], x["state_1"]]
    where = {"memory_mask": x["mask"]} if "memory" in x else {}
    return layer(x["inputs"], x.get("memory"), initial_state=states, **where)


def recur(layer, x):
    states = [x["state_0"], x["state_1"]]
    return layer(x["inputs"], initial_state=states, mask=x.get("mask"))


def start(layer, x):
    states = [x["state_0"], x["state_1"]]
    return layer(states, x["memory"], memory_mask=x["mask"])


def step(layer, x):
    names = sorted(name for name in x if name.startswith("state_"))
    memory = {name: x[name] for name in ("value", "keys", "mask") if name in x}
    return layer(x["inputs"], [x[name] for name in names], memory)


def step_inputs(key_size, *state_sizes):
    return {
        "inputs": random(B, K, D),
        "value": random(B, S, M, seed=1),
        "keys": random(B, S, key_size, seed=2),
        "mask": MASK,
        **{
            f"state_{i}": random(B, K, size, seed=3 + i)
            for i, size in enumerate(state_sizes)
        },
    }


KINDS = np.array([[1, 1, 1, 1, 2, 2, 2], [1, 1, 2, 0, 0, 0, 0]], np.int32)
TARGET = {"inputs": random(B, T, D), **STATES}
ROWS = {
    **{name: Row(make, ATTENTION_INPUTS, attend) for name, make in MECHANISMS.items()},
    "decoder_rnn_luong": Row(
        lambda **kw: layers.DecoderRNN(luong_cell(**kw), **kw),
        {**TARGET, **MEMORY},
        run,
    ),
    "decoder_rnn_bahdanau": Row(
        lambda **kw: layers.DecoderRNN(bahdanau_cell(**kw), dropout=0.3, seed=7, **kw),
        {**TARGET, **MEMORY},
        run,
    ),
    "decoder_rnn_plain": Row(
        lambda **kw: layers.DecoderRNN(plain_cell(**kw), **kw), TARGET, run
    ),
    "decoder_start": Row(
        lambda **kw: layers.DecoderStart(built(luong_cell(**kw)), **kw),
        {**STATES, **MEMORY},
        start,
    ),
    "decoder_step_luong": Row(
        lambda **kw: layers.DecoderStep(luong_cell(**kw), **kw),
        step_inputs(H, H, H, A),
        step,
    ),
    "decoder_step_bahdanau": Row(
        lambda **kw: layers.DecoderStep(bahdanau_cell(**kw), **kw),
        step_inputs(U, H, H),
        step,
    ),
    "decoder_step_plain": Row(
        lambda **kw: layers.DecoderStep(plain_cell(**kw), **kw),
        {
            name: x
            for name, x in step_inputs(1, H, H).items()
            if name not in ("value", "keys", "mask")
        },
        step,
    ),
    "gated_features": Row(
        lambda **kw: layers.GatedFeaturesAttention(
            layers.LuongAttention("general", dropout=0.3, seed=7, **kw),
            layers.BahdanauAttention(U, temperature=0.7, **kw),
            kernel_initializer="he_normal",
            **kw,
        ),
        {**ATTENTION_INPUTS, "mask": KINDS},
        attend,
    ),
    "features_memory": Row(
        layers.FeaturesMemory,
        {"outputs": random(B, S, M), "embedded": random(B, S, D), "mask": KINDS},
        lambda layer, x: layer(x["outputs"], x["embedded"], x["mask"]),
    ),
    "source_kinds": Row(
        lambda **kw: layers.SourceKinds(9, **kw),
        {"ids": np.array([[4, 8, 3, 9, 11, 0, 0]] * B, "int32")},
        lambda layer, x: layer(x["ids"]),
    ),
    "padding_mask": Row(
        layers.PaddingMask,
        {"ids": np.where(MASK, 7, 0).astype("int32")},
        lambda layer, x: layer(x["ids"]),
    ),
    "dropout": Row(
        lambda **kw: layers.Dropout(0.3, seed=7, **kw),
        {"inputs": random(B, T, D)},
        lambda layer, x: layer(x["inputs"]),
    ),
    "lstm": Row(
        lambda **kw: layers.LSTM(
            H, return_sequences=True, return_state=True, zero_output_for_mask=True, **kw
        ),
        {**TARGET, "mask": MASK[:, :T]},
        recur,
    ),
    "lstm_backwards": Row(
        lambda **kw: layers.LSTM(H, go_backwards=True, dropout=0.3, seed=7, **kw),
        TARGET,
        recur,
    ),
    "layer_norm_lstm": Row(
        lambda **kw: layers.LayerNormLSTM(
            H, return_sequences=True, return_state=True, zero_output_for_mask=True, **kw
        ),
        {**TARGET, "mask": MASK[:, :T]},
        recur,
    ),
    "layer_norm_lstm_cell": Row(
        lambda **kw: layers.LayerNormLSTMCell(H, **kw),
        {"inputs": random(B, D), **STATES},
        lambda layer, x: layer(x["inputs"], [x["state_0"], x["state_1"]]),
    ),
    "transition_cell": Row(
        lambda **kw: layers.TransitionCell(keras.layers.LSTMCell(H, **kw), 3, **kw),
        {"inputs": random(B, D), **STATES},
        lambda layer, x: layer(x["inputs"], [x["state_0"], x["state_1"]]),
    ),
    "regularized_cell": Row(
        lambda **kw: layers.RegularizedCell(
            keras.layers.LSTMCell(H, **kw), 0.3, 0.2, seed=7, **kw
        ),
        {"inputs": random(B, D), **STATES},
        lambda layer, x: layer(x["inputs"], [x["state_0"], x["state_1"]]),
    ),
    "regularized_rnn": Row(
        lambda **kw: layers.RegularizedRNN(
            layers.RegularizedCell(keras.layers.LSTMCell(H, **kw), 0.3, 0.2, **kw),
            return_sequences=True,
            return_state=True,
            zero_output_for_mask=True,
            **kw,
        ),
        {**TARGET, "mask": MASK[:, :T]},
        recur,
    ),
    "vocabulary_projection": Row(
        lambda **kw: layers.VocabularyProjection(A, **kw),
        {"inputs": random(B, T, D)},
        lambda layer, x: layer(x["inputs"]),
    ),
    "vocabulary_embedding": Row(
        lambda **kw: layers.VocabularyEmbedding(A, D, **kw),
        {
            "ids": np.where(MASK, 7, 0).astype("int32"),
            "inputs": random(B, T, D),
        },
        # Of the layer's precision, to which Keras casts no inputs of an embedding.
        lambda layer, x: [
            layer(x["ids"]),
            layer(keras.ops.cast(x["inputs"], layer.compute_dtype), reverse=True),
        ],
    ),
    "copied_ids": Row(
        lambda **kw: layers.CopiedIds([0, 1, 0, 3, 7, 5, 1, 4], **kw),
        {"ids": np.where(MASK, 7, 0).astype("int32")},
        lambda layer, x: layer(x["ids"]),
    ),
    "cell_output": Row(
        lambda **kw: layers.CellOutput(5, **kw),
        {"inputs": random(B, T, D)},
        lambda layer, x: layer(x["inputs"]),
    ),
    "pair_features": Row(
        lambda **kw: layers.PairFeatures(A, **kw),
        {"query": random(B, T, H), "value": random(B, S, M)},
        lambda layer, x: layer(x["query"], x["value"]),
    ),
    "alignment_marginal": Row(
        lambda **kw: layers.AlignmentMarginal(True, 1, **kw),
        {
            "logits": random(B, T, S, A),
            "alignment": np.full((B, T, S), 1 / S, "float32"),
            "query": random(B, T, H, seed=1),
            "mask": MASK,
            "tokens": np.full((B, T), 4, "int32"),
        },
        lambda layer, x: layer(*x.values()),
    ),
    "marginal_step": Row(
        lambda **kw: layers.MarginalStep(layers.AlignmentMarginal(True, 0, **kw), **kw),
        {
            "logits": random(B, K, S, A),
            "alignment": np.full((B, K, S), 1 / S, "float32"),
            "query": random(B, K, H, seed=1),
            "mask": MASK,
            "tokens": np.full((B, K), 4, "int32"),
            "state_0": random(B, K, S, seed=2),
            "state_1": random(B, K, S * A, seed=3),
        },
        lambda layer, x: layer(*list(x.values())[:5], [x["state_0"], x["state_1"]]),
    ),
    "pointer_generator": Row(
        lambda **kw: layers.PointerGenerator("he_normal", **kw),
        {
            "logits": random(B, T, A),
            "features": random(B, T, H, seed=1),
            "embedded": random(B, T, D, seed=2),
            "alignment": np.full((B, T, S), 1 / S, "float32"),
            "copied": np.where(MASK, np.arange(3, 3 + S), 0).astype("int32"),
        },
        lambda layer, x: layer(*x.values()),
    ),
    "frame_stack": Row(
        lambda **kw: layers.FrameStack(3, **kw),
        {"inputs": random(B, S, D), "mask": MASK},
        lambda layer, x: layer(x["inputs"], x["mask"]),
    ),
    "frame_mask": Row(
        lambda **kw: layers.FrameMask(3, **kw),
        {"mask": MASK},
        lambda layer, x: layer(x["mask"]),
    ),
    "frame_convolution": Row(
        lambda **kw: layers.FrameConvolution(A, 3, **kw),
        {"inputs": random(B, S, D), "mask": MASK},
        lambda layer, x: layer(x["inputs"], x["mask"]),
    ),
    "spec_augment": Row(
        lambda **kw: layers.SpecAugment(seed=7, **kw),
        {"inputs": random(B, S, D), "mask": MASK},
        lambda layer, x: layer(x["inputs"], x["mask"]),
    ),
    "log_mel": Row(
        lambda **kw: layers.LogMel(3, 200, 7, 3, min_frequency=5, **kw),
        {"waveforms": random(B, S), "mask": MASK},
        lambda layer, x: layer(x["waveforms"], x["mask"]),
    ),
    "sinusoidal_positions": Row(
        lambda **kw: layers.SinusoidalPositions(2.0, **kw),
        {"inputs": random(B, T, D), "positions": np.full((B, T), 7, "int32")},
        lambda layer, x: layer(x["inputs"], x["positions"]),
    ),
    "transformer_encoder_layer": Row(
        lambda **kw: layers.TransformerEncoderLayer(26, 2, 5, 0.3, **kw),
        {"inputs": random(B, S, 26), "mask": MASK},
        lambda layer, x: layer(x["inputs"], x["mask"]),
    ),
    "transformer_decoder_layer": Row(
        lambda **kw: layers.TransformerDecoderLayer(26, 2, 5, 0.3, **kw),
        {"inputs": random(B, T, 26), "memory": random(B, S, 26, seed=1), "mask": MASK},
        lambda layer, x: layer(
            x["inputs"], x["memory"], x["mask"], return_attention_scores=True
        ),
    ),
    "transformer_start": Row(
        lambda **kw: layers.TransformerStart(
            [layers.TransformerDecoderLayer(26, 2, **kw)], **kw
        ),
        {"memory": random(B, S, 26), "mask": MASK},
        lambda layer, x: layer(x["memory"], x["mask"]),
    ),
    "transformer_step": Row(
        lambda **kw: layers.TransformerStep(
            [layers.TransformerDecoderLayer(26, 2, 5, **kw)], **kw
        ),
        {
            "inputs": random(B, K, 26),
            "position": np.full((B, K, 1), 2, "int32"),
            "keys": random(B, K, T, 26, seed=1),
            "value": random(B, K, T, 26, seed=2),
            "keys_0": random(B, S, 26, seed=3),
            "value_0": random(B, S, 26, seed=4),
            "mask": MASK,
        },
        lambda layer, x: layer(
            x["inputs"],
            [x["position"], x["keys"], x["value"]],
            {name: x[name] for name in ("keys_0", "value_0", "mask")},
        ),
    ),
    "logits": Row(
        layers.Logits,
        {"inputs": random(B, T, A)},
        lambda layer, x: layer(x["inputs"]),
    ),
}
WITHOUT_WEIGHTS = {
    *PLAIN_MECHANISMS, "padding_mask", "source_kinds", "dropout", "logits",
    "copied_ids", "cell_output", "marginal_step", "frame_stack", "frame_mask",
    "spec_augment", "log_mel", "sinusoidal_positions",
}  # fmt: skip


def test_every_public_layer_has_a_row():
    classes = {x for x in vars(layers).values() if inspect.isclass(x)}
    public = {x for x in classes if issubclass(x, keras.layers.Layer)}
    # A cell is no layer to be called on its own; the decoders call it. Nor are the
    # two that mechanisms are made from.
    others = {layers.DecoderCell, layers.Attention, layers.GlobalAttention}
    assert {type(row.make()) for row in ROWS.values()} == public - others


@pytest.fixture(params=ROWS, name="row")
def row_(request):
    return ROWS[request.param]


# Each uses some of the weights of the layers around which they are made.
HALVES = {"transformer_start", "transformer_step"}


def flat(outputs):
    return keras.tree.flatten(outputs)


def call(row, layer):
    return flat(row.call(layer, row.inputs))


def symbolic_inputs(row, prefix=""):
    """Of a batch, of sequences and of beams of any size."""
    collected = {}
    for name, x in row.inputs.items():
        free = (None,) * (x.ndim - 2)
        of_two_axes = name in ("mask", "ids", "waveforms")
        shape = (None,) if of_two_axes else (*free, x.shape[-1])
        collected[name] = keras.Input(shape, dtype=x.dtype.name, name=prefix + name)
    return collected


def functional(row, layer):
    """A model around the layer, with random weights."""
    inputs = symbolic_inputs(row)
    model = keras.Model(inputs, flat(row.call(layer, inputs)))
    randomize(layer, scale=0.3)
    return model


@pytest.mark.parametrize("name", sorted(WITHOUT_WEIGHTS))
def test_without_weights(name):
    layer = ROWS[name].make()
    call(ROWS[name], layer)
    assert not layer.weights


def test_config_round_trip(row):
    layer = row.make(name="some_name", trainable=False)
    config = layer.get_config()
    # A copy, since Keras's RNN takes the cell out of the config that it is given.
    restored = type(layer).from_config(copy.deepcopy(config))
    assert restored.get_config() == config
    serialized = keras.saving.serialize_keras_object(layer)
    restored = keras.saving.deserialize_keras_object(serialized)
    assert restored.get_config() == config
    assert (restored.name, restored.trainable) == ("some_name", False)


def test_keras_file_round_trip(row, tmp_path):
    model = functional(row, row.make())
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    expected = flat(model(row.inputs))
    for x, y in zip(flat(restored(row.inputs)), expected, strict=True):
        np.testing.assert_array_equal(x, y)


class Joined(NamedTuple):
    """Layers in one model: to write, load and compile takes long whatever is in it."""

    model: keras.Model
    inputs: dict  # arrays, by name
    owners: list  # the row of each output


NUM_GROUPS = 4


@functools.cache
def joined(first):
    """The layers of a group, with random weights."""
    symbolic, given, results, owners = {}, {}, [], []
    for name in [*ROWS][first::NUM_GROUPS]:
        row = ROWS[name]
        layer, inputs = row.make(), symbolic_inputs(row, f"{name}__")
        results += flat(row.call(layer, inputs))
        owners += [name] * (len(results) - len(owners))
        randomize(layer, scale=0.3)
        symbolic |= {x.name: x for x in inputs.values()}
        given |= {f"{name}__{key}": x for key, x in row.inputs.items()}
    return Joined(keras.Model(symbolic, results), given, owners)


@pytest.mark.parametrize("group", range(NUM_GROUPS))
def test_saved_model_round_trip(group, tmp_path):
    """In the loader of TensorFlow 1, which is that of TensorFlow Serving."""
    model, given, owners = joined(group)
    expected = flat(model(given))
    model.export(str(tmp_path), verbose=False)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path))
        signature = loaded.signature_def["serving_default"]
        feed = {signature.inputs[name].name: x for name, x in given.items()}
        assert len(feed) == len(signature.inputs)
        in_order = sorted(signature.outputs, key=lambda x: int(x.split("_")[1]))
        outputs = [signature.outputs[x].name for x in in_order]
        actual = session.run(outputs, feed)
        of_no_rows = session.run(outputs, {x: y[:0] for x, y in feed.items()})
    for x, y, name in zip(actual, expected, owners, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6, err_msg=name)
    assert [x.shape for x in of_no_rows] == [(0, *x.shape[1:]) for x in expected]


HALF = dict(zip(ROWS, itertools.cycle(["mixed_float16", "mixed_bfloat16"])))


@pytest.mark.parametrize(("name", "dtype"), HALF.items())
def test_half_precision_keeps_float32_weights(name, dtype):
    row = ROWS[name]
    layer = row.make(dtype=dtype)
    outputs = [x for x in call(row, layer) if "float" in x.dtype.name]
    # Losses need more than half of it.
    in_float32 = {"logits", "pointer_generator", "alignment_marginal", "marginal_step"}
    expected = "float32" if name in in_float32 else dtype.removeprefix("mixed_")
    assert {x.dtype.name for x in outputs} <= {expected}
    assert all(np.isfinite(tf.cast(x, "float32")).all() for x in outputs)
    assert {weight.dtype for weight in layer.weights} <= {"float32"}


KEY_WEIGHTS = ("key_kernel", "key_bias")


@pytest.mark.parametrize(
    "name", [x for x in ROWS if x not in WITHOUT_WEIGHTS | WITHOUT_GRADIENT | HALVES]
)
def test_every_weight_gets_a_gradient(name):
    row = ROWS[name]
    layer = row.make()
    call(row, layer)
    randomize(layer, scale=0.3)
    weights = layer.trainable_variables
    # These two have the whole cell; one projects the keys and the other does the rest.
    halves = {layers.DecoderStart: True, layers.DecoderStep: False}
    if type(layer) in halves:
        ahead = halves[type(layer)]
        weights = [x for x in weights if (x.name in KEY_WEIGHTS) == ahead]
    assert weights
    with tf.GradientTape() as tape:
        outputs = call(row, layer)
        real = [x for x in outputs if x.dtype != "bool"]
        loss = sum(tf.reduce_sum(x**3) for x in real)
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        assert gradient is not None and np.any(np.abs(gradient) > 1e-6), weight.path


def test_symbolic_outputs_are_as_the_eager_ones(row):
    layer = row.make(dtype="mixed_float16")
    symbolic = row.call(layer, symbolic_inputs(row))
    eager = row.call(layer, row.inputs)
    keras.tree.assert_same_structure(symbolic, eager)
    for x, y in zip(flat(symbolic), flat(eager), strict=True):
        assert x.dtype == keras.backend.standardize_dtype(y.dtype)
        assert x.shape[0] is None and x.shape[-1] in (None, y.shape[-1])
        assert len(x.shape) == len(y.shape)
        for size, known in zip(x.shape, y.shape, strict=True):
            assert size in (None, known)
    # And where all sizes are known they are told.
    fixed = {
        name: keras.Input(batch_shape=x.shape, dtype=x.dtype.name)
        for name, x in row.inputs.items()
    }
    for x, y in zip(flat(row.call(layer, fixed)), flat(eager), strict=True):
        assert tuple(x.shape) == tuple(y.shape)


LOADS = """
    import sys
    from pathlib import Path

    import keras
    import numpy as np

    import kseq2seq.layers
    import kseq2seq.models

    assert keras.backend.backend() == sys.argv[1]
    folder = Path(sys.argv[2])
    for path in sorted(folder.glob("*.keras")):
        model = keras.models.load_model(path)
        inputs = dict(np.load(path.with_suffix(".npz")))
        outputs = keras.tree.flatten(model.predict_on_batch(inputs))
        arrays = [keras.ops.convert_to_numpy(x) for x in outputs]
        np.savez(folder / f"{path.stem}_outputs.npz", *arrays)
"""


@pytest.fixture(scope="module", name="models")
def models_():
    """Models of all layers, and whole ones, with inputs."""
    actual = {f"layers_{n}": joined(n)[:2] for n in range(NUM_GROUPS)}
    ids = np.random.default_rng(0).integers(4, 11, size=(B, S)).astype("int32")
    frames = {"frames": random(B, S, D), "frame_mask": MASK, "target": ids[:, :T]}
    inputs = {"source": np.where(MASK, ids, 0), "target": ids[:, :T]}
    for name, kind in {
        "whole_at_once": {"tie_embeddings": True, "attention_units": U},
        "whole_stepwise": {"input_feeding": True, "residual": True},
        "whole_transformer": {
            "architecture": "transformer",
            "attention": "luong_scaled_general",
            "num_heads": 3,
        },
        "whole_layer_norm": {
            "input_feeding": True,
            "cell": "layer_norm_lstm",
            "transition_depth": 2,
            "bidirectional_layers": 1,
            "query_layer": "first",
            "context_to_layers": True,
        },
        "whole_frames": {
            "source_vocabulary_size": 0,
            "source_frame_size": D,
            "convolutions": 1,
            "pyramidal_layers": 1,
            "encoder_normalization": True,
            "spec_augment": {"seed": 7},
        },
    }.items():
        config = Seq2SeqConfig(
            target_vocabulary_size=13,
            embedding_size=5,
            units=6,
            encoder_units=None,
            encoder_layers=2,
            decoder_layers=2,
            dropout=0.1,
            **{"source_vocabulary_size": 11, "attention": "bahdanau", **kind},
        )
        given = frames if config.source_frame_size else inputs
        actual[name] = (build_model(config), given)
        randomize(actual[name][0], scale=0.3)
    return actual


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same(backend, models, tmp_path):
    for name, (model, inputs) in models.items():
        model.save(tmp_path / f"{name}.keras")
        np.savez(tmp_path / f"{name}.npz", **inputs)
    run_on(backend, LOADS, backend, tmp_path)
    for name, (model, inputs) in models.items():
        actual = [*np.load(tmp_path / f"{name}_outputs.npz").values()]
        expected = keras.tree.flatten(model(inputs))
        of_layers = name.startswith("layers_")
        owners = joined(int(name[7:])).owners if of_layers else [name] * len(actual)
        for x, y, owner in zip(actual, expected, owners, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5, err_msg=owner)
