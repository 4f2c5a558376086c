"""The benchmark of serving: its arithmetic, and all of it on next to nothing."""

import importlib.util
import json
import sys
import threading
import time

import numpy as np
import pytest

from kseq2seq import Search
from paths import BENCHMARKS
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=2, max_length=7)
# Of each kind of inputs: a text alone, a target too, and the settings of sampling.
SIGNATURES = ["sample", "score", "serving_default"]


@pytest.fixture(scope="module")
def serving():
    """The script. There is another module of its name here."""
    path = BENCHMARKS / "serving.py"
    spec = importlib.util.spec_from_file_location("serving_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


def test_all_that_a_server_costs_is_measured(
    serving, tmp_path, capsys, monkeypatch, export_only
):
    export_only(*SIGNATURES)
    for name in ("WARM_UP", "ROUNDS"):
        monkeypatch.setattr(serving, name, 1)
    translator = tiny_translator()
    translator.save(tmp_path / "run")
    model = translator.export(tmp_path / "tiny", SEARCH)
    (tmp_path / "texts").write_text("".join(f"{text}\n" for text in TEXTS))
    given = {"model": model, "run": tmp_path / "run", "texts": tmp_path / "texts"}
    given |= {"output": tmp_path, "seconds": 0.6, "callers": 3, "requests": 2}
    arguments = [f"--{name}={value}" for name, value in {**given, "loads": 1}.items()]
    serving.main(arguments)
    report = json.loads((tmp_path / "serving.json").read_text())
    assert all(seconds > 0 for seconds in report["load_seconds"].values())
    assert list(report["latency_milliseconds"]) == SIGNATURES
    for actual in (*report["latency_milliseconds"].values(), report["callers"]):
        times = actual.get("milliseconds", actual)
        assert 0 < times["p50"] <= times["p95"] <= times["p99"] <= times["max"]
    rates = report["texts_per_second"]
    assert list(rates) == ["1", "8", "64"] and min(rates.values()) > 0
    calls = report["callers"]
    assert calls["callers"] == 3 and 0.6 <= calls["seconds"] < 30
    rate = calls["requests"] / calls["seconds"]
    assert calls["requests"] > 3 and calls["requests_per_second"] == pytest.approx(
        rate, rel=0.05
    )
    if sys.platform.startswith("linux"):
        assert len(calls["memory"]["samples"]) > 3
        assert 1e7 < min(calls["memory"]["samples"]) <= calls["memory"]["most"] < 1e11
    python = report["against_python"]
    assert python["texts"] == python["same_translations"] == 5  # one line is empty
    rates = python["texts_per_second"]
    assert python["session_to_python"] == pytest.approx(
        rates["session"] / rates["python"], rel=0.01
    )
    sizes = report["model"]["bytes"]
    assert sizes["saved_model.pb"] == (model / "saved_model.pb").stat().st_size
    assert report["model"]["path"] == "tiny/1"
    out = capsys.readouterr().out
    assert f"| session to Python, texts/s | {python['session_to_python']:.2f} |" in out
    assert out.count("ms: p50 / p95 / p99") == len(SIGNATURES) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "must hold a SavedModel (saved_model.pb): name one by --model"),
        (["--run", "."], "--run must be a run folder with model.keras: ."),
        (["--seconds", "0"], "--requests and --loads must be above 0"),
        (["--callers", "-1"], "--requests and --loads must be above 0"),
    ],
)
def test_what_cannot_be_measured_is_told(serving, tmp_path, capsys, arguments, message):
    if arguments:
        (tmp_path / "saved_model.pb").touch()
    with pytest.raises(SystemExit) as stopped:
        serving.parse_arguments(["--model", str(tmp_path), *arguments])
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_texts_are_those_of_the_file_or_dates(serving, tmp_path):
    (tmp_path / "texts").write_text("a dog\n\n \nwe run\n")
    assert serving.read_texts(tmp_path / "texts") == ["a dog", "we run"]
    (tmp_path / "texts").write_text(" \n")
    with pytest.raises(ValueError, match="must hold lines with text"):
        serving.read_texts(tmp_path / "texts")
    dates = serving.read_texts(None)
    assert len(dates) == len(set(dates)) == 512


def test_quantiles_are_in_milliseconds(serving):
    seconds = [n / 1000 for n in range(101)][::-1]
    assert serving.quantiles(seconds) == {
        "p50": 50.0,
        "p95": 95.0,
        "p99": 99.0,
        "max": 100.0,
    }


def test_growth_counts_from_when_the_memory_has_settled(serving):
    samples = [(1.0, 500), (9.5, 700), (10.5, 710), (30.0, 790), (60.0, 750)]
    assert serving.grown(samples, 10) == {
        "memory": {
            "at 10 s": 710,
            "at 60 s": 750,
            "growth": 40,
            "most": 790,
            "samples": [500, 700, 710, 790, 750],
        }
    }
    assert serving.grown([(1.0, None), (20.0, None)], 10) == {"memory": None}


class Session:
    """Notes who called at once; falls when told to."""

    def __init__(self, fall=False):
        self.fall, self.texts, self.threads = fall, [], set()

    def run(self, name, inputs):
        self.texts += inputs["text"]
        self.threads.add(threading.get_ident())
        time.sleep(0.01)
        if self.fall and len(self.texts) > 5:
            raise RuntimeError("fallen")
        return {"translation": np.array(inputs["text"], object)}


def test_callers_call_at_once_and_share_the_texts(serving):
    session = Session()
    texts = ["a", "b", "c", "d", "e"]
    actual = serving.call_at_once(session, texts, callers=3, seconds=0.3)
    assert len(session.threads) == 3
    assert set(session.texts) == {text.encode() for text in texts}
    assert actual["requests"] == len(session.texts) > 30  # alone, one has at most 30
    assert actual["milliseconds"]["p50"] >= 10


def test_a_request_that_fails_is_no_measurement(serving):
    with pytest.raises(RuntimeError, match="a request failed: .*fallen"):
        serving.call_at_once(Session(fall=True), ["a"], callers=2, seconds=5)
