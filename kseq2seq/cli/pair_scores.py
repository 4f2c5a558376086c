"""Log-probabilities and word links of pairs in a file, window by window."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from kseq2seq.cli import loading, windows
from kseq2seq.cli.long_lines import cut_lines
from kseq2seq.cli.worker_processes import map_in_processes


class PairScores(NamedTuple):
    """Scores of the pairs of a window.

    Attributes:
        pairs: List of tuples: source, target, and features if there are any.
        scores: List of `(log_prob, num_tokens)`, as `Translator.score` gives them.
        links: Word links of each pair, as `inference.word_links` gives them; empty
            where they are not asked for.
    """

    pairs: list[tuple[str, ...]]
    scores: list[tuple[float, int]]
    links: Sequence[frozenset[tuple[int, int]]] = ()


class PairReader:
    r"""Lines of columns to pairs.

    Args:
        name: Name of the input, for errors.
        features: The column of features, or `None`.

    Raises:
        ValueError: If it is one of the columns of source and target.

    Example:

    >>> PairReader("pairs.tsv", features=3)("a dog\tein Hund\t0.9\tN", 1)
    ('a dog', 'ein Hund', 'N')
    """

    def __init__(self, name: str, features: int | None) -> None:
        if features is not None and features < 2:
            raise ValueError(
                "--features must be 2 or more, behind source and target. Received: "
                f"--features {features}"
            )
        self._name = name
        self._features = features

    def __call__(self, line: str, number: int) -> tuple[str, ...]:
        """The pair in a line.

        Args:
            line: The line.
            number: Its number.

        Raises:
            ValueError: If there are too few columns.
        """
        cells, column = line.split("\t"), self._features
        if len(cells) < 2:
            raise ValueError(
                f"{self._name}:{number}: source and target must have a tab between "
                f"them. Received: {line[:80]!r}"
            )
        if column is None:
            return cells[0], cells[1]
        if len(cells) <= column:
            raise ValueError(
                f"{self._name}:{number}: expected at least {column + 1} columns with "
                f"tabs between them, as --features {column} asks for. Received: "
                f"{line[:80]!r}"
            )
        return cells[0], cells[1], cells[column]


class _Task(NamedTuple):
    """Pairs of a window."""

    window: windows.Window
    pairs: list[tuple[str, ...]]

    def __str__(self) -> str:
        return str(self.window)


def score_pairs(
    options: argparse.Namespace, path: str | None, links: bool = False
) -> tuple[Iterator[PairScores], int | None]:
    """The scores of the pairs in a file.

    Args:
        options: Those of a verb with `--features`, `--max-characters` and `--workers`.
        path: Path of the file; standard input if `None`.
        links: Whether to link words, too.

    Returns:
        A tuple of the `PairScores` of each window and of the number of lines, `None` if
        it is not known.

    Raises:
        ValueError: If a line is no pair.
    """
    read = PairReader(path or "standard input", options.features)
    lines, total = windows.read_windows(path, read)
    tasks = (_task(window, read, options) for window in lines)
    results = map_in_processes(_scorer, (options, links), tasks, options.workers)
    return results, total


def _task(window, read, options):
    pairs = [read(line, n) for n, line in enumerate(window.lines, window.first)]
    sources, targets, *features = zip(*pairs, strict=True)
    sources = cut_lines(sources, options, window.first, name="source")
    targets = cut_lines(targets, options, window.first, name="target")
    return _Task(window, [*zip(sources, targets, *features, strict=True)])


def _scorer(options: argparse.Namespace, links: bool) -> Callable[[_Task], PairScores]:
    """Loads a model, which scores the pairs of a window, and may link their words."""
    from kseq2seq.inference import word_links

    translator = loading.load_translator(options.path, options.modules)
    loading.check_has_features(options, translator)

    def score(task):
        scores = translator.score(task.pairs)
        if not links:
            return PairScores(task.pairs, scores)
        aligned = zip(task.pairs, translator.align(task.pairs), strict=True)
        words = [word_links(pair[0], pair[1], made) for pair, made in aligned]
        return PairScores(task.pairs, scores, words)

    return score
