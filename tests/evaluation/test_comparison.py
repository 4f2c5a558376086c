"""Tests of the comparison of translations with their references."""

import csv
import io
import itertools

import pytest

from kseq2seq import evaluation


def test_edits_are_the_fewest_and_lead_from_one_to_the_other():
    texts = ["".join(x) for n in range(5) for x in itertools.product("abc", repeat=n)]
    texts = [*texts[::3], "abcab", "cabbac", "aaaaaaa"]
    for expected, written in itertools.product(texts, texts):
        (row,) = evaluation.compare(["?"], [written], [expected], "character")
        assert row.correct is (expected == written)
        assert len(row.edits) == evaluation.edit_distance(expected, written)
        assert all(first != second for first, second in row.edits)
        assert _is_made(expected, written, row.edits)


def _is_made(expected, written, edits):
    """Whether the edits, each once and in this order, make one text of the other."""
    if not edits:
        return expected == written
    first, second = edits[0]
    applies = expected.startswith(first) and written.startswith(second)
    if applies:
        rest = expected[len(first) :], written[len(second) :]
        if _is_made(*rest, edits[1:]):
            return True
    same = expected and written and expected[0] == written[0]
    return bool(same) and _is_made(expected[1:], written[1:], edits)


def test_compares_with_the_nearest_reference_in_words():
    accepted = ["t a m", "t ɔ m ɛ t", "t ɔ m a t"]
    rows = evaluation.compare(
        ["tom", "mat", "pin"], ["t ɔ n ɛ t", "t a m", "p iː"], [accepted] * 2 + ["p i"]
    )
    assert [row.reference for row in rows] == ["t ɔ m ɛ t", "t a m", "p i"]
    assert [row.correct for row in rows] == [False, True, False]
    assert [row.edits for row in rows] == [[("m", "n")], [], [("i", "iː")]]


def test_texts_without_blanks_are_compared_in_characters():
    references = ["1969-07-20", "1970-01-02", "in all"]
    rows = evaluation.compare(list("abc"), ["1969-07-2", "1970-01-02", ""], references)
    assert rows[0].edits == [("0", "")]
    assert rows[2].edits == [(x, "") for x in "in all"]
    (row,) = evaluation.compare(["a"], ["xyz"], ["xy"], unit="word")
    assert row.edits == [("xy", "xyz")]


def test_confusions_are_counted_the_most_frequent_first():
    rows = evaluation.compare(list("abc"), ["a b", "x b y", "c b"], ["x b"] * 3)
    assert evaluation.confusions(rows) == [("x", "a", 1), ("", "y", 1), ("x", "c", 1)]
    rows += evaluation.compare(["d"], ["x b y"], ["x b"])
    assert evaluation.confusions(rows)[0] == ("", "y", 2)


def test_table_has_a_line_for_each_source():
    rows = evaluation.compare(
        ["a\tb", "c\nd"], ["p q", "pq y"], [["r", "p q"], "p q z"], unit="character"
    )
    assert evaluation.comparison_table(rows).splitlines() == [
        "source\treference\ttranslation\tcorrect\tedits\tchanges",
        "a b\tp q\tp q\tyes\t0\t",
        "c d\tp q z\tpq y\tno\t2\t␣ → ∅, z → y",
    ]
    table = evaluation.comparison_table(rows, ["V;PST", ""])
    assert [x.split("\t")[6] for x in table.splitlines()] == ["features", "V;PST", ""]


def test_a_table_is_read_with_its_quotes():
    """By spreadsheets a lone quote would swallow the lines behind it."""
    sources = ['"Go away, he said.', 'a "b" c', "d"]
    rows = evaluation.compare(sources, ['"', "y", "w"], ["x", '"z"', "w"])
    table = evaluation.comparison_table(rows)
    assert table.count("\n") == 4
    _, *cells = csv.reader(io.StringIO(table, newline=""), "excel-tab")
    assert [row[:3] for row in cells] == [
        [x.source, x.reference, x.translation] for x in rows
    ]
    assert table.splitlines()[3] == "d\tw\tw\tyes\t0\t"


def test_refuses_lists_of_different_lengths_and_unknown_units():
    with pytest.raises(ValueError, match="2 sources, 1 translations"):
        evaluation.compare(["a", "b"], ["x"], ["x"])
    with pytest.raises(ValueError, match="1 hypotheses, 2 references"):
        evaluation.compare(["a"], ["x"], ["x", "y"])
    with pytest.raises(ValueError, match="must be one of word, character"):
        evaluation.compare(["a"], ["x"], ["x"], unit="phone")
