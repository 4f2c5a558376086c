"""Shared parts of the benchmark scripts: the machine, its GEMM rate, timing, results.

Nothing is imported here but Python's own: a script runs this with whichever framework
is installed, or, as `elsewhere.Remote`, in the Python of another environment.
"""

import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = (
    "kseq2seq",
    "keras",
    "tensorflow",
    "tensorflow-text",
    "jax",
    "jaxlib",
    "torch",
    "numpy",
    "sentencepiece",
    "OpenNMT-tf",
    "OpenNMT-py",
    "joeynmt",
)
NO_TORCH = (
    "PyTorch is not installed. Run: pip install kseq2seq[benchmarks], or name another "
    "Python by --torch-python"
)
# Rows and columns of the matrices; products that one time is taken of; times.
GEMM_SIZE, GEMM_PRODUCTS, GEMM_REPEATS = 2048, 3, 7


def add_multi30k(parser):
    """Adds the option `--data` for the folder of Multi30k."""
    parser.add_argument(
        "--data",
        type=Path,
        default=ROOT.parent / "shared" / "data",
        help="folder with multi30k/train.en.gz and .de.gz (default: %(default)s)",
    )


def check_multi30k(parser, folder):
    """Ends with an error of the parser if the folder has no Multi30k."""
    if not (folder / "multi30k").is_dir():
        parser.error(f"{folder} has no folder multi30k: name its folder by --data")


