"""Searches with beginnings, words and alternatives."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search
from kseq2seq.inference import ControlledSearches, TextToText
from loaders import strings
from translators import TEXTS, tiny_translator
from whole_models import SEARCH, text_to_text


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def test_groups_begin_differently(translator):
    search = Search(beam_size=4, num_groups=4, diversity=50.0, max_length=7)
    search = dataclasses.replace(search, num_hypotheses=4)
    for row in translator.translate(TEXTS, search):
        if row[0].text:
            assert len({best.target_tokens[0] for best in row}) == 4
    with pytest.raises(ValueError, match="`num_groups` must be 1 beside a constraint"):
        translator.translate(["a dog"], search, forced=[["wir"]])
    # Alternatives begin differently in any case; three do not make two groups.
    search = Search(beam_size=4, num_groups=2, num_hypotheses=3, max_length=7)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    graphs = ControlledSearches(TextToText([translator.model], *tokenizers, search))
    result = graphs.alternatives(tf.constant(["a dog"]), tf.constant(["die "]))
    assert len(set(result["translations"].numpy()[0])) == 3


def test_alternatives_are_of_tokens_that_the_pattern_has(translator):
    """Each of four letters may come next, and no other token takes its place."""
    search = Search(beam_size=4, pattern="di[aerw] [a-z]{30}", max_length=7)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    graphs = ControlledSearches(TextToText([translator.model], *tokenizers, search))
    texts, beginnings = tf.constant(["a dog", "we run home"]), tf.constant(["di", "d"])
    result = graphs.alternatives(texts, beginnings)
    written = [[x.decode() for x in row] for row in result["translations"].numpy()]
    assert {text[:4] for text in written[0]} == {"dia ", "die ", "dir ", "diw "}
    # Where one letter alone may come, there is one alternative.
    assert [bool(text) for text in written[1]] == [True, False, False, False]
    for text in [*written[0], written[1][0]]:
        assert re.fullmatch(search.pattern, text)


@pytest.mark.parametrize("search", [SEARCH, Search(coverage_penalty=0.3)])
def test_a_searchs_alignments_can_be_left_out(translator, search):
    ours = text_to_text([translator])
    texts = strings(TEXTS)
    with_them = ControlledSearches(ours).search_texts(texts, search)
    without = ControlledSearches(ours).search_texts(texts, search, alignments=False)
    assert set(with_them) - set(without) == {"alignments"}
    for name, values in without.items():
        np.testing.assert_array_equal(values, with_them[name])


def test_where_the_rules_allow_nothing_there_is_no_text(translator):
    """And the score is a number, as JSON has no infinity."""
    search = Search(beam_size=3, pattern="di[aerw] [a-z]{3}", max_length=7)
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    ours = TextToText([translator.model], *tokenizers, search)
    texts, beginnings = tf.constant(["a dog", "a dog"]), tf.constant(["die ", "wir"])
    completed = ControlledSearches(ours).complete(texts, beginnings)
    written = [x.decode() for x in completed["translation"].numpy()]
    assert re.fullmatch(search.pattern, written[0]) and written[1] == ""
    assert completed["score"][0] > -1e6
    assert completed["score"][1] == tf.float32.min
    none = Search(pattern="di-?di", no_repeat_ngram=1, max_length=7)
    ours = TextToText([translator.model], *tokenizers, none)
    (score,) = ours.translate(texts[:1])["score"].numpy()
    settings = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 7}
    settings = {name: tf.constant([value]) for name, value in settings.items()}
    settings["seed"] = tf.cast(settings["seed"], tf.int64)
    drawn = ours.sample(texts[:1], **settings)
    aligned = ours.translate_align(texts[:1])
    assert score == drawn["log_prob"][0] == aligned["score"][0] == tf.float32.min
    assert aligned["translation"] == drawn["translation"] == [b""]
    assert aligned["num_target_tokens"] == [0]
