"""The run folder between epochs, which the callback is told of by hand."""

import csv
import functools
import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq.callbacks import AveragedWeights
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
    callback = RunFolder(tmp_path, "loss", False)
    model = callback.restore()
    assert callback.history == [{"loss": 2.0}]
    assert int(model.optimizer.iterations) == 3
    np.testing.assert_array_equal(model.predict(x, verbose=0), tiny(x))
    assert RunFolder(tmp_path / "new", "loss", False).restore() is None


def test_what_a_kill_has_left_is_deleted_when_training_begins(tiny, tmp_path):
    for name in (".checkpoint-2.77.keras", ".history.77.json", ".mine"):
        (tmp_path / name).touch()  # two of them left half-written by a kill
    callback = RunFolder(tmp_path, "loss", False)
    callback.restore()  # which may be called while another process trains
    assert len(list(tmp_path.iterdir())) == 3
    tiny.fit(np.ones((5, 2)), np.ones((5, 3)), verbose=0, callbacks=[callback])
    assert [path.name for path in tmp_path.glob(".*")] == [".mine"]


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


def test_a_training_whose_scores_stay_at_0_keeps_what_it_has_learnt(tiny, tmp_path):
    callback = RunFolder(tmp_path, "bleu", True, patience=1)
    end_epochs(callback, tiny, [{"bleu": 0.0, "val_loss": x} for x in (3, 2, 1, 1, 0)])
    assert (callback.num_epochs, callback.best_epoch) == (4, 2)


def test_a_diverged_epoch_leaves_the_folder_as_it_was(tiny, tmp_path):
    callback = RunFolder(tmp_path, "bleu", True)
    end_epochs(callback, tiny, [{"loss": 3.0, "bleu": 1.0}])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    end_epochs(callback, tiny, [{"loss": math.nan, "bleu": math.nan}] * 2)
    assert callback.diverged and tiny.stop_training
    assert callback.num_epochs == 1
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_an_epoch_whose_last_step_diverged_leaves_it_as_it_was(tiny, tmp_path):
    callback = RunFolder(tmp_path, "bleu", True)
    end_epochs(callback, tiny, [{"loss": 3.0, "bleu": 1.0}])
    kept = (tmp_path / "model.keras").read_bytes()
    tiny.layers[0].bias.assign([1.0, math.nan, 2.0])
    end_epochs(callback, tiny, [{"loss": 2.0, "bleu": 9.0}])
    assert callback.diverged and callback.num_epochs == 1
    assert (tmp_path / "model.keras").read_bytes() == kept


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
    with pytest.raises(ValueError, match="logs: loss. Name .*: monitor='val_bleu'"):
        end_epochs(RunFolder(tmp_path, "val_bleu", True), tiny, [{"loss": 1.0}])
    with pytest.raises(FileNotFoundError, match=r"history\.json: no such file"):
        read_history(tmp_path / "absent")


def test_a_damaged_checkpoint_is_named(tiny, tmp_path):
    end_epochs(RunFolder(tmp_path, "loss", False), tiny, [{"loss": 3.0}])
    checkpoint = tmp_path / "checkpoint-1.keras"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-20])
    match = r"checkpoint-1\.keras must be .*: a damaged file\. Begin .* by --from"
    with pytest.raises(ValueError, match=match):
        RunFolder(tmp_path, "loss", False).restore()
    checkpoint.unlink()
    with pytest.raises(ValueError, match=r"checkpoint-1\.keras must be .*: no file"):
        RunFolder(tmp_path, "loss", False).restore()


def test_an_epoch_without_the_monitor_is_kept(tiny, tmp_path):
    x, y = np.ones((4, 2), np.float32), np.zeros((4, 3), np.float32)
    callback = RunFolder(tmp_path, "val_los", False, average_best=2)
    with pytest.raises(ValueError, match=r"logs: loss, val_loss\. Name one .*val_los'"):
        tiny.fit(x, y, validation_data=(x, y), verbose=0, callbacks=[callback])
    assert {"model.keras", "history.json"} <= {path.name for path in tmp_path.iterdir()}
    callback = RunFolder(tmp_path, "val_loss", False, average_best=2)
    model = callback.restore()
    np.testing.assert_array_equal(model(x), tiny(x))
    assert (callback.num_epochs, callback.best_epoch) == (1, 0)
    options = {"initial_epoch": 1, "epochs": 2, "callbacks": [callback], "verbose": 0}
    model.fit(x, y, validation_data=(x, y), **options)
    assert callback.num_epochs == 2
    assert best_files(tmp_path) == ["best-1.npz", "best-2.npz"]


def set_bias(model, value):
    model.layers[-1].bias.assign([value, 0, 0])


def bias(path):
    return float(keras.saving.load_model(path / "model.keras").layers[-1].bias[0])


def best_files(path):
    return sorted(x.name for x in path.glob("best-*"))


@pytest.fixture
def with_best(tiny, tmp_path):
    """Trains epochs whose numbers are the weights; returns the callback."""

    def end(scores, **options):
        callback = RunFolder(tmp_path, "bleu", True, average_best=3, **options)
        callback.restore()
        for score in scores:
            set_bias(tiny, callback.num_epochs + 1)
            end_epochs(callback, tiny, [{"bleu": score}])
        return callback

    return end


def test_weights_of_the_best_epochs_are_kept(with_best, tmp_path):
    with_best([3.0, math.nan, 1.0, 1.0, 9.0])
    assert best_files(tmp_path) == ["best-1.npz", "best-3.npz", "best-5.npz"]
    with_best([2.0])
    assert best_files(tmp_path) == ["best-1.npz", "best-5.npz", "best-6.npz"]


