"""Two processes of jax, a core each, beside one on one core: pairs a second.

Each way is `examples/train_jax_processes.py` with the same global batch, run for one
epoch and for some more: the rate is that of the further steps, so that the start and
what XLA compiles count for nothing. The ways run in turn.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine

EXAMPLE = machine.ROOT / "examples" / "train_jax_processes.py"
PROCESSES = (1, 2)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure what a second process of jax on a second core brings.",
        epilog="Some minutes on two cores, which should be quiet otherwise. On Linux "
        "alone: each process is bound to its core.",
    )
    parser.add_argument("file", type=Path, help="pairs in columns")
    parser.add_argument("--steps", type=int, default=50, help="of an epoch")
    parser.add_argument("--epochs", type=int, default=3, help="of the longer run")
    parser.add_argument("--batch-size", type=int, default=256, help="of all together")
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if options.epochs < 2 or min(options.steps, options.rounds) < 1:
        parser.error("--epochs must be above 1, --steps and --rounds above 0")
    if not options.file.is_file():
        parser.error(f"{options.file} is no file")
    return options


def free_port():
    """A port of this machine that nothing listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def seconds_of(options, processes, epochs):
    """Seconds of a training by so many processes, a core each.

    Raises:
        RuntimeError: If one of them fails; the message has the end of what it said.
    """
    cores = sorted(os.sched_getaffinity(0))
    # One thread each: a core cannot run more.
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, "XLA_FLAGS": flags, "TF_NUM_INTRAOP_THREADS": "1"}
    environment["PYTHONPATH"] = str(machine.ROOT)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(EXAMPLE), str(options.file), f"{folder}/run"]
        command += ["--processes", str(processes), "--epochs", str(epochs)]
        for name in ("steps", "batch_size", "units"):
            command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
        command += ["--address", f"127.0.0.1:{free_port()}"]
        began = time.perf_counter()
        with tempfile.TemporaryFile("w+") as said:
            started = [
                subprocess.Popen(
                    [*command, "--index", str(index)],
                    env=environment,
                    stdout=said,
                    stderr=said,
                    preexec_fn=lambda core=cores[index]: os.sched_setaffinity(
                        0, {core}
                    ),
                )
                for index in range(processes)
            ]
            codes = [process.wait() for process in started]
            ended = time.perf_counter()
            if any(codes):
                said.seek(0)
                raise RuntimeError(f"exit codes {codes}: {said.read()[-2000:]}")
    return ended - began


def measure(options):
    """Pairs a second of each way, one a round."""
    pairs = options.steps * (options.epochs - 1) * options.batch_size
    rates = {processes: [] for processes in PROCESSES}
    for number in range(options.rounds):
        for processes, found in rates.items():
            short, long = (
                seconds_of(options, processes, epochs) for epochs in (1, options.epochs)
            )
            found.append(pairs / (long - short))
            print(
                f"round {number + 1}, processes: {processes}, {found[-1]:.0f} pairs/s",
                file=sys.stderr,
            )
    return rates


def main(arguments=None):
    options = parse_arguments(arguments)
    if len(os.sched_getaffinity(0)) < max(PROCESSES):
        raise SystemExit(f"This needs {max(PROCESSES)} cores.")
    rates = measure(options)
    one, two = PROCESSES
    result = {
        **machine.describe(),
        "settings": {
            name: getattr(options, name)
            for name in ("steps", "epochs", "batch_size", "units", "rounds")
        },
        "pairs_per_second": rates,
        "times_as_fast": round(machine.ratio(rates, two, one), 3),
    }
    machine.write_results(options.output / "processes.json", result)
    rows = [["processes", "pairs/s", "times one"]]
    for processes, found in rates.items():
        times = machine.ratio(rates, processes, one)
        rows.append([processes, f"{statistics.median(found):.0f}", f"{times:.2f}"])
    print(machine.table(rows), end="")


if __name__ == "__main__":
    main()
