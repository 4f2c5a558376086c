"""`kseq2seq translate`: lines in, lines out."""

import io
import json
import math
import subprocess
import sys
import types

import numpy as np
import pytest

import kseq2seq
import workers
from commands import PAIRS, assert_refused
from kseq2seq import cli
from kseq2seq.cli import translate, windows
from kseq2seq.decoding import Search
from kseq2seq.inference import Translation


def test_lines_are_translated_in_order(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_LINES", 3)
    stdin = "\ufeff  \r\n\nabc\nd\u2028e\x85f\nlast line"
    result = call("translate", folder, stdin=stdin)
    assert result.out == "\n\ncba\nf\x85e\u2028d\nenil tsal\n"
    assert (result.code, result.err) == (0, "")
    assert call("translate", folder, stdin="").out == ""


def test_each_line_has_one_of_output_whatever_ends_are_in_it(call, folder, reverser):
    stdin = "ab\rcd\nx\r\r\ny\n"
    result = call("translate", folder, stdin=stdin)
    assert result.out == "dc ba\nx\ny\n"
    result = call("translate", folder, "--n-best", 2, stdin=stdin)
    assert [line[-5:] for line in result.out.split("\n")[:2]] == ["dc ba", "c ba'"]


def test_long_lines_are_cut_and_told(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_LINES", 3)
    stdin = "\nabcd\nabc\n\nabcdefg\nabcde\nabcdef\n"
    result = call("translate", folder, "--max-characters", 4, stdin=stdin)
    assert result.out == "\ndcba\ncba\n\ndcba\ndcba\ndcba\n"
    assert result.code == 0
    assert result.err == (
        "kseq2seq translate: line 5 is cut to the first 4 of its 7 characters, and "
        "1 more up to number 6. Split long lines, or set --max-characters.\n"
        "kseq2seq translate: line 7 is cut to the first 4 of its 6 characters. Split "
        "long lines, or set --max-characters.\n"
    )
    result = call("translate", folder, stdin=f"{'a' * 9999}b\n{'a' * 10_001}")
    assert [*map(len, result.out.splitlines())] == [10_000, 10_000]
    assert "line 2 is cut to the first 10000 of its 10001" in result.err
    result = call("translate", folder, "--max-characters", 0, stdin="a" * 10_001)
    assert len(result.out) == 10_002 and result.err == ""


def test_n_best_lines_have_number_and_score(call, folder, reverser):
    result = call("translate", folder, "--n-best", "2", stdin="ab\n\nc\n")
    assert result.out == (
        "1\t0.0000\tba\n1\t-0.1250\tba'\n3\t0.0000\tc\n3\t-0.1250\tc'\n"
    )


def test_alignments_are_json(call, folder, reverser, monkeypatch):
    out = call("translate", folder, "--alignments", stdin="äb\n\n").out
    first, second = map(json.loads, out.splitlines())
    assert first["source_tokens"] == ["s"]
    assert first["translations"] == [
        {"text": "bä", "score": 0, "log_prob": 0, "tokens": ["t"],
         "alignment": [[0.3333]]}
    ]  # fmt: skip
    assert second == {"source_tokens": [], "translations": []}
    impossible = Translation("", -math.inf, -math.inf, ["s"], [])
    monkeypatch.setattr(reverser, "translate", lambda texts, **options: [[impossible]])
    out = call("translate", folder, "--alignments", stdin="a\n").out
    assert json.loads(out, parse_constant=pytest.fail)["translations"] == [
        {"text": "", "score": None, "log_prob": None, "tokens": [], "alignment": None}
    ]


def test_each_line_is_answered_before_the_next_at_a_terminal(
    folder, reverser, monkeypatch
):
    class Screen(io.StringIO):
        seen = ""

        def flush(self):
            self.seen = self.getvalue()

    def typed():
        for line in (b"ab\n", b"cd\n"):
            yield line
            answers.append(screen.seen)

    screen, answers = Screen(), []
    terminal = types.SimpleNamespace(buffer=typed(), isatty=lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)
    monkeypatch.setattr(sys, "stdout", screen)
    assert cli.main(["translate", str(folder)]) == 0
    assert answers == ["ba\n", "ba\ndc\n"]


def test_output_is_written_whole_or_not_at_all(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_LINES", 1)
    path = folder.parent / "out.txt"
    assert call("translate", folder, "--output", path, stdin="ab\ncd").code == 0
    assert path.read_text() == "ba\ndc\n"
    translate = reverser.translate

    def fail_at_second(texts, **options):
        if texts == ["y"]:
            raise ValueError("too\nhard")
        return translate(texts, **options)

    monkeypatch.setattr(reverser, "translate", fail_at_second)
    result = call("translate", folder, "--output", path, stdin="x\ny\n")
    assert_refused(result, "translate: too hard")
    assert path.read_text() == "ba\ndc\n"
    assert {x.name for x in folder.parent.iterdir()} == {"run", "out.txt"}


def test_closed_output_gives_no_traceback(folder):
    code = (
        "import sys; from kseq2seq import cli; from kseq2seq.cli import loading\n"
        "from kseq2seq.cli import translate\n"
        "loading.load_translate_function = lambda _: lambda texts: [[]] * len(texts)\n"
        "translate._formatted = lambda *_: 'x' * 999 + chr(10)\n"
        f"sys.exit(cli.main(['translate', {str(folder)!r}]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    _, err = process.communicate(b"a\n" * 2000)
    assert (process.returncode, err) == (141, b"")


def test_beginnings_and_words_for_each_line(
    call, folder, reverser, monkeypatch, tmp_path
):
    monkeypatch.setattr(windows, "WINDOW_LINES", 2)
    given = []
    translate = reverser.translate

    def with_both(texts, prefix, forced=(), **options):
        given.extend(zip(texts, prefix, forced, strict=bool(forced)))
        return translate(texts, **options)

    monkeypatch.setattr(reverser, "translate", with_both)
    (tmp_path / "prefixes").write_text("A \nB\n\nD\n")
    (tmp_path / "words").write_text("x\ty z\n\n\nw\n")
    words = ("--force-words", tmp_path / "words")
    option = ("--prefix", tmp_path / "prefixes")
    result = call("translate", folder, *option, *words, stdin="a\n\nc\nd")
    assert result.out == "a\n\nc\nd\n"
    assert given == [("a", "A ", ["x", "y z"]), ("c", "", []), ("d", "D", ["w"])]
    orders = []
    monkeypatch.setattr(
        reverser,
        "translate",
        lambda texts, forced, forced_in_order, **options: (
            orders.append(forced_in_order) or translate(texts, **options)
        ),
    )
    assert call("translate", folder, *words, "--in-order", stdin="a\n\nc\nd").code == 0
    assert orders == [True, True]
    monkeypatch.setattr(reverser, "translate", with_both)
    (tmp_path / "two").write_text("a\nb")
    of_a_file = ["--input", tmp_path / "two"]
    message = "a line for each input line. Received: 4 lines for 2"
    assert_refused(call("translate", folder, *option, *of_a_file), message)
    for stdin, count in ("\n\n", "2"), ("\n" * 7, "6 or more"):
        result = call("translate", folder, *option, stdin=stdin)
        assert f"Received: 4 lines for {count}" in result.err and result.code == 2
    (tmp_path / "saved_model.pb").touch()
    for option in (words, ("--distinct-samples", 3)):
        refused = call("translate", tmp_path, *option, stdin="a")
        assert_refused(refused, "is a SavedModel, which searches as it was exported to")


def test_a_damaged_model_is_refused(call, folder):
    (folder / "model.keras").write_text("no zip file")
    assert_refused(call("translate", folder, stdin="x"), "run: cannot be loaded")


def test_a_run_is_translated_and_scored_as_by_its_translator(call, run):
    translator = kseq2seq.Translator.load(run)
    texts = [source for source, _ in PAIRS]
    search = Search(beam_size=3, num_hypotheses=3, length_penalty=0.5, max_length=13)
    expected = translator.translate(texts, search)
    out = call("translate", run, "--n-best", "3", stdin="\n".join(texts)).out
    rows = [line.split("\t") for line in out.splitlines()]
    assert [(int(n) - 1, text) for n, _, text in rows] == [
        (i, best.text) for i, actual in enumerate(expected) for best in actual
    ]
    best = expected[1][0]
    out = call("score", run, stdin=f"{texts[1]}\t{PAIRS[1][1]}\n").out
    log_prob, num_tokens = translator.score(PAIRS[1:2])[0]
    assert out == f"{log_prob:.6f}\t{num_tokens}\n"
    out = call("translate", run, "--beam", "3", "--alignments", stdin=texts[1]).out
    actual = json.loads(out)["translations"]
    assert [x["text"] for x in actual] == [best.text]
    assert actual[0]["tokens"] == best.target_tokens
    np.testing.assert_allclose(actual[0]["alignment"], best.alignment, atol=1e-4)


def test_workers_keep_the_order_and_lose_nothing(call, folder, monkeypatch):
    monkeypatch.setattr(windows, "WINDOW_LINES", 2)
    monkeypatch.setattr(translate, "_translator", workers.translator)
    path = folder.parent / "in.txt"
    path.write_text("ab\n\ncd\nkill\nef\ngh\n \nij\n")
    result = call("translate", folder, "--workers", 2, "--input", path)
    assert result.out == "ba\n\ndc\nllik\nfe\nhg\n\nji\n"
    assert (result.code, result.err) == (0, "")
    (folder / "kill").unlink()
    path.write_text("ab\n\nkillkill\n")
    result = call("translate", folder, "--workers", 2, "--input", path, "--output", "x")
    assert_refused(result, r"ended at lines 3 to 3 \(killed by signal 9\), and so did")


def test_typed_lines_have_no_workers(call, folder, monkeypatch):
    monkeypatch.setattr(windows, "is_terminal", lambda path: True)
    result = call("translate", folder, "--workers", 3)
    assert_refused(result, "needs a file, by --input.*Received: --workers 3")
