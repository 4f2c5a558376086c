"""Every mechanism of attention on the same tasks, at the same size and budget.

Tasks: dates of 33 languages to ISO 8601 (made on the spot), and Hungarian and French
words to phones (SIGMORPHON 2020, task 1). For each task and mechanism one model is
trained with `model.fit`, the official test words or unseen dates are decoded greedily,
and what comes out is scored. Nothing is tuned for any mechanism, and the model after
the last epoch is the one that is scored.

Each training has one core for itself, pinned, and as many run at once as `--workers`
says. What is finished stands in a file each, so that a run that was stopped goes on
with `--reuse`. Seconds per epoch are measured on their own, by `--time`, one training
at a time: 60 batches three times, drawn anew, of which the fastest counts; the first
time compiles.
"""

import argparse
import concurrent.futures
import dataclasses
import datetime
import json
import os
import platform
import queue
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"

# Label, word of the config, options.
NOISE = {"sigmoid_noise": 1.0}
MECHANISMS = {
    "none": ("none", {}),
    "bahdanau": ("bahdanau", {}),
    "bahdanau_normalized": ("bahdanau_normalized", {}),
    "luong_dot": ("luong_dot", {}),
    "luong_general": ("luong_general", {}),
    "luong_concat": ("luong_concat", {}),
    "luong_scaled_dot": ("luong_scaled_dot", {}),
    "luong_scaled_general": ("luong_scaled_general", {}),
    "luong_general, sparsemax": ("luong_general", {"probability_fn": "sparsemax"}),
    "local_monotonic, D=5": ("local_monotonic", {"half_width": 5}),
    "local_predictive, D=5": ("local_predictive", {"half_width": 5}),
    "monotonic_bahdanau": ("monotonic_bahdanau", NOISE),
    "monotonic_luong": ("monotonic_luong", NOISE),
    "chunkwise, 3 positions": ("chunkwise", {"chunk_size": 3, **NOISE}),
    "location_sensitive": ("location_sensitive", {"num_filters": 8, "kernel_size": 7}),
    "coverage": ("coverage", {}),
    "coverage, fertility 2": ("coverage", {"max_fertility": 2.0}),
    "multi_head_additive, 4 heads": ("multi_head_additive", {}),
    "multi_head_dot, 4 heads": ("multi_head_dot", {}),
}
# Name of a task: epochs, and the metrics that are reported, the first in the table.
TASKS = {
    "dates": (5, ("exact_match",)),
    "hun": (15, ("phone_error_rate", "exact_match")),
    "fre": (15, ("phone_error_rate", "exact_match")),
}
NUM_DATES, TIMED_BATCHES = 12_000, 60
MODEL = {"embedding_size": 64, "units": 128, "dropout": 0.2}
LEARNING_RATE, BATCH_SIZE, CLIP_NORM = 0.003, 64, 5.0
BUCKETS = (8, 12, 16, 20, 25, 31, 40)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Train, score and time every mechanism of attention.",
        epilog="About 50 minutes on two cores.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="folder with g2p_sigmorphon2020/ (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="folder of the results"
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--mechanisms", nargs="+", choices=MECHANISMS, default=None)
    parser.add_argument("--epochs", type=int, help="instead of each task's own")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="trainings at a time"
    )
    parser.add_argument(
        "--reuse", action="store_true", help="keep what is finished in the output"
    )
    parser.add_argument(
        "--time",
        action="store_true",
        help="time epochs, without scores, and join that to the scores of before",
    )
    parser.add_argument("--job", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if (
        options.tasks != ["dates"]
        and not (options.data / "g2p_sigmorphon2020").is_dir()
    ):
        parser.error(
            f"{options.data} has no folder g2p_sigmorphon2020 (hun_train.tsv.gz and "
            "others): name the folder that has it by --data, or take --tasks dates"
        )
    return options


def read_task(task, folder):
    """Pairs for training and for the test, and the kind of the target's tokens."""
    from kseq2seq import data

    if task == "dates":
        train, test = data.split(data.dates(NUM_DATES + 1000), (12 / 13, 1 / 13))
        return train, test, "character"
    folder = folder / "g2p_sigmorphon2020"
    parts = [data.read_tsv(folder / f"{task}_{x}.tsv.gz") for x in ("train", "test")]
    return *parts, "word"


def run_one(task, label, options):
    """One training; what there is to report of it."""
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import keras

    import kseq2seq
    from kseq2seq import data, evaluation

    keras.utils.set_random_seed(options.seed)
    train, test, kind = read_task(task, options.data)
    source, target = kseq2seq.train_tokenizers(
        train, vocabulary_size=1000, kind=["character", kind]
    )
    batches = data.batches(
        train, source, target, BATCH_SIZE, buckets=BUCKETS, seed=options.seed
    )
    epochs, metrics = TASKS[task]
    epochs, steps = options.epochs or epochs, int(batches.cardinality())
    if options.time:
        epochs, batches = 3, batches.take(TIMED_BATCHES)
    config = config_of(label, source, target)
    model, seconds, history = fit(config, batches, epochs)
    report = {
        "task": task,
        "mechanism": label,
        "config": dataclasses.asdict(config),
        "seed": options.seed,
        "epochs": epochs,
        "steps_per_epoch": steps,
        "parameters": model.count_params(),
        "versions": versions(),
    }
    if options.time:
        scale = steps / int(batches.cardinality())
        return {**report, "seconds_per_epoch": min(seconds[1:]) * scale}
    sources, references = data.group_references(test)
    hypotheses = kseq2seq.Translator(model, source, target)(sources, beam=1)
    scores = evaluation.evaluate(hypotheses, references, metrics, bootstrap=1000)
    return {
        **report,
        "loss": history.history["loss"],
        "pairs": {"train": len(train), "test": len(sources)},
        "scores": {name: score._asdict() for name, score in scores.items()},
    }


def config_of(label, source, target):
    import kseq2seq

    word, options = MECHANISMS[label]
    return kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        attention=word,
        attention_options=options,
        **MODEL,
    )


