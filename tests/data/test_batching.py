"""Batches against a loop over the pairs."""

import logging
import os
import subprocess
import sys

import keras
import pytest

from kseq2seq import data
from letters import (
    BUCKETS,
    epoch,
    groups_of,
    kept,
    shape_of,
)
from paths import SHARED


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
