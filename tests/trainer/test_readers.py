"""Readers of data formats, and one from outside."""

import json

import pytest

from kseq2seq import data, trainer
from kseq2seq.trainer import readers
from kseq2seq.trainer.data_settings import DataSettings
from kseq2seq.trainer.pairs import read_parts, reference_set


def test_parallel_files(tmp_path):
    (tmp_path / "a").write_text("one\ntwo\n")
    (tmp_path / "b").write_text("eins\nzwei\n")
    pairs = readers.read_parallel(("a", "b"), tmp_path)
    assert pairs == [("one", "eins"), ("two", "zwei")]


def test_rows_of_several_files(tmp_path):
    (tmp_path / "a").write_text("x\tone\teins\n")
    (tmp_path / "b").write_text("x\ttwo\tzwei\n")
    pairs = readers.read_tsv(("a", "b"), tmp_path, columns=(2, 1))
    assert pairs == [("eins", "one"), ("zwei", "two")]


def test_headers_and_quotes_of_tables(tmp_path):
    (tmp_path / "a").write_text('Zahl\tWort\n"6\t7"\t"six, seven"\n')
    both = readers.read_tsv(("a",), tmp_path, (0, 1), header=True, quoting=True)
    assert both == [("6\t7", "six, seven")]
    as_text = readers.read_tsv(("a",), tmp_path, (0, 1), quoting=False)
    assert as_text == [("Zahl", "Wort"), ('"6', '7"')]


def test_columns_by_names_in_the_first_line(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfWords\tNo\tNumber\r\nten\tx\t10\r\n")
    settings = DataSettings(format="tsv", train=("a",), columns=("Number", "Words"))
    pairs = readers.read_tsv(settings.train, tmp_path, settings.columns)
    assert pairs == [("10", "ten")]


def test_fields_of_objects(tmp_path):
    row = {"en": "go", "tags": "V;PST", "past": "went"}
    (tmp_path / "a").write_text(json.dumps(row))
    columns = ("en", "past")
    assert readers.read_jsonl(("a",), tmp_path, columns) == [("go", "went")]
    triples = readers.read_jsonl(("a",), tmp_path, columns, "tags")
    assert triples == [("go", "went", "V;PST")]
    with pytest.raises(ValueError, match=r"must name two fields .*Received: \[0, 1\]"):
        readers.read_jsonl(("a",), tmp_path, (0, 1))


def test_replies_of_dialogues(tmp_path):
    (tmp_path / "a.txt").write_text("a\nb\nc\nd\n")
    (tmp_path / "b.jsonl").write_text(json.dumps({"said": ["e", "f"]}))
    given = {"context_turns": 2, "turn_separator": "/", "replies": "second"}
    settings = DataSettings(format="dialogues", turns="said", **given)
    reader = trainer.READERS["dialogues"]
    options = {name: getattr(settings, name) for name in reader.options}
    pairs = reader.read(("a.txt", "b.jsonl"), tmp_path, **options)
    assert pairs == [("a", "b"), ("b/c", "d"), ("e", "f")]
    # Of one context all replies are accepted.
    references = reference_set(settings, [*pairs, ("a", "z")]).references
    assert references == [["b", "z"], ["d"], ["f"]]


def test_splits_of_a_data_set(tmp_path, monkeypatch):
    def read_tfds(*arguments):
        asked.append(arguments)
        return [("a", "b")]

    asked = []
    monkeypatch.setattr(data, "read_tfds", read_tfds)
    pairs = readers.read_tfds(("train", "test"), tmp_path, "set", "pt", "")
    assert pairs == [("a", "b")] * 2
    assert asked == [("set", "train", "pt", None), ("set", "test", "pt", None)]


def test_dates(tmp_path):
    assert readers.make_dates((), tmp_path, 7) == data.dates(7)


def test_a_reader_from_outside_is_a_function_and_an_entry(tmp_path, monkeypatch):
    def read_rows(names, folder, source, target):
        lines = [x for name in names for x in (folder / name).read_text().splitlines()]
        rows = map(json.loads, lines)
        return [(row[source], row[target]) for row in rows]

    reader = trainer.Reader(read_rows, options=("source", "target"))
    monkeypatch.setitem(trainer.READERS, "rows", reader)
    rows = [{"en": f"a {n}", "de": f"b {n}"} for n in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    changes = ["format=rows", "train=rows.jsonl", "source=en", "target=de"]
    settings = trainer.read_settings(
        trainer.find_recipe("dates"), [f"data.{x}" for x in (*changes, "held_out=1")]
    )
    parts = read_parts(settings.data, tmp_path)
    assert sorted(pair for part in parts for pair in part) == [
        (f"a {n}", f"b {n}") for n in range(10)
    ]
    with pytest.raises(ValueError, match="dates, wav, frames, dialogues, rows"):
        trainer.read_settings(trainer.find_recipe("dates"), ["data.format=csv"])
