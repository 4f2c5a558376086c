"""The decoder's hand-laid gradients against those of its loop, step by step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import reference
from backends import run_on
from kseq2seq import Adam
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import (
    BahdanauAttention,
    DecoderCell,
    DecoderRNN,
    LayerNormLSTMCell,
    LuongAttention,
    TransitionCell,
)
from kseq2seq.layers.decoder import fused
from kseq2seq.losses import MaskedCrossentropy
from kseq2seq.models import build_model
from mechanisms import MECHANISMS
from paths import TESTS

# All different, so that a swapped axis cannot pass: batch, target, source, inputs,
# cells, attentional vector, memory, and the space of additive scores.
B, T, S, E, U, A, M, Q = 4, 5, 7, 3, 11, 13, 17, 19
# One row without anything to attend to.
MASK = np.arange(S) < np.array([7, 3, 0, 1])[:, None]
WAYS = {
    "feed": {"input_feeding": True},
    "no_feed": {"input_feeding": False},
    "previous": {"input_feeding": False, "query": "previous"},
}
ATTENTIONS = {
    "dot": lambda **kw: LuongAttention("dot", **kw),
    "general": lambda **kw: LuongAttention("general", temperature=2.3, **kw),
    "scaled": lambda **kw: LuongAttention("scaled_dot", temperature=0.3, **kw),
    "scaled_general": lambda **kw: LuongAttention("scaled_general", **kw),
    "concat": lambda **kw: LuongAttention("concat", Q, temperature=0.7, **kw),
    "bahdanau": lambda **kw: BahdanauAttention(Q, **kw),
}
# Each pair of two choices at least once: attention, way, levels, residual.
KINDS = [
    ("dot", "feed", 1, False),
    ("dot", "no_feed", 2, True),
    ("dot", "previous", 3, False),
    ("general", "feed", 3, True),
    ("general", "no_feed", 1, False),
    ("general", "previous", 2, False),
    ("scaled", "feed", 2, False),
    ("scaled", "no_feed", 3, True),
    ("scaled", "previous", 1, True),
    ("scaled_general", "feed", 1, True),
    ("scaled_general", "no_feed", 2, False),
    ("scaled_general", "previous", 3, True),
    ("concat", "feed", 2, True),
    ("concat", "no_feed", 1, True),
    ("concat", "previous", 3, False),
    ("bahdanau", "feed", 1, False),
    ("bahdanau", "no_feed", 3, False),
    ("bahdanau", "previous", 2, True),
]
# The levels that are with layer normalization, among others without it.
LAYER_NORM_KINDS = [
    ("bahdanau", "previous", 1, False, (0,)),
    ("general", "feed", 2, True, (0, 1)),
    ("concat", "no_feed", 1, False, (0,)),
    ("scaled_general", "no_feed", 3, True, (1,)),
    ("bahdanau", "feed", 2, False, (1,)),
    ("dot", "previous", 3, True, (0, 2)),
]


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


class Case:
    """A decoder with random weights, and what it is called with."""

    def __init__(
        self,
        attention,
        way,
        levels,
        residual=False,
        normalized=(),
        dropout=0.0,
        **kwargs,
    ):
        if isinstance(attention, str):
            attention = ATTENTIONS[attention](**kwargs)
        kinds = {True: LayerNormLSTMCell, False: keras.layers.LSTMCell}
        cells = [kinds[x in normalized](U, **kwargs) for x in range(levels)]
        layer = keras.layers.Dense(A, "tanh", use_bias=False, **kwargs)
        options = {**WAYS[way], "residual": residual, **kwargs}
        cell = DecoderCell(cells, attention, layer, **options)
        self.decoder = DecoderRNN(cell, dropout, seed=23, **kwargs)
        score = getattr(attention, "score", None)
        memory_size = U if score in ("dot", "scaled_dot") else M
        self.inputs = [random(B, T, E), random(B, S, memory_size, seed=1)]
        self.inputs += [random(B, U, seed=2 + i) for i in range(2 * levels)]
        self.mask = MASK
        self.decoder.build((B, T, E), (B, S, memory_size))
        reference.randomize(self.decoder, scale=0.4)

    def outputs(self, inputs, memory, *states, **kwargs):
        options = {"training": True, "memory_mask": self.mask, **kwargs}
        return self.decoder(inputs, memory, initial_state=list(states), **options)

    def outputs_and_gradients(self, with_alignment=False):
        """Of inputs, memory, initial states and weights."""
        tensors = [tf.constant(x) for x in self.inputs]
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            if with_alignment:
                outputs = self.outputs(*tensors, return_attention_scores=True)
                outputs = tf.concat(outputs, axis=-1)
            else:
                outputs = self.outputs(*tensors)
            outputs = tf.cast(outputs, "float32")
            loss = tf.reduce_sum(outputs * random(*outputs.shape, seed=31))
        weights = self.decoder.trainable_variables
        gradients = tape.gradient(loss, [*tensors, *[x.value for x in weights]])
        assert None not in gradients
        return [np.asarray(x) for x in (outputs, *gradients)]


@pytest.fixture(name="calls")
def calls_(monkeypatch):
    """Whether each call in training could be laid out."""
    actual, plain = [], fused.decode
    monkeypatch.setattr(fused, "decode", lambda *x: actual.append(1) or plain(*x))
    return actual


@pytest.fixture(name="step_by_step")
def step_by_step_(monkeypatch):
    """Runs a function with the decoder's usual loop."""

    def run(function, *arguments):
        with monkeypatch.context() as patch:
            patch.setattr(fused, "supports", lambda cell: False)
            return function(*arguments)

    return run


