"""Windows of lines: verbs hold one of them at a time, however long the file is."""

import argparse
import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, compress
from pathlib import Path
from typing import Any, NamedTuple

from kseq2seq.cli.arguments import count
from kseq2seq.cli.long_lines import cut_lines
from kseq2seq.utils import is_blank

# Lines of a window, in which those of like lengths make batches. On Multi30k, in
# batches of 64, it leaves 5 % of padding; 256 lines leave 30 %, all lines none.
WINDOW_LINES = 2048
# Where lines are long a window has fewer, so that its results stay small.
WINDOW_CHARACTERS = 2**18


class Window(NamedTuple):
    """Lines that follow one another.

    Attributes:
        first: Number of the first line.
        lines: List of `str`.
    """

    first: int
    lines: list[str]

    def __str__(self) -> str:
        return f"lines {self.first} to {self.first + len(self.lines) - 1}"


def add_workers(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--workers`.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--workers",
        type=count,
        default=1,
        metavar="N",
        help="processes that share the work, each with a model of its own and its "
        "share of the cores; the order stays (default: %(default)s, this process)",
    )


def read_windows(
    path: str | None, check: Callable[[str, int], Any] | None = None
) -> tuple[Iterator[Window], int | None]:
    """The lines of an input in windows.

    A file is read once to its end before, so that a line which cannot be used is known
    before the hours of work that may stand ahead of it. A pipe is not.

    Args:
        path: Path of a file; standard input if `None`.
        check: Function of a line and its number, which raises an error if it cannot be
            used.

    Returns:
        A tuple of the windows and of the number of lines, `None` if it is not known.

    Raises:
        kseq2seq.data.DataError: If the file is no text.
    """
    from kseq2seq.data import stream_lines

    total = None
    if path is not None and not is_stream(path):
        total = 0
        for total, line in enumerate(stream_lines(path), 1):
            if check is not None:
                check(line, total)
    lines = stream_lines(path, tell_of_cr=total is None)
    windows = windows_of_lines(lines, WINDOW_LINES, WINDOW_CHARACTERS)
    # What is wrong at the beginning of a pipe is told before a model is loaded.
    first = next(windows, None)
    return windows if first is None else chain([first], windows), total


def is_stream(path: str) -> bool:
    """Whether a path is of something that can be read once, such as a pipe.

    Args:
        path: The path.
    """
    return Path(path).exists() and not Path(path).is_file()


def windows_of_lines(
    lines: Iterable[str], max_lines: int, max_characters: int
) -> Iterator[Window]:
    """Lines in windows.

    Args:
        lines: The lines.
        max_lines: The most lines of a window.
        max_characters: A window ends with the line that makes it so long.

    Yields:
        The `Window`s, none of them empty.

    Example:

    >>> [*windows_of_lines(["ab", "c", "d", "efg"], max_lines=2, max_characters=3)]
    [Window(first=1, lines=['ab', 'c']), Window(first=3, lines=['d', 'efg'])]
    """
    first, held, characters = 1, [], 0
    for line in lines:
        held.append(line)
        characters += len(line)
        if len(held) == max_lines or characters >= max_characters:
            yield Window(first, held)
            first, held, characters = first + len(held), [], 0
    if held:
        yield Window(first, held)


def typed_windows() -> Iterator[Window]:
    """The lines that somebody types, each a window, as soon as it is there."""
    from kseq2seq.data import stream_lines

    for number, line in enumerate(stream_lines(), 1):
        yield Window(number, [line])


def is_terminal(path: str | None) -> bool:
    """Whether somebody types the lines.

    Args:
        path: Path of the input; standard input if `None`.
    """
    return path is None and sys.stdin is not None and sys.stdin.isatty()


def texts_of_window(
    window: Window, options: argparse.Namespace
) -> tuple[list[bool], dict[str, list[str]]]:
    """Which lines hold text, and the arguments of a translator for these.

    Args:
        window: A `Window`.
        options: Those of a verb with `--max-characters` and maybe `--features`.

    Returns:
        A tuple of booleans, one for each line, and a dict of `texts`, and of
        `features` if they were asked for.

    Raises:
        ValueError: If a line has not the columns that were asked for.
    """
    is_text = [not is_blank(line) for line in window.lines]
    lines, others = window.lines, {}
    if getattr(options, "features", None) is not None:
        cells = [
            _text_and_features(options, line, number)
            for number, line in enumerate(lines, window.first)
        ]
        lines = [text for text, _ in cells]
        others["features"] = [*compress((tags for _, tags in cells), is_text)]
    texts = cut_lines(lines, options, window.first)
    return is_text, {"texts": [*compress(texts, is_text)], **others}


def features_check(options: argparse.Namespace) -> Callable[[str, int], Any] | None:
    """Check of `read_windows` for lines that have features in a column.

    Args:
        options: Those of a verb with `--features`.

    Returns:
        A function of a line and its number; `None` where no features were asked for.
    """
    if options.features is None:
        return None
    return functools.partial(_text_and_features, options)


def _text_and_features(options: Any, line: str, number: int) -> tuple[str, str]:
    if is_blank(line):
        return "", ""
    cells, column = line.split("\t"), options.features
    if len(cells) <= max(column, 1):
        raise ValueError(
            f"{options.input or 'standard input'}:{number}: expected at least "
            f"{max(column, 1) + 1} columns with tabs between them, as --features "
            f"{column} asks for. Received: {line[:80]!r}"
        )
    features = cells.pop(column)
    return cells[0], features
