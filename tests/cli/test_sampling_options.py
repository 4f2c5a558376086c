"""Options of drawing: minimum risk, distinct samples, and what has no effect."""

import pytest

from commands import assert_refused
from kseq2seq.inference import Translation


def test_minimum_risk_takes_what_is_most_like_all_samples(
    call, folder, reverser, monkeypatch
):
    drawn = {"x": ["abcd", "abce", "vwzy"], "y": ["k", "kk", "kk"]}
    given = []

    def sample(texts, **options):
        given.append(options)
        return [
            Translation(drawn[text][n % 3], -n) for n, text in enumerate(texts)
        ]  # fmt: skip

    monkeypatch.setattr(reverser, "sample", sample)
    arguments = ["--mbr", "edit", "--samples", 3, "--top-k", 7, "--seed", 2]
    result = call("translate", folder, *arguments, stdin="x\n\ny\n")
    assert (result.code, result.out) == (0, "abcd\n\nkk\n")
    assert given[0]["top_k"] == 7 and given[0]["seed"] == 2
    result = call("translate", folder, *arguments, "--n-best", 2, stdin="y\n")
    # 100 and 50 percent of equal characters.
    assert result.out == f"1\t{500 / 6:.4f}\tkk\n1\t{400 / 6:.4f}\tk\n"
    source, reference = folder.parent / "source", folder.parent / "reference"
    source.write_text("x\ny\n")
    reference.write_text("abcd\nkk\n")
    files = ["--source", source, "--reference", reference, "--metrics", "exact_match"]
    assert "= 100.00" in call("evaluate", folder, *files, *arguments).out


def test_distinct_samples_are_lines_of_their_own(call, folder, reverser, monkeypatch):
    given = []

    def sample_distinct(texts, num_samples, **options):
        given.append((num_samples, options))
        return [[Translation(f"{x}1", 2.0, -1.5), Translation(x, 1.0, -0.5)]
                for x in texts]  # fmt: skip

    monkeypatch.setattr(reverser, "sample_distinct", sample_distinct, raising=False)
    arguments = ["--distinct-samples", 2, "--seed", 7, "--temperature", 0.5]
    result = call("translate", folder, *arguments, stdin="x\n\ny")
    lines = ["1\t-1.5000\tx1", "1\t-0.5000\tx", "3\t-1.5000\ty1", "3\t-0.5000\ty"]
    assert result.out.splitlines() == lines
    assert given == [(2, {"seed": 7, "temperature": 0.5})]


@pytest.mark.parametrize(
    ("option", "seeds"),
    [(["--mbr", "edit", "--samples", 3], [5, 11]), (["--distinct-samples", 3], [5, 7])],
)
def test_windows_do_not_draw_by_the_same_seeds(
    call, folder, reverser, monkeypatch, option, seeds
):
    def sample(texts, seed, **others):
        given.append(seed)
        return [Translation(text, -1.0) for text in texts]

    def sample_distinct(texts, seed, **others):
        given.append(seed)
        return [[Translation(text, -1.0, -1.0)] for text in texts]

    monkeypatch.setattr("kseq2seq.cli.windows.WINDOW_LINES", 2)
    monkeypatch.setattr(reverser, "sample", sample)
    monkeypatch.setattr(reverser, "sample_distinct", sample_distinct, raising=False)
    given = []
    result = call("translate", folder, *option, "--seed", 5, stdin="x\ny\nz\n")
    assert (result.code, given) == (0, seeds)


def test_windows_of_evaluate_do_not_draw_by_the_same_seeds(
    call, folder, reverser, monkeypatch
):
    def sample(texts, seed, **others):
        given.append(seed)
        return [Translation(text, -1.0) for text in texts]

    monkeypatch.setattr("kseq2seq.cli.windows.WINDOW_LINES", 2)
    monkeypatch.setattr(reverser, "sample", sample)
    lines, given = folder.parent / "lines", []
    lines.write_text("x\ny\nz\n")
    files = ["--source", lines, "--reference", lines, "--metrics", "exact_match"]
    result = call("evaluate", folder, *files, "--mbr", "edit", "--samples", 3)
    assert (result.code, given) == (0, [0, 6])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--distinct-samples", 2, "--beam", 3, "--prefix", "x"],
         "--distinct-samples draws instead.*Received: --beam, --prefix"),
        (["--distinct-samples", 2, "--mbr", "chrf", "--top-k", 3, "--n-best", 2],
         "--temperature alone.*Received: --mbr, --top-k, --n-best"),
        (["--samples", 3, "--seed", 1], "need --mbr.*Received: --seed, --samples"),
        (["--mbr", "chrf", "--beam", 2, "--alignments"],
         "--mbr draws instead.*Received: --alignments, --beam"),
        (["--mbr", "edit", "--prefix", "x", "--force-words", "y", "--allowed", "z"],
         "Received: --allowed, --force-words, --prefix"),
        (["--mbr", "chrf", "--forbid-words", "x"], "draws.*Received: --forbid-words"),
        (["--in-order"], "--in-order needs --force-words.*Received: --in-order"),
        (["--mbr", "ter"], "argument --mbr: invalid choice: 'ter'"),
    ],
)  # fmt: skip
def test_options_without_effect_are_refused(call, folder, arguments, match):
    assert_refused(call("translate", folder, *arguments, stdin="x\n"), match)
