"""Bulk translation: rate and peak memory of the command, of its workers, and of Beam.

Each way is a process of its own, with all of its workers, and translates a short file
and a long one. The rate is that of the lines that the long one has more, so that the
start counts for nothing. `Translator` in Python, which holds all lines, is what the
others are compared with; its cores are those of all workers together.
"""

import argparse
import itertools
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

SHORT = 4096
IN_PYTHON = "Translator"


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure bulk translation: lines a second, and peak memory.",
        epilog="Ten minutes for 100,000 dates. The machine should be quiet otherwise.",
    )
    parser.add_argument("--model", default="saved_models/dates", help="of all ways")
    parser.add_argument("--texts", type=Path, help="lines, repeated as often as needed")
    parser.add_argument("--lines", type=int, default=100_000, help="of the long file")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--beam-python", help="Python that has Apache Beam")
    parser.add_argument("--only", nargs="+", metavar="WAY", help="of the results' rows")
    parser.add_argument("--translate", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if options.lines <= SHORT or options.workers < 2:
        parser.error(f"--lines must be above {SHORT:,}, and --workers above 1")
    return options


def commands(options, source, target):
    """For each way what Python runs."""
    files = ["--input", str(source), "--output", str(target)]
    translate = ["-m", "kseq2seq", "translate", options.model, *files]
    ways = {
        IN_PYTHON: [__file__, "--model", options.model, "--translate", *files[1::2]],
        "translate": translate,
        f"translate --workers {options.workers}": [
            *translate,
            *["--workers", str(options.workers)],
        ],
    }
    if options.beam_python:
        threads = max(1, (os.cpu_count() or 1) // options.workers)
        ways[f"Beam, {options.workers} processes"] = [
            *["examples/beam_translate.py", options.model, *files],
            *["--threads", str(threads)],
            *["--direct_num_workers", str(options.workers)],
            *["--direct_running_mode", "multi_processing"],
        ]
    return {way: x for way, x in ways.items() if way in (options.only or ways)}


def run(python, command):
    """Seconds that a process takes, and the most bytes that one of its processes has.

    Args:
        python: Path of a Python.
        command: Its arguments.
    """
    path = os.pathsep.join(filter(None, [str(machine.ROOT), os.getenv("PYTHONPATH")]))
    began = time.perf_counter()
    process = subprocess.Popen(
        [python, *command],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=machine.ROOT,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with {process.returncode}")
    scale = 1 if sys.platform == "darwin" else 1024
    return {"seconds": seconds, "peak": usage.ru_maxrss * scale}


def summarize(runs, lines):
    """Of each way its rate, that by the rate in Python, and its peaks of memory.

    Args:
        runs: Dict from way to the results of `run` for the short and the long file.
        lines: How many lines the long one has more.
    """
    rates = {
        way: lines / (long["seconds"] - short["seconds"])
        for way, (short, long) in runs.items()
    }
    return {
        way: {
            "lines_per_second": rates[way],
            "ratio": rates[way] / rates[IN_PYTHON] if IN_PYTHON in rates else None,
            "peak_short": short["peak"],
            "peak_long": long["peak"],
        }
        for way, (short, long) in runs.items()
    }


def table(report):
    """The results as Markdown."""
    rows = [["way", "lines/s", "of Translator", "peak, MB, short", "peak, MB, long"]]
    for way, result in report["ways"].items():
        ratio = "" if result["ratio"] is None else f"{result['ratio']:.2f}"
        peaks = [f"{result[x] / 1e6:,.0f}" for x in ("peak_short", "peak_long")]
        rows.append([way, f"{result['lines_per_second']:,.0f}", ratio, *peaks])
    return machine.table(rows)


def write_lines(path, count, texts):
    """Writes so many lines, of a file or else dates."""
    if texts is None:
        from kseq2seq import data

        lines = [text for text, _ in data.dates(min(count, 40_000))]
    else:
        lines = texts.read_text(encoding="utf-8").splitlines()
    with path.open("w", encoding="utf-8") as file:
        for line in itertools.islice(itertools.cycle(lines), count):
            file.write(line + "\n")


def translate_in_python(model, source, target):
    """All lines at once, as a program does that holds them."""
    from kseq2seq import Translator

    lines = Path(source).read_text(encoding="utf-8").splitlines()
    translations = Translator.load(model)(lines)
    Path(target).write_text("\n".join(translations) + "\n", encoding="utf-8")


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.translate:
        translate_in_python(options.model, *options.translate)
        return
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, count in (("short", SHORT), ("long", options.lines)):
            source = Path(folder) / name
            write_lines(source, count, options.texts)
            ways = commands(options, source, Path(folder) / f"{name}-out")
            for way, command in ways.items():
                is_beam = way.startswith("Beam")
                python = options.beam_python if is_beam else sys.executable
                runs.setdefault(way, []).append(run(python, command))
    report = {
        **machine.describe(),
        "settings": {
            "model": str(options.model),
            "lines": [SHORT, options.lines],
            "workers": options.workers,
        },
        "runs": runs,
        "ways": summarize(runs, options.lines - SHORT),
    }
    machine.write_results(options.output / "bulk.json", report)
    print(table(report), end="")


if __name__ == "__main__":
    main()
