"""Custom gradients: right in every mode, and freed with their graph."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.utils import custom_gradient, with_bounded_gradient


def times(scale):
    """Doubles its input; its gradient is `scale`, so that it cannot be another's."""

    @custom_gradient
    def function(x):
        return 2.0 * x, lambda upstream: scale * upstream

    return function


def gradient_of(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(function(x))
    return tape.gradient(y, x)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("inside", [False, True])
def test_the_gradient_is_the_functions_own(inside, jit_compile):
    x = tf.constant([1.0, 2.0, 3.0])
    function = times(7.0)
    if inside:  # the tape is in the graph
        run = tf.function(lambda x: gradient_of(function, x), jit_compile=jit_compile)
        received = run(x)
    else:  # the graph is differentiated when it has been traced
        received = gradient_of(tf.function(function, jit_compile=jit_compile), x)
    np.testing.assert_array_equal(received, [7.0, 7.0, 7.0])
    np.testing.assert_array_equal(gradient_of(function, x), [7.0, 7.0, 7.0])


def test_in_a_loop():
    function = times(3.0)

    @tf.function
    def run(x):
        def repeated(x):
            return tf.while_loop(
                lambda i, x: i < 2, lambda i, x: (i + 1, function(x)), (0, x)
            )[1]

        return gradient_of(repeated, x)

    np.testing.assert_array_equal(run(tf.constant([5.0])), [9.0])


def test_a_graph_is_freed():
    function = times(3.0)
    run = tf.function(lambda x: gradient_of(function, x))
    graph = weakref.ref(run.get_concrete_function(tf.constant([1.0])).graph)
    assert graph() is not None
    del run
    gc.collect()
    assert graph() is None


def test_a_graph_with_its_gradient_made_later_is_kept():
    function = tf.function(times(3.0))
    function(tf.constant([1.0]))
    gc.collect()
    np.testing.assert_array_equal(gradient_of(function, tf.constant([1.0])), [3.0])


def test_gradients_of_shares_fit_into_float16_and_no_other_is_touched():
    for dtype, expected in {"float16": 32752, "bfloat16": 1e6, "float32": 1e6}.items():
        shares = tf.constant([0.25, 1e-6, 1e-6], dtype)
        received = gradient_of(
            lambda x: tf.cast(with_bounded_gradient(x), "float32") * [2.0, 1e6, -1e6],
            shares,
        )
        assert received.dtype == dtype
        values = tf.cast([2.0, expected, -expected], dtype)
        np.testing.assert_array_equal(
            tf.cast(received, "float32"), tf.cast(values, "float32")
        )
        is_half = dtype == "float16"
        assert (with_bounded_gradient(shares) is shares) != is_half
