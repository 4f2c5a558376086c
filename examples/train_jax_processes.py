"""Trains on several processes of jax, of one machine or of several.

The same command runs in each process, with its own --index:

    python examples/train_jax_processes.py pairs.tsv runs/jax --index 0 &
    python examples/train_jax_processes.py pairs.tsv runs/jax --index 1

Of several machines, each has the file and the address of process 0, which all of them
can reach (--address 10.0.0.1:1234). A folder comes of it that Translator loads, on
TensorFlow.
"""

import argparse
import os
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import keras
import numpy as np

import kseq2seq
from kseq2seq import runs

SEED = 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path, help="pairs in columns")
    parser.add_argument("folder", type=Path, help="folder of the model, to be made")
    parser.add_argument("--address", default="127.0.0.1:1234", help="of process 0")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--index", type=int, required=True, help="of this process")
    parser.add_argument("--steps", type=int, default=100, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=64, help="of all together")
    parser.add_argument("--units", type=int, default=128)
    parser.add_argument("--dropout", type=float, default=0.2)
    return parser.parse_args()


def main():
    options = parse_arguments()
    if options.processes > 1:
        # Before anything else that runs on jax.
        keras.distribution.initialize(options.address, options.processes, options.index)
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(parallel)
    # All processes begin with the same weights, and draw the same batches.
    keras.utils.set_random_seed(SEED)

    corpus = kseq2seq.data.corpus(options.file)
    sample = kseq2seq.data.sample(corpus, 10_000, seed=SEED)
    source, target = kseq2seq.train_tokenizers(sample, kind="character")
    stream = kseq2seq.data.stream(
        corpus,
        source,
        target,
        options.batch_size,
        buckets=(16, 32),
        seed=SEED,
        buffer_size=20_000,
    )
    devices = keras.distribution.get_device_count() // options.processes
    shard = options.index, options.processes
    batches = kseq2seq.data.shard_rows(stream.dataset(), shard, devices)

    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        embedding_size=options.units // 2,
        units=options.units,
        dropout=options.dropout,
        input_feeding=True,
    )
    model = kseq2seq.build_model(config)
    model.compile(
        kseq2seq.Adam(0.001, global_clipnorm=5.0), loss=kseq2seq.MaskedCrossentropy()
    )
    history = model.fit(
        batches,
        epochs=options.epochs,
        steps_per_epoch=options.steps,
        shuffle=False,
        verbose=0,
    ).history
    if options.index == 0:  # files are written once
        print("losses:", *np.round(history["loss"], 6))
        # `model.save` makes variables of its own: no other process waits for them.
        keras.distribution.set_distribution(None)
        options.folder.mkdir(parents=True)
        model.save(options.folder / "model.keras")
        source.save(options.folder / runs.SOURCE_FILE)
        target.save(options.folder / runs.TARGET_FILE)


if __name__ == "__main__":
    main()
