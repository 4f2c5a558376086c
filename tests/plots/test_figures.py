"""Figures looked at through their artists: what is drawn, where, and in which font."""

import logging
import warnings

import matplotlib
import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.transforms import Bbox
from PIL import Image

from kseq2seq.plots import alignment_heatmap, figures, save, training_curves

SOURCE = ["▁Zwei", "▁Hunde", "▁laufen", "▁über", "Schnee", ".", "</s>"]
TARGET = ["Two", "dogs", "run", "</s>", "é"]
# Scripts that matplotlib's own font draws, however it is installed.
SCRIPTS = ["Ένας", "σκύλος", "Собака", "ёлка", "ÅçŒß", "كلب", "שלום", "Việt", "ħɛləʊ"]


@pytest.fixture(autouse=True)
def no_warnings(caplog):
    """Neither a warning nor a complaint in matplotlib's log."""
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # matplotlib's own
        yield
    assert not caplog.records


def weights(target, source, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(len(source)), len(target))


def heatmap(target, source, **options):
    return alignment_heatmap(weights(target, source), source, target, **options)


def labels(figure):
    axes = figure.axes[0]
    return (
        [x.get_text() for x in axes.get_xticklabels()],
        [x.get_text() for x in axes.get_yticklabels()],
    )


def test_every_weight_stands_under_its_source_and_beside_its_target():
    expected = weights(TARGET, SOURCE)
    figure = alignment_heatmap(expected, SOURCE, TARGET)
    figure.draw_without_rendering()
    axes, scale = figure.axes
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
    axes, scale = figure.axes
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


def test_what_cannot_be_seen_is_named():
    source = [" ", "  ", "\n", "\t", "x\u2028y", "\ue000", "e\u0301", "New York", ""]
    expected = [
        "␣",
        "␣␣",
        "U+000A",
        "U+0009",
        "x U+2028 y",
        "U+E000",
        "é",
        "New York",
        "",
    ]
    assert labels(heatmap(["a"], source))[0] == expected


def test_long_labels_are_cut():
    source = ["x" * 24, "y" * 25]
    assert labels(heatmap(["a"], source))[0] == ["x" * 24, "y" * 23 + "…"]


