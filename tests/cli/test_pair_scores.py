"""Pairs that are scored window by window."""

import math

from commands import assert_refused
from kseq2seq.cli import windows


def test_long_sides_are_cut_and_told(call, folder, reverser):
    result = call("score", folder, "--max-characters", 2, stdin="abc\tde\nf\tghi\n")
    assert result.out == "-2.000000\t2\n-1.000000\t2\n"
    assert "source 1 is cut to the first 2 of its 3 characters" in result.err
    assert "target 2 is cut to the first 2 of its 3 characters" in result.err


def test_windows_are_scored_one_by_one(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_LINES", 2)
    lines = [f"{'a' * n}\tb{'c' * n}" for n in range(1, 6)]
    path = folder.parent / "pairs.tsv"
    path.write_text("\n".join(lines))
    result = call("score", folder, "--input", path)
    assert result.out == "".join(f"{-n:.6f}\t{n + 1}\n" for n in range(1, 6))
    perplexity = math.exp(15 / 20)
    assert result.err == f"perplexity {perplexity:.4f} (20 tokens in 5 lines)\n"
    # What is wrong at the end is told before anything is scored.
    path.write_text("\n".join([*lines, "no pair"]))
    assert_refused(call("score", folder, "--input", path), "pairs.tsv:6: source and")