def gemm_rate(framework, dtype="float32", device=None, sizes=None):
    """GFLOP/s of a matrix product in this process: what a model could reach.

    Args:
        framework: `"tensorflow"`, `"torch"` or `"jax"`.
        dtype: `"float32"` or `"bfloat16"`.
        device: Of PyTorch, such as `"cuda"`; the CPU by default.
        sizes: Rows of the first matrix, its columns, and columns of the second; large
            ones by default.

    Returns:
        The median of several times, as GFLOP/s.
    """
    rows, inner, columns = sizes or [GEMM_SIZE] * 3
    multiply = _PRODUCTS[framework](dtype, device, (rows, inner), (inner, columns))
    # As long as that many large ones take.
    count = max(1, GEMM_PRODUCTS * GEMM_SIZE**3 // (rows * inner * columns))
    times = seconds_of({"": lambda: multiply(count)}, GEMM_REPEATS, 2)[""]
    operations = 2 * rows * inner * columns * count
    return round(operations / statistics.median(times) / 1e9, 1)


def _tensorflow_product(dtype, device, *shapes):
    import tensorflow as tf

    x, y = (tf.cast(tf.random.normal(shape), dtype) for shape in shapes)

    def multiply(count):
        # Not as a graph: to call one takes half as long as a small product.
        for _ in range(count):
            result = tf.matmul(x, y)
        float(result[0, 0])  # waits for a GPU

    return multiply


def _torch_product(dtype, device, *shapes):
    torch = import_torch()
    device = device or "cpu"
    dtype = getattr(torch, dtype)
    x, y = (torch.randn(shape, device=device).to(dtype) for shape in shapes)

    def multiply(count):
        with torch.no_grad():
            for _ in range(count):
                result = torch.mm(x, y)
        float(result[0, 0])

    return multiply


def _jax_product(dtype, device, *shapes):
    import jax

    keys = jax.random.split(jax.random.key(0))
    x, y = (
        jax.random.normal(key, shape).astype(dtype)
        for key, shape in zip(keys, shapes, strict=True)
    )
    product = jax.jit(lambda x, y: x @ y)

    def multiply(count):
        for _ in range(count):
            result = product(x, y)
        result.block_until_ready()

    return multiply


_PRODUCTS = {
    "tensorflow": _tensorflow_product,
    "torch": _torch_product,
    "jax": _jax_product,
}


def versions():
    """The versions of Python and of those packages that are installed."""
    numbers = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            numbers[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return numbers


def describe():
    """The record of a measurement: date, machine, versions, commit.

    Returns:
        A dict with `date` (UTC), `machine` (`cpu`, `cores`, `threads`, `gpu`),
        `versions` of this process's packages and `code`, the commit, `None` where git
        does not tell.
    """
    _find_package()
    from kseq2seq.runs import git_state, now

    return {
        "date": now(),
        "machine": {**_processor(), "gpu": _gpu()},
        "versions": versions(),
        "code": git_state(ROOT / "setup.cfg"),
    }


def _processor():
    """Model, cores and hardware threads that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        threads = len(os.sched_getaffinity(0))
    else:
        threads = os.cpu_count()
    processor = {"cpu": platform.processor() or platform.machine(), "cores": threads}
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return {**processor, "threads": threads}
    blocks = [
        {key.strip(): value.strip() for key, _, value in fields}
        for block in text.strip().split("\n\n")
        if (fields := [line.partition(":") for line in block.splitlines()])
    ]
    if names := [block["model name"] for block in blocks if "model name" in block]:
        processor["cpu"] = names[0]
    cores = {(x.get("physical id"), x.get("core id")) for x in blocks} - {(None, None)}
    return {
        "cpu": processor["cpu"],
        "cores": min(len(cores) or threads, threads),
        "threads": threads,
    }


def _gpu():
    """Name of the graphics processor, or `None`."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip() or None


def peak_memory():
    """The most bytes of memory that this process has had, or `None` if unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _find_package():
    """Lets `kseq2seq` be imported where it is not installed."""
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))


def write_results(path, report):
    """Writes a report as JSON, with the command; whole or not at all.

    Args:
        path: Path of the file; its folder is made.
        report: Dict of the results.
    """
    _find_package()
    from kseq2seq.utils import atomic_write

    report = {"command": _command(), **report}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


def _command():
    """The command of this process, with names alone in the place of whole paths."""
    script, *words = sys.argv
    words = [Path(x).name if Path(x).is_absolute() else x for x in words]
    return shlex.join(["python", f"benchmarks/{Path(script).name}", *words])


def table(rows):
    """Rows of cells, the first of them the head, as Markdown.

    Example:

    >>> print(table([["what", "ms"], ["greedy", 3]]), end="")
    | what | ms |
    | --- | --- |
    | greedy | 3 |
    """
    rows = [[str(cell) for cell in row] for row in rows]
    rows.insert(1, ["---"] * len(rows[0]))
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def seconds_of(calls, repeats=5, warm_up=1):
    """Seconds of named functions that are called in turn, so that drift hits all.

    Args:
        calls: Dict from a name to a function without arguments.
        repeats: Rounds, in each of which every function is called once.
        warm_up: Rounds before those, which are not timed.

    Returns:
        A dict from the name to the list of seconds, one a round.
    """
    seconds = {name: [] for name in calls}
    for number in range(warm_up + repeats):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            ended = time.perf_counter()
            if number >= warm_up:
                seconds[name].append(ended - began)
    return seconds


def medians(values):
    """The median of each list in a dict."""
    return {name: statistics.median(x) for name, x in values.items()}


def ratio(values, name, other):
    """The median over the rounds of one's value to another's in the same round.

    Example:

    >>> ratio({"ours": [4, 9, 6], "theirs": [2, 3, 3]}, "ours", "theirs")
    2.0
    """
    pairs = zip(values[name], values[other], strict=True)
    return statistics.median(x / y for x, y in pairs)


def has_torch(python=None):
    """Whether the Python at a path, this one by default, has PyTorch."""
    code = "import importlib.util, sys; sys.exit(not importlib.util.find_spec('torch'))"
    try:
        done = subprocess.run([str(python or sys.executable), "-c", code], check=False)
    except OSError as error:
        raise ValueError(f"--torch-python must be a Python: {error}") from error
    return done.returncode == 0


def import_torch():
    """PyTorch, or an error that says how to get it."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(NO_TORCH) from error
    return torch
