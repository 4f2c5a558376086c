"""Parts of batches, on which processes train together."""

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from backends import run_on
from kseq2seq import data, tokenizers
from reference import randomize

STEPS = 100
# Also in the other processes.
TRAIN = f"""
import keras
import numpy as np
import kseq2seq

def losses_of(model, dataset):
    class Means(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            means.append(float(logs["loss"]))

    means, optimizer = [], kseq2seq.Adam(0.01, global_clipnorm=0.5)
    model.compile(optimizer, loss=kseq2seq.MaskedCrossentropy())
    model.fit(dataset, steps_per_epoch={STEPS}, callbacks=[Means()], verbose=0)
    # Of steps of as many rows, from the means of the epoch so far.
    return np.diff(means * np.arange(1, {STEPS} + 1), prepend=0)
"""
EACH = f"""
import sys

sys.modules["tensorflow"] = None  # which Keras takes seconds to import, unasked
{TRAIN}
folder, port, index = sys.argv[1:]
# Before anything else that runs on jax.
keras.distribution.initialize("127.0.0.1:" + port, 2, int(index))
parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
keras.distribution.set_distribution(parallel)
model = kseq2seq.load_model(folder + "/model.keras")
arrays = np.load(folder + f"/{{index}}.npz")

def batches():
    for step in range({STEPS}):
        names = ("source", "target", "labels")
        source, target, labels = (arrays[f"{{name}}{{step}}"] for name in names)
        yield {{"source": source, "target": target}}, labels

np.save(folder + f"/{{index}}.npy", losses_of(model, batches()))
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_two_processes_of_jax_have_the_losses_of_one_of_tensorflow(tmp_path):
    pairs = data.dates(26, seed=5)
    sides = tokenizers.train_tokenizers(pairs, kind="character")
    batches = data.batches(pairs, *sides, batch_size=13, buckets=(31,))
    batches = batches.repeat()  # of 13 rows: those of the processes are filled
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=sides[0].vocabulary_size,
        target_vocabulary_size=sides[1].vocabulary_size,
        attention="luong_scaled_general",
        input_feeding=True,
        embedding_size=5,
        units=6,
        dropout=0.0,
    )
    model = kseq2seq.build_model(config)
    randomize(model, scale=0.4)
    model.save(tmp_path / "model.keras")
    for index in range(2):
        arrays = {}
        part = data.shard_rows(batches, (index, 2)).take(STEPS)
        for step, (inputs, labels) in enumerate(part.as_numpy_iterator()):
            named = {**inputs, "labels": labels}
            arrays |= {f"{name}{step}": ids for name, ids in named.items()}
        np.savez(tmp_path / f"{index}.npz", **arrays)
    names: dict[str, Any] = {}
    exec(TRAIN, names)
    expected = names["losses_of"](model, batches)
    assert len(expected) == STEPS
    assert expected[-1] < 0.8 * expected[0]
    port = free_port()
    with ThreadPoolExecutor() as pool:
        one = [pool.submit(run_on, "jax", EACH, tmp_path, port, n) for n in range(2)]
        for process in one:
            process.result()
    for index in range(2):
        received = np.load(tmp_path / f"{index}.npy")
        np.testing.assert_allclose(received, expected, rtol=1e-4)


def test_parts_are_equal_and_have_each_row_once():
    frames = np.arange(13 * 3 * 2, dtype="float32").reshape(13, 3, 2) + 1
    inputs = {"frames": frames, "mask": frames[..., 0] > 7, "ids": np.arange(1, 14)}
    element = inputs, np.ones(13)
    batches = tf.data.Dataset.from_tensors(element).repeat(2)
    parts = [data.shard_rows(batches, (n, 3), devices=2) for n in range(3)]
    assert [len(part) for part in parts] == [2, 2, 2]
    first = [next(part.as_numpy_iterator()) for part in parts]
    # The next multiple of six after 13, not of three.
    rows = [np.zeros((18, *x.shape[1:])) for x in tf.nest.flatten(element)]
    for index, part in enumerate(first):
        for whole, own in zip(rows, tf.nest.flatten(part), strict=True):
            assert len(own) == 6
            whole[index::3] = own
    for whole, given in zip(rows, tf.nest.flatten(element), strict=True):
        np.testing.assert_array_equal(whole[:13], given)
        assert not whole[13:].any()


@pytest.mark.parametrize(
    "arguments, match",
    [
        (((0, 0),), r"`shard\[1\]` must be"),
        (((2, 2),), r"`shard\[0\]` must be"),
        (((0, 2), 0), "`devices` must be"),
        ((1,), r"`shard` must be a pair .*\(0, 2\)\. Received: shard=1"),
        (((0, 1, 2),), r"must be a pair .*shard=\(0, 1, 2\)"),
    ],
)
def test_arguments_are_checked(arguments, match):
    with pytest.raises(ValueError, match=match):
        data.shard_rows(tf.data.Dataset.range(3).batch(2), *arguments)
