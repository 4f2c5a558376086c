#!/usr/bin/env python
"""The plain encoder-decoder against attention, as sentences grow.

Bahdanau et al. (2015, figure 2) saw that an encoder-decoder gets worse on long
sentences without attention and not with it. Here both are trained, of the same sizes,
on the same data, for as many epochs, from the same seeds, and scored by length:

- multi30k: BLEU of English captions in German, beam search, by words of the source,
  on all the sets beside train.*: none of them plays any part in the training.
- scan: exact match of commands turned into actions, greedy search, by actions of
  the right answer, on the test set of the length split, in which all are longer
  than those in training, and on commands held out of its training set.

Writes source_length.json, its .png and the models, for --reuse to score anew.

python benchmarks/source_length.py --data FOLDER
"""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import sys
import time
from itertools import chain
from pathlib import Path

from kseq2seq import __version__
from kseq2seq.utils import import_tensorflow

HERE = Path(__file__).resolve().parent
REPORT, FIGURE = "source_length.json", "source_length.png"
RUNS, RUN = "source_length_runs", "run.json"
PACKAGES = ("keras", "tensorflow", "tensorflow-text", "sacrebleu", "numpy")
HELD_OUT = 1500  # of SCAN's 16,990 pairs for training

# What both tasks' trainings share.
SETTINGS = {"learning_rate": 0.002, "warmup_steps": 300, "clip_norm": 5.0}
# Of each task: what its panel says, which side of a pair is measured, the last length
# of every bin but the last one, which is open, and its own settings.
TASKS = {
    "multi30k": {
        "title": "Multi30k, English to German",
        "metric": "bleu",
        "axes": ("words of the source sentence", "BLEU"),
        "side": 0,
        "bounds": (8, 10, 12, 14, 16, 19),
        "settings": {
            "tokenizer": {"kind": "unigram", "vocabulary_size": 3000, "shared": True},
            "batches": {"batch_size": 64, "buckets": [10, 14, 18, 24, 32, 96]},
            "model": {"embedding_size": 128, "units": 128, "dropout": 0.1},
            "label_smoothing": 0.1,
            "learning_rate": 0.004,
            "epochs": 3,
            "search": {"beam_size": 5, "length_penalty": 1.0},
        },
    },
    "scan": {
        "title": "SCAN, length split",
        "metric": "exact_match",
        "axes": ("actions of the right answer", "exact match, %"),
        "side": 1,
        "bounds": (4, 8, 12, 16, 22, 26, 30, 36),
        "settings": {
            "tokenizer": {"kind": "word", "vocabulary_size": 100},
            "batches": {"batch_size": 64, "buckets": [8, 12, 16, 24]},
            "model": {"embedding_size": 64, "units": 128, "dropout": 0.1},
            "label_smoothing": 0.0,
            "epochs": 6,
            # The default limit, 20 more than twice the source, would cut 48 actions.
            "search": {"beam_size": 1, "max_length_offset": 80},
        },
    },
}


