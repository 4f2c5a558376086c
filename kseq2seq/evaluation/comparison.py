"""Translations beside their references: what is wrong, and mistaken for what."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from kseq2seq.evaluation.edit_rates import edit_columns, edit_distance
from kseq2seq.evaluation.score import References, check_texts
from kseq2seq.utils import check_choice, join_lines

UNITS = "word", "character"
_COLUMNS = "source", "reference", "translation", "correct", "edits", "changes"


class Comparison(NamedTuple):
    """A translation beside the nearest of its references.

    Attributes:
        source: The source.
        translation: Its translation.
        reference: The reference that the fewest edits lead to.
        correct: Whether the translation is one of the references.
        edits: `(expected, written)` for each edit; `""` for a symbol that is missing on
            one side.
    """

    source: str
    translation: str
    reference: str
    correct: bool
    edits: list[tuple[str, str]]


def compare(
    sources: Sequence[str],
    translations: Sequence[str],
    references: References,
    unit: str | None = None,
) -> list[Comparison]:
    """Compares each translation with the nearest of its references.

    Args:
        sources: List of strings.
        translations: As long a list of strings.
        references: As long a list, of strings or of lists of accepted strings.
        unit: `"word"` for what stands between blanks, such as words and phones, or
            `"character"`; by default words, if half of the references have a blank.

    Returns:
        A list of `Comparison`, one for each source.

    Raises:
        ValueError: If the lists differ in length or are empty, or `unit` is unknown.

    Example:

    >>> (row,) = compare(["cama"], ["k a n a"], [["k a m a", "k ɐ m ɐ"]])
    >>> row.correct, row.reference, row.edits
    (False, 'k a m a', [('m', 'n')])
    """
    lists = check_texts(translations, references, bootstrap=0)
    if len(sources) != len(lists):
        raise ValueError(
            "There must be as many sources as translations. Received: "
            f"{len(sources)} sources, {len(lists)} translations"
        )
    if unit is None:
        blanks = sum(" " in text for accepted in lists for text in accepted)
        unit = UNITS[2 * blanks < sum(map(len, lists))]
    split = list if check_choice("unit", unit, UNITS) == "character" else str.split
    rows = []
    for source, text, accepted in zip(sources, translations, lists, strict=True):
        written = split(text)
        nearest = min(accepted, key=lambda x: edit_distance(split(x), written))
        correct = text in accepted
        edits = [] if correct else _edits(split(nearest), written)
        reference = text if correct else nearest
        rows.append(Comparison(source, text, reference, correct, edits))
    return rows


def confusions(rows: Sequence[Comparison]) -> list[tuple[str, str, int]]:
    """Counts of the edits: what was expected, what was written instead.

    Args:
        rows: Result of `compare`.

    Returns:
        A list of `(expected, written, count)`, the most frequent first; `""` stands
        for nothing.

    Example:

    >>> rows = compare(["a", "b"], ["x y", "x z y"], ["x z", "x z"])
    >>> confusions(rows)
    [('z', 'y', 1), ('', 'y', 1)]
    """
    counts = Counter(edit for row in rows for edit in row.edits)
    return [(*edit, count) for edit, count in counts.most_common()]


def comparison_table(
    rows: Sequence[Comparison], features: Sequence[str] | None = None
) -> str:
    r"""The comparisons as a table with tabs between columns, for a spreadsheet.

    Args:
        rows: Result of `compare`.
        features: The features of each source, a column behind the others; `None` for
            none.

    Returns:
        Lines of source, reference, translation, "yes" or "no", the number of edits, and
        the edits as `format_edit` writes them, below a line with the names of these
        columns. A cell with a quote is quoted as CSV has it: spreadsheets, and the
        dialect `excel-tab` of Python, read the texts as they are.

    Example:

    >>> table = comparison_table(compare(["a"], ["x y"], ["x z"]))
    >>> table.splitlines()[1].split("\t")
    ['a', 'x z', 'x y', 'no', '1', 'z → y']
    """
    table = io.StringIO()
    writer = csv.writer(table, delimiter="\t", lineterminator="\n")
    writer.writerow([*_COLUMNS, *([] if features is None else ["features"])])
    for number, row in enumerate(rows):
        changes = ", ".join(format_edit(*edit) for edit in row.edits)
        correct, edits = "yes" if row.correct else "no", str(len(row.edits))
        cells = [row.source, row.reference, row.translation, correct, edits, changes]
        cells += [] if features is None else [features[number]]
        writer.writerow([join_lines(x).replace("\t", " ") for x in cells])
    return table.getvalue()


def format_edit(expected: str, written: str) -> str:
    """An edit as text: `∅` stands for nothing, `␣` for a blank.

    Example:

    >>> format_edit("z", "y"), format_edit("", "y")
    ('z → y', '∅ → y')
    """
    names = {"": "∅", " ": "␣"}
    return f"{names.get(expected, expected)} → {names.get(written, written)}"


def _edits(expected: Sequence[str], written: Sequence[str]) -> list[tuple[str, str]]:
    """The fewest edits that make `written` of `expected`, from left to right."""
    # The first column counts up from 0.
    rises, falls = [(1 << len(expected)) - 1], [0]
    for rise, fall, _ in edit_columns(expected, written):
        rises.append(rise)
        falls.append(fall)
    edits, i, j = [], len(expected), len(written)
    while i and j:
        if rises[j] >> (i - 1) & 1:  # a cell less above: the symbol is missing
            i -= 1
            edits.append((expected[i], ""))
            continue
        j -= 1
        if falls[j] >> (i - 1) & 1:  # a cell less to the left: one too many
            edits.append(("", written[j]))
            continue
        i -= 1
        if expected[i] != written[j]:
            edits.append((expected[i], written[j]))
    edits += [("", symbol) for symbol in reversed(written[:j])]
    edits += [(symbol, "") for symbol in reversed(expected[:i])]
    return edits[::-1]
