"""Records of a training: written here, and as version 0.1.0 wrote them."""

import json

import pytest

from kseq2seq import runs
from kseq2seq.runs import records
from paths import TESTS

RELEASED = TESTS / "artifacts" / "0.1.0" / "runs" / "dates"


def write_run(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return records.from_run(folder)


def test_a_folder_without_a_training_tells_nothing(tmp_path):
    assert set(write_run(tmp_path).values()) == {None}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"format": "dates", "train": []}, "dates, made on the spot"),
        ({"format": "tsv", "train": ["a.tsv", "b.tsv"], "name": ""}, "a.tsv, b.tsv"),
        ({"format": "tfds", "train": ["train"], "name": "ted"}, "ted, train"),
        ({}, None),
    ],
)
def test_an_older_run_folder_names_its_files(tmp_path, data, expected):
    told = write_run(tmp_path, settings={"data": data}, history={"epochs": [{}]})
    assert (told["data"], told["licence"], told["epochs"]) == (expected, None, 1)
    assert told["command"] is told["code"] is told["pairs"] is told["scores"] is None


def test_a_record_that_is_no_json_is_named(tmp_path):
    (tmp_path / "scores.json").write_text('{"half": ')
    with pytest.raises(ValueError, match=r"scores\.json must be JSON.*Delete the file"):
        records.from_run(tmp_path)


def test_settings_are_read_as_they_were_written(tmp_path):
    assert records.read_settings(tmp_path) == {}
    records.write_settings(tmp_path, {"model": {"units": 7}})
    assert records.read_settings(tmp_path) == {"model": {"units": 7}}


def test_a_training_is_recorded_from_its_start_to_its_end(tmp_path):
    first, second = ({"command": x, "seed": 1} for x in ("begin", "go on"))
    records.record_start(tmp_path, first, {"training": 7})
    records.record_start(tmp_path, second, {"training": 7}, resumed=True)
    written = json.loads((tmp_path / runs.RECORD_FILE).read_text())
    assert written == {
        "pairs": {"training": 7},
        "starts": [first, second],
        "finished": None,
    }
    assert records.recorded_pairs(tmp_path) == {"training": 7}
    assert records.from_run(tmp_path)["finished"] is None
    records.record_finish(tmp_path)
    told = records.from_run(tmp_path)
    assert told["command"] == "begin" and told["finished"] <= runs.now()
    records.record_start(tmp_path, second, {"training": 5})
    assert records.from_run(tmp_path)["command"] == "go on"


def test_a_training_older_than_its_record_has_a_gap_in_it(tmp_path):
    provenance = runs.provenance_of("kseq2seq train dates --resume")
    assert records.recorded_pairs(tmp_path) == {}
    records.record_start(tmp_path, provenance, {"test": 0}, resumed=True)
    told = records.from_run(tmp_path)
    assert told["pairs"] == {"test": 0}
    assert told["started"] is told["command"] is told["finished"] is None
    assert told["versions"] == provenance["versions"]


def test_records_of_the_first_release_are_read():
    told = records.from_run(RELEASED)
    written = json.loads((RELEASED / "training.json").read_text())
    assert told["command"] == written["starts"][0]["command"]
    assert told["versions"] == written["starts"][-1]["versions"]
    assert told["scores"] == json.loads((RELEASED / "scores.json").read_text())
    assert told["epochs"] > 0 and told["pairs"]["training"] > 0
