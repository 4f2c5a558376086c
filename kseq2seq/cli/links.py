"""Word links of scored pairs: the options, and links beside those of a reference."""

import argparse
from os.path import realpath

from kseq2seq.cli.arguments import flag
from kseq2seq.cli.pair_scores import PairScores
from kseq2seq.evaluation import AlignmentErrorRate, alignment_error_rate


def add_link_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options `--links` and `--reference-links`.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--links",
        metavar="FILE",
        help="file to write word links into, such as 0-0 1-2: each target word with "
        "the source word that it attends to most; words are separated by blanks",
    )
    parser.add_argument(
        "--reference-links",
        metavar="FILE",
        help="links of the same lines in the same format, possible ones as 1?2: prints "
        "the alignment error rate to standard error",
    )


def check_link_file(options: argparse.Namespace) -> None:
    """Refuses to write links into a file that is read, or written otherwise.

    Args:
        options: Those of `kseq2seq score`.

    Raises:
        ValueError: If `--links` names such a file.
    """
    if options.links is None:
        return
    for name in ("input", "output", "reference_links"):
        other = getattr(options, name)
        if other is not None and realpath(other) == realpath(options.links):
            raise ValueError(
                f"--links must be a file of its own, since it is written: name another "
                f"one. Received: --links {options.links} and {flag(name)} {other}"
            )


class ReferenceLinks:
    """The links of a file, beside which those of a model are counted.

    Args:
        path: Path of the file, as `kseq2seq.data.read_links` reads it.

    Raises:
        ValueError: If the file cannot be read.
    """

    def __init__(self, path: str) -> None:
        from kseq2seq.data import read_links

        self._path, self._links = path, read_links(path)
        self._predicted: list[frozenset[tuple[int, int]]] = []

    def check_count(self, count: int) -> None:
        """Checks the number of pairs.

        Args:
            count: The number.

        Raises:
            ValueError: If the file has not as many lines.
        """
        if count != len(self._links):
            raise ValueError(
                f"{self._path}: expected a line of links for each of {count} pairs, "
                f"empty for one without. Received: {len(self._links)} lines"
            )

    def add(self, window: PairScores) -> None:
        """Takes the links of further pairs.

        Args:
            window: The `PairScores`, with links.

        Raises:
            ValueError: If the file has links of words that the pairs have not.
        """
        from kseq2seq.data import check_links

        first = len(self._predicted)
        self._predicted += window.links
        # Where there are too few of them, `check_count` tells at the end.
        references = zip(window.pairs, self._links[first:], strict=False)
        for number, (pair, links) in enumerate(references, first + 1):
            try:
                check_links(links, *pair[:2])
            except ValueError as error:
                raise ValueError(f"{self._path}:{number}: {error}") from error

    def error_rate(self) -> AlignmentErrorRate:
        """The alignment error rate of all pairs.

        Raises:
            ValueError: If the file has not a line for each of them.
        """
        self.check_count(len(self._predicted))
        sure, possible = zip(*self._links, strict=True)
        return alignment_error_rate(self._predicted, sure, possible)
