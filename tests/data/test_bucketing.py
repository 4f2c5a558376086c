"""Buckets: which pairs share a batch, and what no batches can be made of."""

import itertools
import re
import sys

import numpy as np
import pytest

from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.utils import PAD_ID
from letters import (
    BUCKETS,
    bucket_of,
    epoch,
    groups_of,
    kept,
    shape_of,
)
from paths import SHARED


def test_shuffled_batches_hold_pairs_of_like_lengths(pairs, tokenizers):
    _, shapes = epoch(
        data.batches(pairs, *tokenizers, batch_size=13, buckets=BUCKETS, seed=1)
    )
    # In the order of targets' buckets, and within them of the sources', back and forth.
    expected = sorted(
        (n, m if BUCKETS.index(n) % 2 == 0 else -m)
        for m, n in ([*map(bucket_of, row)] for row in kept(pairs, tokenizers))
    )
    groups = [expected[i : i + 13] for i in range(0, len(expected), 13)]
    assert sorted(shapes) == sorted(
        (len(g), max(abs(m) for _, m in g), max(n for n, _ in g)) for g in groups
    )
    # Without sorting, nearly every batch would have the greatest lengths.
    assert sum(n for *_, n in shapes) < 0.8 * 17 * len(shapes)


@pytest.mark.parametrize("seed", [None, 3])
def test_no_iterator_waits_for_the_tuner(pairs, tokenizers, seed):
    dataset = data.batches(pairs, *tokenizers, seed=seed)
    assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_one_pair_is_a_batch(tokenizers, batch_size):
    arguments = {"batch_size": batch_size, "buckets": BUCKETS, "seed": 0}
    dataset = data.batches([("abcdef", "a b")], *tokenizers, **arguments)
    assert epoch(dataset)[1] == epoch(dataset)[1] == [(1, 11, 5)]


@pytest.mark.parametrize("seed", [None, 3])
def test_batches_by_tokens(pairs, tokenizers, seed):
    dataset = data.batches(
        pairs, *tokenizers, batch_tokens=67, buckets=BUCKETS, seed=seed
    )
    rows, shapes = epoch(dataset)
    assert sorted(rows) == sorted(kept(pairs, tokenizers))
    assert int(dataset.cardinality()) == len(shapes)
    assert all(size * max(lengths) <= 67 for size, *lengths in shapes)
    if seed is None:
        assert rows == kept(pairs, tokenizers)
        # Greedy: the next row would not have fitted.
        groups = groups_of(rows, shapes)
        for group, following in itertools.pairwise(groups):
            size, *lengths = shape_of([*group, following[0]])
            assert size * max(lengths) > 67
    else:
        full = [size == 67 // max(lengths) for size, *lengths in shapes]
        assert sum(not x for x in full) <= len(BUCKETS) ** 2
        again = epoch(dataset)
        assert sorted(again[1]) == sorted(shapes) and again[0] != rows


def test_a_batch_of_tokens_has_at_least_one_row(tokenizers):
    dataset = data.batches([("ab", "a b")] * 2, *tokenizers, batch_tokens=1)
    assert epoch(dataset)[1] == [(1, 4, 4), (1, 4, 4)]


def test_chunks_make_no_difference(pairs, tokenizers, monkeypatch, capsys):
    whole = epoch(data.batches(pairs, *tokenizers, buckets=BUCKETS))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("kseq2seq.data.bucketing._CHUNK", 7)
    monkeypatch.setattr("kseq2seq.data.bucketing._PATIENCE", 0.0)
    assert epoch(data.batches(pairs, *tokenizers, buckets=BUCKETS)) == whole
    assert capsys.readouterr().err == ""  # no terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert epoch(data.batches(pairs, *tokenizers, buckets=BUCKETS)) == whole
    assert re.search(r"tokenised: 100%.* 211/211 .*pairs/s", capsys.readouterr().err)


def test_length_counts_eos(tokenizers):
    pairs = [("abcd", "a"), ("a", "a b c d"), ("abcde", "a"), ("a", "a b c d e")]
    _, shapes = epoch(data.batches(pairs, *tokenizers, batch_size=1, buckets=[5, 6]))
    assert shapes == [(1, 5, 5), (1, 5, 5), (1, 6, 5), (1, 5, 6)]


def test_order_of_buckets_does_not_matter(pairs, tokenizers):
    one = data.batches(pairs, *tokenizers, buckets=(17, 5, 11, 5), seed=1)
    other = data.batches(pairs, *tokenizers, buckets=BUCKETS, seed=1)
    assert epoch(one) == epoch(other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "`batch_size` must be.*at least 1. Received: batch_size=0"),
        ({"batch_tokens": 2.5}, r"`batch_tokens` must be.*batch_tokens=2\.5"),
        ({"buckets": ()}, r"`buckets` must be a list.*buckets=\(\)"),
        ({"buckets": (5, 0)}, r"integers of at least 1.*buckets=\(5, 0\)"),
        ({"buckets": 10}, "buckets=10"),
        ({"seed": 1.5}, r"`seed` must be `None` or an integer.*seed=1\.5"),
        ({"buckets": (2,)}, "2 of 2 pairs are longer than the last bucket, 2 tokens"),
    ],
)
def test_errors_of_batches(tokenizers, arguments, message):
    with pytest.raises(ValueError, match=message):
        data.batches([("abc", "a"), ("abc", "b")], *tokenizers, **arguments)


def test_the_word_of_a_kind_is_no_tokenizer(tokenizers):
    with pytest.raises(ValueError, match="`target_tokenizer` must be a token.*'word'"):
        data.batches([("abc", "a")], tokenizers[0], "word")


def test_there_must_be_pairs(tokenizers):
    with pytest.raises(ValueError, match="at least one pair"):
        data.batches([], *tokenizers)


@pytest.mark.skipif(not SHARED.exists(), reason="no shared data")
def test_little_is_padding_in_few_shapes_by_default():
    multi30k = SHARED / "multi30k"
    pairs = data.read_parallel(multi30k / "train.en.gz", multi30k / "train.de.gz")
    tokenizer = train_tokenizer(
        [text for pair in pairs for text in pair], vocabulary_size=8000
    )
    dataset = data.batches(pairs, tokenizer, tokenizer, batch_size=64, seed=1)
    shapes, real, padded = set(), np.zeros(2, int), np.zeros(2, int)
    for inputs, labels in dataset:
        sides = [inputs["source"].numpy(), labels.numpy()]
        shapes.add((*sides[0].shape, sides[1].shape[1]))
        real += [np.count_nonzero(side != PAD_ID) for side in sides]
        padded += [side.size for side in sides]
    waste = 1 - real / padded
    assert max(waste) < 0.08 and 1 - real.sum() / padded.sum() < 0.07, waste
    assert len(shapes) < 60


def test_swapped_tokenizers_are_told(caplog):
    pairs = [("abc", "xyz"), ("cab", "zyx")] * 3
    source = train_tokenizer(["abc"], kind="character")
    target = train_tokenizer(["xyz"], kind="character")
    data.batches(pairs, source, target)
    assert not caplog.messages
    data.batches(pairs, target, source)
    sides = [message for message in caplog.messages if "50 % of the tokens" in message]
    assert len(sides) == 2 and all("are not swapped" in x for x in sides)
