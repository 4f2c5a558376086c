r"""Word links of pairs of texts, in the format of Pharaoh.

A line for each pair, such as `0-0 1-2 2?1`: words of the source, and of the target that
they belong to, counted from 0. Words stand between white space, no-break spaces among
it, as `str.split` and eflomal have it; fast_align knows blanks and tabs alone. `?` or
`p` marks a link that is possible, not sure. fast_align, eflomal and SimAlign write such
files.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from kseq2seq.data.containers import as_pairs
from kseq2seq.data.lines import DataError, read_lines
from kseq2seq.utils import PathLike

_LINK = re.compile(r"([0-9]+)([-?p])([0-9]+)")
_WORD = re.compile(r"\S+")


class WordLinks(NamedTuple):
    """The links of a pair of texts.

    Attributes:
        sure: Set of `(source word, target word)`.
        possible: The same of those that are possible, the sure ones among them.
    """

    sure: frozenset[tuple[int, int]]
    possible: frozenset[tuple[int, int]]


def parse_links(line: str) -> WordLinks:
    """The links in a line of the format of Pharaoh.

    Args:
        line: Links with blanks between them; of none an empty string.

    Raises:
        ValueError: If there is anything else in it.

    Example:

    >>> links = parse_links("0-0 1-2 2?1")
    >>> sorted(links.sure), sorted(links.possible)
    ([(0, 0), (1, 2)], [(0, 0), (1, 2), (2, 1)])
    """
    sure, possible = set(), set()
    for word in line.split():
        match = _LINK.fullmatch(word)
        if match is None:
            raise ValueError(
                "links must be two numbers of words, from 0, with - between them, or "
                f"with ? where a link is possible: 0-0 1?2. Received: {word[:40]!r}"
            )
        link = int(match[1]), int(match[3])
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return WordLinks(frozenset(sure), frozenset(possible))


def format_links(links: Iterable[tuple[int, int]]) -> str:
    """Links as a line of the format of Pharaoh.

    Args:
        links: `(source word, target word)`.

    Example:

    >>> format_links({(1, 2), (0, 0)})
    '0-0 1-2'
    """
    return " ".join(f"{source}-{target}" for source, target in sorted(links))


def check_links(links: WordLinks, source: str, target: str) -> None:
    """Checks that links are between words that there are.

    Args:
        links: The links.
        source: A text.
        target: Its translation.

    Raises:
        ValueError: If they are not.

    Example:

    >>> check_links(parse_links("1-0"), "ein Hund", "dog")
    """
    words = len(source.split()), len(target.split())
    for link in sorted(links.possible):
        if link[0] >= words[0] or link[1] >= words[1]:
            raise ValueError(
                "links must be between the words of both sides, which stand between "
                "blanks, counted from 0: look whether the file is of these texts, in "
                f"this order of sides. Received: {format_links([link])} of {words[0]} "
                f"and {words[1]} words"
            )


def read_links(path: PathLike, pairs: Any = None) -> list[WordLinks]:
    r"""Reads word links in the format of Pharaoh, of a pair in each line.

    Args:
        path: A text file, as for `read_lines`. An empty line has no links.
        pairs: The `(source, target)` strings that the links are of, as `as_pairs`
            takes them, to check them by; `None` not to.

    Returns:
        List of `WordLinks`.

    Raises:
        DataError: If the file cannot be read or a line has no such links, or the links
            do not fit the pairs; the message names file and line.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "test.links"
    >>> _ = path.write_text("0-0 1-1\n0?1 1-0\n")
    >>> [sorted(links.sure) for links in read_links(path)]
    [[(0, 0), (1, 1)], [(1, 0)]]
    """
    lines = read_lines(path)
    rows: Sequence[Any] = [None] * len(lines) if pairs is None else as_pairs(pairs)
    if len(rows) != len(lines):
        raise DataError(
            f"{path}: expected a line of links for each of {len(rows)} pairs, empty "
            f"for one without. Received: {len(lines)} lines"
        )
    links = []
    for number, (line, pair) in enumerate(zip(lines, rows, strict=True), 1):
        try:
            links.append(parse_links(line))
            if pair is not None:
                check_links(links[-1], *pair)
        except ValueError as error:
            raise DataError(f"{path}:{number}: {error}") from error
    return links


def words_of_spans(text: str, spans: Iterable[tuple[int, int]]) -> list[int]:
    """The word that each piece of a text belongs to.

    Args:
        text: The text.
        spans: Where each of its pieces begins and ends, in bytes of UTF-8.

    Returns:
        For each piece the number of the word that its last byte stands in; -1 where
        that is a blank, and for an empty piece, such as EOS.

    Example:

    >>> words_of_spans("zwei Hunde", [(0, 4), (4, 9), (9, 10), (10, 10)])
    [0, 1, 1, -1]
    """
    words: list[int] = []
    for number, match in enumerate(_WORD.finditer(text)):
        first = len(text[: match.start()].encode())
        words += [-1] * (first - len(words)) + [number] * len(match[0].encode())
    words.append(-1)  # blanks at the end of a text
    last = len(words) - 1
    return [words[min(end - 1, last)] if start < end else -1 for start, end in spans]
