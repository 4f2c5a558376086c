"""The benchmark of alignment error rates, on next to nothing and without eflomal."""

import gzip
import importlib
import json
import re
import sys

import numpy as np
import pytest

from kseq2seq.inference import Alignment
from paths import BENCHMARKS
from translators import PAIRS


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("alignment_error")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def data(tmp_path):
    """A folder of data sets with three pairs, for training as for the test."""
    (tmp_path / "multi30k").mkdir()
    for name in ("train", "test_2016_flickr"):
        for number, side in enumerate(("en", "de")):
            text = "".join(f"{pair[number]}\n" for pair in PAIRS)
            path = tmp_path / "multi30k" / f"{name}.{side}.gz"
            path.write_bytes(gzip.compress(text.encode()))
    return tmp_path


ALIGNER = """\
#!{python}
import pathlib, sys
paths = dict(flag[2:].split("=") for flag in sys.argv[2:])
count = len(pathlib.Path(paths["source"]).read_text().splitlines())
for name, line in (("forward", "0-0 1-1"), ("reverse", "0-0")):
    pathlib.Path(paths[f"{{name}}-links"]).write_text(f"{{line}}\\n" * count)
"""


@pytest.fixture
def eflomal(tmp_path):
    """A command that links first words in both directions, second ones in one."""
    path = tmp_path / "eflomal-align"
    path.write_text(ALIGNER.format(python=sys.executable))
    path.chmod(0o755)
    return path


class Oracle:
    """In the place of a translator one that looks at the first word, and a bit on."""

    def __call__(self, texts):
        return [dict(PAIRS)[text] for text in texts]

    def align(self, pairs, batch_size):
        return [self.of_pair(*pair) for pair in pairs]

    def of_pair(self, *pair):
        words, spans = [text.split() for text in pair], []
        for text in pair:
            places = [match.span() for match in re.finditer(r"\S+", text)]
            spans.append([*places, (len(text), len(text))])
        tokens = [[*each, "</s>"] for each in words]
        weights = np.zeros([len(each) for each in reversed(tokens)], "float32")
        weights[:, 0], weights[:, 1] = 0.75, 0.25
        return Alignment(*tokens, *spans, weights, [0] * len(weights))


def test_runs_are_scored_by_the_links_of_both_directions(
    benchmark, data, eflomal, monkeypatch, capsys
):
    monkeypatch.setattr("kseq2seq.Translator.load", lambda path: Oracle())
    arguments = ["--data", data, "--output", data, "--eflomal", eflomal]
    arguments += ["--run", data / "plain", data / "guided", "--links", data / "links"]
    benchmark.main([str(x) for x in [*arguments, "--sentences", 2]])
    report = json.loads((data / "alignment_error.json").read_text())
    assert report["settings"]["links"] == {"sure": 2, "possible": 4}
    results = report["results"]
    # "a dog runs" and "ein Hund rennt", and five words beside five: of 8 links 2 are
    # sure and 4 possible, of 2 sure ones all.
    rates = {"error_rate": 40.0, "precision": 50.0, "recall": 100.0}
    assert results["diagonal"]["links"][""] == rates
    # All 8 words with the first one: 2 of them are right, and the 2 sure ones.
    rates = {"error_rate": 60.0, "precision": 25.0, "recall": 100.0}
    assert results["plain"]["links"]["most"] == rates
    # With the second one too: 4 of 16.
    rates = {"error_rate": 66.67, "precision": 25.0, "recall": 100.0}
    assert results["guided"]["links"]["at least 0.2"] == rates
    assert results["plain"]["bleu"] == 100.0
    assert "| diagonal |  | 40.0 | 50.0 | 100.0 |  |" in capsys.readouterr().out
    assert (data / "links" / "train.links").read_text() == "0-0\n" * 3
    # The second time the links are there.
    eflomal.unlink()
    benchmark.main([str(x) for x in arguments])
    report = json.loads((data / "alignment_error.json").read_text())
    assert report["settings"]["links"] == {"sure": 3, "possible": 6}
    assert report["settings"]["seconds_of_eflomal"] is None


def test_words_are_cut_at_blanks_alone(benchmark):
    text = 'A "dog", at the  lake -- today.'
    assert benchmark.plain_words(text) == "a dog at the lake -- today"
    assert len(benchmark.plain_words(text).split()) == len(text.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--eflomal", "x"], "--data and --run must name"),
        (["--sentences", "0"], "--sentences must be at least 1"),
    ],
)
def test_what_is_wrong_is_said_at_once(benchmark, arguments, message, capsys):
    with pytest.raises(SystemExit):
        benchmark.main(arguments)
    assert message in capsys.readouterr().err


def test_without_an_aligner_it_is_said_how_to_get_one(benchmark, capsys):
    benchmark.main([])
    assert "ALIGNER/bin/pip install eflomal" in capsys.readouterr().out
