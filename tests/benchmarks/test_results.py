"""The results of benchmarks: named on their page, and with the command."""

import importlib
import json
import re

from paths import BENCHMARKS


def test_each_result_that_is_named_is_there():
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    named = {*re.findall(r"`([\w/]+\.json)`", page)}
    assert named
    results = BENCHMARKS / "results"
    assert not [name for name in named if not (results / name).is_file()]


def test_a_result_has_the_command_that_gave_it(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(BENCHMARKS)
    machine = importlib.import_module("machine")
    script = BENCHMARKS / "kills.py"
    words = ["--data", str(tmp_path / "own folder"), "--kills", "3", "own/file.tsv"]
    monkeypatch.setattr("sys.argv", [str(script), *words])
    machine.write_results(tmp_path / "new" / "kills.json", {"lost": [5, 3]})
    assert json.loads((tmp_path / "new" / "kills.json").read_text()) == {
        "command": "python benchmarks/kills.py --data 'own folder' --kills 3 "
        "own/file.tsv",
        "lost": [5, 3],
    }
