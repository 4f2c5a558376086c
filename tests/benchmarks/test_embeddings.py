"""The benchmark of word vectors: what it writes, trained on next to nothing."""

import gzip
import importlib

import pytest

from kseq2seq import cli
from paths import BENCHMARKS

PAIRS = [("a dog runs", "ein Hund rennt"), ("a cat sleeps", "eine Katze schläft")]


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("embeddings")


@pytest.fixture
def data(tmp_path):
    (tmp_path / "multi30k").mkdir()
    for part, count in {"train": 30, "val": 2}.items():
        for number, side in enumerate(("en", "de")):
            lines = "".join(f"{PAIRS[row % 2][number]}\n" for row in range(count))
            path = tmp_path / "multi30k" / f"{part}.{side}.gz"
            path.write_bytes(gzip.compress(lines.encode()))
    return tmp_path


def test_each_algorithm_is_compared_with_a_random_start(
    script, data, tmp_path, monkeypatch
):
    pytest.importorskip("gensim")
    from kseq2seq.trainer.sweep_settings import read_sweep

    called = []
    monkeypatch.setattr(cli, "main", called.append)
    run = tmp_path / "run"
    arguments = [f"--data={data}", f"--run={run}", "--pairs=7", "--size=5"]
    script.main([*arguments, "--vocabulary-size=40", "--seeds", "3", "5"])
    ((verb, path, *_),) = called
    runs = read_sweep(path)
    assert verb == "sweep" and [x.settings.training.seed for x in runs] == [3, 5] * 3
    sources = [x.settings.embeddings.source for x in runs]
    assert sources == [""] * 2 + ["skip_gram.en.txt"] * 2 + ["cbow.en.txt"] * 2
    assert len((run / "data" / "train.de").read_text("utf-8").splitlines()) == 7
    for name in sources[2:]:
        first, *lines = (run / "data" / name).read_text("utf-8").splitlines()
        assert first.split() == [str(len(lines)), "5"]


def test_a_folder_without_the_data_is_refused(script, tmp_path, capsys):
    with pytest.raises(SystemExit):
        script.main([f"--data={tmp_path}", "--run=own"])
    assert "has no folder multi30k" in capsys.readouterr().err
