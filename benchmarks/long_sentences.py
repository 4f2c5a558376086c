#!/usr/bin/env python
"""Encoder-decoders with and without attention, on sources of up to 100 words.

Captions have few words: to see how a model takes long sources, neighbouring sentences
of Multi30k are joined, two to eight of them, in training and in what is scored. All
models are trained on the same pairs, by as many epochs, from the same seeds: one
without attention (Sutskever et al., 2014), of twice the units, with Bahdanau's (2015),
with Luong's (2015), and a Transformer (Vaswani et al., 2017).

Writes long_sentences.json and its .png, the mean of the seeds with a band from the
lowest to the highest, and the models with their scores, which --reuse takes up again:
a run that was cut off goes on where it was. Models that long_sentences.json has of the
same settings stay in it, so that one training at a time can be added, on any machine.

python benchmarks/long_sentences.py --data FOLDER --seeds 1 2 3
"""

import argparse
import json
import random
import sys
import time
from itertools import chain, pairwise
from pathlib import Path

import machine
import source_length
from kseq2seq.utils import import_tensorflow

HERE = Path(__file__).resolve().parent
REPORT, FIGURE = "long_sentences.json", "long_sentences.png"
RUNS, SCORES = "long_sentences_runs", "scores.json"
# The last number of source words of every bin but the last one, which is open.
BOUNDS = (10, 20, 30, 40, 50, 60, 70, 80)
SETTINGS = {
    "tokenizer": {"kind": "unigram", "vocabulary_size": 4000, "shared": True},
    "batches": {
        "batch_tokens": 2048,
        "buckets": [10, 14, 20, 28, 40, 56, 80, 112, 160, 224],
    },
    "model": {"embedding_size": 256, "units": 256, "dropout": 0.2},
    "label_smoothing": 0.1,
    "learning_rate": 0.002,
    "warmup_steps": 1000,
    "clip_norm": 5.0,
    "epochs": 10,
    "search": {"beam_size": 5, "length_penalty": 1.0, "max_length": 256},
}
DEEP = {"encoder_layers": 3, "decoder_layers": 3}
# Of each model its name in the figure, its color and what differs from the settings.
MODELS = {
    "plain": ("no attention", "#d55e00", {"attention": "none"}),
    "bahdanau": (
        "Bahdanau attention",
        "#0072b2",
        {"attention": "bahdanau", "attention_query": "previous"},
    ),
    "luong": (
        "Luong attention",
        "#009e73",
        {"attention": "luong_scaled_general", "input_feeding": True},
    ),
    "transformer": (
        "Transformer",
        "#555555",
        {"architecture": "transformer", "num_heads": 4, **DEEP},
    ),
}
# Times the units of the others: what it knows of a source is one vector.
WIDER = {"plain": 2}
# Where Transformers need another one.
LEARNING_RATES = {"transformer": 0.001}
# Sizes of --quick: all that a test of the script needs.
QUICK = {"pairs": 60, "most": 3, "passes": 1, "epochs": 1, "units": 8}


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Train models on single and joined sentences, and score them by "
        "the length of the source: a table, long_sentences.json and .png.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with multi30k/")
    add("--output", type=Path, default=HERE / "results", help="folder of the results")
    add("--models", nargs="+", choices=MODELS, default=list(MODELS), help="of these")
    add("--seeds", nargs="+", type=int, default=[1], help="a training for each")
    add("--epochs", type=int, default=SETTINGS["epochs"], help="of each training")
    add("--units", type=int, default=SETTINGS["model"]["units"], help="of each model")
    add("--most", type=int, default=8, help="sentences of a source at most")
    add("--passes", type=int, default=1, help="times that each sentence is joined")
    add("--precision", default="float32", help="of the trainings")
    use = "take models and scores that are there, of the same settings"
    add("--reuse", action="store_true", help=use)
    add("--quick", action="store_true", help="tiny models and data, to try the script")
    options = parser.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    for name in ("most", "passes", "epochs", "units"):
        if getattr(options, name) < 1:
            received = getattr(options, name)
            parser.error(f"--{name} must be at least 1. Received: {received}")
    return options


def join(pairs):
    """Neighbouring pairs as one."""
    return tuple(" ".join(side) for side in zip(*pairs, strict=True))


