"""Trainings that are killed by SIGKILL and resumed, compared with one that is not.

`kseq2seq train` runs a small model on a stream, with dropout, noise, a schedule and
checkpoints every 50 steps: once to its end, and once with kills at random moments, each
followed by `--resume`. After each kill the run folder must hold a model that loads,
from the first checkpoint on. The losses of all steps are compared; that of a step is
the mean of its epoch so far, as Keras reports it, and so are the sums of metrics.
"""

import argparse
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

SHARDS, VALIDATION = 4, 20
RECIPE = """
[data]
format = "tsv"
train = ["train-*.tsv"]
validation = ["dev.tsv"]
stream = true
buffer_size = 300
[tokenizer]
kind = "character"
[batches]
batch_size = 8
source_mask = 0.1
[model]
units = 16
embedding_size = 8
dropout = 0.3
[optimizer]
learning_rate = 0.003
schedule = "cosine"
[training]
epochs = 5
steps_per_epoch = {steps}
checkpoint_steps = {every}
metrics = ["exact_match"]
val_alignment = false
[search]
max_length = 12
"""


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Kill a training again and again, and compare it with another.",
        epilog="About six minutes on a core.",
    )
    parser.add_argument("file", type=Path, help="pairs in columns")
    parser.add_argument("--kills", type=int, default=20, help="(default: 20)")
    parser.add_argument(
        "--steps", type=int, default=300, help="of each of 5 epochs (default: 300)"
    )
    parser.add_argument(
        "--every", type=int, default=50, help="steps between checkpoints (default: 50)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if not options.file.is_file():
        parser.error(f"no such file of pairs: {options.file}")
    if min(options.kills, options.steps, options.every) < 1:
        parser.error("--kills, --steps and --every must be at least 1")
    return options


def write_data(pairs, folder, steps, every):
    """Writes shards, pairs for validation and the recipe."""

    def write(name, rows):
        lines = [f"{source}\t{target}\n" for source, target in rows]
        (folder / name).write_text("".join(lines), encoding="utf-8")

    write("dev.tsv", pairs[:VALIDATION])
    for number in range(SHARDS):
        write(f"train-{number}.tsv", pairs[VALIDATION + number :: SHARDS])
    recipe = RECIPE.format(steps=steps, every=every)
    (folder / "kills.toml").write_text(recipe, encoding="utf-8")


def command(log, *arguments):
    """`kseq2seq train` in this process, with each step's number and loss in a file."""
    import keras

    from kseq2seq.cli import main as kseq2seq

    class Log(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            step = int(self.model.optimizer.iterations)
            with Path(log).open("a", encoding="utf-8") as file:
                file.write(json.dumps([step, float(logs["loss"])]) + "\n")

    fit = keras.Model.fit

    def logged_fit(self, *args, callbacks=(), **kwargs):
        return fit(self, *args, callbacks=[*callbacks, Log()], **kwargs)

    keras.Model.fit = logged_fit
    return kseq2seq(["train", *arguments])


class Run:
    """A training in a folder, with the log of its steps."""

    def __init__(self, folder, name):
        self.folder, self.log = folder / name, folder / f"{name}.jsonl"
        self._errors = folder / f"{name}.txt"
        self._arguments = [str(folder / "kills.toml"), "--data", str(folder)]

    def steps(self):
        """Pairs of step and loss, in the order that they were taken in."""
        if not self.log.exists():
            return []
        # A kill may leave a line without its end.
        lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def start(self):
        arguments = [*self._arguments, "--run", str(self.folder), "--resume"]
        with self._errors.open("a", encoding="utf-8") as errors:
            return subprocess.Popen(
                [sys.executable, __file__, "--train", str(self.log), *arguments],
                env={**os.environ, "PYTHONPATH": str(machine.ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def finish(self, process):
        """Waits for the end, which must be a good one."""
        if process.wait():
            raise RuntimeError(self._errors.read_text(encoding="utf-8")[-4000:])

    def killed(self, goal, pause):
        """Starts a process and kills it; `False` if it came to its end before."""
        before, process = len(self.steps()), self.start()
        while process.poll() is None and len(self.steps()) < before + goal:
            time.sleep(0.05)
        time.sleep(pause)
        if process.poll() is not None:
            self.finish(process)
            return False
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def is_usable(folder):
    """Whether a run folder holds a model that loads."""
    import kseq2seq

    try:
        kseq2seq.Translator.load(folder)
    except (OSError, ValueError):
        return False
    return True


def kill_again_and_again(run, kills, every, seed):
    """Kills and resumes a training, then lets it end.

    Returns:
        A list of dicts, one for each kill: the last step that was logged, and whether
        the run folder was usable, or no checkpoint was due yet.
    """
    moments, records = random.Random(seed), []
    while len(records) < kills:
        if not run.killed(moments.randint(1, 3 * every), moments.random()):
            return records
        last = max((step for step, _ in run.steps()), default=0)
        usable = last <= every or is_usable(run.folder)
        records.append({"step": last, "usable": usable})
        print(f"kills.py: {records[-1]}", file=sys.stderr, flush=True)
    run.finish(run.start())
    return records


def compare(whole, resumed):
    """Differences of the steps of a resumed training from those of a whole one.

    Args:
        whole: Pairs of step and loss.
        resumed: Likewise, in the order that they were taken in.

    Returns:
        A dict of numbers of steps, those lost at each return, and the largest
        relative difference of losses.
    """
    expected, steps = dict(whole), [step for step, _ in resumed]
    returns = itertools.pairwise(steps)
    lost = [before - after + 1 for before, after in returns if after <= before]
    differences = [abs(loss / expected[step] - 1) for step, loss in resumed]
    return {
        "steps": len(expected),
        "steps_with_repeated": len(steps),
        "missing": len({*expected} - {*steps}),
        "lost": lost,
        "most_lost": max(lost, default=0),
        "largest_difference": max(differences),
    }


def table(results):
    rows = [["kills", "steps", "most steps lost", "largest difference", "usable"]]
    usable = sum(record["usable"] for record in results["kills"])
    rows.append(
        [
            len(results["kills"]),
            results["steps"],
            results["most_lost"],
            f"{results['largest_difference']:.1e}",
            usable,
        ]
    )
    return machine.table(rows)


def main(arguments=None):
    options = parse_arguments(arguments)
    about = machine.describe()  # which also finds the package
    import kseq2seq

    pairs = kseq2seq.data.read_tsv(options.file)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(pairs, folder, options.steps, options.every)
        whole, resumed = Run(folder, "whole"), Run(folder, "resumed")
        whole.finish(whole.start())
        print("kills.py: trained without a kill", file=sys.stderr, flush=True)
        kills = kill_again_and_again(
            resumed, options.kills, options.every, options.seed
        )
        results = {"kills": kills, **compare(whole.steps(), resumed.steps())}
    settings = {
        "file": options.file.name,
        "steps_per_epoch": options.steps,
        "checkpoint_steps": options.every,
        "seed": options.seed,
    }
    report = {**about, "settings": settings, "results": results}
    machine.write_results(options.output / "kills.json", report)
    print(table(results), end="")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--train"]:
        sys.exit(command(*sys.argv[2:]))
    main()
