"""Mechanisms without a `build` of their own, inside of other layers."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import (
    BahdanauAttention,
    ChunkwiseAttention,
    DecoderCell,
    DecoderRNN,
    GatedFeaturesAttention,
    GlobalAttention,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
    LuongAttention,
    MonotonicAttention,
    PointerGenerator,
)
from kseq2seq.layers.attention import build_attention

B, T, S, D, U = 2, 3, 5, 7, 11
QUERY = np.random.default_rng(0).normal(size=(B, T, D)).astype("float32")
VALUE = np.random.default_rng(1).normal(size=(B, S, D)).astype("float32")


class DistanceAttention(GlobalAttention):
    """Has no weights."""

    def scores(self, query, keys):
        difference = query[:, :, None] - keys[:, None]
        return -keras.ops.sum(difference**2, axis=-1)


class DenseAttention(DistanceAttention):
    """Has its weights in a layer, which Keras builds when it is called."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = keras.layers.Dense(U)

    def project_keys(self, key):
        return self.dense(key)

    def scores(self, query, keys):
        return super().scores(self.dense(query), keys)


AROUND = {
    "local": lambda score: LocalMonotonicAttention(score, half_width=S),
    "monotonic": MonotonicAttention,
    "chunkwise": lambda score: ChunkwiseAttention(BahdanauAttention(U), score, 2),
}


@pytest.mark.parametrize("score", [DistanceAttention, DenseAttention])
@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
def test_a_score_without_build(around, score):
    layer = around(score())
    model_inputs = keras.Input((T, D)), keras.Input((S, D))
    model = keras.Model(model_inputs, layer(*model_inputs))
    num_weights = len(model.weights)
    assert model.predict_on_batch([QUERY, VALUE]).shape == (B, T, D)
    assert len(model.weights) == num_weights  # all were made ahead of the first batch


def test_its_window_over_all_is_global_attention():
    score = DistanceAttention()
    local = LocalMonotonicAttention(score, half_width=S)(QUERY, VALUE)
    np.testing.assert_allclose(local, score(QUERY, VALUE), rtol=1e-6)


@pytest.mark.parametrize("score", [DistanceAttention, DenseAttention])
def test_a_decoder_with_attention_without_build(score):
    cell = DecoderCell([keras.layers.GRUCell(D)], score(), input_feeding=False)
    outputs = DecoderRNN(cell)(QUERY, VALUE)
    assert outputs.shape == (B, T, D)
    assert score is DistanceAttention or cell.attention.dense.built


def test_what_is_built_is_left_alone():
    layer = LuongAttention("general")
    build_attention(layer, (None, None, D), (None, None, S))
    (kernel,) = layer.weights
    build_attention(layer, (None, None, D), (None, None, S))
    assert layer.weights[0] is kernel


@keras.saving.register_keras_serializable(package="tests")
def halves(shape, dtype=None):
    return keras.ops.full(shape, 0.5, dtype)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (BahdanauAttention, "score_vector"),
        (LocalPredictiveAttention, "position_kernel"),
        (GatedFeaturesAttention, "gate_kernel"),
    ],
)
def test_an_initializer_may_be_a_function(make, name):
    parts = {
        BahdanauAttention: [U],
        LocalPredictiveAttention: [LuongAttention()],
        GatedFeaturesAttention: [LuongAttention(), LuongAttention()],
    }
    layer = make(*parts[make], kernel_initializer=halves)
    for each in (layer, make.from_config(layer.get_config())):
        each(QUERY, VALUE)
        weight = getattr(each, name)
        np.testing.assert_array_equal(weight, np.full(weight.shape, 0.5))


def test_the_initializer_of_a_gate_of_copies_may_be_a_function():
    layer = PointerGenerator(kernel_initializer=halves)
    layer.build(None, (B, T, D), (B, T, U))
    np.testing.assert_array_equal(layer.kernel, np.full((D + U, 1), 0.5))
