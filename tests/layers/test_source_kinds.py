"""Kinds of positions, and the memory of a text and its features."""

import numpy as np
import pytest

from kseq2seq.layers import FeaturesMemory, SourceKinds


def test_kinds():
    kinds = SourceKinds(7)(np.array([[4, 6, 3, 7, 13], [3, 8, 0, 0, 0]]))
    assert np.asarray(kinds).tolist() == [[1, 1, 1, 2, 2], [1, 2, 0, 0, 0]]
    for wrong in (0, 2.5):
        with pytest.raises(ValueError, match="first_feature"):
            SourceKinds(wrong)


def test_memory():
    rng = np.random.default_rng(0)
    outputs, embedded = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 7))
    kinds = np.array([[1, 1, 2, 2, 0], [2, 1, 0, 0, 0]], "int32")
    layer = FeaturesMemory()
    memory = np.asarray(
        layer(outputs.astype("float32"), embedded.astype("float32"), kinds)
    )
    kernel, bias = np.asarray(layer.kernel), np.asarray(layer.bias)
    for b in range(2):
        for s in range(5):
            expected = outputs[b, s]
            if kinds[b, s] == 2:
                expected = np.tanh(embedded[b, s] @ kernel + bias)
            np.testing.assert_allclose(memory[b, s], expected, atol=1e-6)
