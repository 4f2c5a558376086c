"""Growth of time: training by length, batch and vocabulary, search by the beam.

The standard model in float32 on synthetic ids, without padding. Of training the time is
that of a step within `model.fit`, from the end of one batch to the end of another; the
first step is not counted. Of search it is that of a batch of 64 at a forced length of
20. All sizes of a sweep are measured in turn, round by round.
"""

import argparse
import dataclasses
import statistics
import sys
import time
from pathlib import Path

import contenders
import flops
import machine

BATCH_SIZE, LENGTH, VOCABULARY_SIZE = 64, 20, 8000
# Steps that one time is taken of: more where a batch has few tokens.
STEPS, FEW_TOKENS, MORE_STEPS = 3, 1000, 12
# Name of a sweep: its sizes, and what they are.
SWEEPS = {
    "length": ((10, 20, 40, 80), "source and target length, tokens"),
    "source": ((10, 20, 40, 80), "source length (target 20), tokens"),
    "batch": ((1, 4, 16, 64, 256), "batch, sentences"),
    "vocabulary": ((1000, 4000, 16_000, 64_000), "target vocabulary"),
    "beam": ((1, 2, 5, 10), "beam (1: greedy)"),
}


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure how time grows with lengths, batch, vocabulary and beam.",
        epilog="About seven minutes on two cores, which should be quiet otherwise.",
    )
    parser.add_argument("--sweeps", nargs="+", choices=SWEEPS, default=list(SWEEPS))
    parser.add_argument(
        "--sizes", nargs="+", type=int, help="instead of each sweep's own"
    )
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--units", type=int, default=contenders.MODEL["units"])
    parser.add_argument(
        "--output", type=Path, default=machine.RESULTS, help="folder of the results"
    )
    options = parser.parse_args(arguments)
    if min(options.repeat, *(options.sizes or [1])) < 1:
        parser.error("--repeat and --sizes must be at least 1")
    return options


class Case:
    """One size of a sweep: a model, and what it does once.

    Args:
        sweep: Name of the sweep.
        size: The size.
        units: Of the model.
        models: Dict of the models made so far, by the size of the vocabulary.
    """

    def __init__(self, sweep, size, units, models):
        sizes = {"batch_size": BATCH_SIZE, "source_length": LENGTH}
        sizes |= {"target_length": LENGTH, "vocabulary_size": VOCABULARY_SIZE}
        names = {
            "length": ("source_length", "target_length"),
            "source": ("source_length",),
            "batch": ("batch_size",),
            "vocabulary": ("vocabulary_size",),
            "beam": (),
        }
        sizes |= dict.fromkeys(names[sweep], size)
        self.sizes, self.size = sizes, size
        self.config = dataclasses.replace(
            contenders.config_of(sizes["vocabulary_size"]), units=units
        )
        if sizes["vocabulary_size"] not in models:
            models[sizes["vocabulary_size"]] = make_model(self.config)
        self.model = models[sizes["vocabulary_size"]]
        few = sizes["batch_size"] * sizes["target_length"] < FEW_TOKENS
        self.steps = MORE_STEPS if few else STEPS
        self.batches = contenders.synthetic_batches(**sizes, count=1 + self.steps)
        self.search = None
        if sweep == "beam":
            self.search = contenders.forced_search(self.model, size, LENGTH)

    def seconds(self):
        """Seconds of a step of training, or of a search."""
        if self.search is None:
            return self._step()
        began = time.perf_counter()
        self.search(self.batches[0][0])
        return time.perf_counter() - began

    def _step(self):
        import keras

        ends = []
        clock = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: ends.append(time.perf_counter())
        )
        batches = contenders.feed(self.batches)
        self.model.fit(batches, shuffle=False, verbose=0, callbacks=[clock])
        return (ends[-1] - ends[0]) / self.steps

    def flops(self):
        """FLOPs of what `seconds` are of."""
        sources, targets = (
            [self.sizes[x]] * self.sizes["batch_size"]
            for x in ("source_length", "target_length")
        )
        if self.search is None:
            return flops.training(self.config, sources, targets)
        return flops.forward(self.config, sources, targets, beam_size=self.size)

    def tokens(self):
        """Target tokens, and those of both sides."""
        target = self.sizes["batch_size"] * self.sizes["target_length"]
        return target, target + self.sizes["batch_size"] * self.sizes["source_length"]


