#!/usr/bin/env python
"""Calibration of n-best lists: probabilities of outputs that are right.

The n-best lists of a development set are calibrated (`evaluation.fit_calibration`);
the expected calibration error of the test set's best outputs is measured with a softmax
of the log-probabilities alone, and with the calibration. Right is what is equal to a
reference.

python benchmarks/calibration.py --run RUN --dev dut_dev.tsv.gz --test dut_test.tsv.gz
"""

import argparse
from pathlib import Path

import machine

BATCH_SIZE, N_BEST, BINS = 64, 5, 10


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Measure the calibration of n-best lists; a table and a JSON file.",
        epilog="A minute or two.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--run", type=Path, required=True, help="run folder")
    for name in ("dev", "test"):
        add(
            f"--{name}",
            type=Path,
            nargs="+",
            required=True,
            metavar="FILE",
            help="a table of pairs, or a file of sources and one of references",
        )
    add("--limit", type=int, help="pairs of each, the first ones; all by default")
    add("--name", default="calibration", help="of the results")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    if max(len(options.dev), len(options.test)) > 2:
        parser.error("--dev and --test must be one file, or two of parallel lines")
    if options.limit is not None and options.limit < 1:
        parser.error("--limit must be at least 1")
    return options


def read(paths, limit):
    """The pairs of a table, or of two parallel files."""
    from kseq2seq import data

    reader = data.read_parallel if len(paths) == 2 else data.read_tsv
    return reader(*paths)[:limit]


def scored_lists(translator, pairs):
    """The scores of each text's n best, and whether each of them is right."""
    from kseq2seq import Search

    # By log-probability, which is what is calibrated.
    search = Search(beam_size=N_BEST, num_hypotheses=N_BEST, length_penalty=0.0)
    texts, references = zip(*pairs, strict=True)
    rows = translator.translate(texts, search, batch_size=BATCH_SIZE)
    scores, correct = [], []
    for row, reference in zip(rows, references, strict=True):
        # Fewer than n where so few can be written.
        row = [best for best in row if best.log_prob > float("-inf")]
        scores.append([best.log_prob for best in row])
        correct.append([best.text == reference for best in row])
    return scores, correct


def measure(dev, test):
    """The calibration of a development set's lists, and errors of the test set's.

    Args:
        dev: Scores and flags of `scored_lists`.
        test: The same.
    """
    from kseq2seq import evaluation

    calibration = evaluation.fit_calibration(*dev, BINS)
    scores, correct = test
    is_right = [row[0] for row in correct]
    # A softmax alone: temperature 1, and a right one in each list.
    plain = calibration._replace(temperature=1.0, share=1.0)
    result = {
        "temperature": round(calibration.temperature, 3),
        "share": round(calibration.share, 4),
        "dev": {"before": calibration.error_before, "after": calibration.error},
        "test": {},
        "texts": len(scores),
        "right": sum(is_right) / len(is_right),
    }
    for name, each in (("before", plain), ("after", calibration)):
        best = [float(each.probabilities(row)[0]) for row in scores]
        error = evaluation.expected_calibration_error(best, is_right, BINS)
        result["test"][name] = error
    return result


def shown(name, result):
    """The result as Markdown."""
    rows = [["run", "texts", "right", "temperature", "share", "before", "after"]]
    cells = [result["texts"], f"{100 * result['right']:.1f} %", result["temperature"]]
    cells.append(f"{100 * result['share']:.1f} %")
    cells += [f"{100 * result['test'][x]:.1f}" for x in ("before", "after")]
    return machine.table([*rows, [name, *cells]])


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import kseq2seq

    translator = kseq2seq.Translator.load(options.run)
    lists = [
        scored_lists(translator, read(paths, options.limit))
        for paths in (options.dev, options.test)
    ]
    result = measure(*lists)
    report = {
        **machine.describe(),
        "settings": {"run": options.run.name, "n_best": N_BEST, "bins": BINS},
        "result": result,
    }
    machine.write_results(options.output / f"{options.name}.json", report)
    print(shown(options.run.name, result), end="")


if __name__ == "__main__":
    main()
