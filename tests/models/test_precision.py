"""Copies of models in another precision, of layers inside of layers too."""

import keras
import numpy as np
import pytest

from kseq2seq.models.precision import (
    float16_copy,
    float32_copy,
    is_float32,
    portable_copy,
)

UNITS, SIZE, LENGTH = 5, 7, 3


def make_model(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        inputs = keras.Input((LENGTH, SIZE))
        encoder = keras.layers.Bidirectional(
            keras.layers.LSTM(UNITS, return_sequences=True), name="encoder"
        )
        outputs = keras.layers.GRU(UNITS, name="decoder")(encoder(inputs))
        outputs = keras.layers.Dense(2, dtype="float32", name="dense")(outputs)
        return keras.Model(inputs, outputs)
    finally:
        keras.config.set_dtype_policy(before)


INPUTS = np.random.default_rng(3).normal(size=(2, LENGTH, SIZE)).astype("float32")


def test_one_layer_in_half_precision_is_found():
    assert is_float32(make_model("float32"))
    assert not is_float32(make_model("mixed_float16"))
    assert not is_float32(make_model("mixed_bfloat16"))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "float32"])
def test_a_copy_in_float32_has_the_same_weights(policy):
    model = make_model(policy)
    copy = float32_copy(model)
    assert is_float32(copy) and is_float32(model) == (policy == "float32")
    for one, other in zip(copy.weights, model.weights, strict=True):
        assert one is not other and one.name == other.name
        np.testing.assert_array_equal(one, other)
    plain = make_model("float32")
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(INPUTS), plain(INPUTS))


def test_a_copy_in_float16_has_rounded_weights():
    model = make_model("float32")
    copy = float16_copy(model)
    for one, other in zip(copy.weights, model.weights, strict=True):
        assert one.dtype == "float16"
        values = keras.ops.convert_to_numpy(other)
        np.testing.assert_array_equal(one, values.astype("float16"))
    assert is_float32(float32_copy(copy))


def test_weights_without_room_in_float16_are_refused():
    model = make_model("float32")
    kernel = np.zeros((UNITS, 2), "float32")
    kernel[3, 1] = -65_504.0
    model.get_layer("dense").kernel.assign(kernel)
    assert float16_copy(model).get_layer("dense").kernel[3, 1] == -65_504
    model.get_layer("dense").kernel.assign(kernel - 32.0)
    with pytest.raises(ValueError, match="at most 65,504.*larger ones in dense/kernel"):
        float16_copy(model)


def test_a_portable_copy_asks_for_no_gpu():
    model = make_model("mixed_float16")
    copy = portable_copy(model)
    assert is_float32(copy)
    encoder = copy.get_layer("encoder")
    recurrent = [encoder.forward_layer, encoder.backward_layer]
    recurrent.append(copy.get_layer("decoder"))
    assert [x.use_cudnn for x in recurrent] == [False] * 3
    assert model.get_layer("decoder").use_cudnn is not False
    np.testing.assert_array_equal(copy(INPUTS), float32_copy(model)(INPUTS))