def parse_arguments(arguments):
    import_tensorflow()
    from kseq2seq.layers import MECHANISMS

    parser = argparse.ArgumentParser(
        description="Train the encoder-decoder with and without attention, and score "
        "both by the length of sentences: a table, source_length.json and .png.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder with multi30k/ and scan/")
    add("--output", type=Path, default=HERE / "results", help="folder of the results")
    add("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="what to run")
    add("--attention", choices=MECHANISMS, default="bahdanau", help="not none")
    add("--seeds", nargs="+", type=int, default=[1], help="a training for each")
    add("--epochs", type=int, help="of each training; by task if not given")
    add("--units", type=int, help="of each model; by task if not given")
    add("--vocabulary", type=int, help="pieces of multi30k's tokenizer")
    add("--bootstrap", type=int, default=1000, help="resamples for the intervals")
    use = "take models that are there, of the same settings, and train the others"
    add("--reuse", action="store_true", help=use)
    return parser.parse_args(arguments)


def settings_of(task, options):
    """The settings of a task's trainings, changed as the options say."""
    settings = {**SETTINGS, **json.loads(json.dumps(TASKS[task]["settings"]))}
    settings["epochs"] = options.epochs or settings["epochs"]
    if options.units:
        settings["model"]["units"] = options.units
    if options.vocabulary and "shared" in settings["tokenizer"]:
        settings["tokenizer"]["vocabulary_size"] = options.vocabulary
    return settings


def read_multi30k(folder):
    """Pairs to train on, and a dict from the other sets' names to theirs."""
    from kseq2seq import data

    sets = {}
    for path in sorted(folder.glob("*.en*")):
        name, ending = path.name.split(".en", 1)
        sets[name] = data.read_parallel(path, folder / f"{name}.de{ending}")
    if not {"train", "test_2016_flickr"} <= set(sets):
        raise data.DataError(
            f"{folder}: expected train and test_2016_flickr, each as .en and .de, "
            f"gzipped or not. Received: {', '.join(sets) or 'no set'}"
        )
    return sets.pop("train"), sets


def read_scan(folder):
    """As `read_multi30k`, of the length split; some of train held out."""
    from kseq2seq import data

    train = _read_commands(folder / "tasks_train_length.txt")
    test = _read_commands(folder / "tasks_test_length.txt")
    part = min(HELD_OUT / len(train), 0.5)
    train, held_out = data.split(train, (1 - part, part))
    return train, {"held_out": held_out, "test_length": test}


def _read_commands(path):
    """Pairs of a file of lines `IN: command OUT: actions`, gzipped or not."""
    from kseq2seq import data
    from kseq2seq.data import read_lines

    if not path.is_file():
        path = path.with_name(f"{path.name}.gz")
    pairs = [tuple(x.removeprefix("IN: ").split(" OUT: ")) for x in read_lines(path)]
    if any(len(pair) != 2 for pair in pairs):
        raise data.DataError(f"{path}: expected lines 'IN: command OUT: actions'.")
    return pairs


READERS = {"multi30k": read_multi30k, "scan": read_scan}


def bin_of(length, bounds):
    """Number of the bin of a length; `bounds` are the last lengths of all but one."""
    return sum(length > bound for bound in bounds)


def bin_names(bounds):
    """Names of the bins, as in tables and figures."""
    firsts = [1, *(bound + 1 for bound in bounds)]
    pairs = zip(firsts, bounds, strict=False)
    names = [f"{first}–{last}" if first < last else f"{last}" for first, last in pairs]
    return [*names, f"≥{firsts[-1]}"]


def by_bin(pairs, side, bounds):
    """For each bin, the row numbers of the pairs whose words on a side are so many."""
    rows = [[] for _ in range(len(bounds) + 1)]
    for row, pair in enumerate(pairs):
        rows[bin_of(len(pair[side].split()), bounds)].append(row)
    return rows


def train_model(settings, train, folder):
    """Trains one model and writes it into a run folder; returns what it took."""
    import keras

    import kseq2seq
    from kseq2seq.utils import write_text

    began = time.perf_counter()
    keras.utils.set_random_seed(settings["seed"])
    source, target = kseq2seq.train_tokenizers(train, **settings["tokenizer"])
    options = {**settings["batches"], "seed": settings["seed"]}
    batches = kseq2seq.data.batches(train, source, target, **options)
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        **settings["model"],
    )
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(settings.get("precision", before))
    model = kseq2seq.build_model(config)
    keras.config.set_dtype_policy(before)
    num_steps = settings["epochs"] * int(batches.cardinality())
    warmup = min(settings["warmup_steps"], num_steps // 2)
    peak = {"warmup_target": settings["learning_rate"], "warmup_steps": warmup}
    rate = keras.optimizers.schedules.CosineDecay(0.0, num_steps - warmup, **peak)
    optimizer = kseq2seq.Adam(rate, global_clipnorm=settings["clip_norm"])
    loss = kseq2seq.MaskedCrossentropy(settings["label_smoothing"])
    model.compile(optimizer, loss, metrics=[kseq2seq.TokenAccuracy()])
    # The batches are shuffled already.
    fit = {"shuffle": False, "verbose": 1 if sys.stdout.isatty() else 2}
    history = model.fit(batches, epochs=settings["epochs"], **fit)
    kseq2seq.Translator(model, source, target).save(folder)
    run = {
        "settings": settings,
        "parameters": model.count_params(),
        "train_seconds": round(time.perf_counter() - began, 1),
        "loss": [round(loss, 4) for loss in history.history["loss"]],
    }
    write_text(folder / RUN, json.dumps(run, indent=2) + "\n")
    return run


def trained(task, attention, seed, train, options):
    """A `Translator` and what its training took, from a run folder or trained now."""
    import kseq2seq

    settings = {**settings_of(task, options), "seed": seed}
    settings["model"]["attention"] = attention
    folder = options.output / RUNS / f"{task}_{attention}_{seed}"
    print(f"{task}, attention={attention}, seed {seed}", file=sys.stderr)
    if options.reuse and (folder / RUN).is_file():
        run = json.loads((folder / RUN).read_text(encoding="utf-8"))
        if run["settings"] != settings:
            raise ValueError(
                f"{folder} holds a model of other settings: leave out --reuse, to "
                "train it anew, or name another --output"
            )
    else:
        folder.mkdir(parents=True, exist_ok=True)
        (options.output / RUNS / ".gitignore").write_text("*\n", encoding="utf-8")
        (folder / RUN).unlink(missing_ok=True)
        run = train_model(settings, train, folder)
    return kseq2seq.Translator.load(folder), run


def score_model(task, translator, sets, options):
    """Scores of one model: a dict of its sets' and a list of its bins'."""
    import kseq2seq

    about, pairs = TASKS[task], [*chain(*sets.values())]
    search = kseq2seq.Search(**settings_of(task, options)["search"])
    metric = kseq2seq.evaluation.METRICS[about["metric"]].function
    sources, began = [source for source, _ in pairs], time.perf_counter()
    answers = translator.translate(sources, search, progress=sys.stderr.isatty())

    def score(rows):
        if not rows:
            return None
        best = [answers[row][0].text for row in rows]
        references = [pairs[row][1] for row in rows]
        result = metric(best, references, bootstrap=options.bootstrap)
        interval = result.interval and [round(x, 2) for x in result.interval]
        value = round(result.value, 2)
        return {"value": value, "interval": interval, "signature": result.signature}

    bins, scores, first = by_bin(pairs, about["side"], about["bounds"]), {}, 0
    for name, part in sets.items():
        scores[name] = score(range(first, first + len(part)))
        first += len(part)
    bins = [score(rows) for rows in bins]
    seconds = round(time.perf_counter() - began, 1)
    return {"decode_seconds": seconds, "sets": scores, "bins": bins}


def summarize(scores):
    """The mean of several seeds' scores, its interval the lowest and the highest."""
    if None in scores or len(scores) == 1:
        return scores[0]
    values = [score["value"] for score in scores]
    mean = round(sum(values) / len(values), 2)
    return {**scores[0], "value": mean, "interval": [min(values), max(values)]}


def run_task(task, options):
    """Trains and scores all the models of a task; returns what JSON can hold."""
    about = TASKS[task]
    train, sets = READERS[task](options.data / task)
    in_training, scored = (
        [len(rows) for rows in by_bin(pairs, about["side"], about["bounds"])]
        for pairs in (train, [*chain(*sets.values())])
    )
    models = {}
    for attention in ("none", options.attention):
        runs = []
        for seed in options.seeds:
            translator, run = trained(task, attention, seed, train, options)
            del run["settings"]
            scores = score_model(task, translator, sets, options)
            runs.append({"seed": seed, **run, **scores})
        bins = zip(*(run["bins"] for run in runs), strict=True)
        models[attention] = {
            "sets": {name: summarize([x["sets"][name] for x in runs]) for name in sets},
            "bins": [summarize(scores) for scores in bins],
            "runs": runs,
        }
    return {
        "metric": about["metric"],
        "length": about["axes"][0],
        "settings": settings_of(task, options),
        "sizes": {"train": len(train), **{x: len(part) for x, part in sets.items()}},
        "bins": bin_names(about["bounds"]),
        "train_pairs": in_training,
        "scored_pairs": scored,
        "models": models,
    }


def cell(score):
    """A score as the table shows it, with its interval if it has one."""
    if score is None:
        return "–"
    interval = score["interval"] and " ({:.1f} to {:.1f})".format(*score["interval"])
    return f"{score['value']:.1f}{interval or ''}"


def table(task, result):
    """The results of a task as lines of Markdown."""
    models = result["models"]
    names = [name.replace("none", "no attention") for name in models]
    head = [result["length"], "pairs scored", "pairs in training", *names]
    cells = [[cell(x) for x in model["bins"]] for model in models.values()]
    columns = *(result[x] for x in ("bins", "scored_pairs", "train_pairs")), *cells
    rows = [[str(x) for x in row] for row in zip(*columns, strict=True)]
    for name in [name for name in result["sizes"] if name != "train"]:
        scores = [cell(model["sets"][name]) for model in models.values()]
        rows.append([f"all of {name}", str(result["sizes"][name]), "", *scores])
    lines = [" | ".join(row) for row in (head, ["---"] * len(head), *rows)]
    title = f"{TASKS[task]['title']}: {result['metric']}"
    return [title, "", *(f"| {line} |" for line in lines)]


def draw(results):
    """The figure: a panel for each task, a line for each model."""
    from matplotlib.figure import Figure

    figure = Figure((6.2 * len(results), 4.2), layout="constrained")
    panels = figure.subplots(1, len(results), squeeze=False)[0]
    for axes, (task, result) in zip(panels, results.items(), strict=True):
        for name, model in result["models"].items():
            draw_line(axes, name, model["bins"])
        counts = zip(result["bins"], result["scored_pairs"], strict=True)
        labels = [f"{name}\nn={count:,}" for name, count in counts]
        axes.set_xticks(range(len(labels)), labels, fontsize=8)
        longest = max(i for i, count in enumerate(result["train_pairs"]) if count)
        if longest < len(labels) - 1:
            axes.axvline(longest + 0.5, color="0.6", linestyle=":")
            where = longest + 0.6, 103
            axes.text(*where, "longer than in training", fontsize=8, color="0.4")
        axes.set_ylim(*((-2, 109) if result["metric"] == "exact_match" else (0, None)))
        axes.set_title(TASKS[task]["title"], loc="left", fontsize=11)
        axes.set(xlabel=result["length"], ylabel=TASKS[task]["axes"][1])
        axes.grid(axis="y", color="0.5", alpha=0.18)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="lower left", fontsize=9)
    return figure


