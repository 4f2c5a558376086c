"""`kseq2seq backtranslate`: pairs of monolingual text."""

import pytest

from commands import PAIRS, assert_refused
from kseq2seq import Translator
from kseq2seq.cli import windows


@pytest.fixture
def text(folder):
    path = folder.parent / "mono.txt"
    path.write_text("abc\n \nde\tf\nlong line\n'\ngh\n")
    return path


def test_translations_become_sources(call, folder, reverser, text, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_LINES", 2)
    # A translation of nothing but an invisible character.
    monkeypatch.setattr(
        reverser, "translation", lambda text, i, of=reverser.translation:
        of("\u200b" if text == "'" else text, i)
    )  # fmt: skip
    pairs = folder.parent / "pairs.tsv"
    verb = ["backtranslate", folder, text, pairs, "--max-characters", 8]
    result = call(*verb, "--tag", "<BT>", "--beam", 3)
    assert pairs.read_text() == (
        "<BT> cba\tabc\n<BT> f ed\tde f\n<BT> nil gnol\tlong lin\n<BT> hg\tgh\n"
    )
    assert (result.code, result.out) == (0, "")
    assert "line 4 is cut to the first 8 of its 9 characters" in result.err
    assert "4 pairs; left out: 1 blank lines, 1 blank translations" in result.err
    assert reverser.searches[0].beam_size == 3
    call(*verb)
    assert pairs.read_text().startswith("cba\tabc\n")


def test_samples_have_a_seed_for_each_line(call, folder, reverser, text, monkeypatch):
    pairs = folder.parent / "pairs.tsv"
    verb = ["backtranslate", folder, text, pairs, "--sample"]
    monkeypatch.setattr(windows, "WINDOW_LINES", 3)
    assert call(*verb, "--seed", 5, "--top-k", 2, "--temperature", "0.5").code == 0
    options = "{'temperature': 0.5, 'top_k': 2}"
    assert pairs.read_text().splitlines() == [
        f"{seed} {line} {options}\t{line}"
        for seed, line in [(5, "abc"), (6, "de f"), (8, "long line"), (9, "'"),
                           (10, "gh")]
    ]  # fmt: skip


def test_a_run_gives_its_own_translations_and_samples(call, run, tmp_path):
    texts = [source for source, _ in PAIRS]
    mono, pairs = tmp_path / "mono.txt", tmp_path / "pairs.tsv"
    mono.write_text("\n".join(texts))
    call("backtranslate", run, mono, pairs, "--sample", "--top-p", "0.9", "--seed", 3)
    expected = Translator.load(run).sample(texts, seed=3, top_p=0.9)
    assert [line.split("\t") for line in pairs.read_text().splitlines()] == [
        [" ".join(drawn.text.split()), text]
        for drawn, text in zip(expected, texts, strict=True)
        if drawn.text.strip()
    ]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--seed", 1, "--top-p", 0.5], "need --sample.*Received: --seed, --top-p"),
        (["--sample", "--beam", 2], "--sample draws instead.*Received: --beam"),
        (["--tag", " "], "--tag must be a word without tabs.*Received: ' '"),
        (["--tag", "a\tb"], r"--tag must be a word without tabs.*Received: 'a\\tb'"),
        (["--tag", "a\nb"], r"--tag must be a word without .*Received: 'a\\nb'"),
        (["--tag", "a\rb"], r"--tag must be a word without .*Received: 'a\\rb'"),
    ],
)
def test_options_without_effect_are_refused(call, folder, text, arguments, match):
    assert_refused(call("backtranslate", folder, text, "pairs.tsv", *arguments), match)


def test_numbers_out_of_range_are_refused(call, folder, text):
    for option, value in (("--temperature", "0"), ("--top-p", "2"), ("--top-k", "0")):
        result = call("backtranslate", folder, text, "x", "--sample", option, value)
        assert result.code == 2 and f"Received: '{value}'" in result.err
