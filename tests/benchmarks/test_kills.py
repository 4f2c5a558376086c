"""The benchmark of kills, without a training."""

import sys

import pytest

from kseq2seq import data, trainer
from paths import BENCHMARKS


@pytest.fixture(scope="module")
def kills():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import kills
    finally:
        sys.path.remove(str(BENCHMARKS))
    return kills


def test_lost_steps_and_differences(kills):
    whole = [(step, 2.0) for step in range(1, 8)]
    resumed = [*whole[:5], *whole[3:5], *whole[2:6]]
    resumed[-1] = (6, 2.5)
    assert kills.compare(whole, resumed) == {
        "steps": 7,
        "steps_with_repeated": 11,
        "missing": 1,
        "lost": [2, 3],
        "most_lost": 3,
        "largest_difference": 0.25,
    }


def test_each_pair_is_in_one_file(kills, tmp_path):
    pairs = data.dates(61, seed=2)
    kills.write_data(pairs, tmp_path, 7, 3)
    names = [*(f"train-{n}.tsv" for n in range(4)), "dev.tsv"]
    written = [tuple(x) for name in names for x in data.read_tsv(tmp_path / name)]
    assert sorted(written) == sorted(map(tuple, pairs))
    settings = trainer.read_settings(tmp_path / "kills.toml")
    assert settings.training.checkpoint_steps == 3


def test_there_must_be_a_file(kills, tmp_path, capsys):
    with pytest.raises(SystemExit):
        kills.parse_arguments([str(tmp_path / "no")])
    assert "no such file of pairs" in capsys.readouterr().err


def test_a_line_that_a_kill_cut_is_no_step(kills, tmp_path):
    run = kills.Run(tmp_path, "cut")
    assert run.steps() == []
    run.log.write_text("[1, 2.5]\n[2, 2.2")
    assert run.steps() == [[1, 2.5]]
