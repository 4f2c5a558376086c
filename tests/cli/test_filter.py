"""`kseq2seq filter`: the best pairs."""

import os
import random

import pytest

from commands import assert_refused
from kseq2seq.cli import windows

# The quick model's score of a pair is -len(source) / len(target).
LINES = [
    f"{'a' * source}\t{'b' * target}\tmore {n}"
    for n, (source, target) in enumerate([(3, 5), (7, 2), (1, 1), (2, 2), (5, 1),
                                          (4, 4), (1, 3)])
]  # fmt: skip


def kept(lines, share):
    """The lines that are kept, by sorting all of them."""
    cells = [line.split("\t") for line in lines]
    usable = [n for n, row in enumerate(cells) if row[0].strip() and row[1].strip()]
    scores = {n: -len(cells[n][0]) / len(cells[n][1]) for n in usable}
    best = sorted(usable, key=lambda n: (-scores[n], n))
    return [lines[n] for n in sorted(best[: max(1, round(share * len(usable)))])]


@pytest.mark.parametrize("keep", [0.01, 0.4, 0.5, 0.8, 1])
def test_the_best_are_kept_in_their_order(call, folder, reverser, monkeypatch, keep):
    monkeypatch.setattr(windows, "WINDOW_LINES", 2)
    lines = [*LINES[:3], " \tb\tblank", *LINES[3:], "a\t\tblank"]
    random.Random(5).shuffle(lines)
    pairs, best = folder.parent / "pairs.tsv", folder.parent / "best.tsv"
    pairs.write_text("\n".join(lines) + "\n")
    result = call("filter", folder, pairs, best, "--keep", keep)
    expected = kept(lines, keep)
    assert best.read_text() == "".join(f"{line}\n" for line in expected)
    assert (result.code, result.out) == (0, "")
    assert f"kept {len(expected)} of 9 pairs, of which 2 have a blank" in result.err


def test_pairs_that_cannot_be_used(call, folder, reverser):
    pairs, best = folder.parent / "pairs.tsv", folder.parent / "best.tsv"
    pairs.write_text("a\tb\nab\n")
    verb = ["filter", folder, pairs, best]
    assert_refused(call(*verb), r"pairs.tsv:2: source and target must have a tab.*'ab'")
    pairs.write_text("\t\n")
    assert_refused(
        call(*verb), "pairs.tsv: no pairs without a blank side. Expected .*: 1 with a"
    )
    pairs.unlink()
    assert_refused(call(*verb), "pairs.tsv: no such file")
    os.mkfifo(pairs)
    assert_refused(call(*verb), "a file, since it is read three times. Received: a p")
    assert not best.exists()
    for keep in ("0", "1.5", "-1", "most"):
        result = call(*verb, "--keep", keep)
        assert result.code == 2 and f"Received: '{keep}'" in result.err
