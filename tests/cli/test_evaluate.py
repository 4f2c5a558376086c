"""`kseq2seq evaluate`: scores of a test set."""

import gzip
import json

from commands import assert_refused
from kseq2seq import evaluation


def test_help_names_all_metrics(call):
    text = call("evaluate", "--help").out
    assert all(name in text for name in evaluation.METRICS)
    assert "gzip, bzip2, xz or zip" in " ".join(text.split())


def test_evaluate_scores_lines_with_several_references(call, folder, reverser):
    parent = folder.parent
    with gzip.open(parent / "in.gz", "wt") as file:
        file.write("ab\ncd\nab\n")
    (parent / "one").write_text("ba\nx\ny\n")
    (parent / "two").write_text("z\nz\nba\n")
    files = ["--source", parent / "in.gz", "--reference", parent / "one"]
    result = call("evaluate", folder, *files, parent / "two", "--metrics",
                  "exact_match", "ter", "--output", parent / "out")  # fmt: skip
    expected = evaluation.evaluate(
        ["ba", "dc", "ba"],
        [["ba", "z"], ["x", "z"], ["y", "ba"]],
        ["exact_match", "ter"],
    )
    assert result.out == "".join(f"{score}\n" for score in expected.values())
    assert "66.67" in result.out
    assert (parent / "out").read_text() == "ba\ndc\nba\n"
    (parent / "two").write_text("z\n")
    assert_refused(
        call("evaluate", folder, *files, parent / "two"),
        "in.gz with 3 and .*two with 1 lines",
    )
    (parent / "none").write_text("")
    files = ["--source", parent / "none", "--reference", parent / "none"]
    assert_refused(
        call("evaluate", folder, *files),
        "none: no lines to translate. Expected a text in each",
    )


def test_evaluate_accepts_all_targets_of_a_row(call, folder, reverser):
    path = folder.parent / "test.tsv"
    path.write_text("-\tab\tx\n-\tcd\tdc\n-\tab\tba\n")
    result = call("evaluate", folder, "--tsv", path, "--columns", "1", "2",
                  "--metrics", "exact_match", "--bootstrap", "9")  # fmt: skip
    assert "= 100.00 (95 %" in result.out and "nrefs:var" in result.out


def test_evaluate_finds_columns_by_their_names(call, folder, reverser):
    path = folder.parent / "test.tsv"
    path.write_text("No\tWord\tBackwards\n-\tab\tba\n")
    options = "--tsv", path, "--metrics", "exact_match", "--columns"
    result = call("evaluate", folder, *options, "Word", "Backwards")
    assert "= 100.00" in result.out
    assert_refused(
        call("evaluate", folder, *options, "Word", "2"), "or their names in the"
    )
    assert_refused(
        call("evaluate", folder, *options, "word", "Backwards"), "among them 'word'"
    )


def test_headers_and_quotes_are_as_one_says(call, folder, reverser):
    path, output = folder.parent / "test.tsv", folder.parent / "out"
    options = "--tsv", path, "--output", output, "--metrics", "exact_match"
    path.write_text("source\ttarget\nab\tba\n")
    for header, count in ((), 1), (("--header", "true"), 1), (("--header", "false"), 2):
        assert call("evaluate", folder, *options, *header).code == 0
        assert len(output.read_text().splitlines()) == count
    path.write_text('"a ""b"""\tx\n"c"\ty\n')
    assert_refused(call("evaluate", folder, *options), "look like those of CSV")
    for quoting, first in ("true", '"b" a'), ("false", '"""b"" a"'):
        call("evaluate", folder, *options, "--quoting", quoting)
        assert output.read_text().splitlines()[0] == first
    path.write_text('{"source": "ab", "target": "ba"}\n')
    for name in "--header", "--quoting":
        result = call("evaluate", folder, "--jsonl", path, name, "true")
        assert_refused(result, f"{name} goes with --tsv. Received: {name} with --jsonl")


def test_evaluate_takes_fields_of_objects(call, folder, reverser):
    path = folder.parent / "test.jsonl"
    path.write_text('{"source": "ab", "target": "ba", "also": "x"}\n' * 2)
    options = "--jsonl", path, "--metrics", "exact_match"
    assert "= 100.00" in call("evaluate", folder, *options).out
    result = call("evaluate", folder, *options, "--columns", "source", "also")
    assert "= 0.00" in result.out
    result = call("evaluate", folder, *options, "--reference", path)
    assert_refused(result, "--reference goes with --source. .*--reference with --jsonl")


