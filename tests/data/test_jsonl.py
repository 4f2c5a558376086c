import json
import re

import pytest

from kseq2seq import data
from packed import write

ROWS = [
    {"source": "Go.", "target": "Va !", "tags": "a;b"},
    {"target": "Salut\u00a0!\n", "source": "Hi.", "id": 7, "tags": None},
]


def lines_of(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("suffix", [".jsonl", ".gz", ".zip"])
def test_fields_by_name(tmp_path, suffix, caplog):
    path = write(tmp_path / f"pairs{suffix}", lines_of(*ROWS) + "\n")
    pairs = [("Go.", "Va !"), ("Hi.", "Salut\u00a0!")]
    assert data.read_jsonl(path) == pairs
    assert "left out 1 of 3 pairs" in caplog.text
    columns = ["target", "source", "tags"]
    assert data.read_jsonl(path, columns) == [
        ("Va !", "Go.", "a;b"),
        ("Salut\u00a0!", "Hi.", ""),
    ]


def test_fields_inside_of_objects(tmp_path, caplog):
    row = {"translation": {"en": "Go.", "de": None}, "a.b": "x", "a": {"b": "y"}}
    path = write(
        tmp_path / "a.jsonl", lines_of(row, {**row, "translation": {"en": ""}})
    )
    assert data.read_jsonl(path, ("translation.en", "a.b"))[0] == ("Go.", "x")
    with pytest.raises(data.DataError, match=r"a.jsonl:2: expected a field 'transl"):
        data.read_jsonl(path, ("a.b", "translation.de"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('["Go.", "Va !"]', "expected an object of JSON in each line"),
        ('{"source": "Go.",', r"expected an object .* \(Expecting property name"),
        ('{"source": "Go."}', "expected a field 'target'. Received: fields source"),
        ("{}", "Received: fields none. Name others by columns"),
        ('{"source": "Go.", "target": 3}', "text in the field 'target'. Received: 3"),
        ('{"source": "Go.", "target": "\\ud800"}', "write strings of Unicode"),
        ('{"source": "G\\u0000.", "target": "a"}', r"'G\\x00\.'.* without NUL"),
    ],
)
def test_errors_name_file_and_line(tmp_path, line, message):
    path = write(tmp_path / "a.jsonl.gz", lines_of(*ROWS) + line)
    with pytest.raises(data.DataError, match=rf"a\.jsonl\.gz:3: .*{message}"):
        data.read_jsonl(path)


@pytest.mark.parametrize("columns", [(0, 1), ("a",), ("a", ""), "ab"])
def test_columns_must_be_names(tmp_path, columns):
    with pytest.raises(ValueError, match=re.escape(f"columns={columns!r}")):
        data.read_jsonl(tmp_path / "a.jsonl", columns)
