"""Losses, weights and inputs that a model is not trained with."""

import inspect

import keras
import numpy as np
import pytest

from real_positions import (
    INPUTS,
    LABELS,
    V,
    compiled,
    make_model,
)


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.CategoricalCrossentropy(),
        ["categorical_crossentropy"],
    ],
)
def test_losses_of_probabilities_are_refused(loss):
    model = make_model()
    model.compile("adam", loss=loss)
    inputs = {"source": np.full((2, 3), 4), "target": np.full((2, 5), 4)}
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="must take logits.*from_logits=True"):
            use(inputs, np.full((2, 5), 4), verbose=0)


@pytest.mark.parametrize("name", ["fit", "train_on_batch"])
def test_weights_of_classes_are_refused(name):
    train = getattr(compiled(make_model()), name)
    weights = dict.fromkeys(range(V), 2.0)
    with pytest.raises(
        ValueError, match=r"numpy.take\(weights, .*Received: class_weig"
    ):
        train(INPUTS, LABELS, class_weight=weights)
    if name == "train_on_batch":
        with pytest.raises(ValueError, match="Received: class_weight="):
            train(INPUTS, LABELS, None, weights)
    assert "class_weight" in inspect.signature(train).parameters


def test_arguments_that_there_are_none_of_are_told_by_keras():
    with pytest.raises(TypeError, match=r"fit\(\) got an unexpected .*'epoch'"):
        compiled(make_model()).fit(INPUTS, LABELS, epoch=1)


@pytest.mark.parametrize("name", ["fit", "evaluate", "predict", "train_on_batch"])
@pytest.mark.parametrize(
    "texts",
    [
        [("a cat", "eine Katze")],
        ["a cat", "a dog"],
        {"source": np.array(["a cat"]), "target": np.array(["eine Katze"])},
        np.array(["a cat"], object),
    ],
    ids=["pairs", "list", "dict", "objects"],
)
def test_texts_are_refused_with_the_way_to_ids(name, texts):
    model = compiled(make_model())
    with pytest.raises(ValueError, match=r"reads ids: .*data.batches\(.*x=.*a cat"):
        getattr(model, name)(texts)


def test_losses_of_logits_are_taken():
    model = make_model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss=loss)
    inputs = {"source": np.full((2, 3), 4), "target": np.full((2, 5), 4)}
    assert np.isfinite(model.evaluate(inputs, np.full((2, 5), 4), verbose=0))


@pytest.mark.parametrize("empty", ["source", "target"])
def test_sequences_without_a_step_are_refused(empty):
    model = make_model()
    inputs = {"source": np.ones((2, 3), "int32"), "target": np.ones((2, 5), "int32")}
    assert model(inputs).shape[:2] == (2, 5)
    inputs[empty] = np.ones((2, 0), "int32")
    for function in (model, model.predict_on_batch):
        with pytest.raises(ValueError, match=rf"empty .*EOS.*{empty}.shape=\(2, 0\)"):
            function(inputs)
