"""Graphs of searches and signatures: each traced once, with the inputs by name."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search
from kseq2seq.inference import graphs
from kseq2seq.inference.signatures import TEXT, SignatureFunction

TARGET = tf.TensorSpec([None], tf.string, "target")


@pytest.fixture
def traced(monkeypatch):
    """The calls that are traced, in order, by searches that give their inputs back."""
    collected = []

    class Searches:
        def __init__(self, text_to_text):
            assert text_to_text == "text to text"

        def search_texts(self, text, search, alignments, **others):
            collected.append((search, alignments, others))
            tensors = {x: y for x, y in others.items() if tf.is_tensor(y)}
            return {"text": text, **tensors}

    def functions(text_to_text, extra):
        def score(text, target):
            collected.append("score")
            return {"both": tf.strings.join([text, target], "+")}

        assert text_to_text == "text to text" and "complete" in extra
        return {"score": SignatureFunction(score, (TEXT, TARGET))}

    monkeypatch.setattr(graphs, "ControlledSearches", Searches)
    monkeypatch.setattr(graphs, "signature_functions", functions)
    return collected


@pytest.fixture
def ours(traced):
    return graphs.Graphs("text to text")


def test_a_search_is_traced_when_it_is_new(ours, traced):
    one, other = Search(beam_size=3), Search(beam_size=7)
    text, prefix = tf.constant(["a", "bc"]), tf.constant(["d", ""])
    found = ours.search(one, True, ["text", "prefix"])(text, prefix)
    assert found["text"].tolist() == [b"a", b"bc"]
    assert found["prefix"].tolist() == [b"d", b""]
    # By the order of the names, whatever it is, and for any number of rows.
    found = ours.search(one, True, ["prefix", "text"])(prefix, text)
    assert found["text"].tolist() == [b"a", b"bc"]
    again = ours.search(one, True, ["text", "prefix"])
    assert again(text[:1], prefix[:1])["prefix"].tolist() == [b"d"]
    assert len(traced) == 2
    ours.search(other, True, ["text"])
    ours.search(other, False, ["text"])
    ours.search(other, False, ["text"], allowed=("x",))
    ours.search(other, False, ["text"], in_order=True)
    ours.search(Search(beam_size=7), False, ["text"], allowed=("x",))
    assert len(traced) == 6
    assert [search for search, *_ in traced] == [one] * 2 + [other] * 4
    assert [alignments for _, alignments, _ in traced] == [True] * 3 + [False] * 3
    rules = [(x["allowed"], x["in_order"]) for *_, x in traced]
    assert rules == [((), False)] * 4 + [(("x",), False), ((), True)]


def test_words_to_force_are_ids(ours):
    forced = np.arange(2 * 3 * 5, dtype="int32").reshape(2, 3, 5)
    search = ours.search(Search(), False, ["text", "forced"])
    found = search(tf.constant(["a", "b"]), tf.constant(forced))
    np.testing.assert_array_equal(found["forced"], forced)


def test_a_signature_is_traced_once(ours, traced):
    inputs = {"target": tf.constant(["b"]), "text": tf.constant(["a"])}
    for _ in range(2):
        outputs = ours.run("score", inputs)
        assert outputs["both"].tolist() == [b"a+b"]
    assert traced == ["score"]


def test_other_signatures_and_inputs_are_refused(ours, traced):
    with pytest.raises(ValueError, match="must be one of score;.*Received: 'align'"):
        ours.run("align", {})
    with pytest.raises(ValueError, match="'score' must be target, text. Received: te"):
        ours.run("score", {"text": ["a"]})
    assert not traced


def test_samples_have_a_graph_for_each_number(ours, monkeypatch):
    made = []

    def sampling_graph(text_to_text, num_samples, names):
        made.append((num_samples, [*names]))
        return len(made)

    monkeypatch.setattr(graphs, "sampling_graph", sampling_graph)
    calls = [(3, ["text"]), (5, ["text"]), (3, ["text", "features"]), (3, ["text"])]
    assert [ours.samples(*call) for call in calls] == [1, 2, 3, 1]
    assert made == calls[:3]
