"""Corpora to stream: many files of pairs, read row by row in an order by seed."""

import glob
import logging
import os
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from kseq2seq.data.jsonl import is_jsonl, iter_jsonl
from kseq2seq.data.lines import DataError
from kseq2seq.data.parallel import iter_parallel
from kseq2seq.data.shards import check_shard
from kseq2seq.data.tfds import iter_tfds
from kseq2seq.data.tsv import iter_tsv
from kseq2seq.utils import (
    PathLike,
    check_boolean,
    check_choice,
    check_integer,
    check_number,
)

# `(source, target)`, or `(source, target, features)`.
Row: TypeAlias = tuple[str, ...]
_logger = logging.getLogger("kseq2seq")
FORMATS = ("tsv", "jsonl", "parallel")
# Files of a corpus that are open at the same time, and rows that each gives in turn.
MAX_OPEN = 16
_ROWS_IN_TURN = 64


class Part(NamedTuple):
    """A file of a corpus.

    Attributes:
        name: Its name, for messages.
        rows: Function that reads it from its beginning, row by row.
    """

    name: str
    rows: Callable[[], Iterator[Row]]


class Corpus(NamedTuple):
    """Files of pairs that are streamed together; `corpus` makes one of their names.

    Attributes:
        parts: The `Part`s.
        weight: Share of the pairs that are of this corpus, among the weights of all.
    """

    parts: Sequence[Part]
    weight: float = 1.0


def corpus(
    files: PathLike | Sequence[PathLike],
    format: str | None = None,
    columns: Sequence[int] | Sequence[str] | None = None,
    weight: float = 1.0,
    header: bool | None = None,
    quoting: bool | None = None,
) -> Corpus:
    r"""Names the files of a corpus, which `stream` reads.

    Args:
        files: Names of files, or patterns such as "shards/*.tsv.gz" (`glob`, `**`
            among them), plain or packed, as for `read_lines`; a name that a file has
            is no pattern. Of the format "parallel" two names, or two patterns with as
            many files each, the sources' and the targets'.
        format: "tsv" (CSV among them), "jsonl" or "parallel"; by the names of the
            files, "jsonl" or "tsv", if `None`.
        columns: Columns of "tsv" or "jsonl", as for `read_tsv` and `read_jsonl`; their
            defaults if `None`.
        weight: Share of the pairs that are of this corpus, among the weights of all.
        header: Of "tsv": whether the first line names the columns, as for `read_tsv`.
        quoting: Of "tsv": whether quotes are those of CSV, as for `read_tsv`.

    Returns:
        A `Corpus`.

    Raises:
        DataError: If no file is of such a name.
        ValueError: If an argument cannot be used.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> for number in (1, 2):
    ...     _ = (folder / f"{number}.tsv").write_text("Go.\tVa !\n")
    >>> len(corpus(folder / "*.tsv").parts)
    2
    """
    names = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    weight = check_number("weight", weight, above=0)
    if format is not None:
        check_choice("format", format, FORMATS)
    options = {"header": header, "quoting": quoting}
    for option, value in options.items():
        if value is not None:
            options[option] = check_boolean(option, value)
    if format == "parallel":
        _check_without(options, names)
        return Corpus(_parallel_parts(names, columns), weight)
    paths = [path for name in names for path in _expanded(name)]
    if not paths:
        raise ValueError(
            "`files` must name a file or more, such as 'shards/*.tsv.gz'. Received: "
            f"files={files!r}"
        )
    return Corpus([_part(path, format, columns, options) for path in paths], weight)


def tfds_corpus(
    name: str,
    split: str = "train",
    source: str | None = None,
    target: str | None = None,
    weight: float = 1.0,
) -> Corpus:
    """A translation set of TensorFlow Datasets as a corpus, which `stream` reads.

    Args:
        name: A data set's name, as for `read_tfds`, and so are the next three.
        split: Name of a split.
        source: The source's feature.
        target: The target's.
        weight: Share of the pairs that are of this corpus, among the weights of all.
    """
    weight = check_number("weight", weight, above=0)
    part = Part(f"{name}, {split}", partial(iter_tfds, name, split, source, target))
    return Corpus([part], weight)


