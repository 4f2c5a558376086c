"""Rate and peak memory of a stream of pairs, at one size and at ten times it.

The pairs of a file are written again and again, each time with a number, into gzipped
shards. Each stream is read once from its beginning to its end in a process of its own,
without a model: batches of `--batch-size` pairs, tokenised in 8,000 pieces.
"""

import argparse
import gzip
import itertools
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import machine

VOCABULARY_SIZE, SAMPLE, SEED = 8000, 20_000, 1


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure the rate and the peak memory of a stream.",
        epilog="About a minute for 50,000 pairs.",
    )
    parser.add_argument("file", type=Path, help="pairs in columns, to make more of")
    parser.add_argument(
        "--pairs",
        type=int,
        default=1_000_000,
        help="pairs of the smaller stream (default: 1,000,000)",
    )
    parser.add_argument("--shards", type=int, default=50, help="files (default: 50)")
    parser.add_argument("--batch-size", type=int, default=64, help="(default: 64)")
    parser.add_argument("--buffer-size", type=int, default=65536)
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if not options.file.is_file():
        parser.error(f"no such file of pairs: {options.file}")
    sizes = options.pairs, options.shards, options.batch_size, options.buffer_size
    if min(sizes) < 1:
        parser.error("numbers must be at least 1")
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


def main(arguments=None):
    options = parse_arguments(arguments)
    about = machine.describe()  # which also finds the package
    import kseq2seq

    pairs = kseq2seq.data.read_tsv(options.file)
    results = []
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
            results.append(machine.call_elsewhere(None, __file__, "measure", arguments))
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
        },
        "results": results,
    }
    machine.write_results(options.output / "streaming.json", report)
    print(table(results), end="")


if __name__ == "__main__":
    main()
