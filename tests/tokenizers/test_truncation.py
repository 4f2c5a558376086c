"""Texts to ids: what is cut where, and that nothing else changes."""

import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kseq2seq import Limits
from kseq2seq.tokenizers import cut_bytes, tokenize_truncated, training
from kseq2seq.utils import EOS_ID, PAD_ID, is_blank

# Letters and a symbol that are drawn as nothing.
FILLERS = "\u115f\u1160\u2800\u3164\uffa0"
LINES = ["a dog runs", "Ελλάδα 日本 😀"]


@pytest.fixture(scope="module")
def tokenizer():
    return training.train_tokenizer(LINES, kind="character")


def some(strategy):
    return st.lists(strategy, min_size=1, max_size=5)


@settings(deadline=None, max_examples=150)
@given(some(st.text(max_size=17)), st.integers(4, 13))
def test_text_is_cut_between_characters(texts, most):
    encoded = [x.encode() for x in texts]
    cut_texts, truncated = cut_bytes(tf.constant(encoded), most)
    expected = [x[:most].decode("utf-8", "ignore").encode() for x in encoded]
    assert cut_texts.numpy().tolist() == expected
    assert truncated.numpy().tolist() == [len(x) > most for x in encoded]


@settings(deadline=None, max_examples=150)
@given(some(st.binary(max_size=17)), st.integers(4, 13))
def test_bytes_are_cut_near_the_limit(texts, most):
    results = [each.numpy() for each in cut_bytes(tf.constant(texts), most)]
    for one, cut, whole in zip(*results, texts, strict=True):
        assert whole.startswith(one) and cut == (len(whole) > most)
        assert len(one) == len(whole) if not cut else most - 3 <= len(one) <= most


def test_tokens_beyond_the_limit_are_cut(tokenizer):
    texts = ["a dog", "a", "", "Ελλάδα 日本", " \t\n"]
    limits = Limits(max_bytes=11, max_tokens=5)
    result = tokenize_truncated(tokenizer, tf.constant(texts), limits)
    whole = tokenizer.tokenize(["a dog", "a", "", "Ελλάδ", ""]).to_list()
    ids = [[*x[:4], EOS_ID] if len(x) > 5 else x for x in whole]
    ids = [x + [PAD_ID] * (5 - len(x)) for x in ids]
    assert result.ids.numpy().tolist() == ids
    assert result.truncated.numpy().tolist() == [True, False, False, True, False]
    # EOS stands at the end of the whole text, whatever of it was result.
    sizes = [len(x.encode()) for x in texts]
    for row, size in enumerate(sizes):
        (at,) = np.flatnonzero(result.ids[row] == EOS_ID)
        assert result.starts[row, at] == result.ends[row, at] == size


BLANK = sorted(
    char
    for char in map(chr, range(sys.maxunicode + 1))
    if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Zs"}
)


@settings(deadline=None, max_examples=150)
@given(some(st.text(st.sampled_from(BLANK), max_size=5) | st.text(max_size=3)))
@example(list(BLANK))
@example(["\u3164", "\u2800\ufe0f", "\u115f", "\U000e0100", "\u034f"])
def test_a_text_that_shows_nothing_is_the_empty_one(tokenizer, texts):
    ids = tokenize_truncated(tokenizer, tf.constant(texts)).ids
    lengths = np.count_nonzero(ids, axis=1).tolist()
    seen = [not is_blank(text) for text in texts]
    assert [length > 1 for length in lengths] == seen
    for text, is_seen in zip(texts, seen, strict=True):
        if all(char in BLANK for char in text):
            assert not is_seen
        drawn = set(text) - set(FILLERS)
        if any(unicodedata.category(char)[0] in "LNPS" for char in drawn):
            assert is_seen


@settings(deadline=None, max_examples=50)
@given(st.text(st.sampled_from("ad og\r\n"), max_size=7))
def test_line_ends_at_the_end_are_left_out(tokenizer, text):
    whole, stripped = (
        tokenize_truncated(tokenizer, tf.constant([x]))
        for x in (text, text.rstrip("\r\n"))
    )
    if not is_blank(text):
        assert whole.ids.numpy().tolist() == stripped.ids.numpy().tolist()
    assert whole.ends.numpy()[0].max() == len(text)


def test_without_limits_nothing_is_cut(tokenizer):
    texts = tf.constant(["a dog " * 997, "a"])
    result = tokenize_truncated(tokenizer, texts)
    expected = tokenizer.tokenize(texts).to_tensor(PAD_ID)
    np.testing.assert_array_equal(result.ids, expected)
    assert not result.truncated.numpy().any()
    empty = tokenize_truncated(tokenizer, tf.constant([], tf.string))
    assert empty.ids.shape == empty.ends.shape == (0, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("max_bytes", 3), ("max_tokens", 1), ("max_bytes", 9.0)]
)
def test_limits_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*at least.*{name}={value}"):
        Limits(**{name: value})