def _expanded(name: PathLike) -> list[str]:
    """The paths of a pattern in order, or the one of a plain name."""
    text = os.fspath(name)
    if Path(text).exists():  # whatever signs of a pattern are in its name
        return [text]
    # A pattern may begin with a folder, of which a `Path` would have to know the end.
    paths = sorted(glob.glob(text, recursive=True))  # noqa: PTH207
    if not paths:
        raise DataError(
            f"{text}: no such file. Expected the name of a file, or a pattern that "
            "files have, such as shards/*.tsv.gz."
        )
    return paths


def _part(
    path: str, format: str | None, columns: Any, options: Mapping[str, bool | None]
) -> Part:
    if format == "jsonl" or (format is None and is_jsonl(path)):
        _check_without(options, path)
        return Part(path, partial(iter_jsonl, path, columns or ("source", "target")))
    return Part(path, partial(iter_tsv, path, columns or (0, 1), **options))


def _check_without(options: Mapping[str, bool | None], files: Any) -> None:
    for option, value in options.items():
        if value is not None:
            raise ValueError(
                f"`{option}` is for the format 'tsv': leave it out. Received: "
                f"{option}={value}, files={files!r}"
            )


def _parallel_parts(names: Sequence[PathLike], columns: Any) -> list[Part]:
    if len(names) != 2 or columns is not None:
        raise ValueError(
            "`files` of the format 'parallel' must be two, the sources' and the "
            "targets', without `columns`. Received: "
            f"files={list(map(str, names))!r}, columns={columns!r}"
        )
    sources, targets = map(_expanded, names)
    if len(sources) != len(targets):
        raise DataError(
            "Parallel files must be as many of both sides. Received: "
            f"{len(sources)} of {names[0]} and {len(targets)} of {names[1]}"
        )
    return [
        Part(f"{source}, {target}", partial(iter_parallel, source, target))
        for source, target in zip(sources, targets, strict=True)
    ]


class _OpenFile:
    """A file that is being read, and the number of rows taken from it.

    Args:
        index: Index of the file in the corpus.
        rows: Iterator over its rows.
        taken: Number of rows that were taken before, which are skipped.
    """

    def __init__(self, index: int, rows: Iterator[Row], taken: int = 0) -> None:
        self.index, self.rows, self.taken = index, rows, taken
        deque(islice(rows, taken), maxlen=0)


