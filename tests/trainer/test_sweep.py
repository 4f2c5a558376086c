"""A sweep: killed, gone on with, compared."""

import csv
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kseq2seq import Translator, runs, trainer
from kseq2seq.runs import History, write_history
from kseq2seq.trainer import sweep
from kseq2seq.trainer.schema import SettingsError
from paths import ROOT

FILE = """
[data]
format = "dates"
count = 60
held_out = 7
[tokenizer]
kind = "character"
[batches]
buckets = [40]
[model]
embedding_size = 5
[training]
epochs = {epochs}
metrics = ["exact_match", "ter"]
[search]
beam_size = 2
[sweep]
seeds = [1, 2]
[sweep.model]
units = [6]
"""


def children(process):
    path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(word) for word in path.read_text().split()]


def is_alive(process_id):
    try:
        words = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    return words[0] != "Z"


def finish(run, folder, **changes):
    """Records that a training has ended with its settings, or others."""
    settings = run.settings.to_dict()
    for section, values in changes.items():
        settings[section].update(values)
    runs.write_settings(folder, settings)
    runs.record_finish(folder)


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a sweep that was killed in its second training."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "own.toml").write_text(FILE.format(epochs=1))
    place = folder / "sweeps"
    process = subprocess.Popen(
        [sys.executable, "-m", "kseq2seq", "sweep", "own.toml", "--run", "sweeps"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: process.poll() or (place / "001-seed2.log").is_file())
        trainings = children(process)
    finally:
        process.send_signal(signal.SIGKILL)
        err = process.communicate()[1]
    assert runs.is_finished(place / "001-seed1"), err
    assert trainings
    # They end with the sweep, so that nobody else writes into the folders.
    wait_for(lambda: not any(map(is_alive, trainings)), 30)
    assert not runs.is_finished(place / "001-seed2")
    return folder


def test_a_killed_sweep_goes_on(killed, caplog, monkeypatch):
    caplog.set_level("INFO", "kseq2seq")
    place = killed / "sweeps"
    first = (place / "001-seed1" / "history.json").stat().st_mtime_ns
    (killed / "layers_of_mine.py").write_text("print('mine', 7 * 11)\n")
    monkeypatch.syspath_prepend(killed)
    modules = ["layers_of_mine"]
    result = trainer.run_sweep(
        killed / "own.toml", place, jobs=2, best=2, modules=modules
    )
    assert "mine 77" in (place / "001-seed2.log").read_text()
    assert "2 trainings, 1 of them to go" in caplog.text
    assert "1 of 1: 001-seed2: val_exact_match " in caplog.text
    assert (place / "001-seed1" / "history.json").stat().st_mtime_ns == first
    assert sorted(x.name for x in result.best) == ["001-seed1", "001-seed2"]
    assert result.metric == "exact_match" and len(result.scores) == 2
    for x in result.scores:
        history = runs.read_history(x.folder)
        assert x.score == history["val_exact_match"][0] and x.epoch == 1
        assert not (x.folder / runs.SCORES_FILE).exists()  # of the test set
        assert runs.is_finished(x.folder)
        assert runs.from_run(x.folder)["command"] == "kseq2seq sweep own.toml"
    with (place / "sweep.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == [x.run.name for x in result.scores]
    assert rows[0]["model.units"] == "6" and rows[0]["epoch"] == "1"
    assert (place / "sweep.png").stat().st_size > 1000
    lines = trainer.describe_sweep(result).splitlines()
    assert lines[0].split() == [
        "model.units",
        "val_exact_match",
        "from",
        "to",
        "trainings",
    ]
    assert lines[1].split()[0] == "6" and lines[1].split()[-1] == "2"
    together = Translator.ensemble(result.best, [2, 1])
    assert len(together(["1. Mai 1999"], beam=1)) == 1


def test_more_epochs_and_seeds_are_trained(killed, tmp_path, monkeypatch):
    asked = []

    def train(waiting, *options):
        asked.append([run.name for run in waiting])

    monkeypatch.setattr(sweep, "_train", train)
    path = tmp_path / "own.toml"
    seeds = "seeds = [1, 2]", "seeds = [1, 2, 3]"
    for epochs in (1, 2):
        path.write_text(FILE.format(epochs=epochs).replace(*seeds))
        trainer.run_sweep(path, killed / "sweeps")
    assert asked[0][-1] == "001-seed3" and "001-seed1" not in asked[0]
    assert asked[1] == ["001-seed1", "001-seed2", "001-seed3"]


def test_other_settings_are_refused_and_failures_told(killed, tmp_path, caplog):
    path = tmp_path / "own.toml"
    text = FILE.format(epochs=1).replace("seeds = [1, 2]", "seeds = [1]")
    path.write_text(text.replace("embedding_size = 5", "embedding_size = 7"))
    with pytest.raises(SettingsError, match=r"name another folder .*size was 5, now 7"):
        trainer.run_sweep(path, killed / "sweeps")
    result = trainer.run_sweep(path, tmp_path / "sweeps", modules=["absent_layers"])
    assert math.isnan(result.scores[0].score) and result.best == []
    assert "001-seed1 failed (model.units = 6): see" in caplog.text
    assert "absent_layers" in (tmp_path / "sweeps" / "001-seed1.log").read_text()
    assert "nan" in trainer.describe_sweep(result)
    assert not (tmp_path / "sweeps" / "sweep.png").exists()


def test_data_are_read_before_the_first_training(tmp_path):
    """Each of the trainings would end with the same error."""
    text = FILE.format(epochs=1).replace('"dates"', '"tsv"\ntrain = "absent.tsv"')
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(ValueError, match=r"data/absent\.tsv"):
        trainer.run_sweep(tmp_path / "own.toml", tmp_path / "sweeps", tmp_path / "data")
    assert not (tmp_path / "sweeps").exists()


def test_settings_are_ordered_by_their_mean(tmp_path):
    (tmp_path / "own.toml").write_text(
        FILE.replace("[6]", "[6, 8, 10]").format(epochs=1)
    )
    planned = trainer.read_sweep(tmp_path / "own.toml")
    scores = [[3.0, 9.0], [7.0, 7.0], [8.0]]
    for run, values in zip(planned, [x for y in scores for x in y], strict=False):
        folder = tmp_path / run.name
        folder.mkdir()
        for name in (runs.SOURCE_FILE, runs.TARGET_FILE, runs.MODEL_FILE):
            other = values == 9.0 and name == runs.SOURCE_FILE
            (folder / name).write_bytes(b"other" if other else b"same")
        rows = [{"val_exact_match": x} for x in (1.0, math.nan, values, 2.0)]
        write_history(folder, History(rows, "checkpoint-4.keras"))
        finish(run, folder)
    result = sweep.compare(planned, tmp_path, best=2)
    assert [x.score for x in result.scores][:5] == [9.0, 8.0, 7.0, 7.0, 3.0]
    assert math.isnan(result.scores[5].score) and result.scores[0].epoch == 3
    assert [x.name for x in result.best] == ["001-seed2"]  # no other has its tokenizers
    lines = trainer.describe_sweep(result).splitlines()
    assert [line.split()[:4] for line in lines[1:]] == [
        ["8", "7", "7", "7"],
        ["6", "6", "3", "9"],
        ["10", "nan", "8", "8"],
    ]
    assert lines[3].endswith("2, of which unfinished: 1")
    average = {"epochs": [1, 3], "scores": {"val_exact_match": 9.5}, "kept": True}
    rows = [{"val_exact_match": 9.0}]
    write_history(tmp_path / "001-seed2", History(rows, "x", average))
    assert sweep.best_score(tmp_path / "001-seed2", "exact_match") == (9.5, 1)
    assert sweep.best_score(tmp_path / "absent", "ter")[1] == 0


def test_the_best_are_those_that_can_be_an_ensemble(tmp_path):
    (tmp_path / "own.toml").write_text(FILE.format(epochs=1))
    planned = trainer.read_sweep(tmp_path / "own.toml")
    for run in planned:
        folder = tmp_path / run.name
        folder.mkdir()
        for name in (runs.TARGET_FILE, runs.MODEL_FILE):
            (folder / name).write_bytes(b"same")
        rows = [{"val_exact_match": float(run.seed)}]
        write_history(folder, History(rows, "checkpoint-1.keras"))
        finish(run, folder)
    # Models of frames have no tokenizer of the source, and are no ensemble.
    result = sweep.compare(planned, tmp_path, best=2)
    assert [x.name for x in result.best] == ["001-seed2"]
    for run in planned:
        (tmp_path / run.name / runs.SOURCE_FILE).write_bytes(b"same")
        features = tmp_path / run.name / runs.FEATURES_FILE
        features.write_text(f'["{run.name}"]')
    result = sweep.compare(planned, tmp_path, best=2)
    assert [x.name for x in result.best] == ["001-seed2"]
    features.write_text('["001-seed1"]')
    result = sweep.compare(planned, tmp_path, best=2)
    assert [x.name for x in result.best] == ["001-seed2", "001-seed1"]
    # A checkpoint inside of the first epoch leaves a model that was never scored.
    (tmp_path / "001-seed1" / runs.HISTORY_FILE).unlink()
    result = sweep.compare(planned, tmp_path, best=2)
    assert [x.name for x in result.best] == ["001-seed2"]


def test_a_training_that_failed_is_behind_the_others(tmp_path):
    (tmp_path / "own.toml").write_text(FILE.format(epochs=2))
    planned = trainer.read_sweep(tmp_path / "own.toml")
    for run, score in zip(planned, (9.0, 3.0), strict=True):
        folder = tmp_path / run.name
        folder.mkdir()
        for name in (runs.SOURCE_FILE, runs.TARGET_FILE, runs.MODEL_FILE):
            (folder / name).write_bytes(b"same")
        rows = [{"val_exact_match": score}]
        write_history(folder, History(rows, "checkpoint-1.keras"))
    failed, done = planned
    finish(done, tmp_path / done.name)

    def results():
        result = sweep.compare(planned, tmp_path, best=2)
        assert [x.name for x in result.best] == [done.name]
        return [(x.run, x.score, x.finished) for x in result.scores]

    expected = [(done, 3.0, True), (failed, 9.0, False)]
    assert results() == expected
    # It was finished with fewer epochs, and failed in those that were added.
    finish(failed, tmp_path / failed.name, training={"epochs": 1})
    assert results() == expected
    result = sweep.compare(planned, tmp_path, best=2)
    table = list(csv.DictReader(sweep._table(result).splitlines()))
    assert [row["finished"] for row in table] == ["yes", "no"]
    (line,) = trainer.describe_sweep(result).splitlines()[1:]
    assert line.split(maxsplit=4) == ["6", "nan", "3", "3", "2, of which unfinished: 1"]


def test_a_training_without_a_scored_epoch_is_told(tmp_path, caplog):
    (tmp_path / "own.toml").write_text(FILE.format(epochs=1))
    run, _ = trainer.read_sweep(tmp_path / "own.toml")
    with caplog.at_level("WARNING", "kseq2seq"):
        sweep._log_result("1 of 2", run, tmp_path, 0)
    expected = "1 of 2: 001-seed1 has no scored epoch (model.units = 6): see "
    assert caplog.messages == [f"{expected}{tmp_path / '001-seed1.log'}"]


@pytest.mark.parametrize("options", [{"jobs": 0}, {"best": 0}])
def test_errors_of_a_sweep(options, tmp_path):
    with pytest.raises(ValueError, match="must be an integer of at least 1"):
        trainer.run_sweep(tmp_path / "own.toml", tmp_path, **options)
