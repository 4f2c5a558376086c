"""Where a training step's time goes: the share of each kind of operation.

By TensorFlow's profiler, on batches of the standard model's sizes without padding. The
times of operations are summed over threads, so that together they may be more than the
step's.
"""

import argparse
import collections
import statistics
import sys
import tempfile
import time
from pathlib import Path

import contenders
import flops
import machine

BATCH_SIZE, LENGTH, VOCABULARY_SIZE = 64, 16, 8000
STEPS, WARM_UP = 5, 3
# Of an operation's name, the first that stands in it.
KINDS = {
    "matrix products": ("MatMul",),
    "softmax": ("Softmax",),
    "optimizer": ("Adam",),
    "random numbers": ("Random",),
    "copies for loops": ("TensorList",),
    "copies": ("Concat", "Split", "Slice", "Transpose", "Pack", "Gather", "Scatter"),
    "casts": ("Cast",),
    "elementwise and sums": ("",),
}
# What calls the others or waits, the executor among them.
NOT_WORK = (
    *("__inference", "While", "Call", "Execute", "Process", "Run"),
    *("Listener", "Region", "Record"),
)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Show where a training step's time goes, by kinds of operations.",
        epilog="Half a minute. The machine should be quiet otherwise.",
    )
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    return parser.parse_args(arguments)


def profile(dtype):
    """Milliseconds of a step as it is, and of its operations under the profiler."""
    import tensorflow as tf

    batches = contenders.synthetic_batches(
        BATCH_SIZE, LENGTH, LENGTH, VOCABULARY_SIZE, STEPS
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "batches.npz"
        contenders.save_batches(file, batches, VOCABULARY_SIZE)
        ours = contenders.Ours(file, None, dtype, None, 1)
        seconds = [step_seconds(ours) for _ in range(WARM_UP + 4 * STEPS)][WARM_UP:]
        tf.profiler.experimental.start(folder)
        for _ in range(STEPS):
            step_seconds(ours)
        tf.profiler.experimental.stop()
        (path,) = Path(folder).rglob("*.xplane.pb")
        return 1000 * statistics.median(seconds), by_operation(path)


def step_seconds(ours):
    """Seconds of one step alone, without what a `fit` does around its steps."""
    source, target, labels = ours.batches[0]
    began = time.perf_counter()
    ours.model.train_on_batch({"source": source, "target": target}, labels)
    return time.perf_counter() - began


def by_operation(path):
    """Milliseconds a step of each operation, by its type, in a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace.FromString(path.read_bytes())
    found = collections.Counter()
    for plane in space.planes:
        names = {key: value.name for key, value in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                _, colon, operation = names[event.metadata_id].rpartition(":")
                if colon and operation and not any(x in operation for x in NOT_WORK):
                    found[operation] += event.duration_ps / 1e9 / STEPS
    return found


def by_kind(operations):
    """The same, by `KINDS`."""
    found = dict.fromkeys(KINDS, 0.0)
    for operation, milliseconds in operations.items():
        kind = next(
            k for k, words in KINDS.items() if any(w in operation for w in words)
        )
        found[kind] += milliseconds
    return found


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.quiet import import_tensorflow

    import_tensorflow()
    import keras

    report = {**machine.describe(), "results": {}}
    rows = [["", "step, ms", "of the limit", *KINDS]]
    config = contenders.config_of(VOCABULARY_SIZE)
    lengths = [LENGTH] * BATCH_SIZE
    work = flops.training(config, lengths, lengths)
    for dtype in ("float32", "bfloat16"):
        milliseconds, operations = profile(dtype)
        keras.config.set_dtype_policy("float32")
        rate = machine.gemm_rate("tensorflow", dtype)
        kinds = by_kind(operations)
        total = sum(kinds.values())
        report["results"][dtype] = {
            "milliseconds": milliseconds,
            "gemm_rate": rate,
            "of_limit": work / rate / 1e6 / milliseconds,
            "milliseconds_by_kind": kinds,
            "milliseconds_by_operation": dict(operations.most_common(30)),
        }
        shares = [f"{100 * value / total:.0f} %" for value in kinds.values()]
        limit = f"{100 * work / rate / 1e6 / milliseconds:.0f} %"
        rows.append([dtype, f"{milliseconds:.0f}", limit, *shares])
    print(machine.table(rows))
    machine.write_results(options.output / "step_profile.json", report)
    return 0


if __name__ == "__main__":
    sys.exit(main())
