"""`kseq2seq score`: log-probabilities of given translations."""

import argparse
import math
import sys
from typing import Any

from kseq2seq.cli import loading
from kseq2seq.cli.arguments import (
    MODEL,
    add_features_column,
    add_input_and_output,
    add_path,
    add_verb,
)
from kseq2seq.cli.long_lines import add_max_characters, cut_lines
from kseq2seq.cli.output import open_output
from kseq2seq.cli.paths import find_model


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq score`."""
    parser = add_verb(
        subparsers,
        "score",
        "Print the probability of given translations.",
        "Prints for each line the natural logarithm of the target's probability and the"
        "\nnumber of its tokens, its end included, with a tab between them; the "
        "perplexity\nof all goes to standard error.\n\n"
        "example:\n  paste in.en out.de | kseq2seq score runs/multi30k_en_de",
    )
    add_path(parser, MODEL)
    add_input_and_output(
        parser,
        "lines of source and target with a tab between them; further columns are "
        "ignored",
    )
    add_max_characters(parser)
    add_features_column(parser, "the lines, from 2 on")
    return parser


def run(options: argparse.Namespace) -> None:
    """Prints the log-probability of each target and the number of its tokens."""
    options.path = find_model(options.path)
    if options.features is not None and options.features < 2:
        raise ValueError(
            "--features must be 2 or more, behind source and target. Received: "
            f"--features {options.features}"
        )
    pairs = _read_pairs(options)
    with open_output(options.output) as file:
        translator = loading.load_translator(options.path, options.modules)
        loading.check_has_features(options, translator)
        results = translator.score(pairs, progress=sys.stderr.isatty())
        for log_prob, num_tokens in results:
            file.write(f"{log_prob:.6f}\t{num_tokens}\n")
    total = sum(num_tokens for _, num_tokens in results)
    loss = -sum(log_prob for log_prob, _ in results) / total
    perplexity = math.exp(loss) if loss < 700 else math.inf
    print(
        f"perplexity {perplexity:.4f} ({total} tokens in {len(pairs)} lines)",
        file=sys.stderr,
    )


def _read_pairs(options: argparse.Namespace) -> list[tuple[str, ...]]:
    """Sources and targets, and features where there is a column of them."""
    from kseq2seq.data import read_lines

    name, column = options.input or "standard input", options.features
    columns = (0, 1) if column is None else (0, 1, column)
    pairs = []
    for number, line in enumerate(read_lines(options.input), 1):
        cells = line.split("\t")
        if len(cells) < 2:
            raise ValueError(
                f"{name}:{number}: source and target must have a tab between them. "
                f"Received: {line[:80]!r}"
            )
        if len(cells) <= columns[-1]:
            raise ValueError(
                f"{name}:{number}: expected at least {columns[-1] + 1} columns with "
                f"tabs between them, as --features {column} asks for. Received: "
                f"{line[:80]!r}"
            )
        pairs.append(tuple(cells[place] for place in columns))
    if not pairs:
        raise ValueError(f"{name}: no lines to score.")
    sources, targets, *features = zip(*pairs, strict=True)
    sources = cut_lines(sources, options, name="source")
    targets = cut_lines(targets, options, name="target")
    return [*zip(sources, targets, *features, strict=True)]
