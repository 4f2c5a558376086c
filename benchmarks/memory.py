"""Peak memory of training and of decoding, ours and PyTorch's.

Each in a process of its own: the most memory that was ever resident, and what was when
the model was made, before the first step. The batches are synthetic: 64 sentences, as
long on both sides as `--length` says, without padding. Decoding is a search with a beam
of 5 at that length, forced.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import contenders
import elsewhere
import machine

VOCABULARY_SIZE, BATCH_SIZE, BEAM_SIZE = 8000, 64, 5
KINDS = {"ours": "Ours", "torch": "Torch"}


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure the peak memory of training and of decoding.",
        epilog="About two minutes.",
    )
    parser.add_argument("--length", type=int, default=40, help="tokens (default: 40)")
    parser.add_argument("--steps", type=int, default=10, help="batches (default: 10)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument(
        "--dtypes",
        nargs="+",
        choices=("float32", "bfloat16"),
        default=["float32"],
    )
    parser.add_argument("--torch-python", help="Python that has PyTorch; else this one")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if min(options.length, options.steps) < 1:
        parser.error("--length and --steps must be at least 1")
    return options


def measure(kind, dtype, task, batches, options):
    """Bytes of a contender in a new process, before a task and the most during it."""
    arguments = {"batches": str(batches), "steps": options.steps, "dtype": dtype}
    if kind == "ours":
        arguments |= {"xla": None, "steps_per_execution": 1}
    else:
        arguments["device"] = "cpu"
    python = options.torch_python if kind == "torch" else None
    with elsewhere.Remote(
        python, contenders.__file__, KINDS[kind], arguments
    ) as contender:
        before = contender.call("about")["peak_memory"]
        if task == "training":
            contender.call("train", first=0, last=options.steps)
        else:
            contender.call("decode", beam_size=BEAM_SIZE, length=options.length)
        about = contender.call("about")
    return {
        "kind": kind,
        "dtype": dtype,
        "task": task,
        "made": before,
        "peak": about["peak_memory"],
        "versions": about["versions"],
    }


def table(results):
    rows = [["model", "dtype", "task", "model made, MB", "peak, MB"]]
    for result in results:
        sizes = [f"{(result[x] or 0) / 1e6:,.0f}" for x in ("made", "peak")]
        rows.append([result["kind"], result["dtype"], result["task"], *sizes])
    return machine.table(rows)


def main(arguments=None):
    options = parse_arguments(arguments)
    kinds = list(options.kinds)
    if "torch" in kinds and not machine.has_torch(options.torch_python):
        print(f"memory.py: without torch: {machine.NO_TORCH}", file=sys.stderr)
        kinds.remove("torch")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "batches.npz"
        sizes = BATCH_SIZE, options.length, options.length, VOCABULARY_SIZE
        batches = contenders.synthetic_batches(*sizes, options.steps)
        contenders.save_batches(path, batches, VOCABULARY_SIZE)
        results = [
            measure(kind, dtype, task, path, options)
            for task in ("training", "decoding")
            for dtype in options.dtypes
            for kind in kinds
        ]
    report = {
        **machine.describe(),
        "settings": {
            "model": contenders.MODEL,
            "vocabulary_size": VOCABULARY_SIZE,
            "batch_size": BATCH_SIZE,
            "beam_size": BEAM_SIZE,
            "length": options.length,
            "steps": options.steps,
        },
        "results": results,
    }
    machine.write_results(options.output / "memory.json", report)
    print(table(results), end="")


if __name__ == "__main__":
    main()
