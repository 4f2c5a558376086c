"""Costs of a SavedModel in a server: time to load, latency, throughput, memory.

The session loader in C++, which TensorFlow Serving is built around, stands for the
server; nothing of a network is measured. Requests are texts for the signature
`serving_default`, unless another is named: dates that the model has not seen, or the
lines of a file.

- Load: in fresh processes, TensorFlow's import apart.
- Latency: one text a request, one request after the other, for each signature.
- Throughput: batches of several sizes, one after the other.
- Callers: threads that each send one text after the other, while the process's memory
  is looked at each second.
- Against Python: with `--run`, `kseq2seq.Translator` translates the same texts, in the
  same batches, in turn with the session.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from kseq2seq.utils import import_tensorflow
from saved_session import (
    SavedSession,
    about,
    add_model_arguments,
    check_model,
    quantiles,
)

BATCH_SIZES = (1, 8, 64)
# The first requests choose kernels and grow buffers.
WARM_UP, ROUNDS, NUM_TEXTS = 20, 5, 512
# Seconds after which the memory is taken for that of a server which runs.
SETTLED = 10
SETTINGS = {"temperature": 0.7, "top_k": 0, "top_p": 0.9, "seed": 1}


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure a SavedModel through TensorFlow's session loader.",
        epilog="About three minutes. The machine should be quiet otherwise.",
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--run", type=Path, help="run folder of the model, to compare with Python"
    )
    parser.add_argument("--texts", type=Path, help="file of texts, one a line")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of the callers (default: 60)"
    )
    parser.add_argument(
        "--callers", type=int, default=8, help="threads at a time (default: 8)"
    )
    parser.add_argument(
        "--requests", type=int, default=500, help="for the latency (default: 500)"
    )
    parser.add_argument("--loads", type=int, default=3, help="processes that load")
    parser.add_argument("--load", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    check_model(parser, options.model)
    if options.run is not None and not (options.run / "model.keras").is_file():
        parser.error(f"--run must be a run folder with model.keras: {options.run}")
    if min(options.seconds, options.callers, options.requests, options.loads) <= 0:
        parser.error("--seconds, --callers, --requests and --loads must be above 0")
    return options


def read_texts(path):
    """Texts to translate, as `str`."""
    from kseq2seq import data
    from kseq2seq.data import read_lines

    if path is None:
        # Those at the end, which the settings of dates do not train on.
        return [date for date, _ in data.dates(40_000)][-NUM_TEXTS:]
    texts = [line for line in read_lines(path) if line.strip()]
    if not texts:
        raise ValueError(f"{path} must hold lines with text. Received: none")
    return texts


def time_load(path, text, began):
    """Seconds to import TensorFlow, to load, and of the first request, this process's.

    Args:
        path: Path of the SavedModel.
        text: Of the first request.
        began: When the process began, on the clock of `time.perf_counter`.
    """
    import_tensorflow()
    import tensorflow_text  # noqa: F401

    imported = time.perf_counter()
    session = SavedSession(path)
    loaded = time.perf_counter()
    session.run("serving_default", {"text": [text.encode()]})
    return {
        "import_tensorflow": imported - began,
        "load": loaded - imported,
        "first_request": time.perf_counter() - loaded,
    }


def load_in_processes(options, text):
    """The median of what each of several fresh processes took, in seconds."""
    import statistics

    command = [sys.executable, __file__, "--load", "--model", str(options.model)]
    runs = []
    for _ in range(options.loads):
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"the model was not loaded: {done.stderr[-2000:]}")
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: round(statistics.median(x[name] for x in runs), 3) for name in runs[0]
    }


def request(dtypes, texts):
    """Inputs of a signature for some texts; the texts are the targets as well."""
    encoded = [text.encode() for text in texts]
    return {
        name: [SETTINGS[name]] * len(texts) if name in SETTINGS else encoded
        for name in dtypes
    }


def latencies(session, texts, count):
    """For each signature, milliseconds of requests of one text."""
    latencies = {}
    for name, dtypes in session.inputs.items():
        seconds = []
        for number in range(WARM_UP + count):
            inputs = request(dtypes, [texts[number % len(texts)]])
            began = time.perf_counter()
            session.run(name, inputs)
            seconds.append(time.perf_counter() - began)
        latencies[name] = quantiles(seconds[WARM_UP:])
    return latencies


def throughputs(session, texts):
    """Texts a second by the size of batches, the best of some rounds."""
    from kseq2seq.inference import length_sorted_batches

    rates = {}
    for size in BATCH_SIZES:
        batches = [
            request(["text"], [texts[row] for row in rows])
            for rows in length_sorted_batches(texts, size, progress=False)
        ]
        seconds = []
        for _ in range(1 + ROUNDS):
            began = time.perf_counter()
            for inputs in batches:
                session.run("serving_default", inputs)
            seconds.append(time.perf_counter() - began)
        rates[str(size)] = round(len(texts) / min(seconds[1:]), 1)
    return rates


def memory():
    """Bytes of this process in memory, or `None` where the system does not tell."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    line = next(x for x in status.splitlines() if x.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def call_at_once(session, texts, callers, seconds):
    """Threads that send requests for some seconds, and the memory meanwhile."""
    done, failures, stop = [[] for _ in range(callers)], [], threading.Event()

    def call(caller):
        number = caller
        try:
            while not stop.is_set():
                inputs = request(["text"], [texts[number % len(texts)]])
                began = time.perf_counter()
                session.run("serving_default", inputs)
                done[caller].append(time.perf_counter() - began)
                number += callers
        except Exception as error:
            failures.append(repr(error))
            stop.set()

    threads = [threading.Thread(target=call, args=[x]) for x in range(callers)]
    began, samples = time.perf_counter(), []
    for thread in threads:
        thread.start()
    every = min(1.0, seconds / 20)
    while not stop.wait(every):
        now = time.perf_counter() - began
        samples.append((now, memory()))
        if now >= seconds:
            stop.set()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"a request failed: {failures[0]}")
    wall, times = time.perf_counter() - began, [x for times in done for x in times]
    return {
        "callers": callers,
        "seconds": round(wall, 2),
        "requests": len(times),
        "requests_per_second": round(len(times) / wall, 1),
        "milliseconds": quantiles(times),
        **grown(samples, min(SETTLED, seconds / 6)),
    }


