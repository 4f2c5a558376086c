"""Pairs of letters and words, and their batches taken apart."""

import itertools
import random

import numpy as np

from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID

BUCKETS = (5, 11, 17)


def tokenizers_of_letters():
    source = train_tokenizer(["abcdefg"], kind="character")
    return source, train_tokenizer(["a b c d e f g h i"], kind="word")


def pairs_of_letters():
    """All different; the longest source and target have 19 and 17 tokens."""
    rng = random.Random(1)
    pairs = set()
    while len(pairs) < 211:
        source = "".join(rng.choices("abcdefg", k=rng.randint(1, 18)))
        target = " ".join(rng.choices("abcdefghi", k=rng.randint(1, 16)))
        pairs.add((source, target))
    return sorted(pairs, key=str)


def bucket_of(ids):
    """The length that one side is padded to, if it is alone; `None` if too long."""
    return next((n for n in BUCKETS if len(ids) <= n), None)


def shape_of(rows):
    """Number of rows and the lengths of both sides, of a batch with these rows."""
    return len(rows), *(max(map(bucket_of, side)) for side in zip(*rows, strict=True))


def rows_of(batch):
    """Takes a batch apart and checks what holds of every batch."""
    inputs, labels = batch
    assert set(inputs) == {"source", "target"}
    arrays = [inputs["source"], inputs["target"], labels]
    assert all(a.dtype == np.int32 and a.ndim == 2 for a in arrays)
    for source, target, label in zip(
        *(a.numpy().tolist() for a in arrays), strict=True
    ):
        source_length, label_length = source.index(EOS_ID) + 1, label.index(EOS_ID) + 1
        assert set(source[source_length:]) <= {PAD_ID}
        assert set(label[label_length:]) <= {PAD_ID}
        label_ids = label[:label_length]
        padding = [PAD_ID] * (len(label) - label_length)
        assert target == [BOS_ID, *label_ids[:-1], *padding]
        yield tuple(source[:source_length]), tuple(label_ids)


def epoch(dataset):
    """All rows of one epoch, and each batch's rows, source and target length."""
    rows, shapes = [], []
    for batch in dataset:
        inputs, labels = batch
        assert inputs["target"].shape == labels.shape
        shapes.append((*inputs["source"].shape, labels.shape[1]))
        rows += rows_of(batch)
    return rows, shapes


def groups_of(rows, shapes):
    """The rows of each batch."""
    ends = list(itertools.accumulate(size for size, *_ in shapes))
    return [rows[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def kept(pairs, tokenizers):
    """The ids of the pairs that are not too long."""
    sides = zip(*pairs, strict=True)
    ids = [
        t.tokenize(side).to_list() for t, side in zip(tokenizers, sides, strict=True)
    ]
    rows = [(tuple(source), tuple(target)) for source, target in zip(*ids, strict=True)]
    return [row for row in rows if all(map(bucket_of, row))]
