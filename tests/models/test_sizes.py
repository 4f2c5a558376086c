"""Sizes of a model, told by layers that have its names."""

import keras
import pytest

from kseq2seq.layers import FrameConvolution, FrameMask, FrameStack
from kseq2seq.models import sizes


def of_texts():
    """Layers with the names of a model of texts, in any order."""
    return keras.Sequential(
        [
            keras.layers.Embedding(13, 3, name="target_embedding"),
            keras.layers.Dense(5, name="decoder_1"),
            keras.layers.Embedding(11, 3, name="source_embedding"),
            keras.layers.Dense(5, name="decoder_0"),
            keras.layers.Dense(5, name="decoder_3"),
        ]
    )


def of_frames(*layers):
    inputs = outputs = keras.Input((None, 7), name="frames")
    given = mask = keras.Input((None,), dtype="bool", name="real")
    for layer in layers:
        outputs = layer(outputs, mask)
        mask = FrameMask(layer.factor)(mask)
    targets = keras.Input((None,), name="target")
    embedded = keras.layers.Embedding(17, 3, name="target_embedding")(targets)
    return keras.Model([inputs, given, targets], [outputs, mask, embedded])


def test_vocabularies():
    assert sizes.vocabulary_sizes(of_texts()) == (11, 13)
    assert sizes.vocabulary_sizes(of_frames()) == (0, 17)


def test_frames():
    assert sizes.frame_size(of_texts()) == 0
    assert sizes.frame_size(of_frames()) == 7


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((), 1),
        ((lambda: FrameConvolution(5),), 2),
        ((lambda: FrameStack(3), lambda: FrameConvolution(5)), 6),
        ((lambda: FrameStack(3), lambda: FrameStack(5)), 15),
    ],
)
def test_frames_of_a_position(layers, expected):
    model = of_frames(*(make() for make in layers))
    assert sizes.time_reduction(model) == expected


def test_layers_of_the_decoder_are_in_order_as_far_as_they_go():
    layers = sizes.layers_by_name(of_texts())
    assert [x.name for x in sizes.decoder_layers(layers)] == ["decoder_0", "decoder_1"]
    assert sizes.decoder_layers({}) == []


def test_other_models_are_refused():
    others = keras.Sequential([keras.layers.Dense(5, name="mine")])
    with pytest.raises(ValueError, match="come from `build_model`.*of layers mine"):
        sizes.vocabulary_sizes(others)
    halves = keras.Sequential([keras.layers.Embedding(11, 3, name="source_embedding")])
    with pytest.raises(ValueError, match="of layers source_embedding"):
        sizes.vocabulary_sizes(halves)
    with pytest.raises(ValueError, match="must read frames.*of layers target_emb"):
        sizes.time_reduction(of_texts())
    for given in ("model.keras", None, keras.layers.Dense(5)):
        for read in (sizes.vocabulary_sizes, sizes.frame_size, sizes.time_reduction):
            with pytest.raises(ValueError, match="must be a Keras model.*Received: "):
                read(given)
