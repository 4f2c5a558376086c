"""Tokenizers that take characters apart, against Unicode's own normalization."""

import unicodedata

import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from kseq2seq import Limits, Search, Seq2SeqConfig, Translator, build_model
from kseq2seq.tokenizers import (
    source_spans,
    target_spans,
    tokenize_truncated,
    train_tokenizer,
)
from kseq2seq.utils import EOS_ID

# All jamo of modern Hangul, and a few accents.
PLACES = [588 * x + 28 * (x % 21) + x % 28 for x in range(84)]
SYLLABLES = [chr(0xAC00 + place % 11172) for place in PLACES]
LINES = ["".join(SYLLABLES), "Crème brûlée naïve Ñandú ǘ 한국 각", "dangling ᄒ"]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(LINES, kind="character", normalization="nfd")


def parts(text):
    return list(unicodedata.normalize("NFD", text).replace(" ", "▁"))


def test_pieces_are_the_parts_of_characters(tokenizer):
    texts = ["한국 é", "각", "Ñandú"]
    ids = tokenizer.tokenize(texts)
    for text, row in zip(texts, ids.to_list(), strict=True):
        assert tokenizer.pieces(row) == [*parts(text), "</s>"]
    python = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    expected = [[*python.encode(text), EOS_ID] for text in texts]
    assert ids.to_list() == expected


@given(st.text(st.sampled_from("".join(SYLLABLES) + "Creèûl ïñÑúǘ"), max_size=17))
def test_text_comes_back_composed(tokenizer, text):
    for form in ("NFC", "NFD"):
        ids = tokenizer.tokenize([unicodedata.normalize(form, text)])
        assert [tokenizer.pieces(row[:-1]) for row in ids.to_list()] == [parts(text)]
        (back,) = tokenizer.detokenize(ids).numpy()
        assert back.decode() == unicodedata.normalize("NFC", text)


def test_nfkd_takes_look_alikes_apart():
    tokenizer = train_tokenizer(["fi 12 한"], kind="character", normalization="nfkd")
    ids = tokenizer.tokenize(["ﬁ ①２ 한"])
    assert tokenizer.pieces(ids.to_list()[0]) == [*parts("fi 12 한"), "</s>"]
    assert tokenizer.detokenize(ids).numpy()[0].decode() == "fi 12 한"


def test_no_text_is_said_to_be_lost(caplog):
    train_tokenizer(LINES, kind="character", normalization="nfd")
    assert not caplog.messages
    train_tokenizer([*LINES, "▁"], kind="character", normalization="nfd")
    assert "1 of 4 training texts" in caplog.text


def test_parts_of_a_character_have_its_place(tokenizer):
    text = "한é나"
    ids, starts, ends = source_spans(tokenizer, tf.constant([text, "나"]))
    assert tokenizer.pieces(ids[0]) == [*parts(text), "</s>"]
    assert starts.to_list() == [[0, 0, 0, 3, 3, 5, 5, 8], [0, 0, 3]]
    assert ends.to_list() == [[3, 3, 3, 5, 5, 8, 8, 8], [3, 3, 3]]
    dense = ids.to_tensor()
    written = tokenizer.detokenize(dense)
    starts, ends = target_spans(tokenizer.detokenize, dense, written)
    spans = zip(starts[0].numpy(), ends[0].numpy(), strict=True)
    covered = [text.encode()[start:end].decode() for start, end in spans]
    assert "".join(covered) == text


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("한국한", 6, "한"), ("한국한", 7, "한국"), ("éa", 2, "é"), ("é", 3, "é")],
)
def test_a_limit_cuts_the_source_between_characters(tokenizer, text, most, expected):
    texts = tf.constant([text, "a"])
    result = tokenize_truncated(tokenizer, texts, Limits(max_tokens=most))
    ids = [x for x in result.ids.numpy()[0] if x]
    # A character longer than the limit is the one that is cut.
    whole = [*parts(expected)][: most - 1]
    assert tokenizer.pieces(ids) == [*whole, "</s>"]
    assert result.truncated.numpy().tolist() == [text != "é", False]
    assert result.ends.numpy()[0][len(ids) - 1] == len(text.encode())


def test_a_cut_translation_has_no_half_syllable(tokenizer):
    ids = tokenizer.tokenize(["한국"])
    for length, expected in ((7, "한국"), (6, "한국"), (5, "한구"), (4, "한"), (1, "")):
        (back,) = tokenizer.detokenize(ids[:, :length]).numpy()
        assert back.decode() == expected
    whole = tokenizer.tokenize(["ᄒ"])
    assert tokenizer.detokenize(whole).numpy()[0].decode() == "ᄒ"


def test_exports_compose_too(tokenizer, tmp_path, export_only):
    export_only("serving_default", "score", "align", "complete")
    size = tokenizer.vocabulary_size
    sizes = {"source_vocabulary_size": size, "target_vocabulary_size": size}
    model = build_model(Seq2SeqConfig(**sizes, embedding_size=5, units=6))
    translator = Translator(model, tokenizer, tokenizer)
    search = Search(beam_size=2, max_length=7)
    translator.export(tmp_path / "hangul", search, extra_signatures=["complete"])
    served = Translator.load(tmp_path / "hangul")
    pairs = [("한국", "한국"), ("é", "é")]
    assert served.score(pairs) == [
        pytest.approx(row, rel=1e-5) for row in translator.score(pairs)
    ]
    spans = [x.align(pairs)[0].target_spans for x in (served, translator)]
    assert spans[0] == spans[1]
    ((best, *_),) = translator.translate(["한국"], search)
    assert served(["한국"]) == [best.text]
    texts, prefix = ["한국", "é"], ["하", "e"]
    completed = translator.translate(texts, search, prefix=prefix)
    again = served.translate(texts, prefix=prefix)
    assert [row[0].text for row in again] == [row[0].text for row in completed]
