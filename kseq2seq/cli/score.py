"""`kseq2seq score`: log-probabilities of given translations."""

import argparse
import math
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

from kseq2seq.cli import output
from kseq2seq.cli.arguments import (
    MODEL,
    add_features_column,
    add_input_and_output,
    add_path,
    add_verb,
)
from kseq2seq.cli.links import ReferenceLinks, add_link_options, check_link_file
from kseq2seq.cli.long_lines import add_max_characters
from kseq2seq.cli.pair_scores import PairScores, score_pairs
from kseq2seq.cli.paths import find_model
from kseq2seq.cli.recordings import refuse, score_table
from kseq2seq.cli.windows import add_workers
from kseq2seq.runs import is_transcriber
from kseq2seq.utils import atomic_write


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
    add_link_options(parser)
    add_features_column(parser, "the lines, from 2 on")
    add_workers(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Prints the log-probability of each target and the number of its tokens."""
    options.path = find_model(options.path)
    output.check_output(options.output, options.input)
    reference = None
    if is_transcriber(options.path):
        workers = ["workers"] if options.workers > 1 else []
        refuse(options, "links", "reference_links", *workers)
        windows, number_of_lines = score_table(options)
    else:
        check_link_file(options)
        if options.reference_links:
            reference = ReferenceLinks(options.reference_links)
        links = bool(options.links or reference)
        windows, number_of_lines = score_pairs(options, options.input, links)
        if reference and number_of_lines is not None:
            reference.check_count(number_of_lines)
    log_probs, tokens, lines = _write(options, windows, number_of_lines, reference)
    loss = -log_probs / tokens
    perplexity = math.exp(loss) if loss < 700 else math.inf
    print(
        f"perplexity {perplexity:.4f} ({tokens} tokens in {lines} lines)",
        file=sys.stderr,
    )
    if reference:
        print(reference.error_rate(), file=sys.stderr)


def _write(
    options: argparse.Namespace,
    windows: Iterator[PairScores],
    number_of_lines: int | None,
    reference: ReferenceLinks | None,
) -> tuple[float, int, int]:
    """Writes scores and links; the summed log-probabilities, tokens and lines."""
    from kseq2seq.data import format_links

    log_probs, tokens, lines = 0.0, 0, 0
    with (
        output.open_output(options.output) as file,
        atomic_write(options.links) if options.links else nullcontext() as link_file,
        output.progress_bar(number_of_lines, options.output) as update,
    ):
        for window in windows:
            if reference:
                reference.add(window)
            for log_prob, num_tokens in window.scores:
                file.write(f"{log_prob:.6f}\t{num_tokens}\n")
                log_probs += log_prob
                tokens += num_tokens
            file.flush()
            if link_file:
                link_file.writelines(f"{format_links(x)}\n" for x in window.links)
            update(len(window.scores))
            lines += len(window.scores)
        if not lines:
            raise ValueError(
                f"{options.input or 'standard input'}: no lines to score. Expected a "
                "source TAB its target in each line. Received: nothing"
            )
    return log_probs, tokens, lines
