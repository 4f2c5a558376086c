"""Recurrent layers of Keras and ours with the same weights, and what both give."""

import keras
import numpy as np
import tensorflow as tf

from kseq2seq.layers import LSTM, LayerNormLSTM, LayerNormLSTMCell
from reference import randomize

# All different, so that a swapped axis cannot pass.
B, T, D, U = 5, 7, 3, 11
LENGTHS = (7, 3, 0, 5, 1)  # one row without anything real
MASK = np.arange(T) < np.array(LENGTHS)[:, None]
HOLES = np.random.default_rng(5).random((B, T)) < 0.6
# As in our models, where outputs and states are asked for.
USUAL = {"return_sequences": True, "return_state": True, "zero_output_for_mask": True}


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


X, H, C = random(B, T, D), random(B, U, seed=1), random(B, U, seed=2)


def layer_norm_of_keras(units, dtype=None, **kwargs):
    """The layer that `LayerNormLSTM` stands for."""
    cell = LayerNormLSTMCell(units, dtype=dtype)
    return keras.layers.RNN(cell, dtype=dtype, **kwargs)


PAIRS = {
    "lstm": (keras.layers.LSTM, LSTM),
    "layer_norm_lstm": (layer_norm_of_keras, LayerNormLSTM),
}


def pair(kind="lstm", **arguments):
    """The layer of Keras and ours, with the same random weights."""
    made = [make(U, **{**USUAL, **arguments}) for make in PAIRS[kind]]
    for layer in made:
        layer.build(X.shape)
        randomize(layer, scale=0.4)
    return made


def outputs_and_gradients(layer, x=X, mask=None, states=(H, C), training=True):
    """All outputs, and gradients of inputs, initial states and weights."""
    x, *states = inputs = [tf.constant(value) for value in (x, *states)]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        given = {"initial_state": states} if states else {}
        outputs = layer(x, mask=mask, training=training, **given)
        outputs = keras.tree.flatten(outputs)
        # Each number with a factor of its own.
        loss = sum(
            tf.reduce_sum(tf.cast(y, "float32") * random(*y.shape, seed=7 + i))
            for i, y in enumerate(outputs)
        )
    weights = layer.trainable_variables
    gradients = tape.gradient(loss, [*inputs, *[x.value for x in weights]])
    assert None not in gradients
    return [np.asarray(tf.cast(y, "float32")) for y in (*outputs, *gradients)]


def assert_close(actual, expected, atol=2e-5):
    assert len(actual) == len(expected)
    for place, (x, y) in enumerate(zip(actual, expected, strict=True)):
        np.testing.assert_allclose(x, y, atol=atol, err_msg=f"number {place}")
