"""Nearest words, and their plot, against NumPy."""

import numpy as np
import pytest

from kseq2seq.plots import nearest_words, neighbors_plot

RNG = np.random.default_rng(0)
VECTORS = {name: RNG.normal(size=5) for name in ("a", "b", "c", "d", "é", "fünf", "g")}


def cosine(one, other):
    lengths = np.sqrt(np.sum(one**2)) * np.sqrt(np.sum(other**2))
    return np.sum(one * other) / lengths


def test_the_nearest_come_first():
    expected = sorted(
        ((name, cosine(VECTORS["c"], x)) for name, x in VECTORS.items() if name != "c"),
        key=lambda item: -item[1],
    )
    actual = nearest_words(VECTORS, "c", 4)
    assert [name for name, _ in actual] == [name for name, _ in expected[:4]]
    np.testing.assert_allclose(
        [x for _, x in actual], [x for _, x in expected[:4]], rtol=1e-6
    )
    assert len(nearest_words(VECTORS, "c", 50)) == len(VECTORS) - 1


def test_words_and_neighbours_are_drawn_once():
    figure = neighbors_plot(VECTORS, ["a", "fünf"], count=3)
    (axes,) = figure.axes
    labels = [text.get_text() for text in axes.texts]
    near = [nearest_words(VECTORS, word, 3) for word in ("a", "fünf")]
    assert sorted(labels) == sorted({"a", "fünf"} | {x for row in near for x, _ in row})
    bold = [x.get_text() for x in axes.texts if x.get_fontweight() == "bold"]
    assert bold == ["a", "fünf"]
    # Places are principal components: centred, without correlation, the wider first.
    x, y = np.array([points.get_offsets()[0] for points in axes.collections]).T
    np.testing.assert_allclose([x.mean(), y.mean(), x @ y], 0, atol=1e-9)
    assert x.var() > y.var()
    assert neighbors_plot(VECTORS, ["a"], ax=axes) is figure
    # Two words are on a line.
    neighbors_plot({"a": [1.0, 0.0], "b": [0.0, 1.0]}, ["a"])


@pytest.mark.parametrize(
    ("words", "message"),
    [(["z"], "must be one that has a vector"), ([], "a word or more")],
)
def test_words_without_vectors_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        neighbors_plot(VECTORS, words)
