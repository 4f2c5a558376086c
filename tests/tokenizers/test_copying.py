"""Copied symbols: the same pieces on both sides, and texts that hold unknown ones."""

import pytest
import tensorflow as tf

from kseq2seq.tokenizers import copied_ids, train_tokenizer, train_tokenizers
from kseq2seq.utils import EOS_ID, PAD_ID, UNK_ID

PAIRS = [("dog", "Hund"), ("cat", "Katze")]
TEXTS = ["the dog sees", "a cat", "  two  blanks "]


def test_the_same_piece_is_copied():
    source, target = train_tokenizers(PAIRS, kind="character")
    table = copied_ids(source, target)
    assert table[:4] == [PAD_ID, UNK_ID, PAD_ID, EOS_ID]
    pieces = target.pieces(range(target.vocabulary_size))
    for piece, id_ in zip(source.pieces(range(4, len(table))), table[4:], strict=True):
        assert id_ == (pieces.index(piece) if piece in pieces else UNK_ID)
    assert UNK_ID in table[4:] and max(table) > EOS_ID


@pytest.mark.parametrize("kind", ["character", "unigram", "word"])
def test_unknown_symbols_are_written(kind):
    tokenizer = train_tokenizer(
        TEXTS, kind=kind, vocabulary_size=23, allow_smaller=True
    )
    new = {"word": ["Maus", " Maus "]}.get(kind, ["Ω", "漢字"])
    joined = " {} dog{}".format(*new) if kind != "word" else "Maus dog Maus"
    ids = tokenizer.tokenize([joined, "a cat", joined]).to_tensor(PAD_ID)
    unknown = iter([new[0].strip(), new[1].strip()])
    symbols = [next(unknown) if x == UNK_ID else "no" for x in ids[0]]
    given = tf.constant([symbols, ["no"] * len(symbols), [""] * len(symbols)])
    written = tokenizer.detokenize(ids, given).numpy().tolist()
    assert written[0].decode() == joined
    assert written[1] == b"a cat"
    assert written[2] == tokenizer.detokenize(ids).numpy()[2]
    # Nothing of what stands behind EOS.
    behind = tf.pad(ids[:1], [[0, 0], [0, 1]], constant_values=UNK_ID)
    more = tf.pad(given[:1], [[0, 0], [0, 1]], constant_values="no")
    assert tokenizer.detokenize(behind, more).numpy().tolist() == written[:1]


def test_characters_are_composed_with_what_was_copied():
    tokenizer = train_tokenizer(["ae ü"], kind="character", normalization="nfd")
    accent = "\N{COMBINING DIAERESIS}"
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    ids = tf.constant([[UNK_ID, pieces.index(accent), EOS_ID]])
    written = tokenizer.detokenize(ids, tf.constant([["O", "", ""]]))
    assert written.numpy()[0].decode() == "Ö"