def join_at_random(pairs, most, seed):
    """All pairs in order, joined to groups of two to `most`, of numbers at random."""
    rng, cuts = random.Random(seed), [0]
    while most > 1 and cuts[-1] < len(pairs):
        cuts.append(min(cuts[-1] + rng.randint(2, most), len(pairs)))
    return [join(pairs[first:last]) for first, last in pairwise(cuts)]


def training_pairs(pairs, options):
    """Single sentences, and joined ones of several passes."""
    joined = (join_at_random(pairs, options.most, x) for x in range(options.passes))
    return [*pairs, *chain.from_iterable(joined)]


def scored_pairs(sets, most):
    """Each set's sentences by ones, twos and so on, none of them in two of a group."""
    return [
        join(pairs[first : first + count])
        for pairs in sets.values()
        for count in range(1, most + 1)
        for first in range(0, len(pairs) - count + 1, count)
    ]


def settings_of(name, seed, options):
    """All that a model's weights depend on."""
    settings = {**json.loads(json.dumps(SETTINGS)), "seed": seed}
    *_, changes = MODELS[name]
    units = options.units * WIDER.get(name, 1)
    settings["model"] = {**settings["model"], "units": units, **changes}
    settings["learning_rate"] = LEARNING_RATES.get(name, settings["learning_rate"])
    if options.quick:
        settings["tokenizer"] = {"kind": "word", "vocabulary_size": 200}
        settings["batches"]["buckets"] = [224]
        settings["search"]["beam_size"] = 1
        settings["search"]["max_length"] = 8
        settings["model"]["embedding_size"] = options.units
    parts = "epochs", "most", "passes", "precision", "quick"
    return {**settings, **{x: getattr(options, x) for x in parts}}


def read(path, settings):
    """The dict in a file of a run folder; `None` if there is no such file."""
    if not path.is_file():
        return None
    held = json.loads(path.read_text(encoding="utf-8"))
    if held["settings"] != settings:
        raise ValueError(
            f"{path} is of other settings: leave out --reuse, to train anew, or name "
            "another --output"
        )
    return held


def earlier_runs(options):
    """Of each model the runs by their seeds that the report has of these settings."""
    path, runs = options.output / REPORT, {name: {} for name in MODELS}
    if options.reuse and path.is_file():
        for name, model in json.loads(path.read_text("utf-8"))["models"].items():
            for run in model["runs"]:
                if run["settings"] == settings_of(name, run["seed"], options):
                    runs[name][run["seed"]] = run
    return runs


