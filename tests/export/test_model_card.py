"""Model cards: what a run folder tells, and what JSON has."""

import json
import re

import numpy as np
import pytest

from kseq2seq.export import model_card
from kseq2seq.export.readme import readme
from model_cards import (
    SCORES,
    SEARCH,
    card_of,
    whole_run,
)


@pytest.fixture
def run(tmp_path):
    return whole_run(tmp_path / "run")


def test_a_run_folder_tells_what_a_training_wrote(run):
    assert run == {
        "source": "English",
        "target": "German",
        "data": "Some",
        "licence": "CC0",
        "example": "A dog.",
        "example_features": "N;PL",
        "pairs": {"training": 29000, "test": 1013},
        "epochs": 2,
        "started": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T05:00:00+00:00",
        "command": "python train.py 'a b'",
        "code": {"commit": "c0ffee", "changed": True},
        "versions": {"keras": "9"},
        "settings": {"model": {"units": 19}},
        "scores": SCORES,
    }


def test_a_card_is_what_json_has(run):
    card = card_of(runs=[run])
    again = json.loads(json.dumps(card, allow_nan=False))
    assert again == card and readme(again) == readme(card)
    assert card["trainings"] == [run] and card["search"] == SEARCH
    # The example of FIPS 180-2, and the hash of nothing.
    source, target = (card["tokenizers"][x]["sha256"] for x in ("source", "target"))
    assert source.startswith("ba7816bf8f01cfea") and target.startswith("e3b0c44298fc")
    assert card["tokenizers"]["source"]["bytes"] == 3
    memory = card["signatures"]["encode"]["outputs"]["memory"]
    assert memory["dtype"] == "float32" and memory["shape"] == ["B", "S", 17]
    shapes = {x: y["shape"] for x, y in card["signatures"]["nbest"]["outputs"].items()}
    assert shapes == {"translations": ["B", 2], "scores": ["B", "n"]}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", card["created"])
    assert card_of(created="then")["created"] == "then"


def test_the_score_of_a_missing_translation_is_the_lowest_number():
    _, meaning = model_card.MEANINGS["scores"]
    (number,) = re.findall(r"-[\d.]+e\+\d+", meaning)
    assert np.float32(number) == np.finfo("float32").min
