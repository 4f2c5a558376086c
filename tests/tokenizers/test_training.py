"""Training of tokenizers: sizes, kinds, and what cannot be trained."""

import re

import pytest

from kseq2seq.tokenizers import training
from tokenizer_texts import ALPHABET, WORDS, corpus, tokenizers_of_corpus


@pytest.fixture(scope="module", name="tokenizers")
def tokenizers_():
    return tokenizers_of_corpus()


def decoded(tensor):
    return [value.decode() for value in tensor.numpy()]


@pytest.mark.parametrize("kind", training.KINDS)
def test_training_is_repeatable(tokenizers, kind):
    texts, size = ([" ".join(WORDS)], 8000) if kind == "word" else (corpus(), 71)
    again = training.train_tokenizer(iter(texts), size, kind)
    assert again.model == tokenizers[kind].model


def test_vocabulary_size(tokenizers):
    assert tokenizers["unigram"].vocabulary_size == 71
    assert tokenizers["bpe"].vocabulary_size == 71
    # The blank counts, and the four special ids.
    assert tokenizers["character"].vocabulary_size == len(ALPHABET) + 4
    assert tokenizers["word"].vocabulary_size == len(WORDS) + 4
    few = training.train_tokenizer(["a a a b b c"], 6, "word")
    assert few.pieces(range(6))[4:] == ["▁a", "▁b"]
    assert len(tokenizers["character"].model) < 2000


def test_long_texts_count_too():
    tokenizer = training.train_tokenizer(["b" * 3, "a" * 9973], kind="character")
    assert tokenizer.pieces(range(tokenizer.vocabulary_size))[4:] == ["a", "b"]


def test_normalization():
    folded = training.train_tokenizer(
        ["ＡＢ ab"], kind="character", normalization="nfkc_cf"
    )
    assert decoded(folded.detokenize(folded.tokenize(["ＡB"]))) == ["ab"]
    plain = training.train_tokenizer(["ＡＢ ab"], kind="character")
    assert decoded(plain.detokenize(plain.tokenize(["Ａb"]))) == ["Ａb"]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_digits_may_be_pieces_of_their_own(kind):
    texts = [f"at {year}" for year in range(1900, 2500, 7)]
    whole, split = (
        training.train_tokenizer(
            texts, 31, kind, split_digits=split_digits, allow_smaller=True
        )
        for split_digits in (False, True)
    )
    sizes = [
        max(sum(x.isdigit() for x in piece) for piece in tokenizer.pieces(ids))
        for tokenizer in (whole, split)
        for ids in [range(4, tokenizer.vocabulary_size)]
    ]
    assert sizes[0] > 1 and sizes[1] == 1
    assert split.pieces(split.tokenize(["at 1907"])[0])[-5:] == [*"1907", "</s>"]


PAIRS = [("ab ab", "x y"), ("ba", "y z")]


def test_a_tokenizer_for_each_side():
    source, target = training.train_tokenizers(PAIRS, kind=("character", "word"))
    assert sorted(source.pieces(range(4, 7))) == ["a", "b", "▁"]
    assert sorted(target.pieces(range(4, 7))) == ["▁x", "▁y", "▁z"]
    source, target = training.train_tokenizers(PAIRS, (6, 7), "character")
    assert (source.vocabulary_size, target.vocabulary_size) == (6, 7)


def test_one_tokenizer_for_both_sides():
    source, target = training.train_tokenizers(PAIRS, kind="word", shared=True)
    assert source is target
    assert sorted(source.pieces(range(4, source.vocabulary_size))) == [
        "▁ab", "▁ba", "▁x", "▁y", "▁z"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "char"}, "`kind` must be one of unigram, .*kind='char'"),
        ({"normalization": "nfc"}, "`normalization` must be one of.*'nfc'"),
        ({"vocabulary_size": 4}, "at least 5.*vocabulary_size=4"),
        ({"vocabulary_size": 8e3}, r"must be an integer.*vocabulary_size=8000\.0"),
        ({"texts": "ab"}, "`texts` must be a list of strings. Received: 'ab'"),
        ({"texts": ["", " "]}, "`texts` must hold text"),
        ({"texts": ["ab"]}, r"at most \d+, or train on more.*=8000, kind='unigram'"),
        ({"texts": ["ab"], "kind": "bpe"}, r"at most \d+.*kind='bpe'"),
        ({"vocabulary_size": 5, "kind": "bpe"}, "at least 14.*vocabulary_size=5"),
        ({"texts": ["\u2581 \u2581"], "kind": "word"}, "'▁', U\\+2581, is its b"),
        (
            {"texts": ["a b", "日" * 2700], "kind": "word"},
            r"at most 7,996 bytes.*blanks between.*Received: one of 8,100.*'日日.*\.\.",
        ),
        ({"texts": ["\u2585"]}, "in characters that show.*Received: .*\u2585"),
        ({"texts": ["ab", None]}, r"list of strings; leave out.*None as number 2"),
        ({"texts": [b"ab"]}, "decode bytes.*as number 1"),
        ({"texts": 3}, "list of strings. Received: 3 of type int"),
        ({"split_digits": 1}, "`split_digits` must be True or False.*Received: .*1"),
        ({"split_digits": True, "kind": "word"}, "unless `kind` is 'un.*kind='word'"),
    ],
)
def test_training_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        training.train_tokenizer(**{"texts": ["abcdefghi"], **arguments})


@pytest.mark.parametrize(
    ("size", "remedy"), [("too small", "at least"), ("too large", "at most")]
)
def test_the_size_that_an_error_names_is_accepted(size, remedy):
    start = 5 if size == "too small" else 8000
    with pytest.raises(ValueError) as error:
        training.train_tokenizer(corpus(), start, "unigram")
    named = int(re.search(rf"{remedy} (\d+)", str(error.value))[1])
    assert training.train_tokenizer(corpus(), named).vocabulary_size == named


def test_errors_of_pairs():
    with pytest.raises(ValueError, match="Target tokenizer: .*at most.*'unigram'"):
        training.train_tokenizers(PAIRS, kind=("character", "unigram"))
    with pytest.raises(ValueError, match=r"one value with shared=True.*\('bpe', 'w"):
        training.train_tokenizers(PAIRS, kind=("bpe", "word"), shared=True)
    with pytest.raises(ValueError, match=r"a pair of them with shared=False.*\(5,\)"):
        training.train_tokenizers(PAIRS, vocabulary_size=(5,))
