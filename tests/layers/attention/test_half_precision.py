"""Sums of many alignments, which in half precision soon stop growing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import decoding, layers
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.models import build_model, encoder_model, start_decoding, step_model

# As many steps as positions, each with the same share of each step.
LENGTH, SIZE = 600, 3
MECHANISMS = {
    "coverage": (layers.CoverageAttention, {}),
    "fertility": (layers.CoverageAttention, {"max_fertility": 2.0}),
    "cumulative": (layers.LocationSensitiveAttention, {"cumulative": True}),
}
POLICIES = ["mixed_float16", "mixed_bfloat16"]


def flat(name, dtype):
    """Attention to all positions alike, whose context is the mean of its state."""
    base, options = MECHANISMS[name]

    class Flat(base):
        def attend(self, query, memory, state=(), draws=None, training=False):
            context, alignment, state = super().attend(
                query, memory, state, draws, training
            )
            mean = keras.ops.mean(keras.ops.cast(state[0], "float32"), -1, True)
            context = keras.ops.zeros_like(context) + keras.ops.cast(mean, dtype[6:])
            return context, alignment, state

    return Flat(4, kernel_initializer="zeros", dtype=dtype, **options)


def flat_cell(name, dtype):
    cells = [keras.layers.GRUCell(SIZE, dtype=dtype)]
    attention = flat(name, dtype)
    return layers.DecoderCell(cells, attention, input_feeding=False, dtype=dtype)


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("dtype", POLICIES)
def test_sums_of_many_alignments_grow_to_the_end(name, dtype):
    x = np.zeros((1, LENGTH, SIZE), "float32")
    layer = flat(name, dtype)
    decoder = layers.DecoderRNN(flat_cell(name, dtype), dtype=dtype)
    for received in (layer(x, x), tf.function(decoder)(x, x)):
        assert received.dtype == dtype[6:]
        means = tf.cast(received[0, :, 0], "float32")
        expected = np.arange(1, LENGTH + 1) / LENGTH
        np.testing.assert_allclose(means, expected, rtol=0.01)


@pytest.mark.parametrize("name", MECHANISMS)
@pytest.mark.parametrize("dtype", POLICIES)
def test_single_steps_keep_sums_in_float32(name, dtype):
    cell, x = flat_cell(name, dtype), np.zeros((1, 5, SIZE), "float32")
    cell.build((None, SIZE), (None, None, SIZE))
    states, memory = layers.DecoderStart(cell, dtype=dtype)([x[:, 0]], x)
    states = [state[:, None] for state in states]
    step = layers.DecoderStep(cell, dtype=dtype)
    _, received, _ = step(x[:, :1], [states[0], states[1] + 1 / 3], memory)
    assert [state.dtype for state in received] == [dtype[6:], "float32"]
    np.testing.assert_allclose(received[1], np.full((1, 1, 5), 8 / 15), rtol=1e-3)


@pytest.mark.parametrize("word", ["coverage", "location_sensitive"])
def test_searches_in_half_precision(word):
    sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    config = Seq2SeqConfig(**sizes, embedding_size=4, units=6, attention=word)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        attention = None
        if word == "location_sensitive":
            attention = layers.LocationSensitiveAttention(6, 2, 3, cumulative=True)
        model = build_model(config, attention=attention)
        source = keras.ops.convert_to_tensor([[4, 5, 3], [7, 3, 0]])
        encoded = encoder_model(model)(source)
        dtypes = [x.dtype.name for x in encoded["states"]]
        assert dtypes[-1] == "float32" and set(dtypes[:-1]) == {"bfloat16"}
        states = [x[:, None] for x in encoded["states"]]
        tokens = keras.ops.full((2, 1), 2, "int32")
        given = {"tokens": tokens, "states": states, "memory": encoded["memory"]}
        outputs = step_model(model)(given)
        assert [x.dtype.name for x in outputs["states"]] == dtypes
        step, states = start_decoding(model)(source)
        best = decoding.beam_search(step, states, beam_size=3, max_length=5)
        assert np.isfinite(best.scores).all()
    finally:
        keras.config.set_dtype_policy("float32")


@pytest.mark.parametrize("share", [-7.2, -30.0])
def test_gradients_of_a_position_hardly_to_be_read_are_finite_in_float16(share):
    """One that receives far more than its fertility, of about 0.001."""
    layer = layers.CoverageAttention(4, max_fertility=2.0, dtype="mixed_float16")
    value, query = tf.ones((1, 1, 1)), tf.ones((1, 70, 1))
    layer(query, value)
    for weight in layer.weights:
        number = share if weight.name == "fertility_kernel" else 0.5
        weight.assign(tf.fill(weight.shape, number))
    with tf.GradientTape() as tape:
        tape.watch(value)
        loss = tf.reduce_sum(layer(query, value))
    for gradient in tape.gradient(loss, [value, *layer.trainable_variables]):
        assert np.isfinite(tf.cast(gradient, "float32")).all()
