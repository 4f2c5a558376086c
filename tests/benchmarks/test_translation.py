"""The benchmark of real text beside others, on a tiny model."""

import argparse
import gzip
import importlib
import json

import numpy as np
import pytest

from kseq2seq import runs
from paths import BENCHMARKS
from remotes import in_this_process
from translators import PAIRS, tiny_translator


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("translation")


@pytest.fixture
def folder(script, tmp_path):
    """A folder with a run, which has a shortlist, and test data."""
    translator = tiny_translator()
    translator.save(tmp_path / "run")
    pieces = np.arange(4, translator.target_tokenizer.vocabulary_size, dtype="int32")
    table = np.zeros((translator.source_tokenizer.vocabulary_size, 1), "int32")
    runs.save_shortlist(tmp_path / "run", runs.Shortlist(table, pieces))
    (tmp_path / "multi30k").mkdir()
    for side, texts in zip(("en", "de"), zip(*PAIRS, strict=True), strict=True):
        path = tmp_path / "multi30k" / f"{script.peers.TEST}.{side}.gz"
        path.write_bytes(gzip.compress("".join(f"{x}\n" for x in texts).encode()))
    return tmp_path


class Peer:
    """Translates a third of what it should."""

    def __init__(self, folder, model):
        self.steps = 0

    def trained_steps(self):
        return self.steps

    def train(self, steps, keep):
        self.steps = steps

    def start_decoding(self, shortest, longest):
        assert self.steps == 40 and longest is None

    def decode(self):
        return {"seconds": 0.5, "lines": ["▁ein ▁Hund ▁rennt", "", "▁wir"]}


def test_real_text_of_all_contenders(script, folder, monkeypatch, capsys):
    monkeypatch.setattr("kseq2seq.inference.quantization.apply.LEAST_MULTIPLIED", 1)
    monkeypatch.setattr(script.machine, "GEMM_SIZE", 64)
    monkeypatch.setattr(script, "Peer", Peer, raising=False)
    monkeypatch.setattr(script.peers, "prepare", lambda options, folder: None)
    monkeypatch.setattr(script.elsewhere, "Remote", in_this_process(script))
    arguments = ["--data", folder, "--run", folder / "run", "--output", folder / "out"]
    arguments += ["--repeat=2", "--peer-python=python", "--peer-model", folder / "peer"]
    script.main([*map(str, arguments), "--peer-steps=40"])
    report = json.loads((folder / "out" / "translation.json").read_text())
    results = report["results"]
    assert list(results) == [*script.WAYS, "OpenNMT-tf"]
    assert all(len(x["seconds"]) == 2 for x in results.values())
    # The list has all pieces, so that the translations are the same.
    assert results["shortlist"]["same_as_float32"] == len(PAIRS)
    assert results["shortlist"]["bleu"] == results["float32"]["bleu"]
    times = [0.5 / x for x in results["float32"]["seconds"]]
    expected = pytest.approx(sum(times) / 2)
    assert results["float32"]["times_as_fast_as"]["OpenNMT-tf"] == expected
    assert results["OpenNMT-tf"]["sentences_per_second"] == 6
    assert "| OpenNMT-tf | 6.0 | " in capsys.readouterr().out


def test_the_baseline_gets_the_root_of_the_scores_in_its_keys(
    script, tmp_path, monkeypatch
):
    translator = tiny_translator(attention="luong_scaled_general")
    translator.save(tmp_path)
    config = {"attention": "luong_scaled_general", "units": 10}
    (tmp_path / "config.json").write_text(json.dumps(config))
    started = []
    monkeypatch.setattr(
        script.elsewhere, "Remote", lambda *given: started.append(given)
    )
    options = argparse.Namespace(run=tmp_path, torch_python="python")
    script.start_torch(options, translator.source_tokenizer, ["a dog", "go"], tmp_path)
    ((_, _, maker, arguments, _),) = started
    assert maker == "Torch" and arguments["config"]["attention"] == "luong_general"
    assert [len(row) for row in arguments["rows"]] == [6, 3]
    weights = translator.model.weights
    with np.load(arguments["weights"]) as arrays:
        for name, weight in zip(arrays.files, weights, strict=True):
            root = 10**0.5 if weight.path.endswith("attention/key_kernel") else 1
            expected = weight.numpy() / root
            np.testing.assert_allclose(arrays[name], expected, rtol=1e-6)


def test_answers_of_each_kind_become_texts(script):
    tokenizer = tiny_translator().target_tokenizer
    first, second = tokenizer.tokenize(["ein Vogel", "wir"]).to_list()
    answers = {"ours": {"texts": ["a"]}, "ids": {"ids": [[*first, 0, 0], second]}}
    answers["pieces"] = {"lines": ["▁ein ▁Vo gel"]}
    expected = {"ours": ["a"], "ids": ["ein Vogel", "wir"], "pieces": ["ein Vogel"]}
    assert script.as_texts(answers, tokenizer) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--peer-python=python"], "--peer-python needs --peer-model"),
        (["--repeat=0"], "must be at least 1"),
        (["--data=nowhere"], "name its folder by --data"),
    ],
)
def test_what_is_wrong_is_said_at_once(script, folder, arguments, message, capsys):
    with pytest.raises(SystemExit):
        script.parse_arguments(["--run=own", f"--data={folder}", *arguments])
    assert message in capsys.readouterr().err
