"""Training throughput: real target tokens a second, beside PyTorch on the same batches.

Padding is not counted, EOS is. The batches of an epoch of Multi30k are made once, by
`kseq2seq.data.batches` with its defaults, and written to a file, which every contender
reads: each in a process of its own that stays, all called in turn, part by part of each
epoch, so that drift of the machine hits all alike. For ours the time is that of
`model.fit`. Before, each has a batch of every shape twice, which compiles and is
reported on its own.

The rate of a large matrix product is measured by every contender in its process, in
each round; with the model's FLOPs (`flops.py`) it gives the limit.

Where there is no TensorFlow, Keras's other backends train on batches that were written
before: `--write-batches FILE` there, `KERAS_BACKEND=jax` and `--batches FILE` here.
"""

import argparse
import dataclasses
import itertools
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import contenders
import elsewhere
import flops
import machine

VOCABULARY_SIZE, BATCH_SIZE, SEED = 8000, 64, 1


class Contender(NamedTuple):
    framework: str
    dtype: str
    xla: bool | None = None  # whether XLA compiles; `None` leaves that to Keras
    steps_per_execution: int = 1


CONTENDERS = {
    "ours-float32": Contender("keras", "float32"),
    "ours-bfloat16": Contender("keras", "bfloat16"),
    "ours-float32-xla": Contender("keras", "float32", xla=True),
    "ours-bfloat16-xla": Contender("keras", "bfloat16", xla=True),
    "ours-float32-8-steps": Contender("keras", "float32", steps_per_execution=8),
    "ours-bfloat16-8-steps": Contender("keras", "bfloat16", steps_per_execution=8),
    "torch-float32": Contender("torch", "float32"),
    "torch-bfloat16": Contender("torch", "bfloat16"),
}
DEFAULT = ("ours-float32", "ours-bfloat16", "torch-float32")


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure training throughput, ours and PyTorch's, in turn.",
        epilog="About half an hour on two cores, which should be quiet otherwise; "
        "--steps 40 takes three minutes.",
    )
    machine.add_multi30k(parser)
    parser.add_argument(
        "--contenders", nargs="+", choices=CONTENDERS, default=list(DEFAULT)
    )
    parser.add_argument("--steps", type=int, help="of the epoch's batches, the first")
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument(
        "--parts",
        type=int,
        default=4,
        help="parts of an epoch between which contenders change (default: 4)",
    )
    parser.add_argument("--torch-python", help="Python that has PyTorch; else this one")
    parser.add_argument(
        "--device", default="cpu", help="of PyTorch, such as cuda (default: cpu)"
    )
    parser.add_argument("--batches", type=Path, help="file of batches written before")
    parser.add_argument(
        "--write-batches", type=Path, metavar="FILE", help="write batches, and no more"
    )
    parser.add_argument("--name", default="training", help="of the results' file")
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    steps = 1 if options.steps is None else options.steps
    if min(options.repeat, options.parts, steps) < 1:
        parser.error("--steps, --repeat and --parts must be at least 1")
    if options.batches is not None and not options.batches.is_file():
        parser.error(f"no such file of batches: {options.batches}")
    if options.batches is None:
        machine.check_multi30k(parser, options.data)
    return options


def write_batches(folder, path, steps=None):
    """Makes the batches of an epoch, and writes them to a file.

    Args:
        folder: Path of the folder that holds `multi30k`.
        path: Path of the file, `.npz`.
        steps: How many batches; all by default.
    """
    import kseq2seq
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    paths = (Path(folder) / "multi30k" / f"train.{side}.gz" for side in ("en", "de"))
    pairs = kseq2seq.data.read_parallel(*paths)
    source, target = kseq2seq.train_tokenizers(pairs, VOCABULARY_SIZE, shared=True)
    dataset = kseq2seq.data.batches(pairs, source, target, BATCH_SIZE, seed=SEED)
    dataset = dataset.take(-1 if steps is None else steps).as_numpy_iterator()
    batches = [(x["source"], x["target"], labels) for x, labels in dataset]
    contenders.save_batches(path, batches, source.vocabulary_size)


def start(name, options, path):
    """A contender in a process of its own."""
    one = CONTENDERS[name]
    arguments = {"batches": str(path), "steps": options.steps, "dtype": one.dtype}
    # JAX would take most of a GPU's memory at once.
    environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if one.framework == "torch":
        arguments["device"] = options.device
        python, maker = options.torch_python, "Torch"
    else:
        arguments["xla"] = one.xla
        arguments["steps_per_execution"] = one.steps_per_execution
        python, maker = None, "Ours"
    return elsewhere.Remote(python, contenders.__file__, maker, arguments, environment)


