#!/usr/bin/env python
"""Trained models beside each other: their size, scores and speed of translation.

The run folders may have any architecture and tokenizers. All translate the same test
set, greedily and with a beam, and take turns.

python benchmarks/run_folders.py --source test_2016_flickr.en.gz \
    --reference test_2016_flickr.de.gz runs/multi30k_en_de runs/transformer_multi30k
"""

import argparse
import statistics
import sys
from pathlib import Path

import machine

BATCH_SIZE, BEAM_SIZE = 64, 5


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        description="Translate a test set by the models of several run folders: a "
        "table, and run_folders.json.",
        epilog="A minute or two for each model.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("runs", type=Path, nargs="+", metavar="RUN", help="run folder")
    for name in ("source", "reference"):
        help_ = f"{name} sentences, a line each"
        add(f"--{name}", type=Path, required=True, metavar="FILE", help=help_)
    add("--repeat", type=int, default=3, help="rounds")
    add("--name", default="run_folders", help="of the results")
    add("--output", type=Path, default=machine.RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    names = [path.name for path in options.runs]
    if len({*names}) < len(names):
        parser.error(f"run folders must have names of their own. Received: {names}")
    if options.repeat < 1:
        parser.error(f"--repeat must be at least 1. Received: {options.repeat}")
    return options


def scores_of(hypotheses, references):
    """BLEU as it is usual now, and of small letters, as captions are published with."""
    from kseq2seq import evaluation

    lower = [text.lower() for text in hypotheses], [text.lower() for text in references]
    cased = evaluation.bleu(hypotheses, references)
    return {
        "bleu": round(cased.value, 2),
        "bleu_lower": round(evaluation.bleu(*lower).value, 2),
        "signature": cased.signature,
    }


def measure(translators, pairs, repeat):
    """For each translator its size, scores and seconds; they take turns.

    Args:
        translators: Dict from names to `Translator`s.
        pairs: List of `(source, reference)`.
        repeat: Rounds.
    """
    from kseq2seq import Search

    sources, references = (list(side) for side in zip(*pairs, strict=True))
    searches = {
        "greedy": Search(beam_size=1),
        "beam": Search(beam_size=BEAM_SIZE, length_penalty=1.0),
    }

    def translate(name, search):
        rows = translators[name].translate(sources, search, batch_size=BATCH_SIZE)
        return [row[0].text for row in rows]

    results = {}
    for name, translator in translators.items():
        hypotheses = translate(name, searches["beam"])
        results[name] = {
            "parameters": translator.model.count_params(),
            **scores_of(hypotheses, references),
        }
    for kind, search in searches.items():
        calls = {x: lambda x=x, s=search: translate(x, s) for x in translators}
        for name, seconds in machine.seconds_of(calls, repeat).items():
            rate = len(sources) / statistics.median(seconds)
            results[name][f"{kind}_per_second"] = round(rate, 1)
    return results


def table(results):
    """The results as a table of Markdown."""
    head = ["run", "million parameters", "BLEU", "lower-cased"]
    head += ["greedy, sentences/s", f"beam of {BEAM_SIZE}, sentences/s"]
    rows = [
        [
            name,
            f"{result['parameters'] / 1e6:.2f}",
            f"{result['bleu']:.1f}",
            f"{result['bleu_lower']:.1f}",
            f"{result['greedy_per_second']:.0f}",
            f"{result['beam_per_second']:.0f}",
        ]
        for name, result in results.items()
    ]
    return machine.table([head, *rows])


def main(arguments=None):
    options = parse_arguments(arguments)
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    import kseq2seq

    try:
        pairs = kseq2seq.data.read_parallel(options.source, options.reference)
        translators = {
            path.name: kseq2seq.Translator.load(path) for path in options.runs
        }
    except (ValueError, OSError) as error:
        print(f"run_folders.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    results = measure(translators, pairs, options.repeat)
    report = {**machine.describe(), "sentences": len(pairs), "results": results}
    machine.write_results(options.output / f"{options.name}.json", report)
    print(table(results), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
