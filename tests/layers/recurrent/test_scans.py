"""Loops over time against a loop of NumPy, on their way through each backend."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.layers.recurrent import scan, scans

LENGTH, BATCH, SIZE = 5, 2, 3
INPUTS = np.random.default_rng(0).normal(size=(LENGTH, BATCH, SIZE)).astype("float32")
KEPT = np.arange(LENGTH * BATCH).reshape(LENGTH, BATCH) % 3 > 0


def step(carry, inputs):
    """Of a carry of two, and of outputs in another structure and of other shapes."""
    total, count = carry
    x, kept = inputs
    total = total + x * keras.ops.cast(kept, "float32")[:, None]
    return (total, count + 1), {"sum": keras.ops.sum(total, axis=-1), "kept": kept}


def by_numpy(reverse):
    total, sums = np.zeros((BATCH, SIZE), "float32"), np.zeros((LENGTH, BATCH))
    places = range(LENGTH)
    for place in reversed(places) if reverse else places:
        total = total + INPUTS[place] * KEPT[place][:, None]
        sums[place] = total.sum(axis=-1)
    return total, sums


# PyTorch's way takes tensors of any backend.
WAYS = {
    "scan": scan,
    "dtypes": lambda *args, **kw: scan(*args, {"sum": "float32", "kept": "bool"}, **kw),
    "graph": lambda *args, **kw: tf.function(
        lambda: scan(*args, **kw), autograph=False
    )(),
    "eagerly": lambda *args, reverse: scans._scan_eagerly(*args, reverse),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_as_a_loop(way, reverse):
    carry = tf.zeros((BATCH, SIZE)), tf.constant(0)
    inputs = tf.constant(INPUTS), tf.constant(KEPT)
    (total, count), outputs = way(step, carry, inputs, reverse=reverse)
    expected_total, expected_sums = by_numpy(reverse)
    np.testing.assert_allclose(total, expected_total, rtol=1e-6)
    np.testing.assert_allclose(outputs["sum"], expected_sums, rtol=1e-5)
    np.testing.assert_array_equal(outputs["kept"], KEPT)
    assert int(count) == LENGTH


@pytest.mark.parametrize("jit_compile", [False, True])
def test_gradients_of_any_length(jit_compile):
    """Each step counts in its own running sum and in those behind it."""

    @tf.function(jit_compile=jit_compile, autograph=False)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            _, totals = scan(lambda c, x: (c + x, c + x), tf.zeros(()), x)
            loss = tf.reduce_sum(totals)
        return tape.gradient(loss, x)

    for length in (3, 7):
        slopes = gradient(tf.ones(length))
        np.testing.assert_array_equal(slopes, np.arange(length, 0, -1))
