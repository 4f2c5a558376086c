"""Reader of columns between tabs, or of CSV."""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast

from kseq2seq.data.containers import Pairs, Triples
from kseq2seq.data.lines import DataError, stream_lines, unpacked_name
from kseq2seq.data.pairs import is_header, without_empty_sides, without_header
from kseq2seq.utils import PathLike, check_boolean, check_integers, is_blank

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
# A cell that CSV has quoted since there are quotes in it.
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
# Rows of a stream by which its quotes are told.
_FIRST_ROWS = 1000


def read_tsv(
    path: PathLike,
    columns: Sequence[int] | Sequence[str] = (0, 1),
    header: bool | None = None,
    quoting: bool | None = None,
) -> Pairs | Triples:
    r"""Reads pairs from the columns of a tab-separated file (as `fra.txt`), or of CSV.

    Lines are as `read_lines` gives them. Pairs with an empty side are left out and
    reported by a warning of the logger "kseq2seq".

    Args:
        path: A text file in UTF-8, plain or packed, as for `read_lines`. If its name
            ends in `.csv` (or `.csv.gz`), quotes are read as CSV has them, and columns
            have commas, semicolons or tabs between them, whatever the first line has
            the most of. Else they have tabs.
        columns: Index, from 0, of the source's and of the target's column; or their
            names in the first line. A third one is the column of features, such as
            morphological tags; a cell of it may be empty.
        header: Whether the first line names the columns. If `None`, a first line with
            names such as "source" and "target" or "English" and "French" is left out
            and reported.
        quoting: Whether quotes are those of CSV (`True`) or text (`False`). If `None`,
            they are CSV's in a file that ends in `.csv`; and another whose quotes look
            like CSV's is refused.

    Returns:
        A list of `(source, target)` strings; of three `columns` of `(source, target,
        features)` strings.

    Raises:
        DataError: If the file is missing, empty, damaged or no text in UTF-8, if a
            line lacks one of the columns, or if quotes are CSV's and it is not said.
        ValueError: If `columns` are neither integers of at least 0 nor names, two or
            three of them, or names of a file that is said to have no header.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "fra.txt"
    >>> _ = path.write_text("Go.\tVa !\tCC-BY 2.0\n")
    >>> read_tsv(path)
    [('Go.', 'Va !')]
    >>> path = path.with_suffix(".csv")
    >>> _ = path.write_text('id,en,fr\n1,"Go, now!",Va !\n')
    >>> read_tsv(path, columns=("en", "fr"))
    [('Go, now!', 'Va !')]
    >>> path = path.with_name("german")
    >>> _ = path.write_text("gehen\tpos=V,tense=PST\tging\n")
    >>> read_tsv(path, columns=(0, 2, 1))
    [('gehen', 'ging', 'pos=V,tense=PST')]
    """
    named = header or _are_names(columns)
    rows: Any = list(_rows_of(path, _check_columns(columns), header, quoting))
    if quoting is None and not _is_csv(path):
        _check_quotes(rows, path)
    kept: Any = without_empty_sides([texts for _, texts in rows], str(path))
    return without_header(kept, str(path)) if header is None and not named else kept


def iter_tsv(
    path: PathLike,
    columns: Sequence[int] | Sequence[str] = (0, 1),
    header: bool | None = None,
    quoting: bool | None = None,
) -> Iterator[tuple[str, ...]]:
    """The rows of a file of columns, one by one, as `read_tsv` reads them.

    Args:
        path: A file, as for `read_tsv`.
        columns: As there.
        header: As there.
        quoting: As there; what quotes look like is told by the first rows.

    Returns:
        An iterator of tuples of a string for each column, empty ones among them.

    Raises:
        DataError: As in `read_tsv`, when the line is reached.
        ValueError: If `columns` are neither integers nor names.
    """
    numbered = numbered_tsv(path, _check_columns(columns), header, quoting)
    return (texts for _, texts in numbered)


