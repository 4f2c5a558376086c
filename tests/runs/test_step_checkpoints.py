"""Checkpoints inside of epochs: which ones stay, and which one is the newest."""

import keras
import pytest

from kseq2seq import runs


@pytest.fixture
def save(tmp_path):
    """Writes a checkpoint behind a step; returns the steps of those in the folder."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])

    def save(step, epoch=1, kept=2):
        state = {"step": step, "epoch": epoch}
        runs.save_step_checkpoint(model, tmp_path, state, kept)
        assert not list(tmp_path.glob(".*"))
        return sorted(int(x.name[16:]) for x in tmp_path.glob("checkpoint-step-*"))

    return save


def test_the_newest_ones_stay(save, tmp_path):
    assert [save(step) for step in (2, 4, 10)] == [[2], [2, 4], [4, 10]]
    path, state = runs.load_step_checkpoint(tmp_path)
    assert path == tmp_path / "checkpoint-step-10" / "model.keras"
    assert state == {"step": 10, "epoch": 1}
    runs.remove_step_checkpoints(tmp_path, after=4)
    assert runs.load_step_checkpoint(tmp_path)[1]["step"] == 4


def test_one_that_was_just_written_takes_the_place_of_those_of_other_data(
    save, tmp_path
):
    save(6)
    save(8)
    assert save(6, epoch=3) == [6]
    assert runs.load_step_checkpoint(tmp_path)[1] == {"step": 6, "epoch": 3}
    save(8)
    assert save(2) == [2]


def test_the_newest_one_of_an_epoch_is_found(save, tmp_path):
    save(6, epoch=2)
    save(8, epoch=1)
    assert runs.load_step_checkpoint(tmp_path, epoch=2)[1]["step"] == 6
    assert runs.load_step_checkpoint(tmp_path, epoch=1)[1]["step"] == 8
    assert runs.load_step_checkpoint(tmp_path, epoch=0) is None


def test_a_damaged_one_is_passed_over(save, tmp_path, caplog):
    for step in (2, 4, 6, 8):
        save(step, kept=4)
    state = tmp_path / "checkpoint-step-8" / "state.json"
    state.write_text("")
    model = tmp_path / "checkpoint-step-6" / "model.keras"
    content = model.read_bytes()
    assert runs.is_whole_model(model)
    model.write_bytes(content.replace(content[200:300], bytes(100)))
    assert not runs.is_whole_model(model)
    (tmp_path / "checkpoint-step-4" / "model.keras").unlink()  # was being deleted
    assert runs.load_step_checkpoint(tmp_path, epoch=1)[1]["step"] == 2
    warned = [message.partition(":")[0] for message in caplog.messages]
    assert warned == [f"{tmp_path / f'checkpoint-step-{n}'} is damaged" for n in (8, 6)]
    for part in (content[:-9], b"PK", b""):
        model.write_bytes(part)
        assert not runs.is_whole_model(model)


def test_whether_there_is_one(save, tmp_path):
    assert not runs.has_step_checkpoint(tmp_path / "absent")
    (tmp_path / "checkpoint-step-7").mkdir()
    assert not runs.has_step_checkpoint(tmp_path)
    save(8)
    (tmp_path / "checkpoint-step-8" / "state.json").write_text("")
    assert runs.has_step_checkpoint(tmp_path)
