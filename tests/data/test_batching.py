"""Batches against a loop over the pairs."""

import itertools
import logging
import os
import random
import re
import subprocess
import sys

import keras
import numpy as np
import pytest

from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID
from paths import SHARED

BUCKETS = (5, 11, 17)


@pytest.fixture(scope="module", name="tokenizers")
def tokenizers_():
    source = train_tokenizer(["abcdefg"], kind="character")
    return source, train_tokenizer(["a b c d e f g h i"], kind="word")


@pytest.fixture(scope="module", name="pairs")
def pairs_():
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


def test_batches_in_order(pairs, tokenizers, caplog):
    dataset = data.batches(pairs, *tokenizers, batch_size=13, buckets=BUCKETS)
    expected = kept(pairs, tokenizers)
    left_out = len(pairs) - len(expected)
    assert f"Left out {left_out} of 211 pairs" in caplog.text and left_out > 5
    assert "17 tokens" in caplog.text
    rows, shapes = epoch(dataset)
    assert rows == expected
    groups = [expected[i : i + 13] for i in range(0, len(expected), 13)]
    assert shapes == [shape_of(group) for group in groups]
    assert int(dataset.cardinality()) == len(groups)
    assert epoch(dataset) == (rows, shapes)


def test_batches_shuffled(pairs, tokenizers):
    def make(seed):
        return data.batches(
            pairs, *tokenizers, batch_size=13, buckets=BUCKETS, seed=seed
        )

    dataset = make(7)
    epochs = [epoch(dataset) for _ in range(3)]
    expected = kept(pairs, tokenizers)
    assert [epoch(make(7)) for _ in range(1)] == epochs[:1]
    again = make(7)
    assert [epoch(again) for _ in range(3)] == epochs
    assert epoch(make(8)) != epochs[0]
    for rows, shapes in epochs:
        assert sorted(rows) == sorted(expected)
        assert len(shapes) == int(dataset.cardinality()) == -(-len(expected) // 13)
        assert [shape_of(group) for group in groups_of(rows, shapes)] == shapes
        assert sum(size < 13 for size, *_ in shapes) <= 1
        # XLA has to compile for the shapes of the first epoch only.
        assert sorted(shapes) == sorted(epochs[0][1])
    orders = [rows for rows, _ in epochs]
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert epochs[0][1] != epochs[1][1]  # the batches' order, too
    one, other = ({frozenset(x) for x in groups_of(*actual)} for actual in epochs[:2])
    assert not one & other  # and who shares a batch


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


@pytest.mark.parametrize("steps_per_execution", [1, 3])
def test_fit_takes_it_and_sees_each_pair_once_an_epoch(
    pairs, tokenizers, steps_per_execution
):
    class Count(keras.callbacks.Callback):
        ends = ()

        def on_train_batch_end(self, batch, logs=None):
            Count.ends += (batch,)

    dataset = data.batches(pairs, *tokenizers, batch_size=13, buckets=BUCKETS, seed=1)
    inputs = {name: keras.Input((None,), name=name) for name in ("source", "target")}
    embedded = keras.layers.Embedding(20, 3)(inputs["target"])
    sources = keras.layers.Embedding(20, 3)(inputs["source"])
    read = keras.layers.GlobalAveragePooling1D(keepdims=True)(sources)
    model = keras.Model(inputs, keras.layers.Dense(13)(embedded + read))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # The batches of one execution differ in shape.
    model.compile("sgd", loss, steps_per_execution=steps_per_execution)
    model.fit(
        dataset, epochs=2, verbose=0, callbacks=[Count()], validation_data=dataset
    )
    count = int(dataset.cardinality())
    assert int(model.optimizer.iterations) == 2 * count
    assert len(Count.ends) == 2 * -(-count // steps_per_execution)
    assert Count.ends[:2] == (steps_per_execution - 1, 2 * steps_per_execution - 1)


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
def test_real_files(caplog):
    caplog.set_level(logging.WARNING, "kseq2seq")
    multi30k = SHARED / "multi30k"
    pairs = data.read_parallel(multi30k / "val.en.gz", multi30k / "val.de.gz")
    assert len(pairs) == 1014
    assert pairs[0][0].startswith("A group of men are loading cotton")
    assert len(data.read_tsv(SHARED / "tatoeba_eng-fra" / "dev.tsv.gz")) > 3000
    words = data.read_tsv(SHARED / "cmudict" / "pronalsyl.test.tsv.gz")
    sources, references = data.group_references(words)
    assert len(sources) == 12000
    assert max(map(len, references)) > 1
    assert not caplog.messages


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


ITERATE = """
import sys

import tensorflow as tf

from kseq2seq.data import batches
from kseq2seq.tokenizers import train_tokenizer

tokenizer = train_tokenizer(["abc"], kind="character")
tf.zeros(1)  # TensorFlow tells of its devices
sys.stderr.write("BEGIN")
sys.stderr.flush()
pairs = [("ab", "c"), ("a", "b")] * 40
for options in ALL_OPTIONS:
    dataset = batches(pairs, tokenizer, tokenizer, buckets=(2, 3, 5), **options)
    print(len([*dataset, *dataset]))
"""


def test_iterating_writes_nothing():
    sizes = {"batch_size": 16}, {"batch_tokens": 48}
    options = [{"seed": seed, **size} for seed in (0, None) for size in sizes]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run(
        [sys.executable, "-c", ITERATE.replace("ALL_OPTIONS", repr(options))],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["10"] * 4
    assert done.stderr.partition("BEGIN")[2] == ""


def test_swapped_tokenizers_are_told(caplog):
    pairs = [("abc", "xyz"), ("cab", "zyx")] * 3
    source = train_tokenizer(["abc"], kind="character")
    target = train_tokenizer(["xyz"], kind="character")
    data.batches(pairs, source, target)
    assert not caplog.messages
    data.batches(pairs, target, source)
    sides = [message for message in caplog.messages if "50 % of the tokens" in message]
    assert len(sides) == 2 and all("are not swapped" in x for x in sides)
