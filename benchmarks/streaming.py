"""Rate and peak memory of a stream of pairs, at one size and at ten times it.

The pairs of a file are written again and again, each time with a number, into gzipped
shards. Each stream is read once from its beginning to its end in a process of its own,
without a model: batches of `--batch-size` pairs, tokenised in 8,000 pieces.

With `--train-steps` the recipe `tatoeba_en_fr` trains on the larger stream for so many
steps, in a process of its own, too.
"""

import argparse
import gzip
import itertools
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import elsewhere
import machine

VOCABULARY_SIZE, SAMPLE, SEED, VALIDATION = 8000, 20_000, 1, 100


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure the rate and the peak memory of a stream.",
        epilog="A minute for 50,000 pairs; a training takes a quarter of an hour.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("file", type=Path, help="pairs in columns, to make more of")
    parser.add_argument(
        "--pairs",
        type=int,
        default=1_000_000,
        help="pairs of the smaller stream",
    )
    add = parser.add_argument
    add("--shards", type=int, default=50, help="files of each stream")
    add("--batch-size", type=int, default=64, help="pairs of a batch")
    add("--buffer-size", type=int, default=65536, help="pairs to shuffle among")
    add("--train-steps", type=int, default=0, help="steps of a training; 0 for none")
    add("--precision", default="float32", help="of the training")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if not options.file.is_file():
        parser.error(f"no such file of pairs: {options.file}")
    sizes = options.pairs, options.shards, options.batch_size, options.buffer_size
    if min(sizes) < 1 or options.train_steps < 0:
        parser.error("numbers must be at least 1, and --train-steps at least 0")
    return options


def write_shards(pairs, count, folder, shards):
    """Writes so many pairs, those given again and again with a number each."""
    numbered = zip(range(count), itertools.cycle(pairs), strict=False)
    with ExitStack() as stack:
        paths = [folder / f"{shard:03d}.tsv.gz" for shard in range(shards)]
        files = [
            stack.enter_context(gzip.open(path, "wt", 1, encoding="utf-8"))
            for path in paths
        ]
        for number, (source, target) in numbered:
            files[number % shards].write(f"{source} {number}\t{target} {number}\n")


def measure(folder, tokenizers, batch_size, buffer_size):
    """The rate and the memory of one pass, in this process."""
    from kseq2seq import data
    from kseq2seq.tokenizers import Tokenizer

    source, target = (Tokenizer.load(path) for path in tokenizers)
    stream = data.stream(
        data.corpus(Path(folder) / "*.gz"),
        source,
        target,
        batch_size=batch_size,
        seed=SEED,
        buffer_size=buffer_size,
        passes=1,
    )
    before = machine.peak_memory()
    start = time.perf_counter()
    batches = rows = tokens = 0
    first = None
    for _, labels in stream.dataset():
        first = first or time.perf_counter() - start
        batches, rows = batches + 1, rows + int(labels.shape[0])
        tokens += int((labels.numpy() > 0).sum())
    return {
        "seconds": time.perf_counter() - start,
        "first_batch": first,
        "batches": batches,
        "pairs": rows,
        "target_tokens": tokens,
        "left_out": stream.left_out,
        "memory_before": before,
        "peak_memory": machine.peak_memory(),
    }


def train(folder, steps, precision, batch_size, buffer_size):
    """The rate and the memory of a training on a stream, in this process."""
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    from kseq2seq import trainer

    folder = Path(folder)
    changes = [
        "data.stream=true",
        "data.train=*.gz",
        "data.validation=dev.tsv",
        f"data.tokenizer_sample={SAMPLE}",
        f"data.buffer_size={buffer_size}",
        f"batches.batch_size={batch_size}",
        "training.epochs=1",
        f"training.steps_per_epoch={steps}",
        f"training.precision={precision}",
        f"training.seed={SEED}",
    ]
    settings = trainer.read_settings(trainer.find_recipe("tatoeba_en_fr"), changes)
    training = trainer.prepare(settings, folder / "run", folder)
    before = machine.peak_memory()
    start = time.perf_counter()
    trainer.fit(training)
    seconds = time.perf_counter() - start
    return {
        "steps": steps,
        # With the validation and the files that are written at the end.
        "seconds": seconds,
        "pairs_per_second": steps * batch_size / seconds,
        "loss": training.run_folder.history[-1]["loss"],
        "memory_before": before,
        "peak_memory": machine.peak_memory(),
    }


def table(results):
    head = ["pairs", "pairs/s", "target tokens/s", "first batch, s"]
    rows = [[*head, "before, MB", "peak, MB"]]
    for result in results:
        seconds = result["seconds"]
        sizes = [(result[x] or 0) / 1e6 for x in ("memory_before", "peak_memory")]
        rows.append(
            [
                f"{result['pairs']:,}",
                f"{result['pairs'] / seconds:,.0f}",
                f"{result['target_tokens'] / seconds:,.0f}",
                f"{result['first_batch']:.1f}",
                *(f"{size:,.0f}" for size in sizes),
            ]
        )
    return machine.table(rows)


def training_table(result):
    rows = [["steps of training", "pairs/s", "loss", "before, MB", "peak, MB"]]
    sizes = [result[x] / 1e6 for x in ("memory_before", "peak_memory")]
    rows.append(
        [
            f"{result['steps']:,}",
            f"{result['pairs_per_second']:,.0f}",
            f"{result['loss']:.2f}",
            *(f"{size:,.0f}" for size in sizes),
        ]
    )
    return machine.table(rows)


def main(arguments=None):
    options = parse_arguments(arguments)
    about = machine.describe()  # which also finds the package
    import kseq2seq

    pairs = kseq2seq.data.read_tsv(options.file)
    results, training = [], None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tokenizers = [str(folder / side) for side in ("source", "target")]
        trained = kseq2seq.train_tokenizers(
            pairs[:SAMPLE], VOCABULARY_SIZE, allow_smaller=True
        )
        for tokenizer, path in zip(trained, tokenizers, strict=True):
            tokenizer.save(path)
        for count in (options.pairs, 10 * options.pairs):
            shards = folder / str(count)
            shards.mkdir()
            write_shards(pairs, count, shards, options.shards)
            print(f"streaming.py: {count:,} pairs written", file=sys.stderr)
            arguments = {
                "folder": str(shards),
                "tokenizers": tokenizers,
                "batch_size": options.batch_size,
                "buffer_size": options.buffer_size,
            }
            results.append(elsewhere.call(None, __file__, "measure", arguments))
        if options.train_steps:
            lines = "".join(f"{x}\t{y}\n" for x, y in pairs[:VALIDATION])
            (shards / "dev.tsv").write_text(lines, encoding="utf-8")
            del arguments["tokenizers"]  # a training has its own
            arguments |= {"steps": options.train_steps, "precision": options.precision}
            training = elsewhere.call(None, __file__, "train", arguments)
    report = {
        **about,
        "settings": {
            "file": options.file.name,
            "pairs": options.pairs,
            "shards": options.shards,
            "batch_size": options.batch_size,
            "buffer_size": options.buffer_size,
            "vocabulary_size": VOCABULARY_SIZE,
            "seed": SEED,
            "train_steps": options.train_steps,
            "precision": options.precision,
        },
        "results": results,
        "training": training,
    }
    machine.write_results(options.output / "streaming.json", report)
    print(table(results), end="")
    if training is not None:
        print(training_table(training), end="")


if __name__ == "__main__":
    main()
