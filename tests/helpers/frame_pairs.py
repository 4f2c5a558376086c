"""Pairs of frames and text."""

import numpy as np

SIZE = 3
TEXTS = ("ab", "c", "", "abc" * 5, "ba")
LENGTHS = (7, 2, 11, 3, 5)


def pairs_of_frames():
    rng = np.random.default_rng(0)
    return [
        (rng.normal(size=(length, SIZE)).astype("float32"), text)
        for length, text in zip(LENGTHS, TEXTS, strict=True)
    ]


def check_same(actual, expected, decimal=7):
    assert [text for _, text in actual] == [text for _, text in expected]
    for (own, _), (other, _) in zip(actual, expected, strict=True):
        np.testing.assert_almost_equal(own, other, decimal)
