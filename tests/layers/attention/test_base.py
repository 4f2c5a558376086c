"""Shared by all attention layers: masks, padding, dropout, keys ahead of a loop."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers import (
    Attention,
)
from mechanisms import BELOW_ONE, MECHANISMS
from reference import randomize

# All different, so that a swapped axis cannot pass. Keys have the query's size.
B, T, S, D, DV = 2, 3, 5, 7, 13
HOLES = np.array([[True, False, True, True, False], [False, False, True, False, True]])


@pytest.fixture(params=MECHANISMS, name="name")
def name_(request):
    return request.param


@pytest.fixture
def make_layer(name):
    return MECHANISMS[name]


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, D)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, D)).astype("float32"),
    }


def built(layer, inputs):
    layer.build(*(inputs[name].shape for name in ("query", "value", "key")))
    randomize(layer)
    return layer


def flat(outputs):
    return keras.tree.flatten(outputs)


def outputs_and_gradients(layer, inputs, mask):
    """Context, alignment, and gradients to inputs and weights."""
    inputs = {
        name: tf.cast(value, layer.compute_dtype) for name, value in inputs.items()
    }
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = layer(**inputs, value_mask=mask, return_attention_scores=True)
        loss = sum(tf.reduce_sum(tf.cast(x, "float32") ** 2) for x in outputs)
    sources = [*inputs.values(), *layer.trainable_variables]
    actual = tape.gradient(loss, sources)
    actual = [
        tf.zeros_like(x) if gradient is None else gradient
        for x, gradient in zip(sources, actual, strict=True)
    ]
    return [tf.cast(x, "float32") for x in (*outputs, *actual)]


def by_steps(layer, inputs, mask=None, hypotheses=2):
    """Context and alignment of all positions, as a loop gets them.

    Of several hypotheses, which change places and come back; they are alike.
    """
    memory = layer.prepare(inputs["value"], inputs["key"], mask)
    state = [x[:, None] for x in layer.initial_state(memory)]
    state = [keras.ops.repeat(x, hypotheses, axis=1) for x in state]
    outputs = []
    for t in range(T):
        query = np.repeat(inputs["query"][:, t : t + 1], hypotheses, axis=1)
        shapes = [x.shape for x in state]
        context, alignment, state = layer.attend(query, memory, tuple(state))
        assert [x.shape for x in state] == shapes
        np.testing.assert_allclose(alignment[:, 0], alignment[:, -1], atol=1e-6)
        outputs.append((context[:, 0], alignment[:, 0]))
    return [np.stack(x, axis=1) for x in zip(*outputs, strict=True)]


def test_steps_give_what_the_whole_target_gives(make_layer, inputs):
    layer = built(make_layer(), inputs)
    for mask in (None, HOLES):
        expected = layer(**inputs, value_mask=mask, return_attention_scores=True)
        for x, y in zip(by_steps(layer, inputs, mask), expected, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-5)


# One of each class: tracing takes longer than all that is traced.
@pytest.mark.parametrize(
    "name",
    [
        *("bahdanau", "luong_concat", "location", "coverage", "local_monotonic"),
        *("local_predictive", "multi_head_dot", "monotonic_parallel", "chunkwise_soft"),
    ],
)
def test_all_positions_in_a_graph_outside_of_a_call(name, inputs):
    layer = built(MECHANISMS[name](), inputs)
    expected = layer(**inputs, return_attention_scores=True)

    @tf.function(autograph=False)
    def attend_all(query, value, key):
        return layer.attend_all(query, layer.prepare(value, key))

    for x, y in zip(attend_all(**inputs), expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-6)


def test_scores_and_probabilities_compile_with_xla(inputs):
    """All at once, of lengths unknown; compiling each by itself takes seconds."""
    names = ["bahdanau_normalize", "bahdanau_sparsemax", "luong_concat"]
    names += ["luong_scaled_dot", "luong_scaled_general", "luong_entmax15"]
    names += ["luong_hardmax", "multi_head_additive", "multi_head_dot"]
    made = [built(MECHANISMS[name](), inputs) for name in names]
    sizes = {"query": D, "value": DV, "key": D}

    @tf.function(
        jit_compile=True,
        input_signature=[
            {name: tf.TensorSpec([None, None, size]) for name, size in sizes.items()},
            tf.TensorSpec([None, None], tf.bool),
        ],
        autograph=False,
    )
    def compiled(inputs, mask):
        return [outputs_and_gradients(layer, inputs, mask) for layer in made]

    for name, layer, actual in zip(names, made, compiled(inputs, HOLES), strict=True):
        expected = outputs_and_gradients(layer, inputs, HOLES)
        for x, y in zip(actual, expected, strict=True):
            np.testing.assert_allclose(x, y, atol=1e-4, err_msg=name)


def test_hypotheses_know_nothing_of_another(make_layer, inputs):
    layer = built(make_layer(), inputs)
    memory = layer.prepare(inputs["value"], inputs["key"], HOLES)
    state = tuple(
        keras.ops.repeat(x[:, None], T, axis=1) for x in layer.initial_state(memory)
    )
    # Second steps, so that their pasts differ as well.
    *_, state = layer.attend(inputs["query"], memory, state)
    actual = layer.attend(inputs["query"][:, ::-1], memory, state)
    for t in range(T):
        alone = layer.attend(
            inputs["query"][:, ::-1][:, t : t + 1],
            memory,
            tuple(x[:, t : t + 1] for x in state),
        )
        for x, y in zip(flat(alone), flat(actual), strict=True):
            np.testing.assert_allclose(x[:, 0], y[:, t], atol=1e-6)


def test_masked_queries_are_as_if_not_there(make_layer, inputs):
    layer = built(make_layer(), inputs)
    expected = layer(**inputs, value_mask=HOLES, return_attention_scores=True)
    real = [0, 2, 4]
    query = np.full((B, 5, D), 3.0, "float32")
    query[:, real] = inputs["query"]
    mask = np.isin(np.arange(5), real)
    actual = layer(
        **{**inputs, "query": query},
        query_mask=np.stack([mask] * B),
        value_mask=HOLES,
        return_attention_scores=True,
    )
    for x, y in zip(actual, expected, strict=True):
        np.testing.assert_allclose(np.asarray(x)[:, real], y, atol=1e-5)


def test_without_scores_the_context_comes_alone(name, make_layer, inputs):
    layer = built(make_layer(), inputs)
    context, alignment = layer(**inputs, return_attention_scores=True)
    np.testing.assert_array_equal(layer(**inputs), context)
    sums = np.sum(alignment, axis=-1)
    assert np.min(alignment) >= 0 and np.max(sums) <= 1 + 1e-5
    if name not in BELOW_ONE:
        np.testing.assert_allclose(sums, 1, atol=1e-6)


def test_padding_has_no_influence(make_layer, inputs):
    layer = built(make_layer(), inputs)
    expected = [x.numpy() for x in outputs_and_gradients(layer, inputs, HOLES)]
    for padding in (1e30, np.inf, np.nan):
        inputs["value"][~HOLES] = inputs["key"][~HOLES] = padding
        actual = outputs_and_gradients(layer, inputs, HOLES)
        for x, y in zip(actual, expected, strict=True):
            assert np.isfinite(y).all()
            np.testing.assert_array_equal(x, y, err_msg=f"padding={padding}")
    # And what is not there at all gives the same.
    real = HOLES[1]
    short = {
        "query": inputs["query"][1:],
        "value": inputs["value"][1:, real],
        "key": inputs["key"][1:, real],
    }
    context, alignment = layer(**short, return_attention_scores=True)
    np.testing.assert_allclose(context[0], expected[0][1], atol=1e-5)
    np.testing.assert_allclose(alignment[0], expected[1][1][:, real], atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_an_empty_source_gives_zeros(make_layer, inputs, dtype):
    layer = built(make_layer(dtype=dtype), inputs)
    nothing = np.zeros((B, S), bool)
    for padding in (None, np.nan) if dtype == "float32" else (np.nan,):
        if padding is not None:
            inputs["value"][:] = inputs["key"][:] = padding
        for x in outputs_and_gradients(layer, inputs, nothing):
            np.testing.assert_array_equal(x, np.zeros_like(x))


def test_half_precision_is_near(make_layer, inputs):
    # Small scores: their rounding error is what the softmax makes larger.
    inputs["query"] *= 0.2
    expected = outputs_and_gradients(built(make_layer(), inputs), inputs, HOLES)
    for dtype in ("mixed_float16", "mixed_bfloat16"):
        layer = built(make_layer(dtype=dtype), inputs)
        actual = outputs_and_gradients(layer, inputs, HOLES)
        for x, y in zip(actual, expected, strict=True):
            np.testing.assert_allclose(x, y, atol=0.05 * np.abs(y).max() + 0.02)


def test_masks_arrive_from_embeddings_and_the_query_mask_leaves(make_layer):
    source, target = np.array([[1, 2, 0], [3, 0, 0]]), np.array([[2, 0], [3, 1]])
    # Large embeddings, so that the query position matters.
    large = keras.initializers.RandomNormal(stddev=1.0)
    embedding = keras.layers.Embedding(4, DV, large, mask_zero=True)
    layer = make_layer()
    context = layer(embedding(target), embedding(source))
    expected = layer(
        embedding.embeddings.numpy()[target],
        embedding.embeddings.numpy()[source],
        value_mask=source != 0,
    )
    np.testing.assert_array_equal(context, expected)
    # A pooling layer reads the mask that `context` carries.
    pool = keras.layers.GlobalAveragePooling1D()
    pooled = np.stack([expected[0, 0], np.mean(expected[1], axis=0)])
    np.testing.assert_allclose(pool(context), pooled, atol=1e-6)
    both = layer(embedding(target), embedding(source), return_attention_scores=True)
    np.testing.assert_allclose(pool(both[0]), pooled, atol=1e-6)
    # And in a functional model.
    ids = [keras.Input((None,), dtype="int32") for _ in range(2)]
    model = keras.Model(ids, pool(layer(embedding(ids[0]), embedding(ids[1]))))
    np.testing.assert_allclose(model([target, source]), pooled, atol=1e-6)


def test_the_base_class_attends_to_nothing():
    layer = Attention()
    with pytest.raises(
        TypeError, match="^Attention must define `attend`.*: override it, or"
    ):
        layer.attend(None, None, None, None)
    with pytest.raises(
        TypeError, match="^Attention must define `alignment_loss`: override"
    ):
        layer.alignment_loss(None, None)
