"""Layers to logits against products of NumPy."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from graphs import products_of_four_axes
from kseq2seq.layers import Logits, VocabularyEmbedding, VocabularyProjection

B, T, D, V = 2, 3, 5, 7
FEATURES = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")
IDS = np.random.default_rng(1).integers(0, V, size=(B, T))


def test_projection():
    layer = VocabularyProjection(V, bias_initializer="normal")
    logits = layer(FEATURES)
    kernel, bias = layer.get_weights()
    np.testing.assert_allclose(logits, FEATURES @ kernel + bias, rtol=1e-5, atol=1e-6)
    product = layer.product()
    np.testing.assert_array_equal(product.kernel, kernel)
    np.testing.assert_array_equal(product.bias, bias)
    assert not product.transposed


def test_embedding_both_ways():
    layer = VocabularyEmbedding(V, D)
    embedded, logits = layer(IDS), layer(FEATURES, reverse=True)
    (matrix,) = layer.get_weights()
    np.testing.assert_array_equal(embedded, matrix[IDS])
    np.testing.assert_allclose(logits, FEATURES @ matrix.T, rtol=1e-5, atol=1e-6)
    product = layer.product()
    np.testing.assert_array_equal(product.kernel, matrix)
    assert product.bias is None and product.transposed


def test_features_of_four_axes():
    features = np.random.default_rng(2).normal(size=(B, T, 11, D)).astype("float32")
    projection, embedding = VocabularyProjection(V), VocabularyEmbedding(V, D)
    embedding.build((B, T))
    both = functools.partial(embedding, reverse=True)
    for layer, matrix in ((projection, None), (both, embedding.get_weights()[0].T)):
        logits = layer(features)
        matrix = projection.get_weights()[0] if matrix is None else matrix
        np.testing.assert_allclose(logits, features @ matrix, rtol=1e-5, atol=1e-6)
        spec = tf.TensorSpec([None, None, None, D])
        assert not products_of_four_axes(layer, spec)


@pytest.mark.parametrize(
    "layer",
    [
        VocabularyProjection(V, activation="tanh"),
        VocabularyEmbedding(V, D, logit_soft_cap=3.0),
        VocabularyEmbedding(V, D, reverse_dtype="float64"),
        VocabularyEmbedding(V, D, tie_weights=False),
    ],
    ids=["activation", "soft cap", "other precision", "two matrices"],
)
def test_more_than_a_product_is_none(layer):
    layer.build((B, T, D) if isinstance(layer, VocabularyProjection) else (B, T))
    assert layer.product() is None


@pytest.mark.parametrize("layer", [VocabularyProjection(V), VocabularyEmbedding(V, D)])
def test_what_is_quantized_is_no_product(layer):
    layer.build((B, T, D) if isinstance(layer, VocabularyProjection) else (B, T))
    layer.quantize("int8")
    assert layer.product() is None


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_logits_are_in_float32(dtype):
    features = keras.ops.cast(FEATURES, dtype)
    logits = Logits()(features)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    np.testing.assert_array_equal(logits, keras.ops.cast(features, "float32"))
