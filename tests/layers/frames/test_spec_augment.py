"""SpecAugment: how much is hidden, where, and in which calls."""

import numpy as np
import pytest

from kseq2seq.layers import SpecAugment

BATCH, LENGTH, SIZE = 211, 41, 13
FRAMES = np.random.default_rng(0).uniform(1, 2, (BATCH, LENGTH, SIZE)).astype("float32")
LENGTHS = np.random.default_rng(1).integers(1, LENGTH + 1, BATCH)
MASK = np.arange(LENGTH) < LENGTHS[:, None]


def hidden(**options):
    layer = SpecAugment(seed=7, **options)
    return np.asarray(layer(FRAMES, MASK, training=True)) == 0


def widths(spans):
    """The width of the one span of each row, which is checked to be one."""
    for row in spans:
        places = np.flatnonzero(row)
        assert len(places) == 0 or places[-1] - places[0] + 1 == len(places)
    return spans.sum(axis=1)


def test_bands_are_hidden_for_the_whole_row():
    is_hidden = hidden(frequency_masks=1, frequency_width=5, time_masks=0)
    assert (is_hidden == is_hidden[:, :1]).all()
    of_rows = widths(is_hidden[:, 0])
    assert {*of_rows} == {0, 1, 2, 3, 4, 5}
    # Every band may be hidden, those at both ends too.
    assert is_hidden[:, 0].any(axis=0).all()


@pytest.mark.parametrize(("width", "share"), [(5, 1.0), (100, 0.3)])
def test_frames_are_hidden_within_the_row_and_its_share(width, share):
    is_hidden = hidden(
        frequency_masks=0, time_masks=1, time_width=width, time_share=share
    )
    assert (is_hidden == is_hidden[..., :1]).all()
    of_rows = widths(is_hidden[..., 0])
    assert not np.any(is_hidden[..., 0] & ~MASK)
    assert (of_rows <= np.minimum(width, share * LENGTHS)).all()
    assert of_rows.max() == min(width, int(share * LENGTH))


def test_what_is_not_hidden_stays_and_two_masks_hide_more():
    layer = SpecAugment(1, 5, 2, 9, 0.5, seed=3)
    outputs = np.asarray(layer(FRAMES, MASK, training=True))
    np.testing.assert_array_equal(outputs, np.where(outputs == 0, 0, FRAMES))
    once = hidden(frequency_masks=0, time_masks=1, time_width=9, time_share=0.5)
    twice = hidden(frequency_masks=0, time_masks=2, time_width=9, time_share=0.5)
    assert twice.mean() > 1.5 * once.mean() > 0


def test_nothing_is_hidden_outside_of_training():
    np.testing.assert_array_equal(SpecAugment()(FRAMES, MASK), FRAMES)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_masks", -1),
        ("frequency_width", 1.5),
        ("time_masks", "2"),
        ("time_width", None),
        ("time_share", 1.1),
        ("seed", "x"),
    ],
)
def test_options_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}="):
        SpecAugment(**{name: value})
