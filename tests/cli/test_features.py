"""Commands for a model with features."""

import re

import pytest

from commands import assert_refused
from kseq2seq import Search, Translator
from kseq2seq.cli import loading, windows
from translators import NUM_FEATURES, tiny_translator

BEAM = ["--beam", "2", "--max-length", "9"]
NONE_GIVEN = "trained with features, and none are given: all are taken as missing"
SEARCH = Search(beam_size=2, max_length=9)


@pytest.fixture(scope="module")
def featured(tmp_path_factory):
    """A run folder of a model with features, and its translator."""
    path = tmp_path_factory.mktemp("runs") / "featured"
    tiny_translator(feature_vocabulary_size=NUM_FEATURES).save(path)
    return path, Translator.load(path)


@pytest.fixture(autouse=True)
def loaded_once(featured, monkeypatch):
    """Commands share the translator, whose graphs take seconds to trace."""
    load = loading.load_translator

    def load_once(path, *others):
        return featured[1] if path == featured[0] else load(path, *others)

    monkeypatch.setattr(loading, "load_translator", load_once)


def best(translator, texts, features):
    return [x[0].text for x in translator.translate(texts, SEARCH, features=features)]


def test_translate_takes_a_column(call, featured):
    path, translator = featured
    result = call(
        "translate", path, "--features", "1", *BEAM, stdin="a dog\tV;PST\n\ngo\t\tx\n"
    )
    expected = best(translator, ["a dog", "go"], ["V;PST", ""])
    assert result.out.splitlines() == [expected[0], "", expected[1]]
    swapped = call("translate", path, "--features", "0", *BEAM, stdin="V;PST\ta dog\n")
    assert swapped.out.splitlines() == expected[:1]
    without = call("translate", path, *BEAM, stdin="go\n")
    assert without.out.splitlines() == expected[1:]
    assert without.err.count(NONE_GIVEN) == 1 and NONE_GIVEN not in result.err
    refused = call("translate", path, "--features", "1", stdin="a\tV\n\ndog\n")
    assert refused.code == 2
    assert "standard input:3: expected at least 2 columns" in refused.err


def test_a_line_without_them_is_told_before_others_are_translated(
    call, featured, tmp_path, monkeypatch
):
    monkeypatch.setattr(windows, "WINDOW_LINES", 1)
    (tmp_path / "in.tsv").write_text("a dog\tV\n\ngo\n")
    options = "--features", "1", "--input", tmp_path / "in.tsv"
    result = call("translate", featured[0], *options, *BEAM)
    assert_refused(result, "in.tsv:3: expected at least 2 columns")
    assert not result.out


def test_backtranslate_has_none(call, featured, tmp_path):
    path, _ = featured
    (tmp_path / "text").write_text("a dog\n")
    options = "backtranslate", path, tmp_path / "text", tmp_path / "pairs"
    for more in (["--max-length", "9"], ["--sample", "--seed", "5"]):
        result = call(*options, *more)
        assert result.err.count(NONE_GIVEN) == 1 and "--features" not in result.err


def test_unknown_features_are_told_once(call, featured):
    path, _ = featured
    lines = "a dog\tV;PST\ngo\tV, PST\ngo\tX\n"
    result = call("translate", path, "--features", "1", *BEAM, stdin=lines)
    match = r"translate: there are features .*as 'V, PST'\. .* with ';' between"
    assert len(re.findall(match, result.err)) == 1 and result.code == 0
    result = call("translate", path, "--features", "1", *BEAM, stdin="a\tV\ngo\t\n")
    assert "there are features" not in result.err


def test_evaluate_takes_a_column(call, featured, tmp_path):
    path, translator = featured
    rows = [("a dog", "V;PST"), ("a dog", "N"), ("a dog", "N"), ("go", "")]
    targets = best(translator, *zip(*rows, strict=True))
    targets[2] = "another right answer"
    file = tmp_path / "test.tsv"
    lines = [
        f"{text}\t{features}\t{target}\n"
        for (text, features), target in zip(rows, targets, strict=True)
    ]
    file.write_text("".join(lines), encoding="utf-8")
    arguments = ["--tsv", file, "--columns", "0", "2", "--features", "1", *BEAM]
    output = tmp_path / "out"
    table = tmp_path / "table.tsv"
    result = call("evaluate", path, *arguments, "--metrics", "exact_match",
                  "--output", output, "--table", table)  # fmt: skip
    cells = [line.split("\t") for line in table.read_text().splitlines()]
    assert [(row[0], row[6]) for row in cells[1:]] == [*rows[:2], rows[3]]
    assert "= 100.00" in result.out
    assert output.read_text().splitlines() == [*targets[:2], targets[3]]
    assert NONE_GIVEN not in result.err
    result = call("evaluate", path, *arguments[:5], *BEAM)
    assert result.code == 0 and result.err.count(NONE_GIVEN) == 1
    assert "--features" in result.err
    (tmp_path / "source").write_text("a\n")
    refused = call("evaluate", path, "--source", tmp_path / "source", "--reference",
                   tmp_path / "source", "--features", "1")  # fmt: skip
    assert_refused(refused, "goes with --tsv or --jsonl. .*--features with --source")


def test_score_takes_a_column(call, featured):
    path, translator = featured
    ((log_prob, count),) = translator.score([("a dog", "x", "V;PST")])
    result = call("score", path, "--features", "3", stdin="a dog\tx\t-\tV;PST\n")
    assert result.out == f"{log_prob:.6f}\t{count}\n"
    assert NONE_GIVEN not in result.err
    result = call("score", path, stdin="a dog\tx\n")
    assert result.code == 0 and result.err.count(NONE_GIVEN) == 1
    refused = call("score", path, "--features", "2", stdin="a dog\tx\n")
    assert_refused(refused, "standard input:1: expected at least 3 columns")
    refused = call("score", path, "--features", "1", stdin="a dog\tx\n")
    assert_refused(refused, "--features must be 2 or more")


def test_plot_takes_features(call, featured, tmp_path):
    path, file = featured[0], tmp_path / "a.png"
    arguments = ["--text", "a dog", "--features", "V;PST", "--output", file]
    assert call("plot", path, *arguments, *BEAM).code == 0
    assert file.read_bytes().startswith(b"\x89PNG")
    refused = call("plot", path, "--history", "--features", "V", "--output", file)
    assert_refused(refused, "--features goes with --text")


def test_a_model_without_features_refuses_them(call, run, tmp_path):
    for verb, stdin in (("translate", "a\tb\n"), ("score", "a\tb\tc\n")):
        refused = call(verb, run, "--features", "2" if verb == "score" else "1",
                       stdin=stdin)  # fmt: skip
        assert refused.code == 2 and "trained without features" in refused.err
    refused = call("export", "litert", run, tmp_path, "--features-length", "3")
    assert refused.code == 2 and "trained without features" in refused.err
