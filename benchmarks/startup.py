"""Costs of starting up: the package over Keras, and the command's help.

Each way is a process of its own, from its start to its end, in turn with the others.
`import kseq2seq` alone imports next to nothing, since its attributes are found when
they are asked for; so what is asked for first is timed as well.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

import elsewhere
import machine

# What Python runs. The first is what the others are compared with.
WAYS = {
    "import keras": ["-c", "import keras"],
    "import keras, kseq2seq": ["-c", "import keras, kseq2seq"],
    "and kseq2seq.build_model": ["-c", "import keras, kseq2seq as k; k.build_model"],
    "and kseq2seq.Translator": ["-c", "import keras, kseq2seq as k; k.Translator"],
    "import keras, tensorflow_text": ["-c", "import keras, tensorflow_text"],
    "kseq2seq --help": ["-m", "kseq2seq", "--help"],
    "train.py --help": ["training/train.py", "--help"],
    "nothing": ["-c", "pass"],
}
KERAS = "import keras"
AFTER_KERAS = [way for way, (*_, code) in WAYS.items() if code.startswith(KERAS + ",")]
# Seconds at most: over importing Keras, or in all.
MOST_OVER_KERAS = {"import keras, kseq2seq": 0.3}
MOST = {"kseq2seq --help": 0.5}


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure what imports and the command's help cost, in seconds.",
        epilog="Two minutes. The machine should be quiet otherwise.",
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--name", default="startup", help="of the results' file")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error("--repeat must be at least 1")
    return options


def run(way):
    """Runs Python in one of the ways."""
    path = os.pathsep.join(filter(None, [str(machine.ROOT), os.getenv("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *WAYS[way]],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        cwd=machine.ROOT,
    )
    if done.returncode:
        raise RuntimeError(f"{way}: {done.stderr[-2000:]}")


def summarize(seconds):
    """Of each way the median, that over Keras, the most wanted, and if it is kept."""
    summary, any_number = {}, float("inf")
    for way, times in seconds.items():
        over = [a - b for a, b in zip(times, seconds[KERAS], strict=True)]
        median, median_over = statistics.median(times), statistics.median(over)
        kept = [
            median < MOST.get(way, any_number),
            median_over <= MOST_OVER_KERAS.get(way, any_number),
        ]
        summary[way] = {
            "seconds": median,
            "over_keras": median_over,
            "most": MOST.get(way),
            "most_over_keras": MOST_OVER_KERAS.get(way),
            "kept": all(kept),
        }
    return summary


def table(report):
    """The results as Markdown."""
    rows = [["Python runs", "seconds", "over Keras", "wanted"]]
    for way, result in report["ways"].items():
        over = f"{result['over_keras']:+.2f}" if way in AFTER_KERAS else ""
        wanted = ""
        if result["most"] is not None:
            wanted = f"under {result['most']} s"
        if result["most_over_keras"] is not None:
            wanted = f"at most {result['most_over_keras']} s over Keras"
        rows.append([f"`{way}`", f"{result['seconds']:.2f}", over, wanted])
    return machine.table(rows)


def main(arguments=None):
    options = parse_arguments(arguments)
    calls = {way: lambda way=way: run(way) for way in WAYS}
    seconds = machine.seconds_of(calls, options.repeat)
    report = {
        **machine.describe(),
        # In a process of its own, so that TensorFlow is not in this one.
        "gemm_gflops": elsewhere.call(
            None, machine.__file__, "gemm_rate", {"framework": "tensorflow"}
        ),
        "settings": {"rounds": options.repeat, "warm_up_rounds": 1, "ways": WAYS},
        "seconds": seconds,
        "ways": summarize(seconds),
    }
    machine.write_results(options.output / f"{options.name}.json", report)
    print(table(report), end="")
    return int(not all(result["kept"] for result in report["ways"].values()))


if __name__ == "__main__":
    sys.exit(main())