def run_model(name, seed, train, scored, options):
    """Trains and scores one model, or takes what is there; what JSON can hold."""
    from kseq2seq.utils import write_text

    settings = settings_of(name, seed, options)
    folder = options.output / RUNS / f"{name}_{seed}"
    run, scores = (
        read(folder / file, settings) if options.reuse else None
        for file in (source_length.RUN, SCORES)
    )
    if run is None:
        print(f"{name}, seed {seed}: training", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        (options.output / RUNS / ".gitignore").write_text("*\n", encoding="utf-8")
        for file in (source_length.RUN, SCORES):
            (folder / file).unlink(missing_ok=True)
        run, scores = source_length.train_model(settings, train, folder), None
    if scores is None:
        print(f"{name}, seed {seed}: scores", file=sys.stderr)
        scores = {"settings": settings, **score(folder, settings, scored)}
        write_text(folder / SCORES, json.dumps(scores, indent=1) + "\n")
    return {"seed": seed, **{x: run[x] for x in run if x != "settings"}, **scores}


def score(folder, settings, pairs):
    """BLEU of each bin, `None` for an empty one, and the time that it took."""
    import kseq2seq

    translator = kseq2seq.Translator.load(folder)
    search, began = kseq2seq.Search(**settings["search"]), time.perf_counter()
    sources = [source for source, _ in pairs]
    answers = translator.translate(sources, search, progress=sys.stderr.isatty())
    bins = []
    for rows in source_length.by_bin(pairs, 0, BOUNDS):
        best = [answers[row][0].text for row in rows]
        references = [pairs[row][1] for row in rows]
        value = kseq2seq.evaluation.bleu(best, references).value if rows else None
        bins.append(value if value is None else round(value, 2))
    return {"decode_seconds": round(time.perf_counter() - began, 1), "bins": bins}


def summarize(runs):
    """For each bin the mean of the seeds, the lowest and the highest, or `None`."""
    bins = []
    for values in zip(*(run["bins"] for run in runs), strict=True):
        if None in values:
            bins.append(None)
        else:
            mean = round(sum(values) / len(values), 2)
            bins.append({"mean": mean, "low": min(values), "high": max(values)})
    return bins


def run_all(options):
    """Trains and scores all models; what JSON can hold."""
    train, sets = source_length.read_multi30k(options.data / "multi30k")
    if options.quick:
        train = train[: QUICK["pairs"]]
        sets = {name: pairs[: QUICK["pairs"] // 4] for name, pairs in sets.items()}
    train, scored = training_pairs(train, options), scored_pairs(sets, options.most)
    counts = [
        [len(rows) for rows in source_length.by_bin(pairs, 0, BOUNDS)]
        for pairs in (train, scored)
    ]
    models = {}
    for name, runs in earlier_runs(options).items():
        missing = set(options.seeds) - {*runs} if name in options.models else ()
        for seed in sorted(missing):
            runs[seed] = run_model(name, seed, train, scored, options)
        if runs:
            runs = [runs[seed] for seed in sorted(runs)]
            models[name] = {"bins": summarize(runs), "runs": runs}
    return {
        "metric": "bleu",
        "bins": source_length.bin_names(BOUNDS),
        "train_pairs": counts[0],
        "scored_pairs": counts[1],
        "models": models,
    }


def table(result):
    """The results as a table of Markdown."""

    def cell(score):
        if score is None:
            return "–"
        if score["low"] == score["high"]:
            return f"{score['mean']:.1f}"
        return f"{score['mean']:.1f} ({score['low']:.1f} to {score['high']:.1f})"

    models = result["models"]
    head = ["source words", "pairs scored", "pairs in training"]
    head += [MODELS[name][0] for name in models]
    cells = [[cell(x) for x in model["bins"]] for model in models.values()]
    columns = *(result[x] for x in ("bins", "scored_pairs", "train_pairs")), *cells
    rows = [[str(x) for x in row] for row in zip(*columns, strict=True)]
    return machine.table([head, *rows])


def draw(result):
    """The figure: a line for each model, the mean of its seeds, in a band of them."""
    from matplotlib.figure import Figure

    figure = Figure((10, 5.6), layout="constrained")
    axes = figure.subplots()
    for name, model in result["models"].items():
        label, color, _ = MODELS[name]
        places = [n for n, x in enumerate(model["bins"]) if x is not None]
        scores = [model["bins"][place] for place in places]
        mean, low, high = ([x[key] for x in scores] for key in ("mean", "low", "high"))
        axes.fill_between(places, low, high, color=color, alpha=0.2, linewidth=0)
        style = "--" if name == "plain" else "-"
        axes.plot(places, mean, f"o{style}", color=color, linewidth=2.5, label=label)
    counts = zip(result["bins"], result["scored_pairs"], strict=True)
    labels = [f"{name}\nn={count:,}" for name, count in counts]
    axes.set_xticks(range(len(labels)), labels, fontsize=11)
    axes.tick_params(axis="y", labelsize=12)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("words of the source", fontsize=14)
    axes.set_ylabel("BLEU", fontsize=14)
    title = "Multi30k, English to German: neighbouring sentences joined"
    axes.set_title(title, loc="left", fontsize=16)
    axes.grid(axis="y", color="0.5", alpha=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=13, loc="lower left")
    return figure


def main(arguments=None):
    options = parse_arguments(arguments)
    began = time.perf_counter()
    import_tensorflow()
    from kseq2seq import plots

    try:
        options.output.mkdir(parents=True, exist_ok=True)
        result = run_all(options)
    except (ValueError, OSError) as error:
        print(f"long_sentences.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    report = {
        **machine.describe(),
        "wall_seconds": round(time.perf_counter() - began, 1),
        **result,
    }
    machine.write_results(options.output / REPORT, report)
    plots.save(draw(result), options.output / FIGURE)
    print(table(result), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
