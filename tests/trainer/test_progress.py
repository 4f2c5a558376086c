"""Trainings that are killed inside of an epoch, and go on there."""

import contextlib

import keras
import numpy as np
import pytest

from kseq2seq import data, runs, trainer
from kseq2seq.trainer import RunFolder, epochs, pipeline
from kseq2seq.trainer.progress import Progress, StepCheckpoints

SETTINGS = """
[data]
format = "tsv"
train = ["train*.tsv"]
validation = ["dev.tsv"]
[tokenizer]
kind = "character"
[batches]
batch_size = 7
buckets = [8, 48]
source_mask = 0.1
[model]
units = 6
embedding_size = 5
dropout = 0.4
[optimizer]
learning_rate = 0.01
schedule = "cosine"
accumulation_steps = 2
[training]
epochs = 2
metrics = ["exact_match"]
val_alignment = false
checkpoint_steps = 5
[search]
max_length = 3
"""
STREAM = (
    "data.stream=true",
    "training.steps_per_epoch=11",
    "data.buffer_size=29",
    "training.ema=0.9",
)
# An epoch is no pass, and ends inside of one.
MEMORY = ("data.train=train0.tsv", "training.steps_per_epoch=11")


class KilledError(Exception):
    """The end of a training, in the middle of a step's callbacks."""


class Kill(keras.callbacks.Callback):
    """Keeps the losses of steps, and raises before the one of a number."""

    def __init__(self, progress, step=None):
        super().__init__()
        self.progress, self.step, self.losses = progress, step, {}

    def on_train_batch_end(self, batch, logs=None):
        self.losses[self.progress.step] = float(logs["loss"])
        if self.progress.step == self.step:
            raise KilledError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rows = [f"{source}\t{target}\n" for source, target in data.dates(140)]
    for name, part in (("train0", rows[:60]), ("train1", rows[60:130])):
        (folder / f"{name}.tsv").write_text("".join(part))
    (folder / "dev.tsv").write_text("".join(rows[130:]))
    (folder / "own.toml").write_text(SETTINGS)
    return folder


