"""History of a training: JSON without NaN, and a table."""

import csv
import json
import math

import numpy as np
import pytest

from kseq2seq.runs import (
    History,
    load_history,
    ranked_epochs,
    read_history,
    write_history,
)
from paths import TESTS

EPOCHS = [
    {"loss": 2.0, "val_bleu": math.nan},
    {"loss": math.inf},
    {"loss": 0.5, "val_bleu": 7.5, "val_ter": 1.0},
]


def test_a_history_is_read_as_it_was_written(tmp_path):
    write_history(tmp_path, History(EPOCHS, "checkpoint-3.keras"))
    loaded = load_history(tmp_path)
    assert loaded.checkpoint == "checkpoint-3.keras"
    assert loaded.epochs[2] == EPOCHS[2] and len(loaded.epochs) == 3
    # JSON has neither NaN nor infinity.
    assert math.isnan(loaded.epochs[0]["val_bleu"])
    assert math.isnan(loaded.epochs[1]["loss"])
    history = read_history(tmp_path)
    np.testing.assert_array_equal(history["loss"], [2.0, math.nan, 0.5])
    np.testing.assert_array_equal(history["val_bleu"], [math.nan, math.nan, 7.5])
    np.testing.assert_array_equal(history["val_ter"], [math.nan, math.nan, 1.0])


def test_others_can_read_both_files(tmp_path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    write_history(tmp_path, History(EPOCHS, "checkpoint-3.keras"))
    text = (tmp_path / "history.json").read_text()
    json.loads(text, parse_constant=refuse)
    with (tmp_path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert rows[2] == {"epoch": "3", "loss": "0.5", "val_bleu": "7.5", "val_ter": "1.0"}
    assert rows[1]["val_bleu"] == ""


def test_a_folder_without_a_history_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"history\.json: no such file"):
        read_history(tmp_path)


def test_a_damaged_history_is_named(tmp_path):
    (tmp_path / "history.json").write_text("")
    with pytest.raises(
        ValueError, match=r"history\.json must be JSON.* by --from .* or"
    ):
        load_history(tmp_path)


def test_a_history_of_the_first_release_is_read():
    folder = TESTS / "artifacts" / "0.1.0" / "runs" / "dates"
    history = read_history(folder)
    written = json.loads((folder / "history.json").read_text())
    assert history["loss"] == [row["loss"] for row in written["epochs"]]
    assert load_history(folder).checkpoint == written["checkpoint"]


def test_of_equal_scores_the_lower_loss_is_better():
    rows = [{"val_ter": x, "val_loss": y} for x, y in [(7, 3), (7, 2), (5, 9), (7, 1)]]
    rows += [
        {"val_ter": math.nan},
        {"val_ter": 7},
        {"val_ter": 5, "val_loss": math.nan},
    ]
    assert ranked_epochs(rows, "val_ter", False) == [2, 6, 3, 1, 0, 5]
    assert ranked_epochs(rows, "val_ter", True) == [3, 1, 0, 5, 2, 6]
    assert ranked_epochs(rows, "val_bleu", True) == []