def assert_close(actual, expected, atol=2e-5):
    for place, (x, y) in enumerate(zip(actual, expected, strict=True)):
        np.testing.assert_allclose(x, y, 1e-5, atol, err_msg=f"number {place}")


@pytest.mark.parametrize("kind", [*KINDS, *LAYER_NORM_KINDS], ids=str)
def test_equals_the_loop(kind, calls, step_by_step):
    case = Case(*kind)
    actual = case.outputs_and_gradients()
    assert calls == [1]
    expected = step_by_step(case.outputs_and_gradients)
    assert calls == [1]
    assert_close(actual, expected)
    assert all(np.abs(x).max() > 1e-3 for x in actual)
    # The row without anything to attend to has no part in the memory.
    assert not np.any(actual[2][~MASK])


@pytest.mark.parametrize(
    "kind", [("general", "feed", 2, True), ("bahdanau", "feed", 2, True, (0, 1))]
)
def test_in_graphs_of_any_size(kind, calls, step_by_step):
    case = Case(*kind)
    expected = step_by_step(case.outputs_and_gradients)
    specs = [tf.TensorSpec([None] * (x.ndim - 1) + [x.shape[-1]]) for x in case.inputs]

    @tf.function(
        input_signature=[*specs, tf.TensorSpec([None, None], "bool")], autograph=False
    )
    def run(*tensors):
        *tensors, mask = tensors
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            outputs = case.outputs(*tensors, memory_mask=mask)
            loss = tf.reduce_sum(outputs * random(B, T, A, seed=31))
        weights = [x.value for x in case.decoder.trainable_variables]
        return [outputs, *tape.gradient(loss, [*tensors, *weights])]

    assert_close(run(*case.inputs, case.mask), expected)
    assert calls == [1]


@pytest.mark.parametrize("way", ["feed", "previous"])
def test_dropout_between_levels_is_the_same(way, step_by_step):
    results = []
    for run in (lambda f: f(), step_by_step):
        case = Case("general", way, 3, True, (1,), dropout=0.5)
        results.append(run(case.outputs_and_gradients))
    assert_close(*results)
    plain = Case("general", way, 3, True, (1,)).outputs_and_gradients()
    assert np.abs(plain[0] - results[0][0]).max() > 0.1


