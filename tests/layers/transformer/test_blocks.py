"""Layers of a transformer: the inputs and masks that they refuse."""

import keras
import pytest
from keras import ops

from kseq2seq.layers import (
    SinusoidalPositions,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    TransformerStart,
)


def test_vectors_of_another_size_are_refused():
    five, six = (ops.ones((2, 3, size)) for size in (5, 6))
    encoder, decoder = TransformerEncoderLayer(6, 2), TransformerDecoderLayer(6, 2)
    calls = [
        ("inputs", lambda: encoder(five)),
        ("inputs", lambda: encoder(six[0])),
        ("inputs", lambda: TransformerEncoderLayer(6, 2)(keras.Input((None, 5)))),
        ("inputs", lambda: decoder(five, six)),
        ("memory", lambda: decoder(six, five)),
        ("memory", lambda: decoder(keras.Input((None, 6)), keras.Input((None, 5)))),
    ]
    for name, call in calls:
        with pytest.raises(ValueError, match=rf"`{name}` must have .*length, 6\), as"):
            call()
    with pytest.raises(ValueError, match=r"embeddings .*inputs.shape=\(1, 5\)"):
        SinusoidalPositions()(ops.ones((1, 5)))


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("name", ["encoder", "decoder", "start"])
@pytest.mark.parametrize(
    ("shape", "dtype", "match"),
    [
        ((2, 5), "float32", "mask` of Transformer.* must be boolean"),
        ((1, 5), "bool", "mask` of Transformer.* the batch size of"),
        ((2, 3), "bool", "mask` of Transformer.* the length of"),
    ],
)
def test_masks_that_cannot_be_right_are_refused(symbolic, name, shape, dtype, match):
    make = keras.KerasTensor if symbolic else ops.ones
    target, source, mask = make((2, 3, 6)), make((2, 5, 6)), make(shape, dtype)
    decoder = TransformerDecoderLayer(6, 2)
    with pytest.raises(ValueError, match=match):
        if name == "encoder":
            TransformerEncoderLayer(6, 2)(source, mask)
        elif name == "decoder":
            decoder(target, source, mask)
        else:
            TransformerStart([decoder])(source, mask)


@pytest.mark.parametrize("symbolic", [False, True])
def test_a_memory_of_other_rows_is_refused(symbolic):
    make = keras.KerasTensor if symbolic else ops.ones
    with pytest.raises(ValueError, match="`memory` .* the batch size of `inputs`"):
        TransformerDecoderLayer(6, 2)(make((1, 3, 6)), make((2, 5, 6)))
