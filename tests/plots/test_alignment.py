"""Heatmaps looked at through their artists: what is drawn, where, and in which font."""

import matplotlib
import numpy as np
import pytest
from matplotlib.transforms import Bbox

from heatmaps import SCRIPTS, SOURCE, TARGET, heatmap, labels, no_warnings, weights
from kseq2seq.inference import Translation
from kseq2seq.plots import alignment_heatmap, save


@pytest.fixture(autouse=True)
def quiet(caplog):
    with no_warnings(caplog):
        yield


def test_every_weight_stands_under_its_source_and_beside_its_target():
    expected = weights(TARGET, SOURCE)
    figure = alignment_heatmap(expected, SOURCE, TARGET)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (scale,) = axes.child_axes
    assert labels(figure) == (SOURCE, TARGET)
    (mesh,) = (x for x in axes.collections if x.get_array() is not None)
    colors = mesh.to_rgba(expected.astype("float32")).reshape(-1, 4)
    for path, color, (row, column) in zip(
        mesh.get_paths(), mesh.get_facecolor(), np.ndindex(5, 7), strict=True
    ):
        x, y = path.get_extents().get_points().mean(axis=0)
        assert axes.get_xticks()[column] == pytest.approx(x)
        assert axes.get_yticks()[row] == pytest.approx(y)
        np.testing.assert_allclose(color, colors[row * 7 + column], atol=1e-6)
    # The first target above the last, the first source left of the last.
    corner, opposite = axes.transData.transform([(0, 0), (7, 5)])
    assert corner[0] < opposite[0] and corner[1] > opposite[1]
    assert opposite[0] - corner[0] == pytest.approx(7 / 5 * (corner[1] - opposite[1]))
    assert scale.get_ylim() == (0, 1)


def test_colours_of_figures_can_be_compared():
    for largest, expected in ((0.3, 1), (1.0, 1), (2.5, 2.5)):
        figure = alignment_heatmap([[0.0, largest]], ["a", "b"], ["c"])
        assert figure.axes[0].collections[0].get_clim() == (0, expected)


