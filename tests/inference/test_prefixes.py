"""Translations that begin with given texts."""

import unicodedata

import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import Search, Translator
from kseq2seq.inference.prefixes import piece_order, with_beginnings
from kseq2seq.tokenizers import train_tokenizer
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=3, max_length=13)
LINES = [
    "ein Hund rennt schnell", "eine Katze sieht einen Vogel", "wir gehen heim",
    "ein Hundert Hunde rennen", "ein Hun", "der Hut und die Hunde",
]  # fmt: skip


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def ids_of(tokenizer, text):
    return tokenizer.tokenize([text])[0].numpy().tolist()[:-1]


def test_each_row_begins_with_its_own_text(translator):
    prefixes = ["ein", None, "die V", "wir ", "", "ein langer Satz"]
    actual = translator.translate(TEXTS, SEARCH, num_hypotheses=3, prefix=prefixes)
    free = translator.translate(TEXTS, SEARCH, num_hypotheses=3)
    for prefix, own, others in zip(prefixes, actual, free, strict=True):
        if not prefix:
            assert [x.text for x in own] == [x.text for x in others]
        for best in own:
            assert best.text.startswith(prefix or "")
    # Longer than the search allows, and still there is room for the end.
    assert len(actual[5][0].target_tokens) > len("ein langer Satz")
    # However it is batched.
    again = translator.translate(TEXTS, SEARCH, batch_size=1, prefix=prefixes)
    assert [x.text for x, *_ in again] == [x.text for x, *_ in actual]


def test_the_log_probability_is_that_of_the_whole(translator):
    ((best,),) = translator.translate(["a dog"], SEARCH, prefix=["die"])
    if best.target_tokens[-1] == "</s>":
        ((log_prob, _),) = translator.score([("a dog", best.text)])
        np.testing.assert_allclose(best.log_prob, log_prob, atol=1e-4)


def test_unknown_characters_stay_as_they_were_given(translator):
    prefixes = ["犬 e", "e 犬", "x\u0000y", "  ei"]
    actual = translator.translate(["a dog"] * 4, SEARCH, prefix=prefixes)
    for prefix, (best,) in zip(prefixes, actual, strict=True):
        assert best.text.startswith(prefix) and "⁇" not in best.text


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word"])
def test_the_last_word_may_go_on_until_a_blank_ends_it(kind):
    """The model is random, and wants nothing of it."""
    size = {} if kind == "word" else {"vocabulary_size": 40}
    source = train_tokenizer(LINES, kind="character")
    target = train_tokenizer(LINES, kind=kind, **size)
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        units=6,
        embedding_size=3,
    )
    translator = Translator(kseq2seq.build_model(config), source, target)
    search = Search(beam_size=7, num_hypotheses=7, max_length=9)
    prefixes = ["ein Hu", "ein Hund", "ein Hund ", " ein", "der xyz Hu", "H", "ein  H"]
    rows = translator.translate(["ein Hund"] * 7, search, prefix=prefixes)
    for prefix, row in zip(prefixes, rows, strict=True):
        assert all(best.text.startswith(prefix) for best in row)


def test_one_token_may_stand_for_the_last_word():
    """Though the word so far is read as others: "▁Hun" as "▁Hu" and "n"."""
    tokenizer = train_tokenizer(LINES, kind="bpe", vocabulary_size=40)
    assert tokenizer.pieces(ids_of(tokenizer, "Hun")) == ["▁Hu", "n"]
    translator = tiny_translator()
    projection = tokenizer.vocabulary_size
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=translator.source_tokenizer.vocabulary_size,
        target_vocabulary_size=projection,
        units=6,
        embedding_size=3,
    )
    model = kseq2seq.build_model(config)
    bias = np.zeros(projection, "float32")
    bias[ids_of(tokenizer, "Hund")] = 9.0
    model.get_layer("projection").bias.assign(bias)
    translator = Translator(model, translator.source_tokenizer, tokenizer)
    ((best,),) = translator.translate(["a"], Search(max_length=1), prefix=["Hun"])
    assert best.target_tokens[0] == "▁Hund"


def test_the_order_of_pieces_is_that_of_their_bytes():
    order, texts = piece_order([None, "ü", "", " a", "b", None, "a"])
    assert texts == sorted(texts, key=str.encode) and order.tolist()[0] == -1
    assert [texts[place] for place in order[[1, 3, 4]]] == ["ü", "▁a", "b"]


def test_beginnings_replace_what_was_written_for_them():
    texts = tf.constant([["⁇ ab", "⁇ "], ["xyz", "x"]])
    written = tf.constant([["⁇ "], ["x"]])
    actual = with_beginnings(texts, tf.constant(["犬 ", "x"]), written)
    expected = [["犬 ab", "犬 "], ["xyz", "x"]]
    assert [[x.decode() for x in row] for row in actual.numpy()] == expected


@pytest.mark.parametrize(
    ("text", "prefix", "written", "expected"),
    [
        ("한국이", "하", "하", "한국이"),  # a final consonant
        ("étés", "e", "e", "étés"),
        ("étés", "e\u0301", "é", "étés"),
        ("하", "ᄒ", "ᄒ", "하"),
        ("c ⁇ \u0301s", "ç", "c ⁇ ", "ḉs"),  # a mark that the vocabulary lacks
        ("ận", "â", "â", "ận"),  # the mark below stands first
        ("fin", "ﬁ", "fi", "ﬁn"),
    ],
)
def test_what_follows_may_complete_a_character(text, prefix, written, expected):
    tensors = tf.constant([[text]]), tf.constant([prefix]), tf.constant([[written]])
    ((actual,),) = with_beginnings(*tensors, in_parts=True).numpy()
    assert actual.decode() == expected


def test_models_that_write_parts_go_on_within_a_character():
    """Of random weights: what is written is what was searched, composed."""
    lines = ["한국이 étés ñ", "하구 ete"]
    target = train_tokenizer(lines, kind="character", normalization="nfd")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=target.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        units=6,
        embedding_size=3,
    )
    model = kseq2seq.build_model(config)
    bias = np.zeros(target.vocabulary_size, "float32")
    bias[ids_of(target, "한\u0301")[-2:]] = 5.0  # a final consonant, a mark
    bias[ids_of(target, "s s")[1]] = -9.0  # a blank ahead is left out
    model.get_layer("projection").bias.assign(bias)
    translator = Translator(model, target, target)
    prefixes = ["하", "e", "é", "한구", "ᄒ", ""]
    rows = translator.translate(["한국"] * 6, SEARCH, 3, prefix=prefixes)
    for prefix, row in zip(prefixes, rows, strict=True):
        for best in row:
            tokens = "".join(best.target_tokens).replace("▁", " ")
            if not tokens.endswith("</s>"):  # cut, without half a syllable
                tokens = tokens.rstrip("ᄒᄀᄋ")
            tokens = tokens.removesuffix("</s>")
            assert best.text == unicodedata.normalize("NFC", tokens)
            parts = unicodedata.normalize("NFD", best.text)
            assert parts.startswith(unicodedata.normalize("NFD", prefix))


@pytest.mark.parametrize("prefix", ["ein", ["ein"], [3] * 6, b"ein"])
def test_prefixes_are_checked(translator, prefix):
    with pytest.raises(ValueError, match="`prefix` must"):
        translator.translate(TEXTS, SEARCH, prefix=prefix)