def draw_line(axes, name, scores):
    """A model's scores by bin, with their intervals, a little beside the other's."""
    points = [
        (i, score["value"], *(score["interval"] or [score["value"]] * 2))
        for i, score in enumerate(scores)
        if score
    ]
    plain = name == "none"
    axes.errorbar(
        [place + (-0.06 if plain else 0.06) for place, *_ in points],
        [value for _, value, _, _ in points],
        yerr=(
            [max(0, value - low) for _, value, low, _ in points],
            [max(0, high - value) for _, value, _, high in points],
        ),
        fmt="s--" if plain else "o-",
        color="#d1495b" if plain else "#1769aa",
        capsize=3,
        label="no attention" if plain else f"attention: {name}",
    )


def main(arguments=None):
    options = parse_arguments(arguments)
    began = time.perf_counter()
    import_tensorflow()
    from kseq2seq import plots
    from kseq2seq.utils import write_text

    try:
        options.output.mkdir(parents=True, exist_ok=True)
        results = {task: run_task(task, options) for task in options.tasks}
    except (ValueError, OSError) as error:
        print(f"source_length.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "machine": {"cores": os.cpu_count(), "processor": platform.machine()},
        "kseq2seq": __version__,
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "seeds": options.seeds,
        "wall_seconds": round(time.perf_counter() - began, 1),
        "tasks": results,
    }
    write_text(options.output / REPORT, json.dumps(report, indent=1) + "\n")
    plots.save(draw(results), options.output / FIGURE)
    for task, result in results.items():
        print("\n" + "\n".join(table(task, result)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
