"""Which attention a model should have by default, by experiment.

Words of five languages and their phones (SIGMORPHON 2020, task 1): for each mechanism,
number of units and seed one model, whose other settings are the defaults, trained for
as many epochs. What counts is not the best score alone: a default must learn to align
in every language, from every seed, in small models and in large ones.

Scores are of the development sets, by greedy search, after the last epoch. Each run is
written to a file as soon as it has ended: with --reuse the same command goes on, and
several may share the work.

python benchmarks/default_attention.py --data FOLDER
"""

import argparse
import json
import sys
import time
from pathlib import Path

import machine
from kseq2seq.utils import import_tensorflow

REPORT, RUNS = "default_attention.json", "default_attention_runs"
LANGUAGES = {
    "dut": "Dutch",
    "fre": "French",
    "gre": "Greek",
    "hun": "Hungarian",
    "kor": "Korean",
}
ATTENTION = ("bahdanau", "luong_general", "luong_scaled_general")
UNITS, SEEDS = (64, 512), (1, 2, 3)
EPOCHS, BATCH_SIZE, LEARNING_RATE, WARMUP_STEPS, CLIP_NORM = 12, 64, 0.003, 100, 5.0
BUCKETS = (8, 12, 16, 20, 25, 31, 40)
# Models of so many units are trained in mixed_bfloat16, in two thirds of the time.
LARGE = 256
# Below it a training warns that the model has not learnt to align.
LEAST_ALIGNMENT = 0.1
SCORES = ("exact_match", "alignment", "alignment_coverage")


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Train models with several mechanisms of attention, and tell which "
        "of them learn to align: a table, and default_attention.json.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of SIGMORPHON's files")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    add("--languages", nargs="+", choices=LANGUAGES, default=[*LANGUAGES], help="these")
    add("--attention", nargs="+", default=[*ATTENTION], help="mechanisms")
    add("--units", nargs="+", type=int, default=[*UNITS], help="of encoder and decoder")
    add("--seeds", nargs="+", type=int, default=[*SEEDS], help="a training for each")
    add("--epochs", type=int, default=EPOCHS, help="of each training")
    add("--reuse", action="store_true", help="take runs of the same settings")
    return parser.parse_args(arguments)


def settings_of(attention, units, language, seed, epochs):
    """All that a run depends on, as far as it is not the same for all."""
    return {
        "attention": attention,
        "units": units,
        "precision": "mixed_bfloat16" if units >= LARGE else "float32",
        "language": language,
        "seed": seed,
        "epochs": epochs,
    }


def read_run(path, settings):
    """The run in a file; `None` if there is none of these settings."""
    if not path.is_file():
        return None
    run = json.loads(path.read_text(encoding="utf-8"))
    return run if {name: run[name] for name in settings} == settings else None


def train(settings, folder):
    """Trains one model; what JSON can hold of it."""
    import keras

    import kseq2seq

    keras.backend.clear_session()
    keras.config.set_dtype_policy(settings["precision"])
    keras.utils.set_random_seed(settings["seed"])
    pairs, dev = (
        kseq2seq.data.read_tsv(folder / f"{settings['language']}_{part}.tsv.gz")
        for part in ("train", "dev")
    )
    source, target = kseq2seq.train_tokenizers(
        pairs,
        vocabulary_size=1000,
        kind=["character", "word"],
        normalization=["nfd", "identity"],
    )
    batches = kseq2seq.data.batches(
        pairs, source, target, BATCH_SIZE, buckets=BUCKETS, seed=settings["seed"]
    )
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        attention=settings["attention"],
        units=settings["units"],
    )
    model = kseq2seq.build_model(config)
    steps = settings["epochs"] * int(batches.cardinality())
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, steps - WARMUP_STEPS),
        warmup_target=LEARNING_RATE,
        warmup_steps=WARMUP_STEPS,
    )
    model.compile(
        kseq2seq.Adam(rate, global_clipnorm=CLIP_NORM), kseq2seq.MaskedCrossentropy()
    )
    began = time.perf_counter()
    history = model.fit(batches, epochs=settings["epochs"], shuffle=False, verbose=0)
    seconds = round(time.perf_counter() - began, 1)
    scorer = kseq2seq.callbacks.DecodeAndScore(
        dev, source, target, ["exact_match"], alignments=True
    )
    scores = scorer.score(model)
    return {
        **settings,
        "loss": round(history.history["loss"][-1], 4),
        "seconds": seconds,
        **{name: round(scores[f"val_{name}"], 4) for name in SCORES},
    }


def run_all(options):
    """Trains what is missing; all runs of the options."""
    from tqdm import tqdm

    from kseq2seq.utils import write_text

    folder = options.output / RUNS
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    wanted = [
        settings_of(attention, units, language, seed, options.epochs)
        for units in options.units
        for seed in options.seeds
        for language in options.languages
        for attention in options.attention
    ]
    runs = []
    for settings in tqdm(wanted, unit="training", file=sys.stderr):
        path = folder / f"{'_'.join(map(str, settings.values()))}.json"
        run = read_run(path, settings) if options.reuse else None
        if run is None:
            run = train(settings, options.data)
            write_text(path, json.dumps(run) + "\n")
        runs.append(run)
    return runs


def summarize(runs):
    """A row for each number of units and mechanism, over languages and seeds."""
    from kseq2seq.callbacks import DecodeAndScore

    groups = {}
    for run in runs:
        groups.setdefault((run["units"], run["attention"]), []).append(run)
    rows = []
    for (units, attention), group in groups.items():
        right = {}
        for run in group:
            right.setdefault(run["language"], []).append(run["exact_match"])
        means = {name: round(sum(x) / len(x), 1) for name, x in right.items()}
        lost = [
            run["alignment"] < LEAST_ALIGNMENT
            or run["alignment_coverage"] < DecodeAndScore.least_coverage
            for run in group
        ]
        rows.append(
            {
                "units": units,
                "attention": attention,
                "languages": means,
                "mean": round(sum(map(sum, right.values())) / len(group), 1),
                "lowest": round(min(run["exact_match"] for run in group), 1),
                "lowest_alignment": round(min(run["alignment"] for run in group), 2),
                "not_aligned": sum(lost),
                "runs": len(group),
            }
        )
    return rows


def table(rows):
    """The rows as a table of Markdown."""
    languages = list(rows[0]["languages"])
    head = ["units", "attention", *(LANGUAGES[x] for x in languages), "mean"]
    head += ["lowest run", "least `alignment`", "not learnt to align"]
    cells = [
        [
            str(row["units"]),
            f"`{row['attention']}`",
            *(f"{row['languages'][x]:.1f}" for x in languages),
            f"{row['mean']:.1f}",
            f"{row['lowest']:.1f}",
            f"{row['lowest_alignment']:.2f}",
            f"{row['not_aligned']} of {row['runs']}",
        ]
        for row in rows
    ]
    return machine.table([head, *cells])


def main(arguments=None):
    options = parse_arguments(arguments)
    began = time.perf_counter()
    import_tensorflow()
    try:
        runs = run_all(options)
    except (ValueError, OSError) as error:
        print(f"default_attention.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    rows = summarize(runs)
    report = {
        **machine.describe(),
        "wall_seconds": round(time.perf_counter() - began, 1),
        "table": rows,
        "runs": runs,
    }
    machine.write_results(options.output / REPORT, report)
    print(table(rows), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
