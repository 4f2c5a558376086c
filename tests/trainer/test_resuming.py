"""Settings that a training may be resumed with."""

import dataclasses
import json

import pytest

from kseq2seq import runs, trainer
from kseq2seq.trainer import settings
from kseq2seq.trainer.resuming import check_resumed, is_resumed
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import read_settings
from paths import TESTS

DATES = trainer.find_recipe("dates")
RELEASED = TESTS / "artifacts" / "0.1.0" / "runs" / "dates"


def test_a_training_of_the_first_release_may_be_resumed():
    former = runs.read_settings(RELEASED)
    assert "decay" in former["optimizer"]
    errors = []
    read = settings.make_settings(former, errors)
    assert errors == []
    check_resumed(former, read)


def changed(read, section, **values):
    part = getattr(read, section)
    if isinstance(part, dict):
        return dataclasses.replace(read, **{section: {**part, **values}})
    return dataclasses.replace(read, **{section: dataclasses.replace(part, **values)})


def test_what_may_change_when_resuming():
    read = read_settings(DATES)
    former = json.loads(json.dumps(read.to_dict()))
    del former["card"]  # as before there were model cards
    del former["training"]["jit_compile"]  # as before it could be set
    now = changed(read, "training", patience=7, tensorboard=True)
    now = changed(now, "search", beam_size=9)
    check_resumed(former, now)
    more = changed(now, "training", epochs=4)
    with pytest.raises(SettingsError, match=r"training\.epochs was 3, now 4"):
        check_resumed(former, more)
    former["optimizer"]["schedule"] = "constant"
    more = changed(more, "optimizer", schedule="constant")
    check_resumed(former, more)
    with pytest.raises(SettingsError, match="execution was 1, now 2"):
        check_resumed(former, changed(more, "training", steps_per_execution=2))
    model = {name: x for name, x in more.model.items() if name != "units"}
    with pytest.raises(SettingsError, match=r"model\.units was 128, now 512"):
        check_resumed(former, dataclasses.replace(more, model=model))


def test_a_search_that_chooses_the_epoch_may_not_change():
    read = read_settings(DATES, ["training.validation_search=search"])
    former = read.to_dict()
    with pytest.raises(SettingsError, match=r"search\.beam_size was .*, now 9"):
        check_resumed(former, changed(read, "search", beam_size=9))
    check_resumed(former, changed(read, "card", source="English"))


def test_a_default_that_is_spelled_out_is_no_change():
    plain = read_settings(DATES, ["training.validation_search=search"])
    for section, values in (
        ("model", {"zoneout": 0, "attention_options": {}, "encoder_units": None}),
        ("search", {"coverage_penalty": 0.0, "forbidden_words": []}),
    ):
        spelled = changed(plain, section, **values)
        assert spelled.to_dict() != plain.to_dict()
        check_resumed(plain.to_dict(), spelled)
        check_resumed(spelled.to_dict(), plain)
    with pytest.raises(SettingsError, match=r"model\.zoneout was 0\.0, now 0\.1"):
        check_resumed(plain.to_dict(), changed(plain, "model", zoneout=0.1))


def test_an_average_of_the_best_epochs_is_made_once():
    changes = ["training.average_best=2", "optimizer.schedule=constant"]
    read = read_settings(DATES, changes)
    for name in ("epochs", "patience"):
        with pytest.raises(SettingsError, match=rf"training\.{name} was ., now 7"):
            check_resumed(read.to_dict(), changed(read, "training", **{name: 7}))
    check_resumed(read.to_dict(), changed(read, "training", tensorboard=True))


def test_a_model_that_no_training_left_is_not_overwritten(tmp_path):
    (tmp_path / "model.keras").touch()
    for resume, fresh in ((False, False), (True, False), (False, True)):
        with pytest.raises(SettingsError, match="holds a model, but no training"):
            is_resumed(read_settings(DATES), tmp_path, resume, fresh)


def test_files_that_no_training_left_are_not_deleted(tmp_path):
    names = "config.json", "best-7.npz", "tensorboard/notes.txt"
    (tmp_path / "tensorboard").mkdir()
    for name in (*names, "notes.txt", "best-old.npz"):
        (tmp_path / name).touch()
    for resume, fresh in ((False, False), (True, False), (False, True)):
        with pytest.raises(
            SettingsError, match=r"over: config\.json, tensorboard, best-7\.npz\. Name"
        ):
            is_resumed(read_settings(DATES), tmp_path, resume, fresh)
    for name in names:
        (tmp_path / name).unlink()
    (tmp_path / "tensorboard").rmdir()
    assert is_resumed(read_settings(DATES), tmp_path, False, False) is False


def test_a_training_in_the_folder_is_resumed_or_begun_anew_on_demand(tmp_path):
    read, run = read_settings(DATES), tmp_path / "run"
    assert is_resumed(read, run, False, False) is False
    run.mkdir()
    runs.write_settings(run, read.to_dict())
    assert is_resumed(read, run, True, False) is False  # no epoch yet
    (run / runs.HISTORY_FILE).touch()
    with pytest.raises(SettingsError, match="go on with --resume, start anew with"):
        is_resumed(read, run, False, False)
    assert is_resumed(read, run, True, False) is True
    with pytest.raises(SettingsError, match=r"model\.units was 128, now 8"):
        is_resumed(read_settings(DATES, ["model.units=8"]), run, True, False)
    assert is_resumed(read, run, False, True) is False
    assert (run / runs.HISTORY_FILE).exists()
