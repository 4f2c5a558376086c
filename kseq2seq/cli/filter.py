"""`kseq2seq filter`: the share of pairs that a model finds the most probable."""

import argparse
import sys
from array import array
from typing import Any

from kseq2seq.cli import output
from kseq2seq.cli.arguments import (
    MODEL,
    add_features_column,
    add_path,
    add_verb,
    share,
)
from kseq2seq.cli.long_lines import add_max_characters
from kseq2seq.cli.pair_scores import score_pairs
from kseq2seq.cli.paths import find_model
from kseq2seq.cli.windows import add_workers, is_stream
from kseq2seq.utils import is_blank


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq filter`."""
    parser = add_verb(
        subparsers,
        "filter",
        "Keep the share of pairs that a model finds the most probable.",
        "Pairs are ranked by the logarithm of the target's probability, divided by the "
        "number\nof its tokens, its end included. They keep their order and all of "
        "their columns.\n\n"
        "example:\n  kseq2seq filter runs/multi30k_en_de pairs.tsv best.tsv --keep 0.8",
    )
    add_path(parser, MODEL)
    parser.add_argument(
        "pairs",
        metavar="PAIRS",
        help="file of lines of source and target with a tab between them; it is read "
        "three times",
    )
    parser.add_argument(
        "best", metavar="BEST", help="file to write, complete or not at all"
    )
    parser.add_argument(
        "--keep",
        type=share,
        default=0.8,
        metavar="SHARE",
        help="share of the pairs that are kept, from 0 to 1, of those without a blank "
        "side (default: %(default)s)",
    )
    add_max_characters(parser)
    add_features_column(parser, "the lines, from 2 on")
    add_workers(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Scores all pairs, and writes the best."""
    import numpy as np

    from kseq2seq.data import stream_lines

    options.path = find_model(options.path)
    if is_stream(options.pairs):
        raise ValueError(
            f"{options.pairs} must be a file, since it is read three times. Received: "
            "a pipe or a folder; write the pairs into a file first"
        )
    output.check_output(options.best, options.pairs)
    windows, total = score_pairs(options, options.pairs)
    # 8 bytes a pair are all that stays in memory.
    scores = array("d")
    with output.progress_bar(total, options.best) as update:
        for window in windows:
            scores.extend(map(_score, window.pairs, window.scores))
            update(len(window.pairs))
    ranked = np.asarray(scores)
    usable = int(np.sum(ranked > -np.inf))
    if not usable:
        raise ValueError(
            f"{options.pairs}: no pairs without a blank side. Expected pairs, source "
            f"TAB target, to rank. Received: {len(ranked)} with a blank side"
        )
    kept = max(1, round(options.keep * usable))
    least = float(np.partition(ranked, -kept)[-kept])
    # Of those that have just the least score, the first ones.
    ties = kept - int(np.sum(ranked > least))
    with output.open_output(options.best) as file:
        lines = stream_lines(options.pairs, tell_of_cr=False)
        for line, score in zip(lines, scores, strict=True):
            ties -= score == least
            if score > least or (score == least and ties >= 0):
                file.write(line + "\n")
    print(
        f"kseq2seq filter: kept {kept} of {len(scores)} pairs, of which "
        f"{len(scores) - usable} have a blank side; the least score is {least:.4f} a "
        "token",
        file=sys.stderr,
    )


def _score(pair: tuple[str, ...], score: tuple[float, int]) -> float:
    """The log-probability of a token, or the lowest number."""
    if is_blank(pair[0]) or is_blank(pair[1]):
        return -float("inf")
    log_prob, num_tokens = score
    return log_prob / num_tokens
