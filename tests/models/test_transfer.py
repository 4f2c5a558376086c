"""Weights of a former model, and parts that stay as they are."""

import keras
import numpy as np
import pytest

from kseq2seq.models import freeze, load_model, transfer_weights
from small_models import FEW, KINDS, SOURCE_V, V, make_model, random_model, train

LARGER = {"source_vocabulary_size": SOURCE_V + 3, "target_vocabulary_size": V + 2}


@pytest.mark.parametrize("name", FEW)
def test_a_larger_model_computes_as_the_former_one(name):
    former, model = random_model(name), make_model(name, **LARGER)
    embedding = model.get_layer("target_embedding").embeddings
    new_rows = embedding.numpy()[V:]
    assert transfer_weights(model, former) == {"source": 3, "target": 2}
    rng = np.random.default_rng(0)
    ids = {
        "source": rng.integers(4, SOURCE_V, size=(2, 7)),
        "target": rng.integers(4, V, size=(2, 5)),
    }
    logits = keras.ops.convert_to_numpy(model(ids))
    np.testing.assert_allclose(logits[..., :V], former(ids), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(embedding.numpy()[V:], new_rows)
    assert np.abs(new_rows).max() > 0.1


@pytest.mark.parametrize(
    ("name", "changes", "match"),
    [
        ("dot", {"units": 8}, "The weight encoder_0/.* must have the former model's"),
        ("dot", {"source_vocabulary_size": 5}, "source_embedding/embeddings must .*11"),
        ("none", {}, "config, but for the sizes .* Received: models that differ in .*"),
    ],
)
def test_what_does_not_fit_is_refused(name, changes, match):
    former = random_model("dot")
    model = make_model(name, **changes)
    before = model.get_weights()
    with pytest.raises(ValueError, match=match):
        transfer_weights(model, former)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("normalized_feed", ["encoder", "embeddings"]),
        ("general_feed", ["attention", "output"]),
        ("bahdanau_previous", ["decoder", "bridge"]),
    ],
)
def test_frozen_parts_stay_as_they_are(kind, parts, tmp_path):
    model = make_model(kind)
    freeze(model, parts)
    before = {id(x): x.numpy() for x in model.weights}
    train(model, 2)
    moved = [x for x in model.weights if not np.array_equal(x, before[id(x)])]
    frozen = {id(x) for x in model.non_trainable_weights}
    assert {id(x) for x in moved} == {*before} - frozen
    assert 0 < len(frozen) < len(before)
    words = {"encoder": "encoder_0", "embeddings": "source_embedding"}
    for part in parts:
        layer = model.get_layer(words.get(part, part)) if part in words else None
        assert layer is None or not layer.trainable
    # A training that is resumed does not train them either.
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert len(loaded.trainable_weights) == len(model.trainable_weights)
    assert len(loaded.optimizer.variables) == len(model.optimizer.variables)
    np.testing.assert_array_equal(
        loaded.optimizer.variables[-1], model.optimizer.variables[-1]
    )


@pytest.mark.parametrize(
    ("parts", "match"),
    [
        (["encoders"], "one of embeddings, encoder, .*Received: parts='encoders'"),
        ("encoder", "`parts` must be a list of words; .*Received: parts='encoder'"),
        (["output"], "parts with weights that the model has. Received: 'output'"),
        (["embeddings", "encoder", "attention", "decoder"], "something to train"),
    ],
)
def test_parts_that_cannot_be_frozen(parts, match):
    assert KINDS["normalized"]["tie_embeddings"]
    model = make_model("normalized", bridge="copy", encoder_units=6)
    with pytest.raises(ValueError, match=match):
        freeze(model, parts)
