"""Files of a run folder: names, checkpoints, and what is deleted."""

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq import runs
from kseq2seq.runs import files


@pytest.fixture
def model():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])


def test_what_is_a_run_folder_and_what_a_saved_model(tmp_path):
    assert not runs.is_run_folder(tmp_path / "absent")
    assert runs.find_saved_model(tmp_path / "absent") is None
    for name in ("1", "12", "3", "latest"):
        (tmp_path / name).mkdir()
    (tmp_path / "3" / "saved_model.pb").touch()
    (tmp_path / "latest" / "saved_model.pb").touch()
    assert runs.find_saved_model(tmp_path) == tmp_path / "3"
    (tmp_path / "12" / "saved_model.pb").touch()
    assert runs.find_saved_model(tmp_path) == tmp_path / "12"
    assert runs.find_saved_model(tmp_path / "latest") == tmp_path / "latest"
    assert not runs.is_run_folder(tmp_path)
    (tmp_path / "model.keras").touch()
    assert runs.is_run_folder(tmp_path)


def test_a_model_that_cannot_be_written_leaves_the_former_one(
    model, tmp_path, monkeypatch
):
    path = tmp_path / "model.keras"
    files.save_model(model, path)
    before = path.read_bytes()

    def fail(path):
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        files.save_model(model, path)
    assert path.read_bytes() == before
    assert [x.name for x in tmp_path.iterdir()] == ["model.keras"]


def test_tokenizers_are_loaded_as_they_were_saved(tmp_path):
    saved = kseq2seq.train_tokenizers([("ab", "c d")], kind=("character", "word"))
    runs.save_tokenizers(tmp_path, *saved)
    loaded = runs.load_tokenizers(tmp_path)
    for tokenizer, again, text in zip(saved, loaded, ("ba", "d c"), strict=True):
        assert tokenizer.tokenize([text]).to_list() == again.tokenize([text]).to_list()
    (tmp_path / "target.model").unlink()
    with pytest.raises(FileNotFoundError, match=r"target\.model"):
        runs.load_tokenizers(tmp_path)
    (tmp_path / "source.model").rename(tmp_path / "target.model")
    with pytest.raises(FileNotFoundError, match="frames is loaded by `kseq2seq.Transc"):
        runs.load_tokenizers(tmp_path)


def test_one_checkpoint_is_kept(model, tmp_path):
    names = [runs.save_checkpoint(model, tmp_path, epoch) for epoch in (9, 10)]
    assert names == ["checkpoint-9.keras", "checkpoint-10.keras"]
    (tmp_path / "model.keras").touch()
    runs.remove_other_checkpoints(tmp_path, names[1])
    assert {x.name for x in tmp_path.iterdir()} == {"model.keras", names[1]}
    loaded = keras.saving.load_model(tmp_path / names[1])
    inputs = np.ones((1, 2))
    np.testing.assert_array_equal(loaded(inputs), model(inputs))


def test_what_a_kill_has_left_is_deleted(tmp_path):
    left = (".checkpoint-2.77.keras", ".history.json.77", ".history.77.json")
    left += (".best-3.77.npz", ".source.7.model")
    others = (".mine", "a.1", ".notes.2024", ".checkpoint-best.77.keras")
    for name in (*left, *others):
        (tmp_path / name).touch()
    for name in (".cache.1", ".scores.1.json"):
        (tmp_path / name).mkdir()
    runs.remove_incomplete(tmp_path)
    assert {x.name for x in tmp_path.iterdir()} == {
        *others,
        ".cache.1",
        ".scores.1.json",
    }


def test_files_of_like_names_are_left_alone(tmp_path):
    others = {"checkpoint-best.keras", "best-old.npz", "checkpoint-.keras"}
    for name in (*others, "checkpoint-3.keras", "best-3.npz"):
        (tmp_path / name).touch()
    (tmp_path / "checkpoint-step-old").mkdir()
    others.add("checkpoint-step-old")
    runs.remove_step_checkpoints(tmp_path)
    runs.remove_other_checkpoints(tmp_path, "checkpoint-4.keras")
    runs.remove_other_best_weights(tmp_path, ())
    assert {x.name for x in tmp_path.iterdir()} == others
    assert runs.written_paths(tmp_path) == []
    runs.clear(tmp_path)
    assert {x.name for x in tmp_path.iterdir()} == others


def test_a_training_is_deleted_and_nothing_else(tmp_path, monkeypatch):
    run = tmp_path / "run"
    (run / "mine").mkdir(parents=True)
    (run / "tensorboard" / "train").mkdir(parents=True)
    written = [value for name, value in vars(runs).items() if name.endswith("_FILE")]
    written.remove(runs.SAVED_MODEL_FILE)
    written.remove(runs.EXPORT_SETTINGS_FILE)
    assert len(written) == 16
    written += ["checkpoint-7.keras", "best-7.npz"]
    (run / "checkpoint-step-8").mkdir()
    for name in (*written, "notes.txt", "mine/model.keras"):
        (run / name).touch()
    found = {path.name for path in runs.written_paths(run)}
    assert found == {*written, "tensorboard", "checkpoint-step-8"}
    deleted, unlink = [], type(run).unlink
    with monkeypatch.context() as patched:
        patched.setattr(
            type(run), "unlink", lambda x, **y: deleted.append(x.name) or unlink(x, **y)
        )
        runs.clear(run)
    assert deleted[-1] == runs.SETTINGS_FILE  # a kill leaves what is of a training
    left = {path.relative_to(run).as_posix() for path in run.rglob("*")}
    assert left == {"notes.txt", "mine", "mine/model.keras"}
    runs.clear(tmp_path / "absent")