def test_hypotheses_are_written_on_a_line_each(call, folder, reverser):
    path, output = folder.parent / "test.jsonl", folder.parent / "hypotheses"
    path.write_text('{"source": "a\\rb\\nc", "target": "c b a"}\n')
    result = call("evaluate", folder, "--jsonl", path, "--output", output)
    assert result.code == 0 and output.read_bytes() == b"c b a\n"


def test_evaluate_reads_dialogues_as_the_run_did(call, folder, reverser):
    path = folder.parent / "test.jsonl"
    path.write_text('{"said": ["ab", "x", "cd", "dc/x/ba"]}\n{"said": ["ab", "ba"]}\n')
    options = "--dialogues", path, "--metrics", "exact_match"
    assert_refused(call("evaluate", folder, *options), "Received: no settings")
    data = {"context_turns": 3, "turn_separator": "/", "replies": "second"}
    settings = {"data": {"format": "dialogues", "turns": "said", **data}}
    (folder / "settings.json").write_text(json.dumps(settings))
    output = folder.parent / "replies"
    result = call("evaluate", folder, *options, "--output", output)
    # The first context has two replies.
    assert "nrefs:var" in result.out and "= 100.00" in result.out
    assert output.read_text().splitlines() == ["ba", "dc/x/ba"]
    result = call("evaluate", folder, *options, "--columns", "0", "1")
    assert_refused(result, "goes with --tsv or --jsonl. .*--columns with --dialogues")


def test_metrics_are_those_of_the_run(call, folder, reverser):
    path = folder.parent / "test.tsv"
    path.write_text("ab\tba\n")
    names = [
        x.split("|")[0] for x in call("evaluate", folder, "--tsv", path).out.split("\n")
    ]
    assert names == ["BLEU", "chrF2", ""]
    (folder / "settings.json").write_text('{"training": {"metrics": ["ter"]}}')
    assert call("evaluate", folder, "--tsv", path).out.startswith("TER|")


def test_long_sources_are_cut_and_told(call, folder, reverser):
    path = folder.parent / "test.tsv"
    path.write_text("ab\tba\nabc\tba\n")
    options = "--tsv", path, "--metrics", "exact_match", "--max-characters", 2
    result = call("evaluate", folder, *options)
    assert "= 100.00" in result.out
    assert "source 2 is cut to the first 2 of its 3 characters" in result.err


def test_evaluate_writes_a_table_and_prints_confusions(call, folder, reverser):
    path, table = folder.parent / "test.tsv", folder.parent / "table.tsv"
    path.write_text("ab\tbx\nab\tbax\ncd\tdc\nef\txxx\n")
    options = "--tsv", path, "--metrics", "exact_match", "--table", table
    result = call("evaluate", folder, *options, "--confusions", "2")
    assert "= 33.33" in result.out
    assert len(result.out.splitlines()) == 3
    assert "1\tx → a\n" in result.out
    lines = table.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "source\treference\ttranslation\tcorrect\tedits\tchanges"
    assert lines[1] == "ab\tbx\tba\tno\t1\tx → a"
    assert lines[2] == "cd\tdc\tdc\tyes\t0\t"
    assert lines[3].startswith("ef\txxx\tfe\tno\t3\t")
    result = call("evaluate", folder, "--tsv", path, "--table", path)
    assert_refused(result, "would be replaced by what is made of it")


def test_translations_and_table_are_files_of_their_own(call, folder, reverser):
    path, written = folder.parent / "test.tsv", folder.parent / "both.tsv"
    path.write_text("ab\tbx\n")
    options = "--tsv", path, "--output", written, "--table"
    result = call("evaluate", folder, *options, folder / ".." / "both.tsv")
    assert_refused(result, "--table must be another file than --output")
    assert not written.exists()


def test_columns_are_not_of_lines(call, folder, reverser):
    path = folder.parent / "lines"
    path.write_text("ab\n")
    options = "--source", path, "--reference", path, "--columns", "0", "1"
    result = call("evaluate", folder, *options)
    assert_refused(result, "goes with --tsv or --jsonl. .*--columns with --source")
