"""The benchmark of compiling on jax, on next to nothing."""

import gzip
import importlib
import json

import pytest

from kseq2seq import Seq2SeqConfig
from paths import BENCHMARKS

LINES = [" ".join(["word"] * n) for n in (1, 2, 3, 5, 6, 7)]


@pytest.fixture
def compilation(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    # What the script sets is taken back.
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    monkeypatch.setattr(importlib.import_module("pipeline"), "VOCABULARY_SIZE", 9)
    return importlib.import_module("compilation")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "multi30k").mkdir()
    for side in ("en", "de"):
        with gzip.open(tmp_path / "multi30k" / f"train.{side}.gz", "wt") as file:
            file.writelines(f"{line}\n" for line in LINES * 64)
    return tmp_path


def test_all_shapes_are_reckoned_from_some(compilation, folder, monkeypatch, capsys):
    given = []

    def seconds_of_shapes(batches, vocabulary_size):
        given.append({x[0].shape for x in batches})
        return [7.0, 2.0]

    monkeypatch.setattr(compilation, "seconds_of_shapes", seconds_of_shapes)
    words = ["--data", str(folder), "--output", str(folder), "--shapes", "2"]
    assert compilation.main(words) == 0
    assert [len(shapes) for shapes in given] == [2] * len(compilation.WAYS)
    ways = json.loads((folder / "compilation.json").read_text())["ways"]
    assert [*ways] == [*compilation.WAYS]
    fine = ways["default"]
    assert fine["all_shapes"] == 7 + 2 * (fine["shapes"] - 1)
    assert fine["shapes"] > ways["three, coarse"]["shapes"] > 1
    assert 0 < fine["padding"] < ways["three, coarse"]["padding"]
    assert "| three, coarse | 3 |" in capsys.readouterr().out


def test_no_set_of_buckets_is_good_enough(compilation, folder, monkeypatch):
    monkeypatch.setattr(compilation, "seconds_of_shapes", lambda *x: [31.0, 2.0])
    assert compilation.main(["--data", str(folder), "--output", str(folder)]) == 1


def test_each_shape_is_a_step(compilation, monkeypatch):
    contenders = importlib.import_module("contenders")

    def config_of(size):
        sizes = {"source_vocabulary_size": size, "target_vocabulary_size": size}
        return Seq2SeqConfig(**sizes, embedding_size=3, units=14)

    monkeypatch.setattr(contenders, "config_of", config_of)
    batches = [contenders.synthetic_batches(2, n, 3, 11, 1)[0] for n in (5, 7)]
    assert len(compilation.seconds_of_shapes(batches, 11)) == 2


def test_few_shapes_are_no_measurement(compilation, folder, capsys):
    with pytest.raises(SystemExit):
        compilation.parse_arguments(["--data", str(folder), "--shapes", "1"])
    assert "--shapes must be at least 2" in capsys.readouterr().err
