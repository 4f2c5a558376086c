"""The benchmark of shortlists, on real text of a tiny model."""

import gzip
import importlib
import json

import numpy as np
import pytest

from kseq2seq import runs
from paths import BENCHMARKS
from translators import PAIRS, tiny_translator


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("shortlist")


def test_real_text_with_and_without_a_shortlist_and_int8(
    script, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("kseq2seq.inference.quantization.apply.LEAST_MULTIPLIED", 1)
    translator = tiny_translator()
    translator.save(tmp_path / "run")
    pieces = np.arange(4, translator.target_tokenizer.vocabulary_size, dtype="int32")
    table = np.zeros((translator.source_tokenizer.vocabulary_size, 1), "int32")
    runs.save_shortlist(tmp_path / "run", runs.Shortlist(table, pieces))
    (tmp_path / "multi30k").mkdir()
    for side, texts in zip(("en", "de"), zip(*PAIRS, strict=True), strict=True):
        path = tmp_path / "multi30k" / f"{script.TEST}.{side}.gz"
        path.write_bytes(gzip.compress("".join(f"{x}\n" for x in texts).encode()))
    folders = {"run": "run", "data": "", "output": "results"}
    options = [f"--{name}={tmp_path / x}" for name, x in folders.items()]
    script.main([*options, "--vocabularies", "--int8", "--repeat=1"])
    report = json.loads((tmp_path / "results" / "shortlist.json").read_text())
    results = report["results"]["real text"]
    names = ["all", "shortlist", "all, int8", "shortlist, int8"]
    assert [x for x in results if x != "signature"] == names
    assert all(results[name]["times_as_fast"] > 0 for name in names)
    # The list has all pieces, so that the translations are the same.
    assert results["shortlist"]["bleu"] == results["all"]["bleu"]
    assert "| shortlist, int8 | " in capsys.readouterr().out


def test_a_batch_has_as_many_columns_as_are_asked_for(script):
    shortlist = script.make_shortlist(vocabulary_size=97, columns=23)
    everything = {*shortlist.table.flatten(), *shortlist.frequent}
    assert len(everything) <= 23 - script.SPECIAL
    assert min(everything) >= script.SPECIAL and max(everything) < 97


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run", "own"], "--run and --data go together"),
        (["--repeat", "0"], "numbers must be at least 1"),
    ],
)
def test_what_is_wrong_is_said_at_once(script, arguments, message, capsys):
    with pytest.raises(SystemExit):
        script.parse_arguments(arguments)
    assert message in capsys.readouterr().err
