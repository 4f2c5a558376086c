"""The heatmap below frames: what is drawn where, and what is refused."""

import numpy as np
import pytest

from kseq2seq import plots

FRAMES = np.random.default_rng(0).normal(size=(11, 5))
WEIGHTS = np.random.default_rng(1).dirichlet(np.ones(6), 3)
TOKENS = ["one", "$2", "</s>"]


@pytest.mark.parametrize(("seconds", "end"), [(None, 11), (0.02, 0.22)])
def test_both_have_one_scale_of_time(seconds, end):
    figure = plots.frames_heatmap(
        FRAMES, WEIGHTS, TOKENS, 2, seconds_per_frame=seconds, title="said"
    )
    above, below = figure.axes
    assert below.get_xlim() == above.get_xlim() == (0, pytest.approx(end))
    assert below.get_xlabel() == ("frames" if seconds is None else "seconds")
    assert [label.get_text() for label in below.get_yticklabels()] == TOKENS
    assert above.get_title(loc="left") == "said"
    (mesh,), (image,) = below.collections, above.images
    np.testing.assert_allclose(np.ravel(mesh.get_array()), WEIGHTS.ravel(), rtol=1e-6)
    np.testing.assert_allclose(image.get_array(), FRAMES.T, rtol=1e-6)
    # The last position has one frame alone, and ends behind the figure.
    edges = mesh.get_coordinates()[0, :, 0]
    np.testing.assert_allclose(edges, np.arange(7) * 2 * (seconds or 1))
    assert image.get_extent()[:2] == [0, pytest.approx(end)]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"alignment": None}, "without attention .*Received: alignment=None"),
        ({"frames": FRAMES[0]}, r"`frames` must have the shape .*\(5,\)"),
        ({"alignment": WEIGHTS[:, :4]}, r"positions of frames.*\(3, 6\) here. .*3, 4"),
        ({"alignment": -WEIGHTS}, "finite weights of at least 0"),
        ({"frames_per_position": 0}, "`frames_per_position` must be"),
        ({"seconds_per_frame": 0}, "`seconds_per_frame` must be"),
        ({"frames": np.full((7, 3), np.inf)}, "finite.*Received: 21 that are NaN"),
    ],
)
def test_what_does_not_fit_is_refused(changes, match):
    arguments = {"frames": FRAMES, "alignment": WEIGHTS, "tokens": TOKENS}
    with pytest.raises(ValueError, match=match):
        plots.frames_heatmap(**{**arguments, "frames_per_position": 2, **changes})
