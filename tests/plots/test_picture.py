"""Heatmaps over a picture: what is drawn where, and what is refused."""

import numpy as np
import pytest

from kseq2seq import plots

PICTURE = np.random.default_rng(0).uniform(size=(10, 21))
WEIGHTS = np.random.default_rng(1).dirichlet(np.ones(6), 3)  # of 2 rows, 3 columns
COLOURS = np.round(np.random.default_rng(2).uniform(size=(10, 21, 3)))
WORDS = ["one", "$2", "</s>"]


@pytest.mark.parametrize("weights", [WEIGHTS, WEIGHTS.reshape(3, 2, 3)])
def test_weights_lie_over_the_picture(weights):
    figure = plots.picture_heatmap(
        PICTURE[..., None], WORDS, weights, grid=(2, 3), title="read"
    )
    assert [axes.get_title() for axes in figure.axes] == WORDS
    assert figure.get_suptitle() == "read"
    for axes, row in zip(figure.axes, WEIGHTS, strict=True):
        picture, veil = axes.images
        np.testing.assert_allclose(picture.get_array(), PICTURE)
        assert picture.get_extent() == veil.get_extent() == [0, 21, 10, 0]
        # What has the largest weight lies open, and the rest the darker.
        opacity = np.ravel(veil.get_alpha())
        assert opacity[np.argmax(row)] == 0
        np.testing.assert_array_equal(np.argsort(opacity), np.argsort(-row))


def test_hard_attention_frames_one_cell_of_a_picture_in_colours():
    colours = np.repeat(PICTURE[..., None], 3, axis=-1)
    figure = plots.picture_heatmap(colours, WORDS, WEIGHTS, [2, 3], hard=True)
    for axes, row in zip(figure.axes, WEIGHTS, strict=True):
        assert len(axes.images) == 1
        (frame,) = axes.patches
        peak = np.argmax(row)
        assert frame.get_xy() == (peak % 3 * 7, peak // 3 * 5)
        assert (frame.get_width(), frame.get_height()) == (7, 5)


def test_true_and_false_are_white_and_black():
    for picture in (COLOURS > 0.5, PICTURE > 0.5):
        figure = plots.picture_heatmap(picture, WORDS, WEIGHTS, grid=(2, 3))
        drawn = figure.axes[0].images[0].get_array()
        np.testing.assert_array_equal(drawn, picture.astype("float32"))
    with pytest.raises(ValueError, match="`picture` must hold numbers.*object"):
        plots.picture_heatmap(PICTURE.astype(object), WORDS, WEIGHTS, grid=(2, 3))


def test_colours_a_little_out_of_range_are_clipped():
    figure = plots.picture_heatmap(COLOURS * 1.1 - 0.05, WORDS, WEIGHTS, grid=(2, 3))
    drawn = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(drawn, COLOURS)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"picture": PICTURE[0]}, r"pick one of a batch. .*shape=\(21,\)"),
        ({"picture": PICTURE[None, ..., None]}, r"shape=\(1, 10, 21, 1\)"),
        ({"picture": COLOURS * 255.0}, "divide by 255.*float64 from 0 to 255"),
        ({"picture": COLOURS * 2 - 1}, "undo what was done.*from -1 to 1"),
        ({"picture": COLOURS * np.nan}, "must hold finite numbers"),
        ({"picture": COLOURS[..., 0] * np.nan}, "must hold finite numbers"),
        ({"grid": None}, r"with `grid=.*Received: alignment.shape=\(3, 6\), grid=None"),
        ({"grid": (3, 3)}, r"\(3, 6\), grid=\(3, 3\)"),
        ({"alignment": WEIGHTS.reshape(3, 2, 3), "grid": (3, 2)}, r"grid=\(3, 2\)"),
        ({"grid": (2, 0)}, "`grid` must be a list of 2 integers of at least 1"),
        ({"words": WORDS[:2]}, "for the 2 `words`"),
        ({"alignment": -WEIGHTS}, "finite weights of at least 0"),
        ({"hard": 1}, "`hard` must be True or False"),
    ],
)
def test_what_does_not_fit_is_refused(changes, match):
    arguments = {
        "picture": PICTURE, "words": WORDS, "alignment": WEIGHTS, "grid": (2, 3)
    }  # fmt: skip
    with pytest.raises(ValueError, match=match):
        plots.picture_heatmap(**{**arguments, **changes})