def measure(remotes, count, options):
    """Times of each contender: warm-up, and in each round an epoch and the GEMM rate.

    Args:
        remotes: Dict from a name to a `Remote`.
        count: Batches of an epoch.
        options: Of the command line.
    """
    results = {}
    for name, remote in remotes.items():
        print(f"{name}: warming up", file=sys.stderr)
        results[name] = {
            "dtype": CONTENDERS[name].dtype,
            "warm_up_seconds": remote.call("warm_up"),
            "seconds": [],
            "loss": [],
            "gemm_gflops": [],
        }
    parts = min(options.parts, count)
    bounds = [count * part // parts for part in range(parts + 1)]
    for number in range(options.repeat):
        print(f"round {number + 1} of {options.repeat}", file=sys.stderr)
        taken = {name: [] for name in remotes}
        for first, last in itertools.pairwise(bounds):
            for name, remote in remotes.items():
                part = remote.call("train", first=first, last=last)
                taken[name].append((part["seconds"], part["loss"] * (last - first)))
        for name, remote in remotes.items():
            seconds, losses = (sum(x) for x in zip(*taken[name], strict=True))
            results[name]["seconds"].append(seconds)
            results[name]["loss"].append(losses / count)
            results[name]["gemm_gflops"].append(remote.call("gemm_rate"))
    for name, remote in remotes.items():
        results[name] |= remote.call("about")
    return results


def summarize(results, num_tokens, num_flops):
    """Rates, limits and ratios of what `measure` found, which it adds to."""
    rates = {
        name: [num_tokens / seconds for seconds in result["seconds"]]
        for name, result in results.items()
    }
    for name, result in results.items():
        rate, gemm = (
            statistics.median(x) for x in (rates[name], result["gemm_gflops"])
        )
        limit = flops.tokens_per_second(gemm, num_flops, num_tokens)
        first, second = result["warm_up_seconds"]
        result |= {
            "compile_seconds": max(0.0, first - second),
            "tokens_per_second": rate,
            "limit_tokens_per_second": limit,
            "achieved_to_limit": rate / limit,
        }
    return {
        f"{name} / {other}": machine.ratio(rates, name, other)
        for other in ("torch-float32", "torch-bfloat16", "ours-float32")
        for name in results
        if other in results and name != other
    }


def about_batches(batches):
    """Sizes of an epoch: batches, shapes, real tokens, and the share of padding."""
    positions = [sum(batch[side].size for batch in batches) for side in (0, 2)]
    tokens = [sum(x) for x in contenders.lengths(batches)]
    return {
        "batches": len(batches),
        "shapes": len(contenders.one_of_each_shape(batches)),
        "sentences": sum(len(batch[0]) for batch in batches),
        "source_tokens": tokens[0],
        "target_tokens": tokens[1],
        "source_padding": 1 - tokens[0] / positions[0],
        "target_padding": 1 - tokens[1] / positions[1],
    }


def table(report):
    """The results as Markdown."""
    head = ["contender", "target tokens/s", "lowest to highest", "GEMM, GFLOP/s"]
    head += ["limit, tokens/s", "achieved / limit", "compiling, s", "loss", "peak, MB"]
    rows, num_tokens = [head], report["epoch"]["target_tokens"]
    for name, result in report["contenders"].items():
        rates = sorted(num_tokens / x for x in result["seconds"])
        rows.append(
            [
                name,
                f"{result['tokens_per_second']:,.0f}",
                f"{rates[0]:,.0f} to {rates[-1]:,.0f}",
                f"{statistics.median(result['gemm_gflops']):.0f}",
                f"{result['limit_tokens_per_second']:,.0f}",
                f"{result['achieved_to_limit']:.2f}",
                f"{result['compile_seconds']:.1f}",
                f"{result['loss'][-1]:.2f}",
                f"{(result['peak_memory'] or 0) / 1e6:,.0f}",
            ]
        )
    ratios = [["ratio, same round", "median"]]
    ratios += [[name, f"{x:.2f}"] for name, x in report["ratios"].items()]
    return machine.table(rows) + "\n" + machine.table(ratios)


def run(options, path):
    """The report of all contenders on the batches of a file."""
    from contextlib import ExitStack

    batches, vocabulary_size = contenders.load_batches(path, options.steps)
    source_lengths, target_lengths = contenders.lengths(batches)
    config = contenders.config_of(vocabulary_size)
    names = list(options.contenders)
    with_torch = [name for name in names if CONTENDERS[name].framework == "torch"]
    if with_torch and not machine.has_torch(options.torch_python):
        print(f"training.py: without {with_torch}: {machine.NO_TORCH}", file=sys.stderr)
        names = [name for name in names if name not in with_torch]
    num_flops = flops.training(config, source_lengths, target_lengths)
    epoch = about_batches(batches)
    with ExitStack() as stack:
        remotes = {
            name: stack.enter_context(start(name, options, path)) for name in names
        }
        results = measure(remotes, len(batches), options)
    ratios = summarize(results, epoch["target_tokens"], num_flops)
    return {
        **machine.describe(),
        "settings": {
            "model": dataclasses.asdict(config),
            "batch_size": BATCH_SIZE,
            "learning_rate": contenders.LEARNING_RATE,
            "clip_norm": contenders.CLIP_NORM,
            "label_smoothing": contenders.LABEL_SMOOTHING,
            "rounds": options.repeat,
            "parts": options.parts,
        },
        "epoch": epoch,
        "flops_per_target_token": num_flops / epoch["target_tokens"],
        "contenders": results,
        "ratios": ratios,
    }


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.write_batches:
        write_batches(options.data, options.write_batches, options.steps)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.batches
        if path is None:
            path = Path(folder) / "batches.npz"
            # In a process of its own, with which TensorFlow's memory goes.
            elsewhere.call(
                None,
                __file__,
                "write_batches",
                {
                    "folder": str(options.data),
                    "path": str(path),
                    "steps": options.steps,
                },
            )
        report = run(options, path)
    machine.write_results(options.output / f"{options.name}.json", report)
    print(table(report), end="")


if __name__ == "__main__":
    main()
