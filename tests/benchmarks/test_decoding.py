"""The benchmarks of decoding and of peers, on next to nothing."""

import gzip
import importlib.util
import json
import sys

import numpy as np
import pytest

from kseq2seq.inference import Translation
from paths import BENCHMARKS
from remotes import in_this_process
from translators import PAIRS, tiny_translator


@pytest.fixture(scope="module", autouse=True)
def beside():
    """Lets the scripts import one another."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


def load(name):
    """A script as a module. There are other modules of such names here."""
    spec = importlib.util.spec_from_file_location(
        f"{name}_benchmark", BENCHMARKS / f"{name}.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_decoding_at_a_forced_length(tmp_path, capsys, monkeypatch):
    decoding = load("decoding")
    monkeypatch.setattr(decoding.elsewhere, "Remote", in_this_process(decoding))
    monkeypatch.setattr(decoding.machine, "GEMM_SIZE", 64)
    arguments = [f"--output={tmp_path}", "--no-torch", "--repeat=2", "--length=3"]
    arguments += [
        "--units=4",
        "--vocabulary=13",
        "--batch-sizes=2",
        "--beams",
        "1",
        "2",
    ]
    decoding.main(arguments)
    report = json.loads((tmp_path / "decoding.json").read_text())
    greedy, beam = report["forced"]["cases"]
    assert (greedy["beam"], beam["beam"], beam["batch_size"]) == (1, 2, 2)
    assert beam["sentences"] == 4
    assert greedy["flops_per_sentence"] < beam["flops_per_sentence"]
    for case in (greedy, beam):
        rates = case["ours"]["of_each_round"]
        assert len(rates) == 2 and min(rates) > 0
    assert report["settings"]["forced_length"] == 3
    assert "| beam 2 | 2 | ours |" in capsys.readouterr().out


def test_all_hypotheses_have_the_forced_length(tmp_path, monkeypatch):
    decoding = load("decoding")
    settings = {"vocabulary": 13, "units": 4, "length": 5, "dtype": "float32"}
    ours = decoding.Ours(tmp_path / "weights.npz", **settings)
    for beam in (1, 3):
        assert ours.decode(beam, 2) > 0
        ids = np.array(ours.ids())
        # No EOS but at the end, and no padding.
        assert ids.shape == (4, 5) and (ids[:, :-1] != 3).all() and (ids > 0).all()
    monkeypatch.setattr("kseq2seq.inference.quantization.apply.LEAST_MULTIPLIED", 1)
    in_int8 = decoding.Int8(tmp_path / "weights.npz", **settings)
    assert in_int8.decode(3, 2) > 0 and np.shape(in_int8.ids()) == (4, 5)
    with np.load(tmp_path / "weights.npz") as arrays:
        assert len(arrays.files) == len(ours.model.weights)


def write_test_set(folder):
    """The test set of Multi30k, cut down to a few pairs."""
    (folder / "multi30k").mkdir()
    for side, texts in zip(("en", "de"), zip(*PAIRS, strict=True), strict=True):
        lines = "".join(f"{x}\n" for x in texts)
        path = folder / "multi30k" / f"test_2016_flickr.{side}.gz"
        path.write_bytes(gzip.compress(lines.encode()))


def test_real_text_in_python_and_exported(tmp_path, monkeypatch):
    real_text = load("real_text")
    monkeypatch.setattr(real_text.machine, "GEMM_SIZE", 64)
    translator = tiny_translator()
    translator.save(tmp_path / "run")
    config = {"source_vocabulary_size": 5, "target_vocabulary_size": 5}
    config |= {"attention": "luong_general", "embedding_size": 4, "units": 4}
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    write_test_set(tmp_path)
    monkeypatch.setattr("kseq2seq.inference.quantization.apply.LEAST_MULTIPLIED", 1)
    actual = real_text.real_text(tmp_path, tmp_path / "run", None, 1, 4, int8=True)
    assert actual["same_translations"] == actual["sentences"] > 0
    assert actual["int8"]["sentences_per_second"] > 0
    assert 0 <= actual["int8_bleu"]["value"] <= 100
    shown = real_text.shown_text(actual)
    assert "| int8 | " in shown and ", with products in int8 " in shown
    rates = [actual[name]["sentences_per_second"] for name in ("saved_model", "python")]
    assert actual["saved_model_to_python"] == pytest.approx(
        rates[0] / rates[1], rel=0.1
    )
    assert 0 <= actual["bleu"]["value"] <= 100


class Oracle:
    """In the place of a translator, one that writes no more than a rule asks for."""

    def translate(self, texts, search, batch_size, prefix=None, forced=None, **_):
        rows = []
        for number in range(len(texts)):
            words = [prefix[number]] if prefix else (forced or [[]])[number]
            text = " ".join([*words, "x", "y", "z"])
            hypothesis = Translation(text, 0.0, -1.0, target_tokens=text.split())
            rows.append([hypothesis] * search.num_hypotheses)
        return rows


def test_rules_of_the_search(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kseq2seq.Translator.load", lambda path: Oracle())
    monkeypatch.setattr(
        "kseq2seq.inference.minimum_risk",
        lambda translator, texts, *_, **risk: [[Translation("y", 0.0)] for _ in texts],
    )
    write_test_set(tmp_path)
    arguments = ["--run", tmp_path, "--data", tmp_path, "--output", tmp_path]
    arguments = [str(x) for x in [*arguments, "--sentences", 1]]
    control = load("control")
    control.main(arguments)
    results = json.loads((tmp_path / "control.json").read_text())["results"]
    kept = {x: y["satisfied"] for x, y in results.items() if "satisfied" in y}
    assert len(kept) == 6 and set(kept.values()) == {1.0}
    assert results["given words"]["chrf"] > results["beam search"]["chrf"]
    assert results["diverse groups"]["log_prob_of_best"] == -1.0
    assert results["wide diverse groups"]["with_best_of_beam_search"] == 1.0
    assert "| given beginnings | " in capsys.readouterr().out
    control.main([*arguments, "--only", "no repeated trigram", "--name", "one"])
    results = json.loads((tmp_path / "one.json").read_text())["results"]
    assert list(results) == ["beam search", "no repeated trigram"]
    with pytest.raises(ValueError, match=r"--only.*, given words.*Received: words$"):
        control.main([*arguments, "--only", "words"])


def test_predicates_tell_what_breaks_a_rule():
    control = load("control")

    def translation(text):
        return Translation(text, 0.0, target_tokens=text.split(), log_prob=-1.0)

    assert control.begins(translation("a dog"), "a ")
    assert not control.begins(translation("the dog"), "a ")
    assert control.holds(translation("a dog"), ["dog", "a"])
    assert not control.holds_in_order(translation("a dog"), ["dog", "a"])
    assert not control.no_trigram_twice(translation("a b c d a b c"), None)
    assert control.no_trigram_twice(translation("a b c d a b"), None)
    rows = [[translation("a b c a b c"), translation("a ⁇")]]
    result = control.measure(rows, control.no_trigram_twice, ["x"], ["a"], rows)
    counts = [result[x] for x in ("outputs", "with_unknown", "satisfied")]
    assert counts == [2, 1, 0.5]
    rows = [[translation("a b c d"), translation("b c d e f")]]
    assert control.shared_trigrams(rows) == pytest.approx((1 / 2 + 1 / 3) / 2)
    plain = [[translation("b c d e f")], [translation("g")]]
    assert control.share_with_best([*rows, rows[0]], plain) == 0.5


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("control", ["--run", ".", "--data", ".", "--sentences", "0"], "at least 1"),
        (
            "decoding",
            ["--no-forced"],
            "--no-forced leaves real text, which needs --run",
        ),
        ("decoding", ["--run", "."], "--run must be a run folder with model.keras: ."),
        ("decoding", ["--repeat", "0"], "numbers must be at least 1"),
        (
            "decoding",
            ["--int8", "--dtype", "bfloat16"],
            "--int8 goes with --dtype float32",
        ),
        ("peers", ["--data", ".", "--steps", "31"], "--steps must be above 31"),
        ("peers", ["--data", ".", "--train-steps", "9"], "--train-steps needs --model"),
    ],
)
def test_what_is_wrong_is_said_at_once(name, arguments, message, capsys):
    with pytest.raises(SystemExit):
        load(name).main(arguments)
    assert message in capsys.readouterr().err


def test_without_a_peer_it_is_said_how_to_get_one(capsys):
    load("peers").main(["--data", "."])
    assert 'PEER/bin/pip install "OpenNMT-tf==2.32.0"' in capsys.readouterr().out


def test_target_tokens_are_counted_by_the_time_between_batches(monkeypatch):
    peers = load("peers")
    monkeypatch.setattr(peers, "WARM_UP", 1)
    clock = iter([0.0, 5.0, 7.0, 11.0, 12.0])
    monkeypatch.setattr(peers.time, "perf_counter", lambda: next(clock))

    class Dataset:
        element_spec = "any"

        def __iter__(self):
            for count in (100, 10, 20, 30, 999):
                length = type(
                    "Length", (), {"numpy": lambda self, n=count: np.array([n])}
                )
                yield {}, {"length": length()}

    watched = peers.Watched(Dataset())
    assert len(list(watched)) == 5
    rate = watched.rate()
    # The first step is left out, and the last one, whose end is not known.
    assert (rate["steps"], rate["target_tokens"], rate["seconds"]) == (3, 60, 7.0)
    assert rate["target_tokens_per_second"] == pytest.approx(60 / 7, abs=0.05)


def test_pieces_become_text():
    peers = load("peers")
    assert peers.as_text("▁Ein ▁Hun d .").strip() == "Ein Hund."
