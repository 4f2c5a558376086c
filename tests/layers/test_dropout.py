"""Our dropout against Keras's, and against the fraction that was asked for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import BahdanauAttention, DecoderCell, DecoderRNN, Dropout
from kseq2seq.models import build_model

# All different, so that a swapped axis cannot pass; in the large test five standard
# deviations of the share kept are 0.0023, half of what bfloat16's own chances are off.
B, T, D = 3, 5, 7
RATE, LARGE = 0.3, (101, 97, 103)
DTYPES = ["float32", "float16", "bfloat16"]


def numbers(x):
    return keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fraction_is_the_one_asked_for(dtype):
    layer = Dropout(RATE, seed=7, dtype=dtype)
    dropped = layer(keras.ops.ones(LARGE, dtype), training=True)
    assert dropped.dtype == dtype
    actual = numbers(dropped)
    assert np.mean(actual != 0) == pytest.approx(1 - RATE, abs=0.0023)
    # Each of them is 1 / 0.7 as the precision has it, 0.08 % off in bfloat16.
    np.testing.assert_array_equal(
        np.unique(actual), numbers(keras.ops.cast([0.0, 1 / (1 - RATE)], dtype))
    )


def test_in_float32_it_is_keras_own():
    x = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")
    ours, keras_own = (
        cls(RATE, noise_shape=(None, 1, None), seed=7)
        for cls in (Dropout, keras.layers.Dropout)
    )
    for _ in range(3):
        expected = keras_own(x, training=True)
        np.testing.assert_array_equal(ours(x, training=True), expected)
        assert np.any(expected == 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_without_training_nothing_changes(dtype):
    x = tf.cast(np.random.default_rng(0).normal(size=(B, T, D)), dtype)
    np.testing.assert_array_equal(Dropout(RATE, dtype=dtype)(x), x)
    np.testing.assert_array_equal(Dropout(0.0, dtype=dtype)(x, training=True), x)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradient_is_what_it_multiplied_by(dtype):
    x = tf.ones((B, T, D), dtype)
    layer = Dropout(RATE, seed=7, dtype=dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, training=True)
    gradient = tape.gradient(outputs, x)
    assert gradient.dtype == dtype
    np.testing.assert_array_equal(numbers(gradient), numbers(outputs))
    assert len(np.unique(numbers(outputs))) == 2


def draws_of_attention():
    layer = BahdanauAttention(D, dropout=RATE, seed=7, dtype="bfloat16")
    memory = {"mask": keras.ops.ones(LARGE[:2], "bool")}
    return layer.draw(memory, LARGE[2], training=True)["dropout"]


def draws_of_decoder():
    cells = [keras.layers.GRUCell(LARGE[1] * LARGE[2]) for _ in range(2)]
    cell = DecoderCell(cells, input_feeding=False, dtype="bfloat16")
    decoder = DecoderRNN(cell, dropout=RATE, seed=7, dtype="bfloat16")
    inputs = keras.ops.ones((LARGE[0], 2, D), "bfloat16")
    return decoder._draw_dropout(inputs, training=True)["cell_dropout"][0]


@pytest.mark.parametrize("draws", [draws_of_attention, draws_of_decoder])
def test_layers_draw_likewise(draws):
    actual = draws()
    assert actual.dtype == "bfloat16"
    assert np.mean(numbers(actual) != 0) == pytest.approx(1 - RATE, abs=0.0023)


@pytest.mark.parametrize("kind", [{"input_feeding": True}, {"decoder_layers": 2}])
def test_models_drop_likewise(kind):
    model = build_model(
        Seq2SeqConfig(
            source_vocabulary_size=11,
            target_vocabulary_size=13,
            embedding_size=5,
            units=6,
            dropout=RATE,
            **kind,
        )
    )
    drops = [x for x in model.layers if isinstance(x, keras.layers.Dropout)]
    assert drops and {type(x) for x in drops} == {Dropout}