class CorpusReader:
    """The rows of a corpus, in an order given by the seed.

    The files come in another order in each pass. Up to 16 are open at the same time,
    and give 64 rows each in turn. Workers share the files; where there are more workers
    than files, they share the rows of each file.

    Args:
        corpus: The `Corpus`.
        seed: Integer seed of the order of the files.
        passes: Number of passes; endless if `None`.
        shard: Index of this worker, from 0, and number of workers.
        place: The place to go on from, as `place` returned it. If the number of files
            has changed since, the pass begins anew, with a warning.

    Raises:
        DataError: If a file cannot be read, or there is no row in all of them.
        ValueError: If `shard` or `passes` is out of range.
    """

    def __init__(
        self,
        corpus: Corpus,
        seed: int,
        passes: int | None = None,
        shard: tuple[int, int] = (0, 1),
        place: Mapping[str, Any] | None = None,
    ) -> None:
        self.passes = check_integer("passes", passes, 1, optional=True)
        index, count = check_shard(shard)
        self._parts = list(corpus.parts)
        # First row of each file for this worker, and step from one row to the next.
        self._first_row, self._row_step = 0, 1
        if len(self._parts) >= count:
            self._parts = self._parts[index::count]
        else:
            self._first_row, self._row_step = index, count
        self._seed = seed
        start = {"pass": 0, "next": 0, "turn": 0, "rows": 0, "open": []}
        place = start if place is None else self._checked(place, start)
        self._pass, self._rows_of_pass = place["pass"], place["rows"]
        # In the order of the files, the next one to open; among the open files, the
        # next one to give rows.
        self._next_file, self._turn = place["next"], place["turn"]
        self._order = self._order_of_pass()
        self._open = [self._opened(part, taken) for part, taken in place["open"]]

    def _checked(
        self, place: Mapping[str, Any], start: dict[str, Any]
    ) -> Mapping[str, Any]:
        """The place; the beginning of its pass if the number of files has changed."""
        # Places of older versions do not have the number of files.
        before, now = place.get("files", len(self._parts)), len(self._parts)
        if before == now:
            return place
        _logger.warning(
            "%s and its like: there were %d files, now %d. Going on at the beginning "
            "of a pass, in another order.",
            self._parts[0].name,
            before,
            now,
        )
        return {**start, "pass": place["pass"]}

    def _order_of_pass(self) -> list[int]:
        order = list(range(len(self._parts)))
        random.Random(f"{self._seed}/{self._pass}").shuffle(order)
        return order

    def _opened(self, index: int, taken: int = 0) -> _OpenFile:
        rows = self._parts[index].rows()
        if self._row_step > 1:
            rows = islice(rows, self._first_row, None, self._row_step)
        return _OpenFile(index, rows, taken)

    def place(self) -> dict[str, Any]:
        """The place after the rows taken so far, as a dict for JSON."""
        return {
            "pass": self._pass,
            "next": self._next_file,
            "turn": self._turn,
            "rows": self._rows_of_pass,
            "open": [[file.index, file.taken] for file in self._open],
            "files": len(self._parts),
        }

    @property
    def has_ended(self) -> bool:
        """Whether `take` has reached the end of the last pass."""
        return self._pass == self.passes

    def take(self, count: int) -> list[Row]:
        """The next `count` rows; fewer only at the end of the last pass.

        Args:
            count: Number of rows.
        """
        rows: list[Row] = []
        while len(rows) < count:
            while len(self._open) < MAX_OPEN and self._next_file < len(self._order):
                self._open.append(self._opened(self._order[self._next_file]))
                self._next_file += 1
            if not self._open:
                if not self._begin_pass():
                    break
                continue
            self._turn %= len(self._open)
            file = self._open[self._turn]
            wanted = min(_ROWS_IN_TURN - file.taken % _ROWS_IN_TURN, count - len(rows))
            taken = list(islice(file.rows, wanted))
            rows += taken
            file.taken += len(taken)
            self._rows_of_pass += len(taken)
            if len(taken) < wanted:
                self._open.pop(self._turn)
            elif file.taken % _ROWS_IN_TURN == 0:
                self._turn += 1
        return rows

    def _begin_pass(self) -> bool:
        """Begins the next pass; returns whether there is one."""
        if not self._rows_of_pass and self._pass != self.passes:
            names = ", ".join(part.name for part in self._parts[:3])
            raise DataError(
                f"{names}: expected text, a pair in each line. Received: no row in "
                f"{len(self._parts)} files"
            )
        if self.passes is not None and self._pass + 1 >= self.passes:
            self._pass, self._rows_of_pass = self.passes, 0
            return False
        self._pass += 1
        self._next_file = self._turn = self._rows_of_pass = 0
        self._order = self._order_of_pass()
        return True


def as_corpora(corpora: Corpus | Sequence[Corpus]) -> list[Corpus]:
    """A list of corpora.

    Args:
        corpora: A `Corpus`, or several.

    Raises:
        ValueError: If there is none, or something else.
    """
    several = [corpora] if isinstance(corpora, Corpus) else list(corpora)
    if not several or not all(isinstance(x, Corpus) for x in several):
        raise ValueError(
            "`corpora` must be a Corpus or several, as kseq2seq.data.corpus makes "
            f"them of names of files. Received: {corpora!r}"
        )
    return several
