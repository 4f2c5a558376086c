"""The page of benchmarks names results that are there."""

import re

from paths import BENCHMARKS


def test_each_result_that_is_named_is_there():
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    named = {*re.findall(r"`([\w/]+\.json)`", page)}
    assert named
    results = BENCHMARKS / "results"
    assert not [name for name in named if not (results / name).is_file()]
