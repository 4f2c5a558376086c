"""Compiling on jax: how long the first steps take, for buckets coarse and fine.

XLA compiles a step of training for each shape of batches. Coarse buckets make few
shapes and much padding. The standard of the training benchmark: Multi30k, 8,000 pieces
shared by both sides, 64 sentences a batch. Shapes and padding are counted over a whole
epoch. The first step is the first call of `model.fit` with one batch, tracing and
compiling included; of the other shapes some are timed.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

import machine

WAYS = ("default", "a third longer each", "three, coarse")
# What users should not have to wait longer for, in seconds, and padding in percent.
LONGEST_FIRST_STEP, MOST_PADDING = 30, 15


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure what compiling on jax takes, for several sets of buckets.",
        epilog="Some minutes. The machine should be quiet otherwise.",
    )
    machine.add_multi30k(parser)
    parser.add_argument(
        "--shapes", type=int, default=4, help="to compile of each set (default: 4)"
    )
    parser.add_argument("--name", default="compilation", help="of the results' file")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if options.shapes < 2:
        parser.error("--shapes must be at least 2")
    machine.check_multi30k(parser, options.data)
    return options


def batches_of_shapes(dataset, count):
    """The first batches of so many shapes, as `contenders` has them."""
    found = {}
    for inputs, labels in dataset.as_numpy_iterator():
        batch = inputs["source"], inputs["target"], labels
        found.setdefault(tuple(x.shape for x in batch), batch)
        if len(found) == count:
            break
    return [*found.values()]


def seconds_of_shapes(batches, vocabulary_size):
    """Seconds of the first step with each batch, of a model made anew."""
    import keras

    import kseq2seq
    from contenders import CLIP_NORM, LEARNING_RATE, SEED, config_of, feed

    keras.utils.set_random_seed(SEED)
    model = kseq2seq.build_model(config_of(vocabulary_size))
    model.compile(
        kseq2seq.Adam(LEARNING_RATE, global_clipnorm=CLIP_NORM),
        loss=kseq2seq.MaskedCrossentropy(),
        jit_compile=True,
    )
    seconds = []
    for batch in batches:
        began = time.perf_counter()
        model.fit(feed([batch]), shuffle=False, verbose=0)
        seconds.append(time.perf_counter() - began)
    return seconds


def run(options):
    """The whole report."""
    # Before Keras is imported.
    os.environ.setdefault("KERAS_BACKEND", "jax")
    from kseq2seq import data
    from kseq2seq.data import DEFAULT_BUCKETS
    from kseq2seq.tokenizers import train_tokenizers
    from pipeline import BATCH_SIZE, BUCKETS, SEED, VOCABULARY_SIZE, count_epoch

    folder = options.data / "multi30k"
    pairs = data.read_parallel(folder / "train.en.gz", folder / "train.de.gz")
    tokenizer, _ = train_tokenizers(pairs, VOCABULARY_SIZE, shared=True)
    ways = {}
    for name in WAYS:
        buckets = BUCKETS.get(name, DEFAULT_BUCKETS)
        dataset = data.batches(
            pairs,
            tokenizer,
            tokenizer,
            batch_size=BATCH_SIZE,
            buckets=buckets,
            seed=SEED,
        )
        counts = count_epoch(dataset)
        batches = batches_of_shapes(dataset, options.shapes)
        first, *others = seconds_of_shapes(batches, tokenizer.vocabulary_size)
        print(f"{name}: first step {first:.1f} s", file=sys.stderr)
        ways[name] = {
            "buckets": list(buckets),
            "shapes": counts["shapes"],
            "padding": counts["padding"],
            "first_step": first,
            "other_shapes": others,
            "all_shapes": first + statistics.mean(others) * (counts["shapes"] - 1),
        }
    return {**machine.describe(), "timed_shapes": options.shapes, "ways": ways}


def table(report):
    """The results as Markdown."""
    head = ["buckets", "how many", "shapes"]
    rows = [[*head, "padding, %", "first step, s", "another shape, s", "all shapes, s"]]
    for name, way in report["ways"].items():
        row = [name, len(way["buckets"]), way["shapes"], f"{100 * way['padding']:.1f}"]
        other = statistics.median(way["other_shapes"])
        seconds = way["first_step"], other, way["all_shapes"]
        rows.append([*row, *(f"{x:.1f}" for x in seconds)])
    return machine.table(rows)


def reaches(way):
    """Whether a set of buckets starts soon enough, with little enough padding."""
    is_soon = way["first_step"] <= LONGEST_FIRST_STEP
    return is_soon and 100 * way["padding"] < MOST_PADDING


def main(arguments=None):
    options = parse_arguments(arguments)
    report = run(options)
    machine.write_results(options.output / f"{options.name}.json", report)
    print(table(report), end="")
    return int(not any(map(reaches, report["ways"].values())))


if __name__ == "__main__":
    sys.exit(main())