@pytest.fixture
def add_font(tmp_path, monkeypatch):
    """Install a font of that family with these characters, for one test."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", list(manager.ttflist))

    def add(family, characters):
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        pen.lineTo((500, 0))
        pen.lineTo((250, 700))
        pen.closePath()
        builder = FontBuilder(1000, isTTF=True)
        builder.setupGlyphOrder([".notdef", "shape"])
        builder.setupCharacterMap({ord(x): "shape" for x in characters})
        builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "shape": pen.glyph()})
        builder.setupHorizontalMetrics({".notdef": (600, 0), "shape": (600, 0)})
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": family, "styleName": "Regular"})
        builder.setupOS2(usWeightClass=400)
        builder.setupPost()
        path = tmp_path / f"{family}.ttf"
        builder.save(path)
        manager.addfont(path)

    return add


RARE = "\U00016f00\U00016f01\U00016f02"  # letters of Miao, in no common font


def test_characters_without_a_font_are_shown_as_code_points(tmp_path):
    if not set(RARE) <= figures._fonts(RARE)[1]:
        pytest.skip("a font here has the letters of Miao")
    figure = heatmap(["a"], [RARE, f"x{RARE[0]}y", RARE[1]], title=RARE[:2])
    expected = ["U+16F00 U+16F01 U+16F02", "x U+16F00 y", "U+16F01"]
    assert labels(figure)[0] == expected
    assert figure.texts[0].get_text() == "U+16F00 U+16F01"
    save(figure, tmp_path / "figure.png")


def test_the_first_installed_font_that_has_the_characters_is_used(tmp_path, add_font):
    if not set(RARE) <= figures._fonts(RARE)[1]:
        pytest.skip("a font here has the letters of Miao")
    add_font("Unifont Test", RARE[:2])  # after Noto in the list
    add_font("Noto Sans Test", RARE[0])
    add_font("Noto Sans Unneeded", RARE[0])
    add_font("Noto Sans Color", RARE[2])  # cannot be drawn
    add_font("Unheard Of", RARE[2])  # not a family that is looked for
    figure = heatmap(["a"], [*RARE], title=RARE)
    assert labels(figure)[0] == [RARE[0], RARE[1], "U+16F02"]
    families = figure.axes[0].get_xticklabels()[0].get_fontfamily()
    assert families[-2:] == ["Noto Sans Test", "Unifont Test"]
    assert figure.texts[0].get_fontfamily() == families
    for suffix in figures.FORMATS:
        save(figure, tmp_path / f"figure{suffix}")


def test_the_font_of_the_user_comes_first(add_font):
    add_font("Mine", "abc")
    with matplotlib.rc_context({"font.family": "Mine"}):
        figure = heatmap(["a"], ["b", "é"])
    families = figure.axes[0].get_xticklabels()[0].get_fontfamily()
    assert families == ["Mine", "DejaVu Sans"]


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


HISTORY = {
    "learning_rate": [1e-3, 2e-3, 1e-3, 5e-4],
    "bleu": [None, 11.5, np.inf, 10.25],
    "val_phone_error_rate": [40.0, 20.0, 10.0, 30.0],
    "loss": [4.0, 3.0, 2.0, 1.0],
    "val_loss": [4.5, 3.25, 3.5, 3.75],
    "token_accuracy": [0.1, 0.4, 0.3, 0.2],
}
BEST = {
    "loss": (2, 3.25),  # by validation, not by training
    "BLEU": (2, 11.5),
    "phone error rate": (3, 10.0),
    "token accuracy": (2, 0.4),
    "learning rate": None,
}


def test_curves_share_a_panel_by_quantity():
    figure = training_curves(HISTORY)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    # The loss first, the learning rate last.
    assert list(panels) == list(BEST)
    curves = {x.get_label(): x for x in panels["loss"].lines}
    np.testing.assert_array_equal(curves["training"].get_xydata()[:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(curves["training"].get_ydata(), HISTORY["loss"])
    np.testing.assert_array_equal(curves["validation"].get_ydata(), HISTORY["val_loss"])
    assert curves["training"].get_color() != curves["validation"].get_color()
    legend = [x.get_text() for x in panels["loss"].get_legend().get_texts()]
    assert legend == ["training", "validation"]
    # Epochs that have no number are stepped over.
    np.testing.assert_array_equal(
        panels["BLEU"].lines[0].get_xydata(), [(2, 11.5), (4, 10.25)]
    )
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


@pytest.mark.parametrize("panel", BEST)
def test_the_best_epoch_is_marked(panel):
    figure = training_curves(HISTORY)
    (axes,) = (x for x in figure.axes if x.get_title(loc="left") == panel)
    marks = [x for x in axes.lines if x.get_markeredgecolor() == figures.BEST_COLOR]
    told = axes.get_title(loc="right")
    if BEST[panel] is None:
        assert not marks and not told
    else:
        (mark,) = marks
        epoch, value = BEST[panel]
        np.testing.assert_array_equal(mark.get_xydata(), [(epoch, value)])
        assert told == f"best {value:.4g} at epoch {epoch}"


def test_falling_by_orders_of_magnitude_is_logarithmic():
    figure = training_curves(
        {"perplexity": [3000.0, 9.0], "loss": [3.0, 2.0], "bleu": [0.1, 30.0]}
    )
    scales = {x.get_title(loc="left"): x.get_yscale() for x in figure.axes}
    assert scales == {"perplexity": "log", "loss": "linear", "BLEU": "linear"}


@pytest.mark.parametrize(
    "history",
    [
        {"loss": [1.5], "bleu": [np.nan, 2]},
        HISTORY,
        {"loss": list(range(300, 0, -1))},
        {"loss": [0.0, -1.0]},
    ],
)
def test_curves_of_any_length_are_drawn(history, tmp_path):
    figure = training_curves(history)
    with Image.open(save(figure, tmp_path / "curves.png")) as image:
        assert image.size[0] > 500
    ticks = [x for axes in figure.axes for x in axes.get_xticks()]
    assert all(x == int(x) for x in ticks)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({}, "at least one number.*a history of nothing"),
        ({"loss": [], "bleu": [None]}, "at least one number.*loss, bleu"),
        ({"loss": "high"}, r"one list of numbers.*history\['loss'\]='high'"),
        ({"loss": 3.0}, r"one list of numbers.*history\['loss'\]=3.0"),
        ({"loss": [[1, 2]]}, r"one list of numbers.*\[\[1, 2\]\]"),
    ],
)
def test_histories_that_cannot_be_drawn(history, message):
    with pytest.raises(ValueError, match=message):
        training_curves(history)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".PNG"])
def test_the_same_figure_gives_the_same_file(suffix, tmp_path):
    first = save(heatmap(TARGET, SOURCE), tmp_path / f"first{suffix}")
    second = save(heatmap(TARGET, SOURCE), str(tmp_path / f"second{suffix}"))
    assert first.read_bytes() == second.read_bytes()
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix.lower()]
    assert first.read_bytes().startswith(start)
    # Replaced, nothing left beside.
    save(training_curves(HISTORY), second)
    assert first.read_bytes() != second.read_bytes()
    assert sorted(tmp_path.iterdir()) == [first, second]


def test_a_file_is_complete_or_as_it_was(tmp_path, monkeypatch):
    path, figure = tmp_path / "figure.png", heatmap(["a"], ["b"])
    path.write_bytes(b"before")

    def fail(file, **options):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(OSError, match="disk full"):
        save(figure, path)
    assert path.read_bytes() == b"before" and list(tmp_path.iterdir()) == [path]


def test_where_a_figure_cannot_be_saved(tmp_path):
    figure = training_curves({"loss": [1.0]})
    for name in ("figure.bmp", "figure"):
        with pytest.raises(ValueError, match=rf".png or .svg or .pdf.*{name}'"):
            save(figure, tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"no folder .*missing'"):
        save(figure, tmp_path / "missing" / "figure.png")
    assert not list(tmp_path.iterdir())


def test_pyplot_keeps_no_figure():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    heatmap(["a"], ["b"])
    training_curves({"loss": [1.0]})
    assert plt.get_fignums() == before
