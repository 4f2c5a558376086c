"""The benchmark of processes of jax, without a training."""

import importlib
import json
from types import SimpleNamespace

import pytest

from paths import BENCHMARKS


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("processes")


def test_the_rate_is_that_of_the_further_steps(
    processes, tmp_path, monkeypatch, capsys
):
    def seconds_of(options, count, epochs):
        # The start takes 7 seconds, and longer for two; a step 3 or 2.
        return 7 * count + options.steps * epochs * (3 if count == 1 else 2)

    monkeypatch.setattr(processes, "seconds_of", seconds_of)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3, 5})
    (tmp_path / "pairs.tsv").touch()
    words = [str(tmp_path / "pairs.tsv"), "--output", str(tmp_path)]
    processes.main([*words, "--steps", "11", "--epochs", "4", "--batch-size", "13"])
    result = json.loads((tmp_path / "processes.json").read_text())
    assert result["pairs_per_second"] == {"1": [13 / 3] * 2, "2": [13 / 2] * 2}
    assert result["times_as_fast"] == 1.5
    assert capsys.readouterr().out.splitlines()[-1] == "| 2 | 6 | 1.50 |"


def test_each_process_has_a_core_and_the_same_options(processes, tmp_path, monkeypatch):
    (tmp_path / "example.py").write_text(
        "import os, sys\n"
        "words = ' '.join(sys.argv[3:])\n"
        "core = len(os.sched_getaffinity(0))\n"
        "path = sys.argv[1] + sys.argv[-1]\n"
        "open(path, 'w').write(f'{core} {words}')\n"
        "sys.exit(int('--units 0' in words))\n"
    )
    monkeypatch.setattr(processes, "EXAMPLE", tmp_path / "example.py")
    monkeypatch.setattr(processes, "free_port", lambda: 77)
    cores = sorted(processes.os.sched_getaffinity(0))
    if len(cores) < 2:
        pytest.skip("one core")
    options = SimpleNamespace(file=tmp_path / "x", steps=3, batch_size=5, units=7)
    assert processes.seconds_of(options, 2, epochs=11) > 0
    for index in "01":
        assert (tmp_path / f"x{index}").read_text() == (
            "1 --processes 2 --epochs 11 --steps 3 --batch-size 5 --units 7 "
            f"--address 127.0.0.1:77 --index {index}"
        )
    options.units = 0
    with pytest.raises(RuntimeError, match=r"exit codes \[1, 1\]"):
        processes.seconds_of(options, 2, epochs=11)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([__file__, "--epochs", "1"], "--epochs must be above 1"),
        (["absent.tsv"], "absent.tsv is no file"),
    ],
)
def test_what_is_wrong_is_said_at_once(processes, words, message, capsys):
    with pytest.raises(SystemExit):
        processes.parse_arguments(words)
    assert message in capsys.readouterr().err


def test_cores_are_counted(processes, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3})
    with pytest.raises(SystemExit, match="needs 2 cores"):
        processes.main([__file__])
