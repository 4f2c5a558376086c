"""`kseq2seq train`: recipes, run folders, and going on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time

import keras
import pytest

import kseq2seq
from commands import assert_refused
from kseq2seq import cli, runs, trainer
from kseq2seq.cli import train
from paths import ROOT

# Small enough for seconds; an epoch is long enough to be killed in.
SMALL = {
    "data.count": 300,
    "data.held_out": 13,
    "batches.batch_size": 16,
    "batches.buckets": [40],
    "model.units": 16,
    "model.embedding_size": 8,
    "training.epochs": 3,
    "training.val_alignment": False,
    "search.beam_size": 2,
    "search.max_length": 12,
}
STEPS = -(-(300 - 2 * 13) // 16)


def arguments(run, *more, **changes):
    """Command line of a small training on dates."""
    changes = {**SMALL, **changes}
    sets = [f"--set={name}={json.dumps(value)}" for name, value in changes.items()]
    return ["train", "dates", "--run", str(run), *sets, *more]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run folder whose training was killed in the middle of its second epoch."""
    run = tmp_path_factory.mktemp("empty") / "dates"
    script = ROOT / "training" / "train.py"
    # What the test run has set would make another process as quiet as this one.
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    process = subprocess.Popen(
        [sys.executable, script, *arguments(run)[1:]],
        cwd=run.parent,
        env={**environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while process.poll() is None and not (run / "curves.png").is_file():
            time.sleep(0.01)  # it is written last of all at the epoch's end
        time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    return run, out, err


def test_a_killed_training_goes_on_and_ends_whole(killed, call):
    run, out, err = killed
    first = runs.read_history(run)
    assert [len(values) for values in first.values()] == [1] * len(first)
    assert out.startswith("Epoch 1/3\n") and out.count("token_accuracy") == 2
    # Nothing of TensorFlow's, nor a bar that would fill a log file.
    said = "pairs for training, validation and test: 274, 13 and 13"
    way = "training pairs in memory; 18 batches an epoch, of 16 pairs"
    assert err == f"kseq2seq train: {said}\nkseq2seq train: {way}\n"

    result = call(*arguments(run))
    assert result.code == 2
    assert "holds a training already: go on with --resume" in result.err
    assert runs.read_history(run) == first

    result = call(*arguments(run, "--resume"))
    assert result.code == 0
    assert result.err == f"{err}kseq2seq train: going on after epoch 1\n"
    history = runs.read_history(run)
    assert {name: values[:1] for name, values in history.items()} == first
    assert [len(values) for values in history.values()] == [3] * len(history)
    assert history["loss"][2] < history["loss"][1] < history["loss"][0]
    assert len((run / "history.csv").read_text().splitlines()) == 1 + 3
    written = [value for name, value in vars(runs).items() if name.endswith("_FILE")]
    written.remove(runs.SAVED_MODEL_FILE)
    written.remove(runs.EXPORT_SETTINGS_FILE)
    written.remove(runs.FEATURES_FILE)
    written.remove(runs.LOG_MEL_FILE)
    written.remove(runs.SHORTLIST_FILE)
    actual = {path.name for path in run.iterdir()}
    assert actual == {*written, "checkpoint-3.keras"}
    last = keras.saving.load_model(run / "checkpoint-3.keras")
    assert int(last.optimizer.iterations) == 3 * STEPS
    scores = json.loads((run / "scores.json").read_text())
    assert scores["search"]["beam_size"] == 2
    assert scores["sentences"] == 13
    assert scores["scores"]["exact_match"]["line"] == result.out.splitlines()[-1]
    translations = (run / "translations.txt").read_text().splitlines()
    table = (run / "translations.tsv").read_text(encoding="utf-8").splitlines()
    assert [x.split("\t")[2] for x in table] == ["translation", *translations]
    assert len(translations) == 13
    assert len(kseq2seq.Translator.load(run)(["1. Mai 1999"])) == 1
    assert_recorded(run, scores)


def assert_recorded(run, scores):
    told = runs.from_run(run)
    assert told["pairs"] == {"training": 274, "validation": 13, "test": 13}
    assert told["epochs"] == 3 and told["licence"] == "none: there are no files"
    assert told["command"].startswith(
        "kseq2seq train dates --run dates --set data.count"
    )
    assert str(run) not in told["command"]
    assert told["started"] < told["finished"]
    record = json.loads((run / "training.json").read_text())
    first, second = record["starts"]
    assert second["command"].endswith(" --resume") and first["seed"] == 1
    assert scores["provenance"] == second


def test_resuming_under_other_settings(killed, call):
    run = killed[0]
    before = (run / "settings.json").read_text()
    changes = {"model.units": 18, "training.epochs": 4, "search.beam_size": 3}
    result = call(*arguments(run, "--resume", **changes))
    assert result.code == 2
    assert "model.units was 16, now 18" in result.err
    assert "beam_size" not in result.err
    assert "training.epochs was 3, now 4" in result.err  # the cosine ends with epoch 3
    assert (run / "settings.json").read_text() == before


def test_divergence_is_told(call, tmp_path):
    changes = {"optimizer.learning_rate": 1e38, "optimizer.clip_norm": 0.0}
    small = {"data.count": 200, "training.epochs": 2, "model.dropout": 0.0}
    result = call(*arguments(tmp_path / "run", **changes, **small))
    assert result.code == 1
    lines = result.err.splitlines()
    assert "the loss or a weight was no number in epoch 1: lower optim" in lines[2]
    assert lines[3] == "kseq2seq train: no epoch gave a model to score"
    assert not (tmp_path / "run" / "history.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_says_how_to_go_on(call, tmp_path, monkeypatch, number):
    def interrupt(training):
        signal.raise_signal(number)

    monkeypatch.setattr(trainer, "prepare", lambda *arguments: None)
    monkeypatch.setattr(trainer, "fit", interrupt, raising=False)
    # A shell that starts processes in the background has SIGINT ignored there.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = call(*arguments(tmp_path / "run"))
    finally:
        signal.signal(signal.SIGINT, former)
    assert result.code == 128 + number
    assert result.err == "kseq2seq train: stopped; go on with --resume\n"


def test_a_few_pairs_of_ones_own_are_enough(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [f"number {n}\tZahl {n}\n" for n in range(50)]
    (tmp_path / "own.tsv").write_text("".join(rows))
    (tmp_path / "own.toml").write_text('[data]\nformat = "tsv"\ntrain = "own.tsv"\n')
    sets = ["model.units=8", "model.embedding_size=8", "training.epochs=1"]
    sets = [f"--set={change}" for change in (*sets, "search.beam_size=1")]
    result = call("train", "own.toml", *sets)
    assert result.code == 0, result.err
    assert "training, validation and test: 40, 5 and 5\n" in result.err
    assert result.err.count("pieces (unigram) instead of 8000\n") == 2
    assert result.out.splitlines()[-1].startswith("BLEU|")
    assert (tmp_path / "runs" / "own" / "model.keras").is_file()
    assert call("translate", "runs/own", stdin="number 7").code == 0


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ([], "train: name a recipe, .*, dates, .*, or a TOML file"),
        (["date"], "train: Expected .* a recipe: .*, dates, .*Received: 'date'"),
        (["absent.toml"], r"train: absent\.toml: cannot be read: No such file"),
        (["dates", "--set", "training.epochs=0"], "train: `training.epochs` must be"),
        (["dates", "--resume", "--fresh"], "not allowed with argument --resume"),
        (["multi30k_en_de"], r"train: .*train\.en\.gz: no such file"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_leaves_no_run(
    call, tmp_path, monkeypatch, words, match
):
    monkeypatch.chdir(tmp_path)
    assert_refused(call("train", *words), match)
    assert list(tmp_path.iterdir()) == []


def test_several_wrong_settings_are_a_line_each(call, tmp_path):
    changes = {"training.epochs": 0, "model.units": 7}
    result = call(*arguments(tmp_path / "run", **changes))
    first, second = result.err.splitlines()
    assert first.startswith("kseq2seq train: `training.epochs` must be")
    assert second.startswith("kseq2seq train: [model] ") and result.code == 2


def test_recipes_and_settings_are_listed(call):
    assert call("train", "--list").out == trainer.describe_recipes() + "\n"
    assert call("train", "--settings").out == trainer.describe_settings() + "\n"
    help_ = call("train", "--help").out
    assert "kseq2seq train dates" in help_ and "--resume" in help_
    assert "--set 'data.validation=[]'" in help_  # no pattern of a shell


def test_a_record_names_no_folder_of_the_machine(tmp_path):
    given = ["train", str(tmp_path / "own.toml"), "--data", str(tmp_path / "the data")]
    given += ["--run", "runs/one", "--set", "search.beam_size=2", "--resume"]
    options = cli.make_parser().parse_args(given)
    assert train.command(options) == (
        "kseq2seq train own.toml --data 'the data' --run runs/one "
        "--set search.beam_size=2 --resume"
    )


@pytest.mark.parametrize(
    ("given", "recorded"),
    [
        ("dates", "dates"),
        ("hf://user/name", "hf://user/name"),
        ("{}/runs/a", "a"),
        ("runs/a", "runs/a"),
    ],
)
def test_the_run_to_begin_with_is_recorded(tmp_path, given, recorded):
    words = ["train", "own.toml", "--run", "x", "--from", given.format(tmp_path)]
    options = cli.make_parser().parse_args(words)
    assert train.command(options) == (
        f"kseq2seq train own.toml --run x --from {recorded}"
    )


def test_a_training_begins_with_a_preset_or_a_run(call, tmp_path, monkeypatch):
    asked = []

    def prepare(*given):
        asked.append(given)
        raise ValueError("enough")

    monkeypatch.setattr(trainer, "prepare", prepare, raising=False)
    assert_refused(call(*arguments(tmp_path / "run", "--from", "dates")), "enough")
    assert runs.is_run_folder(asked[0][-1])
    result = call(*arguments(tmp_path / "run", "--from", tmp_path))
    assert_refused(result, "holds no model: give a run folder, in which is")
    (tmp_path / "settings.json").touch()
    result = call(*arguments(tmp_path / "run", "--from", tmp_path))
    assert_refused(result, "was stopped ahead of its first model: go on with")
    assert len(asked) == 1


def test_a_record_names_paths_from_this_folder_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = cli.make_parser().parse_args(["train", str(tmp_path / "a" / "b.toml")])
    options.folder = tmp_path / "runs" / "b"
    assert train.command(options) == "kseq2seq train a/b.toml --run runs/b"
