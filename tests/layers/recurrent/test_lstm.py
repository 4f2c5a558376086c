"""Our LSTM against Keras's: values, all gradients, and when it takes Keras's way."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import LSTM
from recurrent_layers import (
    MASK,
    USUAL,
    B,
    C,
    D,
    H,
    T,
    U,
    X,
    assert_close,
    outputs_and_gradients,
    pair,
    random,
)
from reference import randomize


def test_inside_bidirectional(calls):
    results = []
    for cls in (keras.layers.LSTM, LSTM):
        layer = keras.layers.Bidirectional(cls(U, **USUAL))
        layer.build(X.shape)
        randomize(layer, scale=0.4)
        states = (H, C, H[::-1].copy(), C[::-1].copy())
        results.append(outputs_and_gradients(layer, mask=MASK, states=states))
    assert calls == [1, 1]  # each direction
    assert len(results[1]) == 5 + 5 + 6
    assert_close(*results)


class OtherCell(keras.layers.LSTMCell):
    """Some cell of a user."""


KERAS_WAY = {
    "dropout": ({"dropout": 1e-9}, True, MASK),
    "recurrent_dropout": ({"recurrent_dropout": 1e-9}, True, MASK),
    "activation": ({"activation": "relu"}, True, MASK),
    "recurrent_activation": ({"recurrent_activation": "hard_sigmoid"}, True, MASK),
    "no_bias": ({"use_bias": False}, True, MASK),
}


@pytest.mark.parametrize("name", KERAS_WAY)
def test_what_is_not_laid_out_goes_keras_way(name, calls):
    arguments, training, mask = KERAS_WAY[name]
    of_keras, ours = pair(**arguments)
    options = {"mask": mask, "training": training}
    expected = outputs_and_gradients(of_keras, **options)
    assert_close(outputs_and_gradients(ours, **options), expected, atol=1e-5)
    assert not calls


def test_another_cell_goes_keras_way(calls):
    layer = LSTM(U, **USUAL)
    layer.cell = OtherCell(U)
    layer(X, mask=MASK, training=True)
    assert not calls


def test_cudnn_that_is_demanded_is_missed_as_by_keras():
    for layer in pair(use_cudnn=True):
        with pytest.raises(ValueError, match="use_cudnn=True"):
            layer(X, training=True)


def test_stateful():
    results = []
    for cls in (keras.layers.LSTM, LSTM):
        layer = cls(U, **USUAL, stateful=True)
        layer.build(X.shape)
        randomize(layer, scale=0.4)
        results.append([layer(X, training=True)[0] for _ in range(2)])
        assert np.abs(results[-1][0] - results[-1][1]).max() > 0.1
    assert_close(*results)


def small_model(cls):
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(13, D, mask_zero=True)(inputs)
    x = keras.layers.Bidirectional(cls(U, **USUAL))(x)[0]
    model = keras.Model(inputs, keras.layers.Dense(2)(x))
    randomize(model, scale=0.4)
    return model


IDS = np.where(MASK, np.random.default_rng(4).integers(1, 13, (B, T)), 0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_fit(jit_compile, calls):
    losses = []
    for cls in (keras.layers.LSTM, LSTM):
        model = small_model(cls)
        model.compile("sgd", "mse", jit_compile=jit_compile and cls is LSTM)
        batch = IDS, random(B, T, 2, seed=3)
        losses.append([model.train_on_batch(*batch) for _ in range(3)])
    assert len(calls) >= 2
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[1][2] < losses[1][0]


def test_keras_file_round_trip(tmp_path, calls):
    model = small_model(LSTM)
    model.save(tmp_path / "model.keras")
    restored = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored(IDS), model(IDS))
    inner = restored.layers[2].forward_layer
    assert type(inner) is LSTM
    assert not calls
    restored(IDS, training=True)
    assert calls
    # And the weights alone fit Keras's layers.
    model.save_weights(tmp_path / "model.weights.h5")
    of_keras = small_model(keras.layers.LSTM)
    randomize(of_keras, seed=1)
    of_keras.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_array_equal(of_keras(IDS), model(IDS))
