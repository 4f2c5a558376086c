"""Figures of alignments, of both translators."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from kseq2seq import SavedTranslator
from translators import tiny_translator


@pytest.fixture(scope="module")
def translators(tiny_saved_model):
    """A translator, and the same loaded from its export."""
    return {"python": tiny_translator(), "saved": SavedTranslator(tiny_saved_model)}


def drawn(axes):
    """Labels of the columns and rows, and the weights, of a heatmap."""
    columns, rows = (
        [label.get_text() for label in labels]
        for labels in (axes.get_xticklabels(), axes.get_yticklabels())
    )
    return columns, rows, axes.collections[0].get_array()


@pytest.mark.parametrize("kind", ["python", "saved"])
def test_plot_draws_what_a_text_was_translated_from(translators, kind):
    figure = translators[kind].plot("a dog", title="of a dog")
    # Another call of the same model says what must be there.
    ((best,),) = translators[kind].translate(
        ["a dog"], num_hypotheses=1, alignments=True
    )
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert figure.get_suptitle() == "of a dog"
    columns, rows, weights = drawn(figure.axes[0])
    assert columns == ["a", "▁", "d", "o", "g", "</s>"]
    assert len(rows) == len(best.target_tokens)
    np.testing.assert_allclose(weights, best.alignment, atol=1e-6)


@pytest.mark.parametrize("kind", ["python", "saved"])
def test_plot_draws_a_given_translation_into_given_axes(translators, kind):
    figure = Figure()
    ax = figure.add_subplot()
    assert translators[kind].plot("a dog", "ein", ax=ax) is figure
    (aligned,) = translators[kind].align([("a dog", "ein")])
    _, rows, weights = drawn(ax)
    assert rows == ["e", "i", "n", "</s>"]
    np.testing.assert_allclose(weights, aligned.weights, atol=1e-6)


def test_plot_needs_attention():
    with pytest.raises(ValueError, match="of a model with attention gives"):
        tiny_translator(attention="none").plot("a dog")
