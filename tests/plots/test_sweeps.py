"""The picture of a sweep."""

import math

import pytest

from kseq2seq import plots


def test_curves_and_scores_of_each_setting():
    trainings = {
        f"units {n}": ([[1.0, n], [2.0, math.nan, n + 1.0]], [n, n + 1.0])
        for n in range(13)
    }
    trainings["one epoch"] = ([[7.0], []], [7.0, math.nan])
    figure = plots.sweep_curves(trainings, "BLEU")
    left, right = figure.axes
    assert len(left.lines) == 2 * 14
    assert [x.get_text() for x in right.get_yticklabels()] == list(trainings)
    assert right.get_ylim()[0] > right.get_ylim()[1]  # the first is on top
    dots = [x for x in right.lines if x.get_marker() == "o"]
    assert [list(x.get_xdata()) for x in dots[:2]] == [[0, 1.0], [1, 2.0]]
    colors = [x.get_color() for x in left.lines]
    assert colors[0] == colors[1] != colors[2] and colors[-1] == "0.75"
    assert left.lines[0].get_zorder() > left.lines[2].get_zorder()


def test_no_training_is_refused():
    with pytest.raises(ValueError, match="`trainings` must hold a setting"):
        plots.sweep_curves({}, "BLEU")
