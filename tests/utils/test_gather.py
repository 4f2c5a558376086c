"""Rows of a tensor, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.utils import gather

VALUES = np.random.default_rng(0).normal(size=(3, 5, 2)).astype("float32")


@pytest.mark.parametrize(("axis", "size"), [(0, 3), (1, 5), (-1, 2)])
def test_rows_are_those_of_numpy(axis, size):
    indices = np.random.default_rng(1).integers(0, size, (7, 4)).astype("int32")
    expected = np.take(VALUES, indices, axis=axis)
    np.testing.assert_array_equal(gather(VALUES, indices, axis), expected)


def test_it_is_one_operation():
    specs = tf.TensorSpec([None, 5]), tf.TensorSpec([None, 2], tf.int32)
    graph = tf.function(gather, autograph=False).get_concrete_function(*specs).graph
    types = {x.type for x in graph.get_operations()}
    assert types == {"Placeholder", "Const", "GatherV2", "Identity"}