@pytest.mark.parametrize("name", ["dot", "concat"])
@pytest.mark.parametrize("rows", [1, 3])
def test_one_step(name, rows, step_by_step):
    case = Case(name, "feed", 1)
    case.inputs = [x[:rows] for x in case.inputs]
    case.inputs[0], case.mask = case.inputs[0][:, :1], MASK[:rows]
    actual = case.outputs_and_gradients()
    assert actual[0].shape == (rows, 1, A)
    assert_close(actual, step_by_step(case.outputs_and_gradients))


def test_without_a_mask_and_states(calls, step_by_step):
    case = Case("general", "feed", 1)
    case.mask, case.inputs = None, case.inputs[:2]
    case.outputs = lambda x, memory: case.decoder(x, memory, training=True)
    actual = case.outputs_and_gradients()
    assert calls
    assert_close(actual, step_by_step(case.outputs_and_gradients))


@pytest.mark.parametrize("value", [1e4, np.nan, np.inf])
@pytest.mark.parametrize("name", ["general", "bahdanau"])
def test_what_stands_at_padding_is_not_seen(name, value):
    case = Case(name, "feed", 1)
    expected = case.outputs_and_gradients()
    case.inputs[1] = np.where(MASK[..., None], case.inputs[1], np.float32(value))
    for x, y in zip(case.outputs_and_gradients(), expected, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize(
    ("kind", "dropout"),
    [
        (("general", "feed", 2), 0.0),
        (("bahdanau", "previous", 1), 0.0),
        (("scaled_general", "feed", 3), 0.5),
        (("bahdanau", "previous", 2), 0.5),
        (("bahdanau", "previous", 2, False, (0, 1)), 0.0),
    ],
)
def test_half_precision(kind, dropout, dtype, calls, step_by_step):
    exact = step_by_step(Case(*kind, dropout=dropout).outputs_and_gradients)
    case, errors = Case(*kind, dropout=dropout, dtype=dtype), []
    assert case.outputs(*case.inputs).dtype == dtype[6:]
    for run in (lambda f: f(), step_by_step):
        # The same rows are dropped each time.
        case = Case(*kind, dropout=dropout, dtype=dtype) if dropout else case
        pairs = zip(run(case.outputs_and_gradients), exact, strict=True)
        errors.append([np.linalg.norm(x - y) / np.linalg.norm(y) for x, y in pairs])
    assert len(calls) == 2
    tolerance = {"mixed_bfloat16": 0.06, "mixed_float16": 0.008}[dtype]
    assert max(errors[0]) < tolerance
    assert np.mean(errors[0]) < 1.2 * np.mean(errors[1])


def _numpy_step(cell):
    step, weights = reference.lstm_step, reference.named_weights(cell)
    if isinstance(cell, LayerNormLSTMCell):
        step = reference.layer_norm_lstm_step
    return lambda x, state: step(weights, x, state)


def loop_in_numpy(case, inputs):
    """The loss of a case, written step by step in float64 by `reference`."""
    x, memory, *states = inputs
    cell = case.decoder.cell
    steps = [_numpy_step(own) for own in cell.cells]
    of_attention = reference.named_weights(cell.attention)
    if isinstance(cell.attention, BahdanauAttention):
        score = reference.bahdanau_score(of_attention)
    else:
        score = reference.luong_score(cell.attention.score, of_attention)
    kernel = reference.named_weights(cell.attentional)["kernel"]
    total = 0.0
    for b in range(B):
        if not MASK[b].any():
            continue
        own = [x[b] for x in states]
        outputs, _, _ = reference.decode(
            x[b],
            [own[i : i + 2] for i in range(0, len(own), 2)],
            memory[b, : MASK[b].sum()],
            steps,
            score,
            lambda x: np.tanh(x @ kernel),
            cell.query,
            cell.input_feeding,
            cell.residual,
        )
        total += np.sum(np.asarray(outputs) * random(B, T, A, seed=31)[b])
    return total


@pytest.mark.parametrize(
    "kind",
    [
        ("scaled", "feed", 2, True),
        ("bahdanau", "previous", 1),
        ("bahdanau", "previous", 2, True, (0, 1)),
    ],
    ids=str,
)
def test_gradients_are_slopes(kind):
    """Against differences of the formulas in NumPy, which know of no gradient."""
    case = Case(*kind)
    case.decoder.cell.attention.temperature = 1.0
    rows = MASK.any(axis=1)
    actual = case.outputs_and_gradients()[1:]
    values = [x.astype("float64") for x in case.inputs]
    weights = case.decoder.trainable_variables
    rng = np.random.default_rng(3)
    step = 1e-3
    for place, gradient in enumerate(actual[: len(values)]):
        gradient = gradient * rows.reshape(B, *[1] * (gradient.ndim - 1))
        direction = rng.normal(size=gradient.shape)
        sides = []
        for sign in (1, -1):
            moved = list(values)
            moved[place] = values[place] + sign * 1e-6 * direction
            sides.append(loop_in_numpy(case, moved))
        slope = (sides[0] - sides[1]) / 2e-6
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-4)
    # Of the weights without the row that the formulas have no words for.
    case.inputs, case.mask = [x[rows] for x in case.inputs], MASK[rows]
    upstream = random(B, T, A, seed=31)[rows]
    with tf.GradientTape() as tape:
        outputs = case.outputs(*[tf.constant(x) for x in case.inputs])
        loss = tf.reduce_sum(outputs * upstream)
    for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True):
        before = weight.numpy()
        direction = rng.normal(size=before.shape).astype("float32")
        sides = []
        for sign in (1, -1):
            weight.assign(before + sign * step * direction)
            sides.append(loop_in_numpy(case, values))
        weight.assign(before)
        slope = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(
            np.sum(gradient * direction), slope, rtol=2e-3, err_msg=weight.path
        )


