"""Batches of texts: of like lengths, and bounded in rows and characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kseq2seq.inference import batches


@given(
    lengths=st.lists(st.integers(0, 40_000), max_size=30),
    batch_size=st.integers(1, 13),
)
def test_each_row_comes_once_in_a_batch_that_is_bounded(lengths, batch_size):
    texts = ["a" * length for length in lengths]
    rows = [*batches.length_sorted_batches(texts, batch_size)]
    assert sorted(row for batch in rows for row in batch) == [*range(len(texts))]
    for batch in rows:
        longest = max(lengths[row] for row in batch)
        assert len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * longest <= batches.MAX_CHARACTERS


def test_batches_of_sentences_are_as_large_as_they_were():
    texts = ["a" * 250] * 64
    assert [len(x) for x in batches.length_sorted_batches(texts, 64)] == [64]


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        ("a dog", "put a single one into a list. Received: 'a dog'"),
        (["a", None], "the text of each. Received: an item None of type NoneType"),
        ([b"a"], "decode bytes. Received: an item b'a' of type bytes"),
    ],
)
def test_texts_are_checked(texts, match):
    with pytest.raises(ValueError, match=f"`texts` must be a list.*{match}"):
        batches.check_texts(texts)


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, True, "7"])
def test_the_size_of_batches_is_checked(batch_size):
    with pytest.raises(ValueError, match="`batch_size` must be an integer"):
        next(batches.length_sorted_batches(["a"], batch_size))
