"""The benchmark of shortlists."""

import importlib
import json

import pytest

from paths import BENCHMARKS


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("shortlist")


def test_all_pieces_and_those_of_a_shortlist_in_float32_and_int8(
    script, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("kseq2seq.inference.quantization.apply.LEAST_MULTIPLIED", 1)
    options = ["--vocabularies=97", "--columns=23", "--batch-size=2", "--length=3"]
    options += ["--units=6", "--int8", "--repeat=1", f"--output={tmp_path}"]
    script.main(options)
    report = json.loads((tmp_path / "shortlist.json").read_text())
    results = report["results"]["vocabulary of 97, columns"]
    assert list(results) == ["all", "23", "all, int8", "23, int8"]
    assert all(x["times_as_fast"] > 0 for x in results.values())
    assert "| 23, int8 | " in capsys.readouterr().out


def test_a_batch_has_as_many_columns_as_are_asked_for(script):
    shortlist = script.make_shortlist(vocabulary_size=97, columns=23)
    everything = {*shortlist.table.flatten(), *shortlist.frequent}
    assert len(everything) <= 23 - script.SPECIAL
    assert min(everything) >= script.SPECIAL and max(everything) < 97


def test_what_is_wrong_is_said_at_once(script, capsys):
    with pytest.raises(SystemExit):
        script.parse_arguments(["--repeat", "0"])
    assert "numbers must be at least 1" in capsys.readouterr().err