class OtherScores(LuongAttention):
    def scores(self, query, keys):
        return 2 * super().scores(query, keys)


class OtherCell(keras.layers.LSTMCell):
    pass


class OtherLayerNorm(LayerNormLSTMCell):
    pass


class OtherDecoderCell(DecoderCell):
    pass


def cell_of(attention=None, cells=None, attentional=None, make=DecoderCell, **kwargs):
    return make(
        cells or [keras.layers.LSTMCell(U)],
        attention or LuongAttention("general"),
        attentional or keras.layers.Dense(A, "tanh", use_bias=False),
        **kwargs,
    )


def two_cells():
    return [keras.layers.LSTMCell(U), keras.layers.LSTMCell(U)]


# What is laid out, of all mechanisms; their rows of tests have options.
LAID_OUT = {"luong_general", "luong_scaled_dot", "luong_scaled_general", "bahdanau"}
OTHERS = {
    "subclass": lambda: cell_of(OtherScores("general")),
    "use_scale": lambda: cell_of(LuongAttention("dot", use_scale=True)),
    "normalize": lambda: cell_of(BahdanauAttention(Q, normalize=True)),
    "use_bias": lambda: cell_of(BahdanauAttention(Q, use_bias=True)),
    "dropout": lambda: cell_of(BahdanauAttention(Q, dropout=0.1)),
    "sparsemax": lambda: cell_of(LuongAttention(probability_fn="sparsemax")),
    "gru": lambda: cell_of(cells=[keras.layers.GRUCell(U)]),
    "other_layer_norm": lambda: cell_of(cells=[OtherLayerNorm(U)]),
    "one_gru": lambda: cell_of(
        cells=[keras.layers.LSTMCell(U), keras.layers.GRUCell(U)]
    ),
    "other_cell": lambda: cell_of(cells=[OtherCell(U)]),
    "relu_cell": lambda: cell_of(cells=[keras.layers.LSTMCell(U, "relu")]),
    "hard_cell": lambda: cell_of(
        cells=[keras.layers.LSTMCell(U, recurrent_activation="hard_sigmoid")]
    ),
    "no_bias": lambda: cell_of(cells=[keras.layers.LSTMCell(U, use_bias=False)]),
    "transition": lambda: cell_of(cells=[TransitionCell(keras.layers.LSTMCell(U))]),
    "query_cell": lambda: cell_of(cells=two_cells(), query_cell="first"),
    "context_to_cells": lambda: cell_of(
        cells=two_cells(),
        query="previous",
        input_feeding=False,
        context_to_cells=True,
    ),
    "residual_from": lambda: cell_of(cells=two_cells(), residual=True, residual_from=3),
    "other_decoder_cell": lambda: cell_of(make=OtherDecoderCell),
    "attentional_bias": lambda: cell_of(attentional=keras.layers.Dense(A, "tanh")),
    "attentional_relu": lambda: cell_of(
        attentional=keras.layers.Dense(A, "relu", use_bias=False)
    ),
    "no_attentional": lambda: DecoderCell(
        [keras.layers.LSTMCell(U)], LuongAttention(), input_feeding=False
    ),
    "no_attention": lambda: DecoderCell(
        [keras.layers.LSTMCell(U)], input_feeding=False
    ),
}


