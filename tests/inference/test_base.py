"""Figures of alignments, of both translators."""

import numpy as np
import pytest
import tensorflow as tf
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


def test_alternatives_are_the_most_probable_next_tokens_completed(translators):
    ours, text, prefix = translators["python"], "the cat", "die "
    graphs, tokenizer = ours._graphs.text_to_text, ours.target_tokenizer
    source = graphs.read_source(tf.constant([text])).ids
    begun = tokenizer.tokenize([prefix])[0].numpy().tolist()[:-1]
    ids = np.array([[*begun, id_] for id_ in range(tokenizer.vocabulary_size)], "int32")
    forced = graphs.force_ids(tf.repeat(source, len(ids), axis=0), ids)
    log_probs = forced.log_probs.numpy()[:, 0]
    log_probs[:3] = -np.inf  # PAD, UNK and BOS
    best = np.argsort(-log_probs)[:5]
    texts = [prefix + ("" if id_ == 3 else tokenizer.pieces([id_])[0]) for id_ in best]
    alternatives = ours.alternatives(text, prefix)
    for wanted, alternative in zip(texts, alternatives, strict=True):
        wanted = wanted.replace("▁", " ")
        assert alternative.text.startswith(wanted)
    # The best of all is the best with its own next token.
    ((completed,),) = ours.translate([text], prefix=[texts[0].replace("▁", " ")])
    assert alternatives[0].text == completed.text
    np.testing.assert_allclose(alternatives[0].score, completed.score, atol=1e-5)


def test_a_saved_model_gives_alternatives(translators):
    alternatives = translators["saved"].alternatives("the cat", "die ", k=2)
    assert len(alternatives) == 2 == len({best.text for best in alternatives})
    assert all(best.text.startswith("die ") for best in alternatives)
    assert translators["saved"].alternatives(" ", "die ") == [("", 0.0, *[None] * 4)]
    with pytest.raises(ValueError, match="`k` must be an integer of at least 1"):
        translators["saved"].alternatives("a", "b", k=0)


def test_plot_needs_attention():
    without = tiny_translator(attention="none")
    with pytest.raises(ValueError, match="must have attention for an alignment to"):
        without.plot("a dog")
    with pytest.raises(ValueError, match="must hold something to align.*text=' '"):
        without.plot(" ")
