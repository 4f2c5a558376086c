"""Reader of columns between tabs."""

from collections.abc import Sequence

from kseq2seq.data.containers import Pairs
from kseq2seq.data.lines import DataError, read_lines
from kseq2seq.data.pairs import without_empty_sides
from kseq2seq.utils import PathLike, check_integers


def read_tsv(path: PathLike, columns: Sequence[int] = (0, 1)) -> Pairs:
    r"""Reads pairs from the columns of a tab-separated file (as `fra.txt`).

    Lines end with `\n` or `\r\n` and with nothing else; quotes mean nothing; a
    byte order mark is skipped. Pairs with an empty side are left out and reported
    by a warning of the logger "kseq2seq".

    Args:
        path: A text file in UTF-8, plain, gzipped or in a zip, which may hold one
            `.txt` or `.tsv` file besides those whose names begin with "_".
        columns: Index, from 0, of the source's and of the target's column.

    Returns:
        A list of `(source, target)` strings.

    Raises:
        DataError: If the file is missing, empty, damaged or not UTF-8, or if a
            line lacks one of the columns.
        ValueError: If `columns` are not two integers of at least 0.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "fra.txt"
    >>> _ = path.write_text("Go.\tVa !\tCC-BY 2.0\n")
    >>> read_tsv(path)
    [('Go.', 'Va !')]
    """
    source, target = check_integers(
        "columns", columns, least=0, count=2, note="the source's and the target's"
    )
    last = max(source, target)
    pairs: Pairs = []
    for number, line in enumerate(read_lines(path), 1):
        cells = line.split("\t")
        if not line.strip():
            pairs.append(("", ""))
        elif len(cells) <= last:
            raise DataError(
                f"{path}:{number}: column {last} (counted from 0) is missing: "
                f"expected at least {last + 1} columns with tabs between "
                f"them. Received: {len(cells)} in {line[:80]!r}"
            )
        else:
            pairs.append((cells[source], cells[target]))
    return without_empty_sides(pairs, str(path))
