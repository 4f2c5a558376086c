"""Texts to ids: what is cut where, and that nothing else changes."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq import Limits
from kseq2seq.tokenizers import cut_bytes, reader, training
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
    found, truncated = cut_bytes(tf.constant(encoded), most)
    expected = [x[:most].decode("utf-8", "ignore").encode() for x in encoded]
    assert found.numpy().tolist() == expected
    assert truncated.numpy().tolist() == [len(x) > most for x in encoded]


@settings(deadline=None, max_examples=150)
@given(some(st.binary(max_size=17)), st.integers(4, 13))
def test_bytes_are_cut_near_the_limit(texts, most):
    found, truncated = cut_bytes(tf.constant(texts), most)
    for one, whole, cut in zip(found.numpy(), texts, truncated.numpy(), strict=True):
        assert whole.startswith(one) and cut == (len(whole) > most)
        assert len(one) == len(whole) if not cut else most - 3 <= len(one) <= most


def test_tokens_beyond_the_limit_are_cut(tokenizer):
    texts = ["a dog", "a", "", "Ελλάδα 日本", " \t\n"]
    read = reader(tokenizer, Limits(max_bytes=11, max_tokens=5))(tf.constant(texts))
    whole = tokenizer.tokenize(["a dog", "a", "", "Ελλάδ", ""]).to_list()
    ids = [[*x[:4], EOS_ID] if len(x) > 5 else x for x in whole]
    ids = [x + [PAD_ID] * (5 - len(x)) for x in ids]
    assert read.ids.numpy().tolist() == ids
    assert read.truncated.numpy().tolist() == [True, False, False, True, False]
    # EOS stands at the end of the whole text, whatever of it was read.
    sizes = [len(x.encode()) for x in texts]
    for row, size in enumerate(sizes):
        (at,) = np.flatnonzero(read.ids[row] == EOS_ID)
        assert read.starts[row, at] == read.ends[row, at] == size


def test_white_space_of_any_kind_is_no_text(tokenizer):
    blank = ["", "\t \r\n\v\f", "\u3000", "\xa0 \u2003", "\u2028\x85"]
    others = ["\0", "\u200b", "\u3000a", "\ufeff"]
    read = reader(tokenizer)(tf.constant(blank + others))
    lengths = np.count_nonzero(read.ids, axis=1)
    assert lengths[:5].tolist() == [1] * 5 and (lengths[5:] > 1).all()
    assert not any(x.strip() for x in blank) and all(x.strip() for x in others)


def test_without_limits_nothing_is_cut(tokenizer):
    texts = tf.constant(["a dog " * 997, "a"])
    read = reader(tokenizer)(texts)
    expected = tokenizer.tokenize(texts).to_tensor(PAD_ID)
    np.testing.assert_array_equal(read.ids, expected)
    assert not read.truncated.numpy().any()
    empty = reader(tokenizer)(tf.constant([], tf.string))
    assert empty.ids.shape == empty.ends.shape == (0, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("max_bytes", 3), ("max_tokens", 1), ("max_bytes", 9.0)]
)
def test_limits_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*at least.*{name}={value}"):
        Limits(**{name: value})
