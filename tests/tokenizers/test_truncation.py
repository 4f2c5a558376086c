"""Texts to ids: what is cut where, and that nothing else changes."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq import Limits
from kseq2seq.tokenizers import cut_bytes, tokenize_truncated, training
from kseq2seq.utils import EOS_ID, PAD_ID

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


def test_white_space_of_any_kind_is_no_text(tokenizer):
    blank = ["", "\t \r\n\v\f", "\u3000", "\xa0 \u2003", "\u2028\x85"]
    others = ["\0", "\u200b", "\u3000a", "\ufeff"]
    result = tokenize_truncated(tokenizer, tf.constant(blank + others))
    lengths = np.count_nonzero(result.ids, axis=1)
    assert lengths[:5].tolist() == [1] * 5 and (lengths[5:] > 1).all()
    assert not any(x.strip() for x in blank) and all(x.strip() for x in others)


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
