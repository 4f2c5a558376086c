"""The benchmarks of start-up and of the input pipeline, on next to nothing."""

import gzip
import json
import sys

import pytest

from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from paths import BENCHMARKS


@pytest.fixture(scope="module")
def scripts():
    """The modules of benchmarks/, which are no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import pipeline
        import startup
    finally:
        sys.path.remove(str(BENCHMARKS))
    return {"pipeline": pipeline, "startup": startup}


@pytest.fixture(scope="module")
def pipeline(scripts):
    return scripts["pipeline"]


@pytest.fixture(scope="module")
def startup(scripts):
    return scripts["startup"]


def test_counts_of_an_epoch(pipeline):
    tokenizer = train_tokenizer(["abcde"], kind="character")
    pairs = [("a", "abc"), ("abcd", "ab"), ("abcde", "a")]
    dataset = data.batches(pairs, tokenizer, tokenizer, batch_size=2, buckets=(5, 7))
    # EOS is a token of its own: sources 2, 5 | 6 in 5, 7 positions, targets 4, 3 | 2.
    assert pipeline.count_epoch(dataset) == {
        "batches": 2,
        "shapes": 2,
        "sentences": 3,
        "source_tokens": 13,
        "target_tokens": 9,
        "source_padding": pytest.approx(1 - 13 / 17),
        "target_padding": pytest.approx(1 - 9 / 15),
        "padding": pytest.approx(1 - 22 / 32),
    }


def test_what_training_consumes_is_of_its_fastest_model(pipeline, tmp_path):
    actual = {"torch-float32": 9.0, "ours-float32": 5.0, "ours-bfloat16": 7.0}
    contenders = {name: {"tokens_per_second": x} for name, x in actual.items()}
    (tmp_path / "multi30k").mkdir()
    options = ["--data", str(tmp_path), "--output", str(tmp_path)]
    parsed = pipeline.parse_arguments(options)
    assert pipeline.training_rate(parsed) == (None, None)
    (tmp_path / "training.json").write_text(json.dumps({"contenders": contenders}))
    assert pipeline.training_rate(parsed) == (7.0, "training.json, ours-bfloat16")
    parsed = pipeline.parse_arguments([*options, "--training-rate", "3"])
    assert pipeline.training_rate(parsed) == (3.0, "--training-rate")


@pytest.mark.parametrize(("rate", "code"), [("1e-3", 0), ("1e12", 1)])
def test_the_pipeline_is_measured_and_compared(
    pipeline, tmp_path, monkeypatch, capsys, rate, code
):
    (tmp_path / "multi30k").mkdir()
    for side in ("en", "de"):
        text = "".join(f"{side} {'a b c d'[: 1 + n % 7]} {n % 10}\n" for n in range(97))
        path = tmp_path / "multi30k" / f"train.{side}.gz"
        path.write_bytes(gzip.compress(text.encode()))
    monkeypatch.setattr(pipeline, "VOCABULARY_SIZE", 23)
    monkeypatch.setattr(pipeline.machine, "gemm_rate", lambda framework: 1.5)
    options = ["--data", tmp_path, "--output", tmp_path / "out", "--repeat", 1]
    options += ["--training-rate", rate]
    assert pipeline.main([str(x) for x in options]) == code
    report = json.loads((tmp_path / "out" / "pipeline.json").read_text())
    assert {"date", "machine", "versions", "gemm_gflops"} <= report.keys()
    default = report["padding"]["default"]
    assert default["sentences"] == 97 and default["batches"] == 2
    assert min(report["per_second"].values()) > 0
    ratio = report["training"]["pipeline_to_training"]
    rate = report["per_second"]["pipeline_target_tokens"] / float(rate)
    assert ratio == pytest.approx(rate)
    out = capsys.readouterr().out
    assert "| default | 14 | 2 | " in out and "tokenisation, pairs/s" in out


@pytest.mark.parametrize(
    ("option", "match"),
    [
        (["--repeat", "0"], "--repeat must be at least 1"),
        (["--training-rate", "0"], "--training-rate must be above 0"),
        (["--data", "nowhere"], "nowhere has no folder multi30k: name its"),
    ],
)
def test_wrong_arguments_of_the_pipeline(pipeline, capsys, option, match):
    with pytest.raises(SystemExit):
        pipeline.parse_arguments(option)
    assert match in capsys.readouterr().err


def test_start_up_is_compared_in_the_same_round(startup):
    seconds = {
        "import keras": [2.0, 4.0, 3.0],
        "import keras, kseq2seq": [2.2, 4.1, 3.4],
        "kseq2seq --help": [0.1, 0.6, 0.5],
    }
    actual = startup.summarize(seconds)
    assert actual["import keras, kseq2seq"]["over_keras"] == pytest.approx(0.2)
    assert actual["import keras, kseq2seq"]["kept"]
    assert actual["kseq2seq --help"]["seconds"] == 0.5
    assert not actual["kseq2seq --help"]["kept"]
    shown = startup.table({"ways": actual})
    assert "| `import keras, kseq2seq` | 3.40 | +0.20 | at most 0.3 s over" in shown
    assert "| `kseq2seq --help` | 0.50 |  | under 0.5 s |" in shown


def test_start_up_is_measured(startup, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        startup,
        "WAYS",
        {
            startup.KERAS: ["-c", "pass"],
            "import keras, kseq2seq": ["-c", "import kseq2seq"],
            "kseq2seq --help": startup.WAYS["kseq2seq --help"],
        },
    )
    monkeypatch.setattr(startup.elsewhere, "call", lambda *_: 1.5)
    monkeypatch.setattr(startup, "MOST", {"kseq2seq --help": 60.0})
    monkeypatch.setattr(startup, "MOST_OVER_KERAS", {"import keras, kseq2seq": 60.0})
    assert startup.main(["--repeat", "1", "--output", str(tmp_path)]) == 0
    report = json.loads((tmp_path / "startup.json").read_text())
    assert len(report["seconds"]) == 3 and report["ways"]["kseq2seq --help"]["kept"]
    assert "| `kseq2seq --help` | " in capsys.readouterr().out
    monkeypatch.setitem(startup.WAYS, "wrong", ["-c", "import no_such_module"])
    with pytest.raises(RuntimeError, match=r"wrong: (?s:.*)No module named"):
        startup.run("wrong")
    with pytest.raises(SystemExit):
        startup.parse_arguments(["--repeat", "0"])
