"""Search with and without a shortlist, in turn, in one process.

The standard model with random weights on synthetic ids: a batch of 64, a beam of 5, a
forced length. Batches have a given number of columns, as a shortlist gives them. Real
text by a run's own shortlist: `translation.py`.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import contenders
import machine

BATCH_SIZE, BEAM_SIZE, LENGTH = 64, 5, 20
VOCABULARIES, COLUMNS = (8000, 32_000), (500, 1000, 2000)
PIECES, FREQUENT, SPECIAL = 20, 200, 4


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Compare searches with and without a shortlist.",
        epilog="Some minutes on two cores, which should be quiet otherwise.",
    )
    parser.add_argument("--vocabularies", nargs="*", type=int, default=VOCABULARIES)
    parser.add_argument("--columns", nargs="+", type=int, default=COLUMNS)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--length", type=int, default=LENGTH)
    parser.add_argument("--units", type=int, default=contenders.MODEL["units"])
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument(
        "--int8",
        action="store_true",
        help="products in int8 as well",
    )
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if min(options.repeat, options.batch_size, options.length, *options.columns) < 1:
        parser.error("numbers must be at least 1")
    return options


def make_shortlist(vocabulary_size, columns):
    """A shortlist by which a batch has so many columns, or a few less."""
    import numpy as np

    from kseq2seq.runs import Shortlist

    draw = np.random.default_rng(contenders.SEED)
    ids = draw.permutation(np.arange(SPECIAL, vocabulary_size))[: columns - SPECIAL]
    table = draw.choice(ids, (vocabulary_size, PIECES))
    return Shortlist(table.astype("int32"), ids[:FREQUENT].astype("int32"))


def make_search(model, length, products="float32", columns=None):
    """A function from source ids to the ids of the best translation of that length.

    Among all pieces, or those of a shortlist with so many columns.
    """
    import tensorflow as tf

    from kseq2seq import Search
    from kseq2seq.decoding import search_ids
    from kseq2seq.inference import VocabularySelection, quantized_halves
    from kseq2seq.models import start_search, vocabulary_sizes

    search = Search(
        beam_size=BEAM_SIZE,
        max_length=length,
        max_length_offset=length,
        min_length=length,
    )
    ids = [tf.TensorSpec((None, None), tf.int32)]
    encode, step = quantized_halves([model], products=products)
    encode = tf.function(encode, input_signature=ids, autograph=False)
    if columns is None:

        def start(source):
            return start_search(encode, step, source, False, may_shrink=True)

    else:
        shortlist = make_shortlist(vocabulary_sizes(model)[1], columns)
        types = {"products": products}
        selection = VocabularySelection([model], shortlist, encode, **types)

        def start(source):
            return selection.start(encode(source), source, alignments=False)

    graph = tf.function(
        lambda source: search_ids(start, source, search).ids, input_signature=ids
    )
    return lambda source: graph(tf.constant(source)).numpy()[:, 0]


def measure(vocabulary_size, options):
    """Seconds of a batch without a shortlist, and with each number of columns."""
    import dataclasses

    import kseq2seq

    config = contenders.config_of(vocabulary_size)
    model = kseq2seq.build_model(dataclasses.replace(config, units=options.units))
    (source, _, _), *_ = contenders.synthetic_batches(
        options.batch_size, options.length, options.length, vocabulary_size, 1
    )
    calls = {}
    for products in ("float32", "int8") if options.int8 else ("float32",):
        behind = "" if products == "float32" else ", int8"
        for columns in (None, *options.columns):
            search = make_search(model, options.length, products, columns)
            calls[f"{columns or 'all'}{behind}"] = partial(search, source)
    return timed(calls, options.repeat)


def timed(calls, repeat):
    """The seconds of each call, and how many times as fast as the first it is."""
    seconds = machine.seconds_of(calls, repeat)
    return {
        name: {
            "seconds": times,
            "median": machine.medians(seconds)[name],
            "times_as_fast": round(machine.ratio(seconds, "all", name), 3),
        }
        for name, times in seconds.items()
    }


def show(title, results):
    rows = [[title, "seconds", "times as fast"]]
    for name, result in results.items():
        rows.append([name, f"{result['median']:.3f}", f"{result['times_as_fast']:.2f}"])
    print(f"\n{machine.table(rows)}", end="")


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import keras

    keras.utils.set_random_seed(contenders.SEED)
    results = {}
    for size in options.vocabularies:
        print(f"vocabulary of {size:,}", file=sys.stderr)
        results[f"vocabulary of {size:,}, columns"] = measure(size, options)
    report = {
        **machine.describe(),
        "settings": {
            "model": {**contenders.MODEL, "units": options.units},
            "batch_size": options.batch_size,
            "beam": BEAM_SIZE,
            "length": options.length,
            "rounds": options.repeat,
        },
        "results": results,
    }
    machine.write_results(options.output / "shortlist.json", report)
    for title, result in results.items():
        show(title, result)


if __name__ == "__main__":
    main()