def test_what_is_laid_out():
    assert fused.supports(cell_of())
    actual = {
        name for name, make in MECHANISMS.items() if fused.supports(cell_of(make()))
    }
    assert actual == LAID_OUT


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_laid_out(name, calls):
    cell = OTHERS[name]()
    assert not fused.supports(cell)
    memory = {} if cell.attention is None else {"memory": random(B, S, U, seed=1)}
    DecoderRNN(cell)(random(B, T, E), **memory, training=True)
    assert not calls


def test_float64_is_not_laid_out(calls):
    case = Case("general", "feed", 2, dtype="float64")
    assert case.outputs(*case.inputs).dtype == "float64"
    assert not calls


def test_a_quantised_layer_is_not_laid_out():
    cell = cell_of()
    DecoderRNN(cell)(random(B, T, E), random(B, S, M))
    cell.attentional.quantize("int8")
    assert not fused.supports(cell)


def test_only_in_training(calls):
    case = Case("general", "feed", 1)
    outputs = case.outputs(*case.inputs, training=False)
    assert not calls
    np.testing.assert_allclose(case.outputs(*case.inputs), outputs, atol=1e-6)
    assert calls


@pytest.mark.parametrize("kind", [("concat", "feed", 2), ("general", "previous", 1)])
def test_the_alignment_and_its_gradient_are_those_of_the_loop(
    kind, calls, step_by_step
):
    case = Case(*kind)
    actual = case.outputs_and_gradients(with_alignment=True)
    assert calls == [1]
    expected = step_by_step(case.outputs_and_gradients, True)
    assert calls == [1]
    assert_close(actual, expected)
    alignment = actual[0][..., -S:]
    seen = np.broadcast_to(MASK[:, None], alignment.shape)
    assert np.all(alignment[~seen] == 0) and np.all(alignment[seen] > 0)


def losses_of_fit(**kwargs):
    ids, memory = keras.Input((None,), dtype="int32"), keras.Input((None, M))
    x = keras.layers.Embedding(29, E)(ids)
    x = DecoderRNN(cell_of(BahdanauAttention(Q)))(x, memory)
    model = keras.Model([ids, memory], keras.layers.Dense(29)(x))
    reference.randomize(model, scale=0.4)
    kwargs = {"jit_compile": False, **kwargs}
    model.compile(Adam(0.01), MaskedCrossentropy(), **kwargs)
    labels = np.random.default_rng(2).integers(4, 29, (B, T))
    inputs = [labels[:, ::-1], random(B, S, M)]
    return model.fit(inputs, labels, epochs=3, verbose=0).history["loss"]


