"""Profile of a training step and of searches, by kind of operation.

By TensorFlow's profiler, on batches of the standard model's sizes without padding. The
times of operations are summed over threads, so that together they may be more than what
the step or the search took.
"""

import argparse
import collections
import statistics
import sys
import tempfile
import time
from pathlib import Path

import contenders
import elsewhere
import flops
import machine

BATCH_SIZE, LENGTH, VOCABULARY_SIZE = 64, 16, 8000
# As `decoding.py` forces them.
BEAM_SIZE, SOURCE_LENGTH, FORCED_LENGTH = 5, 14, 20
STEPS, WARM_UP = 5, 3
# Of an operation's name, the first that stands in it.
KINDS = {
    "matrix products": ("MatMul",),
    "softmax": ("Softmax",),
    "best candidates": ("TopK", "ArgMax"),
    "optimizer": ("Adam",),
    "random numbers": ("Random",),
    "copies for loops": ("TensorList",),
    "copies": ("Concat", "Split", "Slice", "Transpose", "Pack", "Gather", "Scatter"),
    "casts": ("Cast",),
    "elementwise and sums": ("",),
}
# The model's products that take most of a step, the first three in each step of a loop,
# the first for a single sentence: rows, inner size, columns; and the one that the limit
# is taken of.
PRODUCTS = {
    "1 x 1,024 by 1,024 x 2,048": (1, 1024, 2048),
    "64 x 1,024 by 1,024 x 2,048": (64, 1024, 2048),
    "64 x 2,048 by 2,048 x 1,024": (64, 2048, 1024),
    "1,024 x 512 by 512 x 8,000": (1024, 512, 8000),
    "2,048 x 2,048 by 2,048 x 2,048": (2048, 2048, 2048),
}
# What calls the others or waits, the executor among them.
NOT_WORK = (
    "__inference",
    "While",
    "Call",
    "Execute",
    "Process",
    "Run",
    "Listener",
    "Region",
    "Record",
)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Show where the time of a training step and of searches goes, "
        "by kinds of operations.",
        epilog="Three minutes. The machine should be quiet otherwise.",
    )
    parser.add_argument(
        "--torch-python",
        metavar="PYTHON",
        help="one that has PyTorch, for the rates of its products; else this one",
    )
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    return parser.parse_args(arguments)


def training_step(dtype):
    """A function that makes one step, without what a `fit` does around its steps."""
    ours = contender(LENGTH, dtype)
    source, target, labels = ours.batches[0]
    inputs = {"source": source, "target": target}
    return lambda: ours.model.train_on_batch(inputs, labels)


def search_of(beam_size, batch_size):
    """A function that searches the translations of one batch."""
    ours = contender(SOURCE_LENGTH, "float32")
    search = contenders.forced_search(ours.model, beam_size, FORCED_LENGTH)
    source = ours.batches[0][0][:batch_size]
    return lambda: search(source)


def contender(length, dtype):
    """Our model with one batch, sources and targets of the same length."""
    batches = contenders.synthetic_batches(
        BATCH_SIZE, length, length, VOCABULARY_SIZE, 1
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "batches.npz"
        contenders.save_batches(file, batches, VOCABULARY_SIZE)
        return contenders.Ours(file, None, dtype, None, 1)


def profile(run):
    """Milliseconds of a call as it is, and of its operations under the profiler."""
    import tensorflow as tf

    seconds = [seconds_of(run) for _ in range(WARM_UP + 4 * STEPS)][WARM_UP:]
    with tempfile.TemporaryDirectory() as folder:
        tf.profiler.experimental.start(folder)
        for _ in range(STEPS):
            run()
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        return 1000 * statistics.median(seconds), by_operation(path)


def seconds_of(run):
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def by_operation(path):
    """Milliseconds of each operation in a call, by its type, in a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    milliseconds = collections.Counter()
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                _, colon, operation = names[event.metadata_id].rpartition(":")
                if colon and operation and not any(x in operation for x in NOT_WORK):
                    milliseconds[operation] += event.duration_ps / 1e9 / STEPS
    return milliseconds


def by_kind(operations):
    """The same, by `KINDS`."""
    by_kind = dict.fromkeys(KINDS, 0.0)
    for operation, milliseconds in operations.items():
        kind = next(
            k for k, words in KINDS.items() if any(w in operation for w in words)
        )
        by_kind[kind] += milliseconds
    return by_kind


def cases():
    """Computations to profile: a name, a dtype, a function, and the FLOPs of a call."""
    config = contenders.config_of(VOCABULARY_SIZE)
    lengths = [LENGTH] * BATCH_SIZE
    work = flops.training(config, lengths, lengths)
    for dtype in ("float32", "bfloat16"):
        yield f"training step, {dtype}", dtype, training_step(dtype), work
    for name, size, rows in (
        (f"beam {BEAM_SIZE}, {BATCH_SIZE} sentences", BEAM_SIZE, BATCH_SIZE),
        ("greedy, one sentence", 1, 1),
    ):
        work = rows * flops.forward(config, [SOURCE_LENGTH], [FORCED_LENGTH], size)
        yield name, "float32", search_of(size, rows), work


def product_rates(torch_python):
    """GFLOP/s of `PRODUCTS`, by framework and dtype, each framework in its process."""
    frameworks = {"tensorflow": None}
    if machine.has_torch(torch_python):
        frameworks["torch"] = torch_python
    rates = {}
    for framework, python in frameworks.items():
        with elsewhere.Remote(python, machine.__file__) as remote:
            for dtype in ("float32", "bfloat16"):
                given = {"framework": framework, "dtype": dtype}
                rates[f"{framework}, {dtype}"] = {
                    name: remote.call("gemm_rate", sizes=sizes, **given)
                    for name, sizes in PRODUCTS.items()
                }
    return rates


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import keras

    products = product_rates(options.torch_python)
    report = {**machine.describe(), "products": products, "results": {}}
    rows = [["", "milliseconds", "of the limit", *KINDS]]
    for name, dtype, run, work in cases():
        rates = [machine.gemm_rate("tensorflow", dtype)]
        milliseconds, operations = profile(run)
        keras.config.set_dtype_policy("float32")
        rates.append(machine.gemm_rate("tensorflow", dtype))
        rate = max(rates)  # what disturbs a measurement makes it slower
        kinds = by_kind(operations)
        total = sum(kinds.values())
        report["results"][name] = {
            "milliseconds": milliseconds,
            "gemm_rate": rate,
            "of_limit": work / rate / 1e6 / milliseconds,
            "milliseconds_by_kind": kinds,
            "milliseconds_by_operation": dict(operations.most_common(30)),
        }
        shares = [f"{100 * value / total:.0f} %" for value in kinds.values()]
        limit = f"{100 * work / rate / 1e6 / milliseconds:.0f} %"
        rows.append([name, f"{milliseconds:.0f}", limit, *shares])
    print(machine.table(rows))
    heads = [["products, GFLOP/s", *PRODUCTS]]
    print(machine.table(heads + [[x, *y.values()] for x, y in products.items()]))
    machine.write_results(options.output / "step_profile.json", report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
