"""Words of the source in the place of unknown tokens, beside loops in Python."""

import string

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search
from kseq2seq.decoding.replacements import check_replacements
from kseq2seq.inference.attended_words import attended_words
from kseq2seq.tokenizers import tokenize_truncated, train_tokenizer
from kseq2seq.utils import UNK_ID
from translators import TEXTS, tiny_translator

SOURCES = ["Käse, bitte! ", "", "wir  (alle) gehen\theim", "犬", "?", "U.S. Käse"]
DICTIONARY = (("Käse", "cheese"), ("(alle)", "all"), ("U.S", "no"), ("U.S.", "USA"))


def word_by_hand(words, spans, attention, dictionary=()):
    """The word whose characters' tokens have most attention, as it is written."""
    totals = [
        sum(a for a, (start, _) in zip(attention, spans, strict=True) if start in span)
        for span in words
    ]
    if not totals:
        return ""
    word = list(words.values())[int(np.argmax(totals))]
    bare = word.strip(string.punctuation) or word
    table = dict(dictionary)
    return table.get(word, table.get(bare, bare))


def words_by_hand(text):
    """From the ranges of bytes of the words of a text to the words."""
    words, place = {}, 0
    for word in text.split():
        place = text.index(word, place)
        start = len(text[:place].encode())
        words[range(start, start + len(word.encode()))] = word
        place += len(word)
    return words


@pytest.mark.parametrize("kind", ["character", "unigram", "word"])
@pytest.mark.parametrize("dictionary", [(), DICTIONARY], ids=["copied", "looked up"])
def test_the_word_attended_to_most(kind, dictionary):
    size = {"vocabulary_size": 33} if kind == "unigram" else {}
    tokenizer = train_tokenizer(["wir gehen heim Käse", *SOURCES], kind=kind, **size)
    source = tokenize_truncated(tokenizer, tf.constant(SOURCES))
    shape = (len(SOURCES), 11, source.ids.shape[1])
    alignments = np.random.default_rng(3).random(shape).astype("float32") ** 23
    words = attended_words(
        tf.constant(SOURCES), source, tf.constant(alignments), dictionary
    ).numpy()
    seen = set()
    for row, text in enumerate(SOURCES):
        ranges = source.starts[row].numpy(), source.ends[row].numpy()
        # Empty ones, as of EOS, are of no word.
        spans = [(s, e) if e > s else (-1, -1) for s, e in zip(*ranges, strict=True)]
        for n, word in enumerate(words[row]):
            attention = alignments[row, n]
            expected = word_by_hand(words_by_hand(text), spans, attention, dictionary)
            assert word.decode() == expected
            seen.add(expected)
    assert {"wir", "bitte", "?"} < seen
    assert ({"cheese", "all", "USA"} <= seen) == bool(dictionary)


def test_unknown_tokens_become_words_of_the_source():
    plain = tiny_translator()
    bias = plain.model.get_layer("projection").bias
    values = bias.numpy()
    values[UNK_ID] = values[4:].max() + 1.0
    bias.assign(values)
    search = {"beam_size": 1, "max_length": 13}
    search |= {"forbid_unknown": False, "replace_unknown": {"dog": "Hündin"}}
    prefix = ["ein犬 ", None, "", "wir", None, None]
    rows = plain.translate(TEXTS, Search(**search), prefix=prefix)
    replaced = 0
    for text, begin, row in zip(TEXTS, prefix, rows, strict=True):
        for best in row if text else ():
            spans = [(n, n + 1) for n in range(len(text))] + [(-1, -1)]
            written = ""
            for token, attention in zip(
                best.target_tokens, best.alignment, strict=True
            ):
                if token == "<unk>":
                    pairs = (("dog", "Hündin"),)
                    word = word_by_hand(words_by_hand(text), spans, attention, pairs)
                    written += word
                    replaced += 1
                elif token != "</s>":
                    written += token.replace("▁", " ")
            if begin and "犬" in begin:
                # What is given stays as it is.
                assert best.text.startswith(begin)
            else:
                assert best.text == written
    assert replaced > 5
    assert any("Hündin" in best.text for best, *_ in rows)


def test_what_cannot_be_replaced_is_refused():
    without = tiny_translator(attention="none")
    search = Search(beam_size=1, forbid_unknown=False, replace_unknown=True)
    with pytest.raises(ValueError, match="replace_unknown=False where a model has no"):
        without.translate(["a"], search)
    with pytest.raises(ValueError, match="`replace_unknown` needs forbid_unknown=Fal"):
        Search(replace_unknown=True)
    for wrong in ([("a",)], {"a": ""}, {"a": 3}, ["ab"], {"a": "\ud800"}):
        with pytest.raises(ValueError, match="must be True, False, or a dict.*an item"):
            check_replacements(wrong)
    with pytest.raises(ValueError, match="`replace_unknown` must be True or False"):
        check_replacements(1)
    with pytest.raises(ValueError, match="or a dict from words to words; read that of"):
        check_replacements("dictionary.tsv")
    assert check_replacements({}) is True
    # As JSON has them.
    assert check_replacements([["a", "b"]]) == (("a", "b"),)
