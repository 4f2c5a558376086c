"""The script of bulk translation: its commands and its table."""

import sys

import pytest

from paths import BENCHMARKS


@pytest.fixture(scope="module")
def bulk():
    """The script, of a folder which is no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import bulk
    finally:
        sys.path.remove(str(BENCHMARKS))
    return bulk


def test_the_rate_is_that_of_the_further_lines(bulk):
    runs = {
        bulk.IN_PYTHON: [{"seconds": 3, "peak": 7e8}, {"seconds": 13, "peak": 9e8}],
        "translate": [{"seconds": 4, "peak": 7e8}, {"seconds": 24, "peak": 7e8}],
    }
    ways = bulk.summarize(runs, 5000)
    assert [x["lines_per_second"] for x in ways.values()] == [500, 250]
    assert bulk.table({"ways": ways}).splitlines()[2:] == [
        "| Translator | 500 | 1.00 | 700 | 900 |",
        "| translate | 250 | 0.50 | 700 | 700 |",
    ]


def test_the_ways_that_are_asked_for(bulk):
    given = ["--workers", "3", "--beam-python", "python", "--only", "Translator",
             "translate --workers 3", "Beam, 3 processes"]  # fmt: skip
    ways = bulk.commands(bulk.parse_arguments(given), "in", "out")
    assert [*ways] == ["Translator", "translate --workers 3", "Beam, 3 processes"]
    assert ways["translate --workers 3"][-2:] == ["--workers", "3"]
    for arguments in (["--lines", "4096"], ["--workers", "1"]):
        with pytest.raises(SystemExit):
            bulk.parse_arguments(arguments)


def test_lines_are_repeated(bulk, tmp_path):
    (tmp_path / "texts").write_text("a\nb\n")
    bulk.write_lines(tmp_path / "lines", 5, tmp_path / "texts")
    assert (tmp_path / "lines").read_text() == "a\nb\na\nb\na\n"


def test_a_process_tells_its_memory_and_a_failed_one_is_named(bulk):
    result = bulk.run(sys.executable, ["-c", "x = bytearray(10**8)"])
    assert result["peak"] > 1e8 and result["seconds"] > 0
    with pytest.raises(RuntimeError, match="-c 'import no_such' ended with 1"):
        bulk.run(sys.executable, ["-c", "import no_such"])
