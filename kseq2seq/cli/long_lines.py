"""Limit of the lines that verbs read: a long line takes memory, and time squared."""

import argparse
import sys
from collections.abc import Sequence

from kseq2seq.cli.arguments import index

# As many as the bytes of a text that an export reads, unless told otherwise.
MAX_CHARACTERS = 10_000


def add_max_characters(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--max-characters`.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--max-characters",
        type=index,
        default=MAX_CHARACTERS,
        metavar="N",
        help="characters of a line that are read; longer lines are cut, and reported; "
        "0 for all (default: %(default)s)",
    )


def cut_lines(
    lines: Sequence[str],
    options: argparse.Namespace,
    first: int = 1,
    name: str = "line",
) -> list[str]:
    """The lines, each cut to `--max-characters`; standard error tells of those cut.

    Args:
        lines: List of `str`.
        options: Those of a verb.
        first: Number of the first line.
        name: Noun for a line, for the message.

    Example:

    >>> options = argparse.Namespace(verb="translate", max_characters=3)
    >>> cut_lines(["abcd", "ab"], options)  # says so on standard error
    ['abc', 'ab']
    """
    limit = options.max_characters
    cut = [number for number, line in enumerate(lines, first) if 0 < limit < len(line)]
    if not cut:
        return list(lines)
    others = f", and {len(cut) - 1} more up to number {cut[-1]}" if cut[1:] else ""
    print(
        f"kseq2seq {options.verb}: {name} {cut[0]} is cut to the first {limit} of its "
        f"{len(lines[cut[0] - first])} characters{others}. Split long lines, or set "
        "--max-characters.",
        file=sys.stderr,
    )
    return [line[:limit] for line in lines]