def grown(samples, settled):
    """By how much the memory grew from a time on, in bytes, and every sample."""
    known = [(at, size) for at, size in samples if size is not None and at >= settled]
    if not known:
        return {"memory": None}
    (first, before), (last, after) = known[0], known[-1]
    return {
        "memory": {
            f"at {first:.0f} s": before,
            f"at {last:.0f} s": after,
            "growth": after - before,
            "most": max(size for _, size in known),
            "samples": [size for _, size in samples],
        }
    }


def against_python(session, options, texts):
    """Texts a second of the session and of Python, in turn, and their ratio."""
    from kseq2seq import Translator
    from kseq2seq.inference import length_sorted_batches

    search = Translator.load(options.model).search
    if search is None:
        raise ValueError(
            f"{options.model} does not tell its search, by which Python is to "
            "translate too: export it again."
        )
    translator, size = Translator.load(options.run), BATCH_SIZES[-1]

    def by_session():
        results = [None] * len(texts)
        for rows in length_sorted_batches(texts, size, progress=False):
            inputs = request(["text"], [texts[row] for row in rows])
            answers = session.run("serving_default", inputs)["translation"]
            for row, text in zip(rows, answers, strict=True):
                results[row] = text.decode()
        return results

    def by_python():
        return [x[0].text for x in translator.translate(texts, search, size)]

    ways, seconds, translations = {"session": by_session, "python": by_python}, {}, {}
    for name, translate in ways.items():
        translations[name], seconds[name] = translate(), []  # compiles
    for _ in range(ROUNDS):
        for name, translate in ways.items():
            began = time.perf_counter()
            translate()
            seconds[name].append(time.perf_counter() - began)
    rates = {name: len(texts) / min(times) for name, times in seconds.items()}
    same = sum(
        x == y
        for x, y in zip(translations["session"], translations["python"], strict=True)
    )
    return {
        "texts": len(texts),
        "batch_size": size,
        "same_translations": same,
        "texts_per_second": {name: round(rate, 1) for name, rate in rates.items()},
        "session_to_python": round(rates["session"] / rates["python"], 3),
    }


def table(report):
    """The results as Markdown."""
    rows = [["what", "measured"]]
    load = report["load_seconds"]
    rows.append(["load, s", f"{load['load']:.2f}"])
    rows.append(["first request, s", f"{load['first_request']:.2f}"])
    for name, latency in report["latency_milliseconds"].items():
        shown = " / ".join(f"{latency[x]:.1f}" for x in ("p50", "p95", "p99"))
        rows.append([f"one text, `{name}`, ms: p50 / p95 / p99", shown])
    for size, rate in report["texts_per_second"].items():
        rows.append([f"batches of {size}, texts/s", f"{rate:.0f}"])
    calls = report["callers"]
    rows.append([f"{calls['callers']} callers, requests/s", f"{_rate(calls)}"])
    shown = " / ".join(f"{calls['milliseconds'][x]:.1f}" for x in ("p50", "p95", "p99"))
    rows.append([f"{calls['callers']} callers, ms: p50 / p95 / p99", shown])
    if calls["memory"]:
        for name, size in calls["memory"].items():
            if name != "samples":
                rows.append([f"memory, {name}, MB", f"{size / 1e6:.1f}"])
    if report["against_python"]:
        ratio = report["against_python"]["session_to_python"]
        rows.append(["session to Python, texts/s", f"{ratio:.2f}"])
    for name, size in report["model"]["bytes"].items():
        rows.append([f"{name}, bytes", f"{size:,}"])
    rows.insert(1, ["---"] * 2)
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _rate(calls):
    return f"{calls['requests_per_second']:.0f}"


def main(arguments=None):
    began = time.perf_counter()
    options = parse_arguments(arguments)
    if options.load:
        print(json.dumps(time_load(options.model, sys.stdin.read(), began)))
        return
    import_tensorflow()
    texts = read_texts(options.texts)
    report = {
        **about(options.model),
        "load_seconds": load_in_processes(options, texts[0]),
    }
    session = SavedSession(options.model)
    report["latency_milliseconds"] = latencies(session, texts, options.requests)
    report["texts_per_second"] = throughputs(session, texts)
    report["callers"] = call_at_once(session, texts, options.callers, options.seconds)
    report["against_python"] = None
    if options.run:
        report["against_python"] = against_python(session, options, texts)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "serving.json"
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(report), end="")


if __name__ == "__main__":
    main()
