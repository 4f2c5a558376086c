"""Texts in pieces that are drawn at random: the same texts, in other pieces."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import data
from kseq2seq.tokenizers import FeatureVocabulary, train_tokenizer
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID, UNK_ID

TEXTS = ["a banana", "an ananas", "a bandana", "nab a banana and an ananas"]
FEATURES = FeatureVocabulary(["N", "V"])
# Without a blank; of a letter that no tokenizer has.
PAIRS = [(text, TEXTS[-1 - n], "N;V") for n, text in enumerate(TEXTS)]
PAIRS += [("banX", "ananas", "")]


@pytest.fixture(scope="module", params=["unigram", "bpe"], name="tokenizer")
def tokenizer_(request):
    return train_tokenizer(TEXTS, 17, request.param, allow_smaller=True)


@pytest.fixture(scope="module", name="plain")
def plain_(tokenizer):
    sides = tokenizer, tokenizer
    return data.batches(PAIRS, *sides, buckets=(23,), features=FEATURES)


def texts_of(tokenizer, ids):
    return [x.decode() for x in tokenizer.detokenize(ids).numpy()]


def test_texts_are_the_same_in_other_pieces(tokenizer, plain):
    sides = tokenizer, tokenizer
    sampled = data.sample_segmentations(plain, *sides, alpha=0.3)
    assert sampled.element_spec == plain.element_spec
    assert sampled.cardinality() == plain.cardinality()
    ((before, labels_before),) = plain
    changed = np.zeros(len(PAIRS), "bool")
    for inputs, labels in sampled.repeat(9):
        source, target = inputs["source"].numpy(), inputs["target"].numpy()
        for ids, old in ((source, before["source"]), (labels, labels_before)):
            assert texts_of(tokenizer, ids) == texts_of(tokenizer, old)
        for row, old in zip(source, before["source"].numpy(), strict=True):
            behind = [list(x[list(x).index(EOS_ID) :]) for x in (row, old)]
            kept = [[y for y in x if y != PAD_ID] for x in behind]
            assert kept[0] == kept[1]  # EOS and features
        assert (target[:, 0] == BOS_ID).all()
        shifted = np.where(labels[:, :-1] == EOS_ID, PAD_ID, labels[:, :-1])
        np.testing.assert_array_equal(target[:, 1:], shifted)
        changed |= (source != before["source"].numpy()).any(axis=1)
    # All but the one with an unknown letter.
    assert changed[:-1].all() and not changed[-1]
    assert UNK_ID in before["source"].numpy()[-1]


def test_there_must_be_room(tokenizer):
    ids = tokenizer.tokenize(TEXTS[:1]).to_tensor()
    target = tf.concat([[[BOS_ID]], ids[:, :-1]], axis=1)
    rows = ({"source": ids, "target": target}, ids)
    full = tf.data.Dataset.from_tensors(rows).repeat(20)
    lengths = {
        int(tf.reduce_sum(tf.cast(labels != PAD_ID, tf.int32)))
        for _, labels in data.sample_segmentations(full, tokenizer, tokenizer)
    }
    assert max(lengths) == ids.shape[1]


def test_one_side_alone(tokenizer, plain):
    assert data.sample_segmentations(plain, None, None, 0) is plain
    sampled = data.sample_segmentations(plain, tokenizer, None, (-1, 0), alpha=0.3)
    ((_, expected),) = plain
    for _, labels in sampled:
        np.testing.assert_array_equal(labels, expected)


def test_arguments_are_checked(plain):
    characters = train_tokenizer(TEXTS, kind="character")
    with pytest.raises(ValueError, match="unigram or bpe alone.*of kind char"):
        data.sample_segmentations(plain, characters, characters)
    with pytest.raises(ValueError, match="nbest_size.*-2"):
        data.sample_segmentations(plain, characters, characters, -2)
    with pytest.raises(ValueError, match="alpha.*-1"):
        data.sample_segmentations(plain, characters, characters, alpha=-1)
    for sizes in ((-1,), [0, 5, 5]):
        with pytest.raises(ValueError, match="`nbest_size` must be a list of 2 int"):
            data.sample_segmentations(plain, characters, characters, sizes)


def test_numbers_of_a_tokenizer_are_checked(tokenizer):
    for size in (0, 1, 513):
        with pytest.raises(ValueError, match=f"from 2 to 512.*or -1 for all.*{size}"):
            tokenizer.sample(TEXTS, nbest_size=size)
    with pytest.raises(ValueError, match="`alpha` must be .*nan"):
        tokenizer.sample(TEXTS, alpha=float("nan"))
