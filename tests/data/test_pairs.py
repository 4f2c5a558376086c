import itertools
import json
import re

import pytest

from kseq2seq import data
from packed import write


def test_empty_sides_are_left_out_and_reported(tmp_path, caplog):
    source = write(tmp_path / "train.en", "a\n\nc\nd\ne\n")
    target = write(tmp_path / "train.de", "A\nB\n \t\nD\n\u3000\n")
    assert data.read_parallel(source, target) == [("a", "A"), ("d", "D")]
    [message] = caplog.messages
    assert re.search(r"train\.en.*train\.de: left out 3 of 5 .* number 2\.", message)
    assert caplog.records[0].name == "kseq2seq"
    with pytest.raises(data.DataError, match="every pair has an empty side"):
        data.read_parallel(
            write(tmp_path / "void", "\n\n"), write(tmp_path / "v", "a\n\n")
        )


def test_split():
    pairs = [(str(n % 61), str(n)) for n in range(211)]
    parts = data.split(pairs, (0.7, 0.2, 0.1), seed=3)
    assert sorted(itertools.chain(*parts), key=pairs.index) == pairs
    sources = [{source for source, _ in part} for part in parts]
    assert [len(part) for part in sources] == [43, 12, 6]
    for one, other in itertools.combinations(sources, 2):
        assert not one & other
    for part in parts:
        assert part == sorted(part, key=pairs.index)
    assert data.split(pairs, (0.7, 0.2, 0.1), seed=3) == parts
    assert data.split(pairs, (0.7, 0.2, 0.1), seed=4) != parts


@pytest.mark.parametrize("fractions", [(), (0.5, 0.4), (1.5, -0.5), (1.0, 0.0)])
def test_fractions_must_sum_to_one(fractions):
    with pytest.raises(ValueError, match=re.escape(f"fractions={fractions!r}")):
        data.split([("a", "b")] * 9, fractions)


def test_no_part_may_be_empty():
    with pytest.raises(ValueError, match="part would be empty.*3 distinct sources"):
        data.split([("a", "1"), ("b", "2"), ("c", "3"), ("a", "4")])


def test_group_references():
    pairs = [("b", "2"), ("a", "1"), ("b", "3"), ("b", "2"), ("a", "0")]
    expected = ["b", "a"], [["2", "3"], ["1", "0"]]
    assert data.group_references(pairs) == expected


def read_jsonl(path):
    """A reader from outside: made of what the package's own are made of."""
    rows = map(json.loads, data.read_lines(path))
    return data.without_empty_sides([(row["en"], row["de"]) for row in rows], path)


def test_a_reader_from_outside(tmp_path, caplog):
    rows = [{"en": "a dog", "de": "ein Hund"}, {"en": "", "de": "eine Katze"}]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    path = write(tmp_path / "rows.jsonl.gz", text)
    assert read_jsonl(path) == [("a dog", "ein Hund")]
    assert "rows.jsonl.gz: left out 1 of 2 pairs" in caplog.text
    with pytest.raises(data.DataError, match="void: expected text.*an empty file"):
        read_jsonl(write(tmp_path / "void", ""))