def test_a_model_trains_to_the_same_losses(calls, step_by_step):
    expected = step_by_step(losses_of_fit)
    assert not calls
    actual = losses_of_fit()
    assert calls
    np.testing.assert_allclose(actual, expected, rtol=1e-5)
    np.testing.assert_allclose(losses_of_fit(jit_compile=True), expected, rtol=1e-4)
    assert actual[-1] < actual[0]


def test_models_of_the_usual_kind_are_laid_out(calls):
    config = Seq2SeqConfig(
        source_vocabulary_size=23,
        target_vocabulary_size=29,
        embedding_size=5,
        units=6,
        attention="luong_general",
        input_feeding=True,
    )
    ids = np.full((B, T), 7)
    model = build_model(config)
    model({"source": ids, "target": ids})
    assert not calls
    model({"source": ids, "target": ids}, training=True)
    assert calls == [1]


# Of two processes: this one made the numbers, in TensorFlow, and jax has to find them.
ON_JAX = """
    import sys

    import jax
    import keras
    import numpy as np

    from kseq2seq.layers.decoder import fused
    from kseq2seq.layers.recurrent import sequences
    sys.path += sys.argv[2:]
    from recurrent_layers import PAIRS, C, H, MASK, X, pair
    from test_fused import KINDS_ON_JAX, Case, random

    assert keras.backend.backend() == "jax"
    arrays = np.load(sys.argv[1])
    called, plain = [], fused.decode
    fused.decode = lambda *x: called.append(1) or plain(*x)
    loops, plain_loop = [], sequences._run_with_gradients
    sequences._run_with_gradients = lambda *x: loops.append(1) or plain_loop(*x)

    def gradients(layer, call, inputs):
        fixed = [x.value for x in layer.non_trainable_variables]
        weights = [x.value for x in layer.trainable_variables]

        def loss(inputs, weights):
            scope = zip(layer.trainable_variables, weights)
            with keras.StatelessScope(state_mapping=scope):
                outputs = keras.tree.flatten(call(*inputs))
            total = 0.0
            for i, y in enumerate(outputs):
                total += (y * random(*y.shape, seed=31 + i)).sum()
            return total, outputs

        run = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        (_, outputs), found = run(list(inputs), weights)
        return [*outputs, *found[0], *found[1]]

    def check(name, found):
        for i, x in enumerate(found):
            np.testing.assert_allclose(x, arrays[f"{name}:{i}"], atol=2e-5)

    for kind in KINDS_ON_JAX:
        case = Case(*kind)
        check(str(kind), gradients(case.decoder, case.outputs, case.inputs))
    assert len(called) == len(KINDS_ON_JAX)

    def call(layer):
        def function(x, *states):
            return layer(x, initial_state=states, mask=MASK, training=True)

        return gradients(layer, function, [X, H, C])

    for kind in PAIRS:
        of_keras, ours = (call(layer) for layer in pair(kind, go_backwards=True))
        for x, y in zip(of_keras, ours):
            np.testing.assert_allclose(x, y, atol=2e-5)
    assert loops == [1, 1]
"""
KINDS_ON_JAX = [KINDS[3], KINDS[8], KINDS[12], LAYER_NORM_KINDS[4]]


def test_other_backends_give_the_same(tmp_path):
    arrays = {
        f"{kind}:{i}": x
        for kind in KINDS_ON_JAX
        for i, x in enumerate(Case(*kind).outputs_and_gradients())
    }
    np.savez(tmp_path / "arrays.npz", **arrays)
    layers = TESTS / "layers"
    folders = layers / "decoder", layers / "recurrent"
    run_on("jax", ON_JAX, tmp_path / "arrays.npz", *folders)
