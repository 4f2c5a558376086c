"""`kseq2seq shortlist`: what it writes and says, and searches by it."""

import json
import re
import shutil

import pytest

from commands import PAIRS, assert_refused
from kseq2seq import runs
from kseq2seq.trainer import pairs_of_run


@pytest.fixture
def copy(run, tmp_path):
    """A run folder of one's own."""
    return shutil.copytree(run, tmp_path / "small")


def write(path, rows):
    path.write_text("".join(f"{source}\t{target}\n" for source, target in rows))
    return path


def test_a_shortlist_of_the_pairs_of_the_settings(call, copy, tmp_path):
    write(tmp_path / "train.tsv", PAIRS)
    write(tmp_path / "dev.tsv", PAIRS[:3])
    data = {"format": "tsv", "train": ["train.tsv"], "validation": ["dev.tsv"]}
    settings = {"data": {**data, "columns": [0, 1]}}
    (copy / runs.SETTINGS_FILE).write_text(json.dumps(settings))
    assert pairs_of_run(copy, tmp_path) == (PAIRS, PAIRS[:3])
    sizes = ["--pieces", 3, "--frequent", 2, "--limit", 3]
    result = call("shortlist", copy, "--data", tmp_path, *sizes)
    assert result.code == 0, result.err
    shortlist, (source, target) = runs.load_shortlist(copy), runs.load_tokenizers(copy)
    assert re.search(
        r"a shortlist of 3 pairs. It has \d+\.\d\d% of the tokens that .*; of "
        rf"{target.vocabulary_size} pieces a text has \d+, a batch of 64 \d+\n",
        result.out,
    )
    assert shortlist.table.shape == (source.vocabulary_size, 3)
    assert shortlist.table.any() and len(shortlist.frequent) == 2


def test_what_cannot_be_used(call, copy, tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    refused = call("shortlist", copy, "--pairs", empty)
    assert_refused(refused, "empty: no pairs to align. Expected pairs such as")
    refused = call("shortlist", copy, "--pairs", empty, "--data", tmp_path)
    assert_refused(refused, "--data is for .* goes without --pairs. Received: --data ")
    refused = call("shortlist", copy, "--features", 2)
    assert_refused(refused, "--features goes with --pairs.*Received: --features 2")
    empty.write_text("a\n")
    refused = call("shortlist", copy, "--pairs", empty)
    assert_refused(refused, "empty:1: source and target must have a tab between")
    assert_refused(call("shortlist", "dates"), "is a preset, into which nothing is wri")
    (copy / runs.SETTINGS_FILE).unlink()
    assert_refused(call("shortlist", copy), "must have the settings of a training, .*")
    (copy / runs.SETTINGS_FILE).write_text('{"data": {"format": "csv"}}')
    assert_refused(call("shortlist", copy), "`data.format` must be one of .*'csv'")
    (copy / runs.SETTINGS_FILE).write_text('{"search": {"shortlist": true}}')
    onnx = call("export", "onnx", copy, tmp_path / "onnx")
    assert_refused(onnx, "must have shortlist=False for ONNX and LiteRT")
