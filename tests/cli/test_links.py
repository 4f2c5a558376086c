"""Word links of scored pairs."""

import pytest

from commands import assert_refused
from kseq2seq.cli import windows


def test_links_are_written_and_compared(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_LINES", 2)
    links, reference = folder.parent / "links", folder.parent / "reference"
    stdin = "ab c\tc ba\na\ta\tignored\na b c\tc b a\n"
    result = call("score", folder, "--links", links, stdin=stdin)
    assert result.code == 0 and "alignment_error_rate" not in result.err
    assert links.read_text() == "0-1 1-0\n0-0\n0-2 1-1 2-0\n"
    # 6 predicted and 4 sure links, 3 of which are right, and 1 more is possible.
    reference.write_text("0-1 1-1\n\n2?0 0-2 1-1\n")
    result = call("score", folder, "--reference-links", reference, stdin=stdin)
    rate = "alignment_error_rate = 30.00 (precision 66.67, recall 75.00)\n"
    assert result.out.count("\n") == 3 and result.err.endswith(rate)


@pytest.mark.parametrize("option", ["--input", "--output", "--reference-links"])
def test_links_are_written_over_no_other_file(call, folder, reverser, option):
    path = folder.parent / "pairs"
    path.write_text("ein Hund\ta dog\n")
    same = folder / ".." / "pairs"
    refused = call("score", folder, "--links", same, option, path, stdin="a\ta\n")
    assert_refused(refused, f"--links must be a file of its own.* and {option} ")
    assert path.read_text() == "ein Hund\ta dog\n"


def test_reference_links_must_fit_the_pairs(call, folder, reverser):
    reference, pairs = folder.parent / "reference", folder.parent / "pairs"
    pairs.write_text("ein Hund\ta dog\nja\tyes\n")
    options = "score", folder, "--reference-links", reference
    reference.write_text("0-0\n")
    refused = call(*options, "--input", pairs)
    assert_refused(refused, r"reference: expected a line.*2 pairs.*Received: 1 lines")
    reference.write_text("0-0\n0-0 1-0\n")
    refused = call(*options, "--input", pairs)
    assert_refused(refused, r"reference:2: links must be between.*1-0 of 1 and 1")
    reference.write_text("0 0\n")
    assert_refused(call(*options), r"reference:1: links must be two numbers")
