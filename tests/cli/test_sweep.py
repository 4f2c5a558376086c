"""`kseq2seq sweep`: its table, the best runs, and what it refuses."""

import math

import pytest

from commands import assert_refused
from kseq2seq import trainer


@pytest.fixture
def swept(tmp_path, monkeypatch):
    """Puts a result in the place of a sweep; tells what it was asked for."""
    path = tmp_path / "own.toml"
    text = '[data]\nformat = "dates"\n[sweep]\nseeds = [1, 2]\n[sweep.model]\n'
    path.write_text(f"{text}units = [8, 16]\n")
    asked = []

    def use(values, best, finished=True):
        runs = trainer.read_sweep(path)
        scores = [
            trainer.SweepScore(run, tmp_path / run.name, value, 1, finished)
            for run, value in zip(runs, values, strict=True)
        ]
        best = [tmp_path / name for name in best]
        result = trainer.SweepResult("bleu", scores, best)

        def run_sweep(*arguments):
            asked.append(arguments)
            return result

        monkeypatch.setattr(trainer, "run_sweep", run_sweep, raising=False)
        return asked

    return path, use


def test_table_and_best_runs_are_printed(swept, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path, use = swept
    asked = use([1.0, 3.0, 5.5, 7.0], ["002-seed2", "002-seed1"])
    result = call("sweep", path, "--jobs", "2", "--best", "2", "--import", "colorsys")
    assert result.code == 0
    assert result.out.splitlines() == [
        "model.units  val_bleu  from  to  trainings",
        "16           6.25      5.5   7   2",
        "8            2         1     3   2",
        "",
        f"the best: {tmp_path}/002-seed2 {tmp_path}/002-seed1",
        f"to export them: kseq2seq export saved-model {tmp_path}/002-seed2 --ensemble "
        f"{tmp_path}/002-seed1",
    ]
    ((file, folder, data, jobs, best, modules),) = asked
    assert (file, str(folder), str(data)) == (path, "sweeps/own", ".")
    assert (jobs, best, modules) == (2, 2, ["colorsys"])


def test_a_training_without_a_model_gives_code_1(swept, call):
    path, use = swept
    use([1.0, 3.0, 5.5, math.nan], ["001-seed1"])
    result = call("sweep", path, "--run", "x")
    assert result.code == 1 and "--ensemble" not in result.out
    # One that failed after its first epoch has a score.
    use([1.0, 3.0, 5.5, 7.0], ["001-seed1"], finished=False)
    result = call("sweep", path, "--run", "x")
    assert result.code == 1 and "of which unfinished: 2" in result.out
    use([math.nan] * 4, [])
    assert "the best" not in call("sweep", path, "--run", "x").out


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)]
)
def test_an_interrupt_says_how_to_go_on(call, tmp_path, monkeypatch, error, code):
    def interrupt(*arguments):
        raise error

    monkeypatch.setattr(trainer, "run_sweep", interrupt, raising=False)
    result = call("sweep", tmp_path / "own.toml")
    assert result.code == code
    assert result.err == "kseq2seq sweep: stopped; the same command goes on\n"


def test_what_cannot_be_swept_is_one_line(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(call("sweep", "absent.toml"), "absent.toml: cannot be read")
    (tmp_path / "own.toml").write_text("[model]\nunits = 8\n")
    assert_refused(call("sweep", "own.toml"), r"must have a table \[sweep\]")
    result = call("sweep", "own.toml", "--import", "mine.py")
    assert_refused(result, r"--import mine\.py: No module named")
    result = call("sweep", "own.toml", "--jobs", "0")
    assert_refused(result, "must be an integer from 1 to 10000")
    assert [path.name for path in tmp_path.iterdir()] == ["own.toml"]
