"""Stacked frames and their mask, against loops over rows that are not padded."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import (
    FrameConvolution,
    FrameMask,
    FrameStack,
    LogMel,
    SpecAugment,
)

LENGTHS, SIZE = (11, 7, 1, 4), 3


def padded(width, fill):
    """Rows of these lengths, with something at their padding, and their mask."""
    rows = np.random.default_rng(0).normal(size=(len(LENGTHS), width, SIZE))
    mask = np.arange(width) < np.array(LENGTHS)[:, None]
    return np.where(mask[..., None], rows, fill).astype("float32"), mask


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("width", [11, 12, 13])
def test_rows_are_joined_as_if_they_were_alone(factor, width):
    rows, mask = padded(width, fill=np.nan)
    stacked = FrameStack(factor)(rows, mask)
    reduced = FrameMask(factor)(mask)
    assert stacked.shape == (4, -(-width // factor), factor * SIZE)
    for row, own, own_mask, length in zip(rows, stacked, reduced, LENGTHS, strict=True):
        expected = []
        for start in range(0, length, factor):
            block = [
                row[i] if i < length else np.zeros(SIZE)
                for i in range(start, start + factor)
            ]
            expected.append(np.concatenate(block))
        np.testing.assert_array_equal(own[: len(expected)], expected)
        np.testing.assert_array_equal(own[len(expected) :], 0)
        positions = np.arange(len(own_mask))
        np.testing.assert_array_equal(own_mask, positions < len(expected))


@pytest.mark.parametrize("layer", [FrameStack, FrameMask])
def test_a_factor_is_an_integer_of_at_least_1(layer):
    with pytest.raises(ValueError, match="`factor` must be .* Received: factor=0"):
        layer(0)


def test_the_mask_of_the_longer_sequence_is_not_passed_on():
    inputs = keras.Input((None, SIZE))
    masked = keras.layers.Masking()(inputs)
    stacked = FrameStack(2)(masked, keras.ops.any(keras.ops.not_equal(inputs, 0), -1))
    assert keras.layers.LSTM(5)(stacked).shape == (None, 5)
    model = keras.Model(inputs, keras.layers.LSTM(5)(stacked))
    assert np.isfinite(model(np.ones((2, 5, SIZE), "float32"))).all()


LAYERS = [
    lambda: FrameStack(2),
    lambda: FrameConvolution(5),
    lambda: SpecAugment(time_width=3),
    lambda: LogMel(4, 1000),
]


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("length", [1, 4])
def test_a_mask_of_another_length_is_not_broadcast(make, length):
    layer = make()
    shape = (2, 6) if isinstance(layer, LogMel) else (2, 6, SIZE)
    with pytest.raises(ValueError, match=rf"give a single .*\(2, 6.*\(2, {length}\)"):
        layer(np.ones(shape, "float32"), np.ones((2, length), "bool"))


@pytest.mark.parametrize("make", LAYERS)
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "int32"])
def test_a_mask_of_numbers_is_refused(make, symbolic, dtype):
    """One of 0 and -1e9 would be taken for its opposite."""
    layer, tensor = make(), keras.KerasTensor if symbolic else keras.ops.ones
    shape = (2, 6) if isinstance(layer, LogMel) else (2, 6, SIZE)
    with pytest.raises(ValueError, match=f"mask > 0. Received: .* {dtype}"):
        layer(tensor(shape), tensor((2, 6), dtype))


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("shape", "dtype", "match"),
    [
        ((6,), "bool", r"axis of 1, x\[None\]. Received: mask.shape=\(6,\)"),
        ((2, 6, 3), "bool", r"\(batch, length\).*Received: mask.shape=\(2, 6, 3\)"),
        ((2, 6), "float32", "Received: a mask of dtype float32"),
    ],
)
def test_a_mask_alone_is_checked_likewise(symbolic, shape, dtype, match):
    make = keras.KerasTensor if symbolic else keras.ops.ones
    with pytest.raises(ValueError, match=match):
        FrameMask(2)(make(shape, dtype))


@pytest.mark.parametrize("layer", [FrameStack(2), FrameConvolution(5), SpecAugment()])
def test_frames_of_one_row_have_an_axis_of_the_batch(layer):
    mask = np.ones((6,), "bool")
    for one in (np.ones((6, SIZE), "float32"), keras.Input((SIZE,), batch_size=6)):
        with pytest.raises(ValueError, match=r"axis of 1, x\[None\].*\(6, 3\) and"):
            layer(one, mask)
