"""Tokenizers with more symbols than they were trained with."""

import pytest
import sentencepiece

from kseq2seq.tokenizers import KINDS, add_symbols, kind_of, train_tokenizer

OLD, NEW = ["ab ba cab", "c ab"], ["da ab d\u00eb", "e", "\U0001f600d"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("character", ["d", "e", "\u00eb", "\U0001f600"]),
        ("word", ["▁da", "▁d\u00eb", "▁e", "▁\U0001f600d"]),
    ],
)
def test_new_symbols_have_ids_behind_the_old_ones(kind, expected):
    tokenizer = train_tokenizer(OLD, kind=kind)
    larger, added = add_symbols(tokenizer, [*NEW, *OLD], kind)
    assert added == expected
    size = tokenizer.vocabulary_size
    assert larger.vocabulary_size == size + len(added)
    assert larger.pieces(range(size, size + len(added))) == added
    assert larger.pieces(range(size)) == tokenizer.pieces(range(size))
    ours = larger.tokenize(NEW + OLD).to_list()
    # sentencepiece itself reads and checks the file, and gives the same ids.
    processor = sentencepiece.SentencePieceProcessor(model_proto=larger.model)
    assert [x[:-1] for x in ours] == processor.encode(NEW + OLD)
    assert ours[len(NEW) :] == tokenizer.tokenize(OLD).to_list()
    backs = [x.decode() for x in larger.detokenize(larger.tokenize(NEW)).numpy()]
    assert backs == NEW
    again, nothing = add_symbols(larger, NEW, kind)
    assert again is larger and nothing == []


def test_the_most_frequent_symbols_fit():
    tokenizer = train_tokenizer(OLD, kind="character")
    size = tokenizer.vocabulary_size
    for room, expected in ((2, ["d", "e"]), (0, [])):
        larger, added = add_symbols(tokenizer, NEW, "character", size + room)
        assert added == expected and larger.vocabulary_size == size + room
    assert add_symbols(tokenizer, NEW, "character", 5)[1] == []


def test_many_symbols_and_normalised_ones():
    tokenizer = train_tokenizer(["ab"], kind="character", normalization="nfkc")
    letters = [chr(n) for n in range(0x4E00, 0x4E00 + 300)]
    larger, added = add_symbols(tokenizer, ["\uff41\uff58", *letters], "character")
    assert added == ["x", *letters]  # the first is a known letter, of full width
    assert larger.tokenize([letters[-1]]).to_list() == [[larger.vocabulary_size - 1, 3]]


@pytest.mark.parametrize("kind", ["unigram", "bpe", 3])
def test_subwords_are_refused(kind):
    tokenizer = train_tokenizer(OLD, kind="character")
    with pytest.raises(ValueError, match=r"one of character, word\. Received: kind="):
        add_symbols(tokenizer, NEW, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tokenizer_tells_its_kind(kind):
    tokenizer = train_tokenizer(OLD * 7, 11, kind, allow_smaller=True)
    assert kind_of(tokenizer) == kind
    if kind in ("character", "word"):
        larger, _ = add_symbols(tokenizer, NEW, kind)
        assert kind_of(larger) == kind


def test_symbols_of_another_kind_are_refused():
    tokenizer = train_tokenizer(OLD, kind="word")
    with pytest.raises(ValueError, match=r"kind: 'word'\. Received: kind='character'"):
        add_symbols(tokenizer, NEW, "character")
