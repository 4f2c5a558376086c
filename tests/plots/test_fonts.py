import logging
import string

import matplotlib
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from heatmaps import heatmap, labels
from kseq2seq.plots import FORMATS, fonts, save
from kseq2seq.plots.fonts import font_families


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


@pytest.mark.parametrize(("word", "kind"), [(3, "int"), (None, "NoneType")])
def test_words_must_be_strings(word, kind):
    with pytest.raises(ValueError, match=f"must be strings.*of type {kind}"):
        heatmap(["a"], ["b", word])


@pytest.fixture(autouse=True)
def nothing_reported(monkeypatch):
    """As if no character without a glyph had been reported in this process."""
    monkeypatch.setattr(fonts, "_reported", set())


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
    if not set(RARE) <= font_families(RARE)[1]:
        pytest.skip("a font here has the letters of Miao")
    figure = heatmap(["a"], [RARE, f"x{RARE[0]}y", RARE[1]], title=RARE[:2])
    expected = ["U+16F00 U+16F01 U+16F02", "x U+16F00 y", "U+16F01"]
    assert labels(figure)[0] == expected
    assert figure.texts[0].get_text() == "U+16F00 U+16F01"
    save(figure, tmp_path / "figure.png")


def test_the_first_installed_font_that_has_the_characters_is_used(tmp_path, add_font):
    if not set(RARE) <= font_families(RARE)[1]:
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
    for suffix in FORMATS:
        save(figure, tmp_path / f"figure{suffix}")


def test_the_font_of_the_user_comes_first(add_font):
    add_font("Mine", string.ascii_letters + "01 ")
    with matplotlib.rc_context({"font.family": "Mine"}):
        figure = heatmap(["a"], ["b", "é"])
    families = figure.axes[0].get_xticklabels()[0].get_fontfamily()
    assert families == ["Mine", "DejaVu Sans"]


def test_missing_characters_are_reported_once(caplog):
    if not set(RARE) <= font_families(RARE)[1]:
        pytest.skip("a font here has the letters of Miao")
    heatmap(["a"], [RARE[0], "é", "\n", "\u200d"])
    (record,) = caplog.records
    assert record.name == "kseq2seq" and record.levelno == logging.WARNING
    told = record.getMessage()
    assert "has 1 characters of a figure, such as U+16F00;" in told
    assert "fonts-noto-core" in told
    assert f"{matplotlib.get_cachedir()}/fontlist-*.json" in told
    heatmap(["a"], [*RARE])
    assert len(caplog.records) == 1
    caplog.clear()