CASES = {
    "words": (TARGET, SOURCE, "Two dogs run."),
    "scripts": (SCRIPTS, SCRIPTS[::-1], " ".join(SCRIPTS)),
    "one": (["a"], ["b"], "A title much wider than the only cell there is"),
    "untitled": (["bonjour"], ["hello"], None),
    "characters": (list("2024-03-17"), [*"17. März 2024", "</s>"], "17. März 2024"),
    "long": (
        [f"wort{i}" for i in range(60)],
        [f"word{i}" for i in range(60)],
        "w " * 99,
    ),
    "wide": (["x" * 40], [f"internationalization{i}" for i in range(31)], "a\nb"),
    "tall": (["x" * 40] * 31, ["a"], "W" * 60),
    "unknown": (["中文" * 5, "\n"], ["कुत्ता", "\U00013000", "", " "], "中文 " * 9),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dpi", [100, 200])
def test_nothing_is_cut_and_no_label_covers_another(case, dpi):
    target, source, title = CASES[case]
    figure = heatmap(target, source, title=title)
    figure.dpi = dpi
    figure.draw_without_rendering()
    (axes,) = figure.axes
    (scale,) = axes.child_axes
    columns = [x for x in axes.get_xticklabels() if x.get_text()]
    rows = [x for x in axes.get_yticklabels() if x.get_text()]
    texts = [*columns, *rows, *scale.get_yticklabels(), *figure.texts]
    page, renderer = figure.bbox, figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert page.x0 <= box.x0 and box.x1 <= page.x1, text
        assert page.y0 <= box.y0 and box.y1 <= page.y1, text
    cells = axes.get_window_extent()
    # Nor is there room to spare.
    used = Bbox.union([*boxes, cells, scale.get_window_extent()])
    spare = np.abs(used.extents - page.extents) / dpi
    assert np.all(spare[[0, 1, 3]] < 0.3) and spare[2] < 0.6
    for row in rows:
        assert row.get_window_extent().x1 < cells.x0
        assert row.get_window_extent().height < cells.height / len(target)
    for column in columns:
        assert column.get_window_extent().y0 > cells.y1 - 0.03 * dpi
        across = column.get_window_extent().width
        if column.get_rotation():  # one line leaning: what stands between two
            space, across = np.sin(np.radians(45)), column.get_fontsize() * dpi / 72
            assert across < space * cells.width / len(source)
        else:
            assert across < cells.width / len(source)
    above = max(x.get_window_extent().y1 for x in columns)
    for heading in figure.texts if title else ():
        assert heading.get_window_extent().y0 > above
    assert scale.get_window_extent().x0 > cells.x1


def test_short_labels_stand_and_long_ones_lean():
    def rotations(source):
        return {
            x.get_rotation() for x in heatmap(["a"], source).axes[0].get_xticklabels()
        }

    assert rotations(["a", "b", "c"]) == {0}
    assert rotations(["word", "a", "b", "c", "d"]) == {45}
    # The mark of the end alone leans, where it has room.
    assert rotations(["a", "b", "c", "</s>"]) == {0, 45}


def test_letters_stay_legible_in_long_sentences():
    figure = heatmap(*[[f"w{i}" for i in range(60)]] * 2)
    for text in (*figure.axes[0].get_xticklabels(), *figure.axes[0].get_yticklabels()):
        assert text.get_fontsize() >= 8
    assert max(figure.get_size_inches()) < 16


def test_tokens_are_text_not_markup():
    tokens = ["$x$", "$5", r"\alpha", "a_b^2", "%&#{}", "$$", "<unk>"]
    figure = heatmap(["$y$"], tokens, title="$z$ costs $5")
    assert labels(figure) == (tokens, ["$y$"])
    texts = [*figure.axes[0].get_xticklabels(), *figure.texts]
    assert not any(text.get_parse_math() for text in texts)
    with matplotlib.rc_context({"text.usetex": True}):
        assert not heatmap(["a"], ["b"]).axes[0].get_xticklabels()[0].get_usetex()


def test_long_labels_are_cut():
    source = ["x" * 24, "y" * 25]
    assert labels(heatmap(["a"], source))[0] == ["x" * 24, "y" * 23 + "…"]


@pytest.mark.parametrize("shape", [(7, 5), (5, 6), (4, 7), (35,), (1, 5, 7)])
def test_shape_must_be_that_of_the_tokens(shape):
    with pytest.raises(ValueError, match=r"\(5, 7\) here.*alignment.shape=\("):
        alignment_heatmap(np.zeros(shape), SOURCE, TARGET)


def test_no_tokens():
    with pytest.raises(ValueError, match=r"at least one of each: \(0, 0\) here"):
        alignment_heatmap(np.zeros((0, 0)), [], [])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_weights_must_be_weights(bad):
    with pytest.raises(ValueError, match=r"finite weights of at least 0.*minimum"):
        alignment_heatmap([[bad, 0.5]], ["a", "b"], ["c"])


class Found:
    """A translation, as far as a figure looks at it."""

    def __init__(self, name):
        self.source_tokens, self.target_tokens = SOURCE, TARGET
        setattr(self, name, weights(TARGET, SOURCE))


@pytest.mark.parametrize("name", ["alignment", "weights"])
def test_a_translation_may_be_given_as_it_is(name, tmp_path):
    whole = alignment_heatmap(Found(name), title="x")
    parts = heatmap(TARGET, SOURCE, title="x")
    first, second = tmp_path / "first.png", tmp_path / "second.png"
    assert save(whole, first).read_bytes() == save(parts, second).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0]],), "weights, given with `source_tokens`.*alignment=..1.0"),
        ((Translation("a dog", 0.0, 0.0, ["a"], ["b"]),), "translation with an align"),
        ((Translation("a dog", 0.0),), "alignments=True\\)` of a model with attention"),
        (
            ([[1.0]], ["a"]),
            r"together.*source_tokens=\['a'\], target_tokens=None",
        ),
    ],
)
def test_what_is_no_alignment(arguments, message):
    with pytest.raises(ValueError, match=message):
        alignment_heatmap(*arguments)


def test_an_array_without_tokens_is_labelled_by_positions():
    (axes,) = alignment_heatmap(np.full((2, 3), 0.3)).axes
    assert [x.get_text() for x in axes.get_xticklabels()] == ["0", "1", "2"]
    assert [x.get_text() for x in axes.get_yticklabels()] == ["0", "1"]


def test_a_heatmap_in_axes_of_the_user():
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, layout="constrained", figsize=(9, 5))
    size = figure.get_size_inches().tolist()
    result = heatmap(TARGET, SOURCE, title="Two dogs run.", ax=right)
    figure.draw_without_rendering()
    pyplot.close(figure)
    assert result is figure and figure.get_size_inches().tolist() == size
    assert not left.collections and len(right.collections) == 1
    assert right.get_title(loc="left") == "Two dogs run."
    assert [label.get_text() for label in right.get_xticklabels()] == SOURCE
    corner, opposite = right.transData.transform([(0, 0), (7, 5)])
    width, height = opposite[0] - corner[0], corner[1] - opposite[1]
    assert width / 7 == pytest.approx(height / 5) and width > 100
    (scale,) = right.child_axes
    assert scale.get_ylim() == (0, 1)