@pytest.mark.parametrize(("score", "kept"), [(10.0, True), (9.0, False)])
def test_their_average_is_kept_if_it_is_better(
    tiny, with_best, tmp_path, monkeypatch, score, kept
):
    def score_of(model):
        np.testing.assert_allclose(model.layers[-1].bias[0], (1 + 2 + 5) / 3)
        return {"bleu": score, "val_alignment": math.nan}

    def killed(folder, history):
        raise KeyboardInterrupt

    callback = with_best([3.0, 4.0, 1.0, math.nan, 9.0, 2.0])
    with monkeypatch.context() as patched:
        patched.setattr("kseq2seq.trainer.run_folder.write_history", killed)
        with pytest.raises(KeyboardInterrupt):
            callback.keep_average(tiny, score_of)
    callback = with_best([])
    assert callback.average is None and len(best_files(tmp_path)) == 3
    callback.keep_average(tiny, score_of)
    assert bias(tmp_path) == pytest.approx(8 / 3 if kept else 5)
    assert best_files(tmp_path) == []
    scores = {"bleu": score, "val_alignment": None}
    record = {"epochs": [1, 2, 5], "scores": scores, "kept": kept}
    assert strict_json(tmp_path / "history.json")["average"] == record
    again = with_best([])
    assert again.average == record
    again.keep_average(tiny, None)  # does nothing


def test_one_epoch_has_no_average(tiny, with_best, tmp_path):
    callback = with_best([3.0])
    callback.keep_average(tiny, None)
    assert callback.average is None and best_files(tmp_path) == []
    assert bias(tmp_path) == 1


def test_a_folder_has_the_average_as_model_and_the_weights_as_checkpoint(tmp_path):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    averaged = AveragedWeights()
    folder = RunFolder(tmp_path, "loss", False, averaged=averaged)
    x, y = np.ones((8, 2)), np.ones((8, 3))
    options = {"batch_size": 2, "verbose": 0, "callbacks": [averaged, folder]}
    model.fit(x, y, epochs=2, **options)
    best = keras.saving.load_model(tmp_path / "model.keras")
    again = RunFolder(tmp_path, "loss", False)
    checkpoint = again.restore()
    np.testing.assert_array_equal(best.get_weights()[0], model.get_weights()[0])
    assert np.abs(best.get_weights()[0] - checkpoint.get_weights()[0]).max() > 1e-4
    checkpoint.optimizer.finalize_variable_values(checkpoint.trainable_variables)
    np.testing.assert_array_equal(best.get_weights()[0], checkpoint.get_weights()[0])


def test_an_average_goes_on_after_a_kill(tmp_path):
    """Three epochs, in one go and with a kill after the second."""
    x, y = np.ones((8, 2)), np.ones((8, 3))
    best, last = [], []
    for stops in ((3,), (2, 3)):
        path = tmp_path / str(len(stops))
        path.mkdir()
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        model.compile(kseq2seq.Adam(0.1, use_ema=True, ema_momentum=0.8), "mse")
        for stop in stops:
            averaged = AveragedWeights()
            folder = RunFolder(path, "loss", False, averaged=averaged)
            model = folder.restore() or model
            model.fit(
                x,
                y,
                batch_size=4,
                initial_epoch=folder.num_epochs,
                epochs=stop,
                callbacks=[averaged, folder],
                shuffle=False,
                verbose=0,
            )
        best.append(keras.saving.load_model(path / "model.keras").get_weights())
        last.append(RunFolder(path, "loss", False).restore().get_weights())
    for ours, theirs in (best, last):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    assert not np.array_equal(best[0][0], last[0][0])


def test_a_training_in_the_folder_is_not_written_over(tiny, tmp_path):
    folder = tmp_path / "runs" / "own"  # made when training begins
    fit = functools.partial(tiny.fit, np.ones((5, 2)), np.ones((5, 3)), verbose=0)
    former = RunFolder(folder, "loss", False)
    fit(callbacks=[former])
    fit(callbacks=[former])  # the same training goes on
    with pytest.raises(ValueError, match="must hold no training but .* `restore`"):
        fit(callbacks=[RunFolder(folder, "loss", False)])
    resumed = RunFolder(folder, "loss", False)
    resumed.restore()
    fit(callbacks=[resumed])
    assert resumed.num_epochs == 3


def test_epochs_of_another_training_are_not_lost(tiny, tmp_path):
    fit = functools.partial(tiny.fit, np.ones((5, 2)), np.ones((5, 3)), verbose=0)
    fit(callbacks=[RunFolder(tmp_path, "loss", False)])
    first, second = (RunFolder(tmp_path, "loss", False) for _ in range(2))
    for callback in (first, second):
        callback.restore()
    fit(initial_epoch=1, epochs=4, callbacks=[first])
    with pytest.raises(ValueError, match="of 4 epochs, and here num_epochs=1"):
        fit(initial_epoch=1, epochs=2, callbacks=[second])
    assert len(read_history(tmp_path)["loss"]) == 4


def test_a_folder_is_held_while_training(tiny, tmp_path):
    held = []

    class Look(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            code = "import sys; from kseq2seq import runs; runs.hold(sys.argv[1])"
            command = [sys.executable, "-c", code, tmp_path]
            result = subprocess.run(command, capture_output=True, check=False)
            held.append(b"another process trains in" in result.stderr)

    look, folder = Look(), RunFolder(tmp_path, "loss", False)
    tiny.fit(np.ones((5, 2)), np.ones((5, 3)), verbose=0, callbacks=[folder, look])
    look.on_epoch_end(1)
    assert held == [True, False]
