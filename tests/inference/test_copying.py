"""Copies of symbols of the source, where tokens are parts of characters."""

import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import FeatureVocabulary, Limits, Search, train_tokenizers
from kseq2seq.decoding import Hypotheses
from kseq2seq.inference.tokenizer_graphs import TokenizerGraphs
from kseq2seq.tokenizers import copied_ids
from kseq2seq.utils import EOS_ID

# Some parts are known to both sides, some to the source, and some to none.
PAIRS = [("not 이 ue ó 튀", "ños 트이 ue 튀"), ("tot 한", "cot fi")]
TEXTS = [
    "ñot",
    "튼튼이",
    "çç",
    "ǖé",
    "e\u0301te\u0302",
    "a\u0302\u0323",
    "한 ﬁ",
    "",
    "not",
]


def copies_of(texts, normalization, kind="character", limits=None, features=None):
    """The texts that are written where each token of the source is copied."""
    source, target = train_tokenizers(PAIRS, kind=kind, normalization=normalization)
    ids = copied_ids(source, target)
    extra = [EOS_ID] * (features.vocabulary_size if features else 0)
    graphs = TokenizerGraphs(
        source, target, features, limits, copied_ids=[*ids, *extra]
    )
    texts = tf.constant(texts)
    symbols = tf.fill(tf.shape(texts), "PL") if features else None
    read = graphs.source_ids(texts, symbols)
    count = read.ids.shape[1]
    alignments = np.broadcast_to(
        np.eye(count, dtype="float32"), [len(texts), *[count] * 2]
    )
    hypotheses = Hypotheses(
        tf.gather(tf.constant([*ids, *extra]), read.ids)[:, None],
        *[None] * 3,
        tf.constant(alignments)[:, None],
    )
    written = graphs.write_all(texts, read, hypotheses, Search())
    return [x.decode() for x in written.numpy()[:, 0]]


@pytest.mark.parametrize("kind", ["character", "word"])
@pytest.mark.parametrize("normalization", ["nfd", ["nfd", "identity"], "nfkd"])
def test_unknown_parts_are_composed_with_the_others(normalization, kind):
    form = "NFKC" if normalization == "nfkd" else "NFC"
    expected = [unicodedata.normalize(form, text) for text in TEXTS]
    assert copies_of(TEXTS, normalization, kind) == expected


def test_features_and_limits_do_not_shift_the_parts():
    features = FeatureVocabulary(["N", "PL"])
    assert copies_of(["ñot", "튼"], "nfd", features=features) == ["ñot", "튼"]
    for limits in (Limits(max_tokens=5), Limits(max_bytes=4)):
        assert copies_of(["튼튼이", "ñññ"], "nfd", limits=limits) == ["튼", "ññ"]
