"""`kseq2seq score`: log-probabilities of given translations."""

import argparse
import math
import sys
from typing import Any

from kseq2seq.cli import output
from kseq2seq.cli.arguments import (
    MODEL,
    add_features_column,
    add_input_and_output,
    add_path,
    add_verb,
)
from kseq2seq.cli.long_lines import add_max_characters
from kseq2seq.cli.pair_scores import score_pairs
from kseq2seq.cli.paths import find_model
from kseq2seq.cli.recordings import score_table
from kseq2seq.cli.windows import add_workers
from kseq2seq.runs import is_transcriber


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
        "ignored; for a model of recordings a table of paths and texts",
    )
    add_max_characters(parser)
    add_features_column(parser, "the lines, from 2 on")
    add_workers(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Prints the log-probability of each target and the number of its tokens."""
    options.path = find_model(options.path)
    if is_transcriber(options.path):
        windows, number_of_lines = score_table(options)
    else:
        windows, number_of_lines = score_pairs(options, options.input)
    log_probs, tokens, lines = 0.0, 0, 0
    with (
        output.open_output(options.output) as file,
        output.progress_bar(number_of_lines, options.output) as update,
    ):
        for window in windows:
            for log_prob, num_tokens in window.scores:
                file.write(f"{log_prob:.6f}\t{num_tokens}\n")
                log_probs += log_prob
                tokens += num_tokens
            file.flush()
            update(len(window.scores))
            lines += len(window.scores)
        if not lines:
            raise ValueError(f"{options.input or 'standard input'}: no lines to score.")
    loss = -log_probs / tokens
    perplexity = math.exp(loss) if loss < 700 else math.inf
    print(
        f"perplexity {perplexity:.4f} ({tokens} tokens in {lines} lines)",
        file=sys.stderr,
    )
