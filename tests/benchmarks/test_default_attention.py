"""The benchmark of default mechanisms: its runs, and the table that is made of them."""

import gzip
import importlib
import json

import pytest

from paths import BENCHMARKS

WORDS = [("ab", "a b"), ("ba", "b a"), ("aab", "a a b"), ("bab", "b a b")]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("default_attention")


@pytest.fixture
def data(tmp_path):
    for part, count in {"train": 11, "dev": 3}.items():
        lines = "".join("\t".join(WORDS[row % 4]) + "\n" for row in range(count))
        (tmp_path / f"kor_{part}.tsv.gz").write_bytes(gzip.compress(lines.encode()))
    return tmp_path


def test_runs_are_kept_and_told(script, data, tmp_path, capsys):
    output = tmp_path / "results"
    arguments = [f"--data={data}", f"--output={output}", "--languages", "kor"]
    arguments += ["--units", "6", "--seeds", "3", "--epochs", "1", "--attention"]
    assert script.main([*arguments, "luong_dot"]) == 0
    table = capsys.readouterr().out
    assert "Korean" in table and "| 6 | `luong_dot` |" in table
    (path,) = (output / script.RUNS).glob("*.json")
    run = json.loads(path.read_text())
    assert (run["units"], run["seed"], run["language"]) == (6, 3, "kor")
    assert run["precision"] == "float32"
    path.write_text(json.dumps({**run, "exact_match": 37.0}))
    assert script.main([*arguments, "luong_dot", "bahdanau", "--reuse"]) == 0
    report = json.loads((output / script.REPORT).read_text())
    assert [x["attention"] for x in report["runs"]] == ["luong_dot", "bahdanau"]
    assert report["runs"][0]["exact_match"] == 37.0
    assert script.main([*arguments, "luong_dot"]) == 0
    assert json.loads(path.read_text()) != {**run, "exact_match": 37.0}
    (data / "kor_dev.tsv.gz").unlink()
    assert script.main([*arguments, "luong_dot"]) == 2
    assert "kor_dev.tsv.gz" in capsys.readouterr().err


def test_large_models_are_trained_in_bfloat16(script, data, monkeypatch):
    import keras

    import kseq2seq

    policies = []

    def build_model(config, build=kseq2seq.build_model):
        policies.append(keras.config.dtype_policy().name)
        return build(config)

    monkeypatch.setattr(kseq2seq, "build_model", build_model)
    monkeypatch.setattr(script, "LARGE", 8)
    arguments = [f"--data={data}", f"--output={data}", "--languages", "kor"]
    arguments += ["--seeds", "3", "--epochs", "1", "--attention", "luong_dot"]
    try:
        assert script.main([*arguments, "--units", "8", "6"]) == 0
    finally:
        keras.config.set_dtype_policy("float32")
    assert policies == ["mixed_bfloat16", "float32"]
    report = json.loads((data / script.REPORT).read_text())
    assert [run["precision"] for run in report["runs"]] == policies


def test_the_table_counts_what_has_not_learnt_to_align(script):
    runs = [
        {
            **script.settings_of("bahdanau", 7, language, seed, 1),
            "exact_match": right,
            "alignment": alignment,
            "alignment_coverage": coverage,
        }
        for language, seed, right, alignment, coverage in [
            ("dut", 1, 50.0, 0.8, 0.9),
            ("dut", 2, 60.0, 0.05, 0.9),
            ("fre", 1, 80.0, 0.7, 0.4),
        ]
    ]
    (row,) = script.summarize(runs)
    assert row["languages"] == {"dut": 55.0, "fre": 80.0}
    assert (row["mean"], row["lowest"], row["lowest_alignment"]) == (63.3, 50.0, 0.05)
    assert (row["not_aligned"], row["runs"]) == (2, 3)