class Scorer(keras.callbacks.Callback):
    """A score without translations."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_exact_match"] = -logs["val_loss"]


@pytest.fixture
def train(folder, tmp_path, monkeypatch):
    """Trains in a folder of a name, until a step; returns losses by step."""
    monkeypatch.setattr(pipeline, "make_scorer", lambda training: Scorer())
    monkeypatch.setattr("kseq2seq.plots.training_curves", lambda history: None)
    monkeypatch.setattr("kseq2seq.plots.save", lambda figure, path: None)

    def train(name, *changes, until=None, resume=False):
        settings = trainer.read_settings(folder / "own.toml", changes)
        training = trainer.prepare(settings, tmp_path / name, folder, resume=resume)
        kill = Kill(training.progress, until)

        def make_callbacks(training, scorer):
            return [*epochs.make_callbacks(training, scorer), kill]

        monkeypatch.setattr(pipeline, "make_callbacks", make_callbacks)
        with contextlib.suppress(KilledError):
            trainer.fit(training)
        return kill.losses

    return train


def assert_same(folder, one, other):
    """Compares what trainings of two names came to."""
    histories = [runs.load_history(folder / name).epochs for name in (one, other)]
    for logs, expected in zip(*histories, strict=True):
        assert logs == pytest.approx(expected, rel=1e-5)
    models = [RunFolder(folder / x, "loss", False).restore() for x in (one, other)]
    for weight, expected in zip(*(x.get_weights() for x in models), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-6)


def test_a_training_in_memory_goes_on_inside_of_an_epoch(train, tmp_path, caplog):
    caplog.set_level("INFO", "kseq2seq")
    whole = train("whole", *MEMORY)
    assert list(whole) == [*range(1, 23)]
    losses = train("cut", *MEMORY, until=18)
    begun = train("cut", *MEMORY, resume=True)
    assert min(begun) == 16
    assert "going on after epoch 1 and 4 batches" in caplog.text
    assert "other data" not in caplog.text
    assert {**losses, **begun} == pytest.approx(whole, rel=1e-5)
    assert_same(tmp_path, "cut", "whole")


def test_a_damaged_checkpoint_costs_a_few_steps(train, tmp_path, caplog):
    train("cut", *MEMORY, until=11 + 6)
    run = tmp_path / "cut"
    assert {x.name for x in run.glob("checkpoint-step-*")} == {
        "checkpoint-step-10",  # of the first epoch, whose end is newer
        "checkpoint-step-15",
    }
    (run / "checkpoint-step-15" / "model.keras").write_bytes(b"PK")
    assert min(train("cut", *MEMORY, resume=True, until=12)) == 12
    assert caplog.text.count("checkpoint-step-15 is damaged: the checkpoint bef") == 1


def test_a_training_without_a_whole_checkpoint_begins_on_demand(train, tmp_path):
    train("cut", *MEMORY, until=5)
    (tmp_path / "cut" / "checkpoint-step-5" / "state.json").write_text("")
    with pytest.raises(ValueError, match="no whole checkpoint .* with --fresh"):
        train("cut", *MEMORY, resume=True)


def test_a_training_that_goes_on_with_other_data_says_so(train, tmp_path, caplog):
    train("cut", *MEMORY, until=6)
    runs.record_start(tmp_path / "cut", {}, {"training": 59, "validation": 10})
    train("cut", *MEMORY, resume=True, until=8)
    assert "with other data: 60 pairs for training, and before 59" in caplog.text
    assert "for validation" not in caplog.text


@pytest.mark.parametrize("sizes", [(35, 42), (56, 28)])
def test_a_training_goes_on_with_more_or_less_data(
    train, folder, tmp_path, caplog, sizes
):
    changes = ["data.train=own.tsv", "training.checkpoint_steps=2"]
    changes += ["batches.buckets=[48]"]
    rows = (folder / "train0.tsv").read_text().splitlines(keepends=True)
    batches = [size // 7 for size in sizes]

    def train_on(size, **options):
        (folder / "own.tsv").write_text("".join(rows[:size]))
        losses = train("cut", *changes, **options)
        steps = {int(x.name[16:]) for x in (tmp_path / "cut").glob("checkpoint-step-*")}
        return list(losses), steps

    # Killed in the second epoch.
    first, stop = batches[0] + 1, 2 * batches[0] - 1
    trained, steps = train_on(sizes[0], until=stop)
    assert trained[-1] == stop and len(steps) == 2 and min(steps) >= first
    # Killed before there is a checkpoint: those before are still there.
    first = batches[1] + 1
    assert train_on(sizes[1], resume=True, until=first) == ([first], steps)
    assert "Going on at the beginning of epoch 2" in caplog.text
    trained, steps = train_on(sizes[1], resume=True, until=first + 2)
    assert trained == [first, first + 1, first + 2] and max(steps) >= first
    caplog.clear()
    trained, steps = train_on(sizes[1], resume=True)
    assert "Going on at the beginning" not in caplog.text
    assert trained[0] > first and trained[-1] == 2 * batches[1] and steps == set()


def test_a_streamed_training_goes_on_at_its_place(train, tmp_path, caplog):
    caplog.set_level("INFO", "kseq2seq")
    whole = train("whole", *STREAM)
    run = tmp_path / "cut"
    assert "pairs for tokenizers, validation and test: 130, 10 and 0" in caplog.text
    way = "training pairs streamed, of files: 2; 11 batches an epoch, of 7 pairs"
    assert way in caplog.text
    # Behind an epoch, before its next checkpoint, and in the middle of a buffer.
    losses = train("cut", *STREAM, until=13)
    (run / ".incomplete-x").mkdir()  # as a kill may leave it
    begun = train("cut", *STREAM, resume=True)
    assert min(begun) == 12
    losses.update(begun)
    assert losses == pytest.approx(whole, rel=1e-5)
    assert_same(tmp_path, "cut", "whole")
    assert not list(run.glob(".incomplete-*")) + list(run.glob("checkpoint-step-*"))


class Batches:
    """Batches that are none."""

    steps_per_epoch = 10
    left_out = None

    def place(self, step):
        return {"at": step}


def test_changed_data_begin_the_epoch_anew(caplog):
    state = {"step": 27, "steps_per_epoch": 10, "place": {"at": 27}, "metrics": [1.0]}
    progress = Progress(Batches(), 2, state)
    assert (progress.step, progress.place) == (27, {"at": 27})
    progress = Progress(Batches(), 2, {**state, "steps_per_epoch": 11})
    assert (progress.step, progress.place) == (20, {})
    assert "epochs had 11 batches, now 10. Going on at the beginning" in caplog.text


def test_checkpoints_are_written_by_steps_or_minutes(tmp_path, monkeypatch):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    model.compile("adam", loss="mse")
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])

    def steps_of(batches, kept, loss=1.0, **options):
        progress = Progress(Batches(), 0, {})
        callback = StepCheckpoints(tmp_path, progress, kept=kept, **options)
        for one in (progress, callback):
            one.set_model(model)
        written = []
        for batch in batches:
            now[0] += 25.0
            for one in (progress, callback):
                one.on_train_batch_end(batch, {"loss": loss})
            saved = runs.load_step_checkpoint(tmp_path)
            written.append(saved and saved[1]["step"])
        names = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
        # A model is there before an epoch has ended.
        assert runs.is_run_folder(tmp_path) or not names
        runs.remove_step_checkpoints(tmp_path)
        return written, [int(name.rpartition("-")[2]) for name in names]

    # None at the end of an epoch. Of two steps at once the second one is counted.
    assert steps_of(range(10), 2, steps=5) == ([None] * 4 + [5] * 6, [5])
    assert steps_of(range(10), 3, steps=2)[1] == [4, 6, 8]
    assert steps_of(range(1, 10, 2), 1, steps=3)[1] == [6]
    assert steps_of(range(12), 3, steps=5)[1] == [5]
    assert steps_of(range(10), 9, minutes=1.0)[1] == [3, 6, 9]
    assert steps_of(range(10), 9, loss=float("nan"), steps=2)[1] == []
    # The step of a finite loss may be the one that diverges.
    model.layers[0].bias.assign([1.0, float("nan"), 2.0])
    assert steps_of(range(10), 9, steps=2)[1] == []
