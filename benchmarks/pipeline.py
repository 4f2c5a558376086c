"""Tokenisation and the input pipeline without a model, and how much is padding.

The standard of the training benchmark: Multi30k, SentencePiece with 8,000 pieces
shared by both sides, 64 sentences a batch. Rates are of real tokens, EOS counted and
padding not, and medians of several rounds in which all that is timed takes turns.

- Tokenisation: each side's texts in one call of its tokenizer.
- The pipeline: whole epochs of `kseq2seq.data.batches`, whose pairs are tokenised
  before. The target is ten times what training consumes.
- Padding: shares of the positions and shapes of batches, for the default buckets and
  others, all counted over one epoch.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import numpy as np

import machine

VOCABULARY_SIZE, BATCH_SIZE, SEED = 8000, 64, 1
# Lengths to compare the default with.
BUCKETS = {
    "three, coarse": (10, 20, 40),
    "a third longer each": (10, 14, 18, 24, 32, 48, 64),
    "steps of 4": tuple(range(4, 65, 4)),
    "even lengths to 32": (*range(4, 33, 2), 36, 40, 48, 64),
    "every length": tuple(range(3, 65)),
}
BATCH_TOKENS = (1024, 4096)
# What the pipeline should deliver, as a multiple of what training consumes.
WANTED = 10


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure tokenisation, the input pipeline and padding.",
        epilog="Half a minute. The machine should be quiet otherwise.",
    )
    machine.add_multi30k(parser)
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument(
        "--training-rate",
        type=float,
        metavar="TOKENS_PER_SECOND",
        help="real target tokens a second that training consumes (default: those of "
        "the fastest model of ours in training.json of the output folder, if there)",
    )
    parser.add_argument("--name", default="pipeline", help="of the results' file")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    if options.training_rate is not None and options.training_rate <= 0:
        parser.error("--training-rate must be above 0")
    machine.check_multi30k(parser, options.data)
    return options


def training_rate(options):
    """Real target tokens a second that training consumes, and whence it is known."""
    if options.training_rate is not None:
        return options.training_rate, "--training-rate"
    path = options.output / "training.json"
    if not path.is_file():
        return None, None
    contenders = json.loads(path.read_text(encoding="utf-8"))["contenders"]
    rates = {
        name: contenders[name]["tokens_per_second"]
        for name in contenders
        if name.startswith("ours-")
    }
    if not rates:
        return None, None
    fastest = max(rates, key=rates.get)
    return rates[fastest], f"{path.name}, {fastest}"


def count_epoch(dataset):
    """Counts of one epoch of batches.

    Args:
        dataset: Result of `kseq2seq.data.batches`.

    Returns:
        A dict: batches, the different shapes of batches, sentences, real tokens of
        each side, and the share of positions that is padding, of each side and of both.
    """
    from kseq2seq.utils import PAD_ID

    shapes, real, positions, sentences = [], np.zeros(2, int), np.zeros(2, int), 0
    for inputs, labels in dataset.as_numpy_iterator():
        sides = inputs["source"], labels
        shapes.append((*sides[0].shape, sides[1].shape[1]))
        sentences += len(labels)
        real += [np.count_nonzero(side != PAD_ID) for side in sides]
        positions += [side.size for side in sides]
    source, target = (1 - real / positions).tolist()
    return {
        "batches": len(shapes),
        "shapes": len(set(shapes)),
        "sentences": sentences,
        "source_tokens": int(real[0]),
        "target_tokens": int(real[1]),
        "source_padding": source,
        "target_padding": target,
        "padding": float(1 - real.sum() / positions.sum()),
    }


def padding(pairs, tokenizer):
    """Counts of an epoch for the default buckets, others, and batches by tokens."""
    from kseq2seq import data
    from kseq2seq.data import DEFAULT_BUCKETS

    ways = {"default": {"buckets": DEFAULT_BUCKETS}}
    ways |= {name: {"buckets": buckets} for name, buckets in BUCKETS.items()}
    ways |= {f"default, {n} tokens": {"batch_tokens": n} for n in BATCH_TOKENS}
    epochs = {}
    for name, arguments in ways.items():
        arguments = {"batch_size": BATCH_SIZE, "seed": SEED, **arguments}
        dataset = data.batches(pairs, tokenizer, tokenizer, **arguments)
        epochs[name] = {**arguments, **count_epoch(dataset)}
    return epochs


def measure(pairs, tokenizer, repeats):
    """Seconds of everything that is timed, by its name, one for each round."""
    from kseq2seq import data

    sources, targets = zip(*pairs, strict=True)

    def make():
        return data.batches(
            pairs, tokenizer, tokenizer, batch_size=BATCH_SIZE, seed=SEED
        )

    dataset = make()

    def iterate():
        for _ in dataset:
            pass

    calls = {
        "tokenize_source": lambda: tokenizer.tokenize(sources),
        "tokenize_target": lambda: tokenizer.tokenize(targets),
        "make_batches": make,
        "epoch": iterate,
    }
    return machine.seconds_of(calls, repeats)


def rates(seconds, epoch, num_pairs):
    """Rates a second, from the seconds and counts of an epoch."""
    medians = machine.medians(seconds)
    both = [
        sum(times)
        for times in zip(
            seconds["tokenize_source"], seconds["tokenize_target"], strict=True
        )
    ]
    return {
        "tokenize_pairs": num_pairs / statistics.median(both),
        "tokenize_source_tokens": epoch["source_tokens"] / medians["tokenize_source"],
        "tokenize_target_tokens": epoch["target_tokens"] / medians["tokenize_target"],
        "pipeline_target_tokens": epoch["target_tokens"] / medians["epoch"],
        "pipeline_batches": epoch["batches"] / medians["epoch"],
    }


def run(options):
    """The whole report."""
    from kseq2seq import data
    from kseq2seq.tokenizers import train_tokenizers

    folder = options.data / "multi30k"
    pairs = data.read_parallel(folder / "train.en.gz", folder / "train.de.gz")
    tokenizer, _ = train_tokenizers(pairs, VOCABULARY_SIZE, shared=True)
    padded = padding(pairs, tokenizer)
    epoch = padded["default"]
    seconds = measure(pairs, tokenizer, options.repeat)
    per_second = rates(seconds, epoch, len(pairs))
    consumed, source = training_rate(options)
    return {
        **machine.describe(),
        "gemm_gflops": machine.gemm_rate("tensorflow"),
        "settings": {
            "data": "Multi30k, train.en and train.de",
            "pairs": len(pairs),
            "vocabulary_size": VOCABULARY_SIZE,
            "batch_size": BATCH_SIZE,
            "seed": SEED,
            "rounds": options.repeat,
        },
        "seconds": seconds,
        "per_second": per_second,
        "training": {
            "target_tokens_per_second": consumed,
            "from": source,
            "pipeline_to_training": (
                per_second["pipeline_target_tokens"] / consumed if consumed else None
            ),
            "wanted": WANTED,
        },
        "padding": padded,
    }


def table(report):
    """The results as Markdown: rates, then padding."""
    rates, training = report["per_second"], report["training"]
    make = statistics.median(report["seconds"]["make_batches"])
    rows = [
        ["what", "measured"],
        ["tokenisation, pairs/s", f"{rates['tokenize_pairs']:,.0f}"],
        ["tokenisation, source tokens/s", f"{rates['tokenize_source_tokens']:,.0f}"],
        ["tokenisation, target tokens/s", f"{rates['tokenize_target_tokens']:,.0f}"],
        ["`batches` itself, once, s", f"{make:.2f}"],
        ["pipeline, target tokens/s", f"{rates['pipeline_target_tokens']:,.0f}"],
        ["pipeline, batches/s", f"{rates['pipeline_batches']:,.0f}"],
    ]
    if training["target_tokens_per_second"]:
        consumed = f"{training['target_tokens_per_second']:,.0f}"
        rows.append([f"training, target tokens/s ({training['from']})", consumed])
        ratio = f"{training['pipeline_to_training']:,.0f}"
        rows.append([f"pipeline / training (wanted: {training['wanted']})", ratio])
    head = ["buckets", "how many", "batches", "shapes", "left out"]
    waste = [[*head, "padding, %", "of sources", "of targets"]]
    for name, counts in report["padding"].items():
        number = len(counts.get("buckets", report["padding"]["default"]["buckets"]))
        left_out = report["settings"]["pairs"] - counts["sentences"]
        row = [name, number, counts["batches"], counts["shapes"], left_out]
        shares = ("padding", "source_padding", "target_padding")
        waste.append([*row, *(f"{100 * counts[x]:.1f}" for x in shares)])
    return machine.table(rows) + "\n" + machine.table(waste)


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    report = run(options)
    machine.write_results(options.output / f"{options.name}.json", report)
    print(table(report), end="")
    ratio = report["training"]["pipeline_to_training"]
    return int(ratio is not None and ratio < WANTED)


if __name__ == "__main__":
    sys.exit(main())
