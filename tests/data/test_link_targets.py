"""Attention to learn, made of word links, against loops over words and pieces."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import data
from kseq2seq.tokenizers import FeatureVocabulary, train_tokenizer

TRIPLES = [
    ("eine große Katze", "a big cat", "0-0 1-1 2-2"),
    ("", "nothing", ""),
    ("den  Hund sehen wir", "we see the dog", "0-2 1-3 2-1 3-0 2-0"),
    ("ja", "yes", ""),
    ("sie sah Katzen", "she saw", "0-0 1-1 2?1"),
]
TEXTS = [text for triple in TRIPLES for text in triple[:2]]


def pieces_of_words(tokenizer, text):
    """For each piece its word: a word begins where its letters do, EOS is none."""
    letters, words = "".join(text.split()), text.split()
    word_of_letter = [n for n, word in enumerate(words) for _ in word]
    word_of_piece, place = [], 0
    for piece, _ in tokenizer.read(text):
        own = piece.replace("▁", "")
        assert letters[place : place + len(own)] == own
        # A piece of nothing but a blank is of no word.
        word_of_piece.append(word_of_letter[place] if own else None)
        place += len(own)
    return [*word_of_piece, None]


def by_hand(tokenizers, triple, shape):
    source, target = map(pieces_of_words, tokenizers, triple[:2])
    links = {tuple(map(int, x.split("-"))) for x in triple[2].split() if "-" in x}
    expected = np.zeros(shape)
    for t, target_word in enumerate(target):
        linked = [s for s, word in enumerate(source) if (word, target_word) in links]
        for s in linked:
            expected[t, s] = 1 / len(linked)
    return expected


@pytest.fixture(scope="module", params=["unigram", "character"])
def tokenizers(request):
    sizes = {"vocabulary_size": 40, "allow_smaller": True}
    sizes = sizes if request.param == "unigram" else {}
    return [train_tokenizer(TEXTS, kind=request.param, **sizes)] * 2


def test_links_become_attention_of_pieces(tokenizers):
    options = {"batch_size": 2, "buckets": (7, 23), "linked": True}
    rows = []
    for inputs, _ in data.batches(TRIPLES, *tokenizers, **options):
        assert inputs["links"].dtype == tf.float32
        shape = (*inputs["target"].shape, inputs["source"].shape[1])
        assert inputs["links"].shape == shape
        rows += [*inputs["links"].numpy()]
    kept = [triple for triple in TRIPLES if triple[0]]
    assert len(rows) == len(kept)
    for row, triple in zip(rows, kept, strict=True):
        np.testing.assert_allclose(row, by_hand(tokenizers, triple, row.shape))
    assert rows[0].any() and not rows[2].any()


def test_links_stay_with_their_pairs_in_any_order():
    tokenizer = train_tokenizer(TEXTS, kind="character")
    options = {"batch_size": 2, "seed": 3, "linked": True}
    memory = data.MemoryBatches(TRIPLES, tokenizer, tokenizer, **options)
    by_text, seen = {triple[0]: triple for triple in TRIPLES}, set()
    for inputs, _ in memory.dataset().take(memory.steps_per_pass):
        texts = tokenizer.detokenize(inputs["source"]).numpy()
        for text, links in zip(texts, inputs["links"].numpy(), strict=True):
            triple = by_text[text.decode()]
            expected = by_hand([tokenizer] * 2, triple, links.shape)
            np.testing.assert_allclose(links, expected)
            seen.add(triple)
    assert len(seen) == 4


def test_parts_of_a_character_are_of_its_word():
    options = {"kind": "character", "normalization": "nfd"}
    hangul = train_tokenizer(["한국 나라"], **options)
    latin = train_tokenizer(["a b"], kind="character")
    pair = [("한 나라", "a b", "0-0 1-1")]
    ((inputs, _),) = data.batches(pair, hangul, latin, linked=True)
    # Three parts, a blank, and four parts.
    first, second = inputs["links"].numpy()[0, [0, 2]]
    np.testing.assert_allclose(first[:4], [1 / 3, 1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(second[:8], [0] * 4 + [1 / 4] * 4)


@pytest.fixture(scope="module")
def letters():
    return train_tokenizer(["abc"], kind="character")


def test_links_of_other_texts_are_refused_by_row(letters):
    for links, match in (
        ("0-1", r"row 2: links must be between.*Received: 0-1 of 1 and 1 words"),
        ("N;PL", r"row 2: links must be two numbers.*Received: 'N;PL'"),
    ):
        with pytest.raises(ValueError, match=match):
            rows = [("a", "b", "0-0"), ("c", "a", links)]
            data.batches(rows, letters, letters, linked=True)


def test_links_do_not_go_with_what_moves_or_changes_pieces(letters):
    sides, rows = (letters, letters), [("ab", "b", "0-0")]
    features = FeatureVocabulary(["N"])
    with pytest.raises(ValueError, match=r"`linked` is for models without features"):
        data.batches(rows, *sides, features=features, linked=True)
    batches = data.batches(rows, *sides, linked=True)
    with pytest.raises(ValueError, match=r"`source_swap` must be 0.*source_swap=0.1"):
        data.add_noise(batches, source_swap=0.1)
    with pytest.raises(ValueError, match=r"without word links.*nbest_size=-1"):
        data.sample_segmentations(batches, *sides)
    # Hidden tokens stay where they are.
    ((inputs, _),) = data.add_noise(batches, source_mask=0.9999)
    assert inputs["links"].numpy().any()