def make_model(config):

    import kseq2seq

    model = kseq2seq.build_model(config)
    model.compile(
        kseq2seq.Adam(contenders.LEARNING_RATE, global_clipnorm=contenders.CLIP_NORM),
        loss=kseq2seq.MaskedCrossentropy(contenders.LABEL_SMOOTHING),
    )
    return model


def measure(sweep, options):
    """All sizes of a sweep, in turn."""
    models, seconds = {}, []
    sizes = options.sizes or SWEEPS[sweep][0]
    cases = [Case(sweep, size, options.units, models) for size in sizes]
    for case in cases:
        case.seconds()  # compiles
    rates = [machine.gemm_rate("tensorflow")]
    for _ in range(options.repeat):
        seconds.append([case.seconds() for case in cases])
    rates.append(machine.gemm_rate("tensorflow"))
    gemm, results = statistics.mean(rates), []
    for number, case in enumerate(cases):
        times = [row[number] for row in seconds]
        second = statistics.median(times)
        target_tokens, tokens = case.tokens()
        limit = flops.tokens_per_second(gemm, case.flops(), target_tokens)
        results.append(
            {
                "size": case.size,
                "seconds": times,
                "microseconds_per_target_token": second / target_tokens * 1e6,
                "microseconds_per_token": second / tokens * 1e6,
                "target_tokens_per_second": target_tokens / second,
                "achieved_to_limit": target_tokens / second / limit,
            }
        )
    first, last = (cases[x].tokens()[1] for x in (0, -1))
    grown = {"last": [row[-1] / last for row in seconds]}
    grown["first"] = [row[0] / first for row in seconds]
    return {
        "sizes": SWEEPS[sweep][1],
        "gemm_gflops": rates,
        "results": results,
        # In time per token of both sides, round by round.
        "last_to_first": machine.ratio(grown, "last", "first"),
    }


def table(sweep, report):
    rows = [[report["sizes"], "µs per target token", "µs per token of both sides"]]
    rows[0] += ["target tokens/s", "achieved / limit"]
    for result in report["results"]:
        rows.append(
            [
                f"{result['size']:,}",
                f"{result['microseconds_per_target_token']:.1f}",
                f"{result['microseconds_per_token']:.1f}",
                f"{result['target_tokens_per_second']:,.0f}",
                f"{result['achieved_to_limit']:.2f}",
            ]
        )
    sizes = [result["size"] for result in report["results"]]
    told = f"{sweep}, {sizes[-1]:,} to {sizes[0]:,}: {report['last_to_first']:.2f}"
    return f"{machine.table(rows)}\nTime per token, {told}\n"


def draw(sweeps):
    """The figure: a panel for each sweep."""
    from matplotlib.figure import Figure

    figure = Figure((3.6 * len(sweeps), 3.4), layout="constrained")
    panels = figure.subplots(1, len(sweeps), squeeze=False)[0]
    for axes, (name, report) in zip(panels, sweeps.items(), strict=True):
        sizes = [result["size"] for result in report["results"]]
        times = [x["microseconds_per_target_token"] for x in report["results"]]
        axes.plot(sizes, times, "o-", color="#1769aa")
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=8)
        axes.minorticks_off()
        if max(times) > 5 * min(times):
            axes.set_yscale("log")
        else:
            axes.set_ylim(0, 1.15 * max(times))
        task = "search" if name == "beam" else "training"
        axes.set_title(f"{task}: {name}", loc="left", fontsize=11)
        axes.set(xlabel=report["sizes"])
        axes.grid(axis="y", color="0.5", alpha=0.18)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("µs per target token")
    return figure


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import keras

    from kseq2seq import plots

    keras.utils.set_random_seed(contenders.SEED)
    sweeps = {}
    for name in options.sweeps:
        print(f"{name}", file=sys.stderr)
        sweeps[name] = measure(name, options)
    report = {
        **machine.describe(),
        "settings": {
            "model": {**contenders.MODEL, "units": options.units},
            "batch_size": BATCH_SIZE,
            "length": LENGTH,
            "vocabulary_size": VOCABULARY_SIZE,
            "rounds": options.repeat,
        },
        "sweeps": sweeps,
    }
    machine.write_results(options.output / "growth.json", report)
    plots.save(draw(sweeps), options.output / "growth.png")
    for name, sweep in sweeps.items():
        print("\n" + table(name, sweep), end="")


if __name__ == "__main__":
    main()
