"""The benchmark of several run folders, with translators of known answers."""

import importlib
import json
import sys

import pytest

from kseq2seq.inference import Translation
from paths import BENCHMARKS


@pytest.fixture(scope="module")
def run_folders():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("run_folders")
    finally:
        sys.path.remove(str(BENCHMARKS))


class Writer:
    """In the place of a translator one that writes the source in its own way."""

    def __init__(self, path):
        self.model = self
        self.write = {"loud": str.upper, "right": str}[path.name]

    def count_params(self):
        return 1_230_000

    def translate(self, texts, search, batch_size):
        # A word is missing where the search has no beam.
        last = None if search.beam_size > 1 else -1
        return [
            [Translation(self.write(" ".join(text.split()[:last])), 0.0, 0.0)]
            for text in texts
        ]


def test_models_are_measured_beside_each_other(
    run_folders, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("kseq2seq.Translator.load", Writer)
    path = tmp_path / "lines"
    path.write_text("a dog runs over grass\nwe all go home now\n")
    runs = [tmp_path / name for name in ("loud", "right")]
    files = [f"--source={path}", f"--reference={path}", f"--output={tmp_path}"]
    assert run_folders.main([*map(str, runs), *files, "--repeat=2"]) == 0
    report = json.loads((tmp_path / "run_folders.json").read_text())
    loud, right = (report["results"][name] for name in ("loud", "right"))
    assert loud["bleu"] == 0.0 and loud["bleu_lower"] == 100.0
    assert right["bleu"] == right["bleu_lower"] == 100.0
    assert right["parameters"] == 1_230_000 and right["beam_per_second"] > 0
    assert "| right | 1.23 | 100.0 | 100.0 |" in capsys.readouterr().out


def test_what_is_wrong_is_said_at_once(run_folders, tmp_path, capsys):
    files = ["--source=x", "--reference=x", f"--output={tmp_path}"]
    for wrong in (["a/run", "b/run"], ["a", "--repeat=0"]):
        with pytest.raises(SystemExit):
            run_folders.main([*wrong, *files])
        assert "Received: " in capsys.readouterr().err
    assert run_folders.main(["a", *files]) == 2
    assert "run_folders.py: " in capsys.readouterr().err