def numbered_tsv(
    path: PathLike,
    columns: Sequence[int] | Sequence[str],
    header: bool | None = None,
    quoting: bool | None = None,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The rows of `iter_tsv`, each behind the number of its line.

    Args:
        path: A file, as for `read_tsv`.
        columns: As there.
        header: As there.
        quoting: As there.
    """
    rows = _rows_of(path, columns, header, quoting)
    if quoting is None and not _is_csv(path):
        first = list(itertools.islice(rows, _FIRST_ROWS))
        _check_quotes(first, path)
        rows = itertools.chain(first, rows)
    may_have_header = header is None and not _are_names(columns)
    for number, texts in rows:
        if number > 1 or not may_have_header or not is_header(texts, str(path)):
            yield number, texts


def _rows_of(
    path: PathLike,
    columns: Sequence[int] | Sequence[str],
    header: bool | None,
    quoting: bool | None,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number of the line, and texts of the columns, of each row behind a header.

    A header that is only guessed is a row.
    """
    if header is not None:
        header = check_boolean("header", header)
    if quoting is not None:
        quoting = check_boolean("quoting", quoting)
    rows, delimiter = _iter_rows(path, quoting)
    by_name = _are_names(columns)
    if by_name and header is False:
        raise ValueError(
            "`header` cannot be False with names in `columns`, which stand in the "
            f"first line. Received: columns={list(columns)}"
        )
    if by_name or header:
        first = list(itertools.islice(rows, 1))
        if by_name and first:
            columns = _find_columns(cast(Sequence[str], columns), first[0][1], path)
    return _take_columns(rows, cast(Sequence[int], columns), delimiter, path)


def _check_columns(columns: Any) -> Sequence[int] | Sequence[str]:
    if _are_names(columns):
        return columns
    note = "the source's and the target's, or their names in the first line"
    has_features = isinstance(columns, (list, tuple)) and len(columns) == 3
    return check_integers("columns", columns, 0, 3 if has_features else 2, note)


def _are_names(columns: Any) -> bool:
    is_list = isinstance(columns, (list, tuple)) and len(columns) in (2, 3)
    return is_list and all(isinstance(column, str) for column in columns)


def _is_csv(path: PathLike) -> bool:
    return unpacked_name(path).endswith(".csv")


def _iter_rows(
    path: PathLike, quoting: bool | None
) -> tuple[Iterator[tuple[int, list[str]]], str]:
    """Number of the line, and cells, of each row; and what is between columns."""
    lines = stream_lines(path)
    is_csv, delimiter = _is_csv(path), "\t"
    if is_csv:
        first = list(itertools.islice(lines, 1))
        unquoted = re.sub('"[^"]*"', "", "".join(first))
        delimiter = max(_DELIMITERS, key=unquoted.count)
        lines = itertools.chain(first, lines)
    if is_csv if quoting is None else quoting:
        return _csv_rows(lines, delimiter, path), delimiter
    rows = ((n, line.split(delimiter)) for n, line in enumerate(lines, 1))
    return rows, delimiter


def _csv_rows(
    lines: Iterable[str], delimiter: str, path: PathLike
) -> Iterator[tuple[int, list[str]]]:
    of_row: list[str] = []

    def ended():
        for line in lines:
            of_row.append(line)
            yield line + "\n"

    reader = csv.reader(ended(), delimiter=delimiter, strict=True)
    number = 1
    try:
        for cells in reader:
            if any(re.match(' +"', cell) for cell in cells):
                _refuse_blank_quotes(of_row, cells, delimiter, f"{path}:{number}")
            yield number, cells
            number = reader.line_num + 1
            of_row.clear()
    except csv.Error as error:
        also = (
            " If so long a cell is meant, raise csv.field_size_limit first, or put "
            "tabs between columns, without quotes, in a file of another name."
        )
        raise DataError(
            f"{path}:{number}: expected a row of CSV. Received: {of_row[0][:80]!r} "
            f"({error}). Mend its quotes, or read them as text by quoting=False."
            + (also if "limit" in str(error) else "")
        ) from error


def _refuse_blank_quotes(
    lines: Sequence[str], cells: list[str], delimiter: str, place: str
) -> None:
    """Refuses a quote behind a blank: CSV has it as text, but its writer had not."""
    again = csv.reader(
        [f"{x}\n" for x in lines], delimiter=delimiter, skipinitialspace=True
    )
    if [x.lstrip(" ") for x in next(again)] != [x.lstrip(" ") for x in cells]:
        raise DataError(
            f"{place}: expected quotes of CSV at the beginning of a cell. Received: "
            f"{lines[0][:80]!r}. Leave out the blank ahead of them, or read them as "
            "text by quoting=False."
        )


def _find_columns(
    names: Sequence[str], header: list[str], path: PathLike
) -> tuple[int, ...]:
    """Indices of named columns."""
    if any(header.count(name) != 1 for name in names):
        raise DataError(
            f"{path}:1: expected names of columns, each once, and among them "
            f"{' and '.join(map(repr, names))}. Received: {header}"
        )
    return tuple(map(header.index, names))


def _take_columns(
    rows: Iterable[tuple[int, list[str]]],
    columns: Sequence[int],
    delimiter: str,
    path: PathLike,
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number of the line, and the cells, of each row; blank for a blank one."""
    last = max(columns)
    for number, cells in rows:
        if all(map(is_blank, cells)):
            yield number, ("",) * len(columns)
        elif len(cells) > last:
            yield number, tuple(cells[column] for column in columns)
        else:
            hint = "" if _is_csv(path) else ". The name of a file of CSV ends in .csv"
            raise DataError(
                f"{path}:{number}: column {last} (counted from 0) is missing: "
                f"expected at least {last + 1} columns with {_DELIMITERS[delimiter]} "
                f"between them. Received: {len(cells)} in "
                f"{delimiter.join(cells)[:80]!r}{hint}"
            )


def _check_quotes(rows: list[tuple[int, tuple[str, ...]]], path: PathLike) -> None:
    """Refuses what CSV has quoted: a cell with doubled quotes, or all cells.

    CSV quotes each cell that has a quote in it, so that one cell with another kind of
    quotes makes them text everywhere. Names of columns may be without quotes.
    """
    cells = [(number, cell) for number, texts in rows for cell in texts if cell]
    quoted = [(number, cell) for number, cell in cells if '"' in cell]
    if not all(_QUOTED.fullmatch(cell) for _, cell in quoted):
        return
    names = [cell for number, cell in cells if number == cells[0][0]]
    bare = not any('"' in cell for cell in names)
    num_quoted = len(cells) - len(names) if bare else len(cells)
    all_cells = len(rows) > (2 if bare else 1) and len(quoted) == num_quoted
    suspect = [x for x in quoted if all_cells or '""' in x[1][1:-1]]
    if suspect:
        number, cell = suspect[0]
        raise DataError(
            f"{path}:{number}: quotes look like those of CSV. Received: {cell[:80]!r}. "
            "Read them as such by quoting=True or a name that ends in .csv, or as text "
            "by quoting=False."
        )