def fit(config, batches, epochs):
    """A trained model, the seconds of each epoch, and the history."""
    import keras

    import kseq2seq

    model = kseq2seq.build_model(config)
    num_steps = epochs * int(batches.cardinality())
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, num_steps)
    model.compile(
        kseq2seq.Adam(rate, global_clipnorm=CLIP_NORM),
        loss=kseq2seq.MaskedCrossentropy(),
    )
    clock = Clock()
    timing = keras.callbacks.LambdaCallback(
        on_epoch_begin=clock.start, on_epoch_end=clock.stop
    )
    history = model.fit(
        batches, epochs=epochs, shuffle=False, verbose=0, callbacks=[timing]
    )
    return model, clock.seconds, history


class Clock:
    """Seconds of each epoch."""

    def __init__(self):
        self.seconds, self.started = [], None

    def start(self, epoch, logs=None):
        self.started = time.perf_counter()

    def stop(self, epoch, logs=None):
        self.seconds.append(time.perf_counter() - self.started)


def versions():
    from importlib import metadata

    names = ("keras", "tensorflow", "numpy", "sacrebleu")
    return {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in names},
    }


def run_all(jobs, options, folder):
    """Each job in a process of its own, on a core of its own."""
    # Two cores may be halves of one, so what is timed has the machine for itself.
    workers = 1 if options.time else options.workers
    cores = queue.SimpleQueue()
    for core in list_of_cores(workers):
        cores.put(core)

    def run(job):
        core = cores.get()
        try:
            return run_job(job, options, path_of(folder, job), core)
        finally:
            cores.put(core)

    from tqdm import tqdm

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        done = pool.map(run, jobs)
        return list(tqdm(done, total=len(jobs), unit="training", file=sys.stderr))


def list_of_cores(workers):
    if not hasattr(os, "sched_getaffinity"):
        return [None] * workers
    cores = sorted(os.sched_getaffinity(0))
    return [cores[i % len(cores)] for i in range(workers)]


def path_of(folder, job):
    return folder / f"{'_'.join(job)}.json".replace(", ", "_").replace(" ", "_")


def run_job(job, options, path, core):
    """Report of a job; from its file where it is finished already."""
    if options.reuse and path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    command = [sys.executable, __file__, "--job", *job, "--output", str(path)]
    command += ["--data", str(options.data), "--seed", str(options.seed)]
    if options.epochs:
        command += ["--epochs", str(options.epochs)]
    if options.time:
        command.append("--time")
    names = [f"{x}_THREADS" for x in ("OMP_NUM", "TF_NUM_INTRAOP", "TF_NUM_INTEROP")]
    result = subprocess.run(
        command,
        env={**os.environ, **dict.fromkeys(names, "1"), "CUDA_VISIBLE_DEVICES": ""},
        preexec_fn=None if core is None else lambda: os.sched_setaffinity(0, {core}),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(job)}: {result.stderr[-2000:]}")
    return json.loads(path.read_text(encoding="utf-8"))


def table(reports, timings):
    """The results as Markdown, a row for each mechanism."""
    heads = {
        "dates": ("dates, exact match %",),
        "hun": ("Hungarian, phone error %", "words right %"),
        "fre": ("French, phone error %", "words right %"),
    }
    names = [name for task in TASKS for name in heads[task]]
    timed = [task for task in TASKS if task in {x for x, _ in timings}]
    names += [f"{task}, s/epoch" for task in timed]
    rows = [["attention", *names], ["---"] * (1 + len(names))]
    for label in MECHANISMS:
        row = [label]
        for task, (_, metrics) in TASKS.items():
            scores = reports.get((task, label), {}).get("scores", {})
            row += [f"{scores[x]['value']:.1f}" if scores else "" for x in metrics]
        for task in timed:
            seconds = timings.get((task, label), {}).get("seconds_per_epoch")
            row.append(f"{seconds:.1f}" if seconds else "")
        if any(row[1:]):
            rows.append(row)
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def finished(folder):
    """All that is finished in a folder, by task and mechanism."""
    jobs = [(task, label) for task in TASKS for label in MECHANISMS]
    paths = {job: path_of(folder, job) for job in jobs}
    return {
        job: json.loads(path.read_text(encoding="utf-8"))
        for job, path in paths.items()
        if path.is_file()
    }


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.job:
        report = run_one(*options.job, options)
        options.output.write_text(json.dumps(report), encoding="utf-8")
        return
    scores, times = (options.output / f"attention_{x}" for x in ("scores", "times"))
    folder = times if options.time else scores
    folder.mkdir(parents=True, exist_ok=True)
    labels = options.mechanisms or list(MECHANISMS)
    run_all(
        [(task, label) for label in labels for task in options.tasks], options, folder
    )
    reports, timings = finished(scores), finished(times)
    summary = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "workers": options.workers,
        "scores": list(reports.values()),
        "times": list(timings.values()),
    }
    path = options.output / "attention_mechanisms.json"
    path.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(table(reports, timings), end="")


if __name__ == "__main__":
    main()
