"""The benchmark of calibration, on lists made by hand."""

import importlib
import json
import sys

import numpy as np
import pytest

from kseq2seq.inference import Translation
from paths import BENCHMARKS


@pytest.fixture(scope="module")
def calibration():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("calibration")
    finally:
        sys.path.remove(str(BENCHMARKS))


class Overconfident:
    """In the place of a translator one that is sure of "a", and has "b" besides."""

    def translate(self, texts, search, batch_size):
        row = [Translation("a", 0.0, -0.1), Translation("b", 0.0, -4.1)]
        # A slot in which nothing could be written.
        return [[*row, Translation("", 0.0, -np.inf)]] * len(texts)


def test_errors_before_and_after(calibration, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kseq2seq.Translator.load", lambda path: Overconfident())
    paths = {name: tmp_path / f"{name}.tsv" for name in ("dev", "test")}
    # Of ten in dev 6 are "a", 2 "b"; of five in test 3 are "a".
    paths["dev"].write_text("x\ta\n" * 6 + "x\tb\n" * 2 + "x\tc\n" * 2)
    paths["test"].write_text("x\ta\n" * 3 + "x\tc\n" * 2)
    arguments = [f"--{name}={path}" for name, path in paths.items()]
    calibration.main([*arguments, f"--run={tmp_path}", f"--output={tmp_path}"])
    result = json.loads((tmp_path / "calibration.json").read_text())["result"]
    assert result["share"] == 0.8
    # By the odds of 3 to 1 that dev has: 4 / log(3).
    assert result["temperature"] == pytest.approx(4 / np.log(3), abs=1e-3)
    assert result["test"]["before"] == pytest.approx(1 / (1 + np.exp(-4)) - 0.6)
    assert result["test"]["after"] == pytest.approx(0.0, abs=1e-4)
    assert "| 5 | 60.0 % | 3.641 | 80.0 % | 38.2 | 0.0 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--limit", "0"], "--limit must be"), (["--dev", "x", "y", "z"], "parallel")],
)
def test_what_is_wrong_is_said_at_once(calibration, arguments, message, capsys):
    with pytest.raises(SystemExit):
        calibration.main(["--run=x", "--dev=x", "--test=x", *arguments])
    assert message in capsys.readouterr().err
