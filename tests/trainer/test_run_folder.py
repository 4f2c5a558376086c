"""The run folder between epochs, which the callback is told of by hand."""

import csv
import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq.runs import read_history
from kseq2seq.trainer import SCHEDULES, RunFolder


@pytest.fixture
def tiny():
    """The smallest model that can be trained; it says nothing."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("adam", loss="mse")
    return model


def end_epochs(callback, model, rows):
    """Tells the callback that epochs have ended with these logs, until it stops."""
    callback.set_model(model)
    model.stop_training = False
    for row in rows:
        callback.on_epoch_end(callback.num_epochs, dict(row))
        if model.stop_training:
            return


def strict_json(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(path.read_text(), parse_constant=refuse)


def test_best_model_last_checkpoint_and_history_are_kept(tiny, tmp_path):
    callback = RunFolder(tmp_path, "val_bleu", higher_is_better=True)
    for epoch, bleu in enumerate([3.0, 7.0, math.nan, 7.0, 5.0]):
        tiny.layers[-1].bias.assign([epoch, 0, 0])
        end_epochs(callback, tiny, [{"loss": 2.0 - epoch, "val_bleu": bleu}])
    assert (callback.num_epochs, callback.best_epoch) == (5, 1)
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.keras",
        "checkpoint-5.keras",
        "history.json",
        "history.csv",
        "curves.png",
    }
    best = keras.saving.load_model(tmp_path / "model.keras")
    assert float(best.layers[-1].bias[0]) == 1
    saved = strict_json(tmp_path / "history.json")
    assert saved["checkpoint"] == "checkpoint-5.keras"
    assert saved["epochs"][2] == {"loss": 0.0, "val_bleu": None}
    history = read_history(tmp_path)
    assert history["loss"] == [2.0, 1.0, 0.0, -1.0, -2.0]
    np.testing.assert_array_equal(history["val_bleu"], [3, 7, math.nan, 7, 5])
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4", "5"]
    assert rows[1] == {"epoch": "2", "loss": "1.0", "val_bleu": "7.0"}


def test_restored_model_goes_on_with_its_optimizer(tiny, tmp_path):
    x = np.ones((7, 2), np.float32)
    tiny.fit(x, np.zeros((7, 3), np.float32), epochs=3, batch_size=7, verbose=0)
    end_epochs(RunFolder(tmp_path, "loss", False), tiny, [{"loss": 2.0}])
    for name in (".checkpoint-2.77.keras", ".history.json.77", ".mine"):
        (tmp_path / name).touch()  # two of them left half-written by a kill
    callback = RunFolder(tmp_path, "loss", False)
    model = callback.restore()
    assert callback.history == [{"loss": 2.0}]
    assert int(model.optimizer.iterations) == 3
    np.testing.assert_array_equal(model.predict(x, verbose=0), tiny(x))
    hidden = [path.name for path in tmp_path.iterdir() if path.name[0] == "."]
    assert hidden == [".mine"]
    assert RunFolder(tmp_path / "new", "loss", False).restore() is None


def test_another_process_restores_schedule_loss_and_optimizer(tmp_path):
    sizes = {"source_vocabulary_size": 7, "target_vocabulary_size": 9}
    config = kseq2seq.Seq2SeqConfig(**sizes, units=6, embedding_size=5)
    model = kseq2seq.build_model(config)
    rate = SCHEDULES["linear"].make(0.5, 20, 4)
    model.compile(kseq2seq.Adam(rate), loss=kseq2seq.MaskedCrossentropy(0.1))
    end_epochs(RunFolder(tmp_path, "loss", False), model, [{"loss": 2.0}])
    code = (
        "from kseq2seq.trainer import RunFolder\n"
        f"model = RunFolder({str(tmp_path)!r}, 'loss', False).restore()\n"
        "model.optimizer.iterations.assign(2)\n"
        "print(type(model.loss).__name__, type(model.optimizer).__module__)\n"
        "print(float(model.optimizer.learning_rate))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    expected = ["MaskedCrossentropy", "kseq2seq.optimizers", "0.25"]
    assert result.stdout.split() == expected


def test_the_lowest_is_best_where_lower_is_better(tiny, tmp_path):
    callback = RunFolder(tmp_path, "ter", higher_is_better=False)
    end_epochs(callback, tiny, [{"ter": x} for x in (9.0, 4.0, 4.0, math.inf, 6.0)])
    assert callback.best_epoch == 1


def test_patience_counts_epochs_without_a_better_one(tiny, tmp_path):
    scores = [1.0, 3.0, 2.0, 3.0, 9.0]
    callback = RunFolder(tmp_path, "bleu", True, patience=2)
    end_epochs(callback, tiny, [{"bleu": x} for x in scores])
    assert callback.num_epochs == 4 and callback.is_done()
    resumed = RunFolder(tmp_path, "bleu", True, patience=3)
    resumed.restore()
    assert not resumed.is_done()


def test_a_diverged_epoch_leaves_the_folder_as_it_was(tiny, tmp_path):
    callback = RunFolder(tmp_path, "bleu", True)
    end_epochs(callback, tiny, [{"loss": 3.0, "bleu": 1.0}])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    end_epochs(callback, tiny, [{"loss": math.nan, "bleu": math.nan}] * 2)
    assert callback.diverged and tiny.stop_training
    assert callback.num_epochs == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_kill_before_the_history_is_written_leaves_the_epoch_before(
    tiny, tmp_path, monkeypatch
):
    callback = RunFolder(tmp_path, "bleu", True)
    end_epochs(callback, tiny, [{"bleu": 1.0}])

    def killed(folder, history):
        raise KeyboardInterrupt

    monkeypatch.setattr("kseq2seq.trainer.run_folder.write_history", killed)
    with pytest.raises(KeyboardInterrupt):
        end_epochs(callback, tiny, [{"bleu": 2.0}])
    resumed = RunFolder(tmp_path, "bleu", True)
    assert resumed.restore() is not None
    assert resumed.num_epochs == 1


def test_errors_of_the_run_folder(tiny, tmp_path):
    with pytest.raises(ValueError, match="logs: loss. Received: monitor='val_bleu'"):
        end_epochs(RunFolder(tmp_path, "val_bleu", True), tiny, [{"loss": 1.0}])
    with pytest.raises(FileNotFoundError, match=r"history\.json: no such file"):
        read_history(tmp_path)
