"""The command line: what it prints, and how it refuses."""

import gzip
import io
import json
import math
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import kseq2seq
from kseq2seq import cli, evaluation
from kseq2seq.cli import commands
from kseq2seq.data import read_lines
from kseq2seq.decoding import Search
from kseq2seq.inference import Translation

PAIRS = [
    ("ein Hund", "a dog"),
    ("eine Katze läuft", "a cat runs"),
    ("ja", "yes"),
    ("nein", "no"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder, of a small model that knows nothing."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    source, target = kseq2seq.train_tokenizers(PAIRS, kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        units=14,
        embedding_size=5,
    )
    model = kseq2seq.build_model(config)
    kseq2seq.Translator(model, source, target).save(folder)
    search = {"beam_size": 2, "length_penalty": 0.5, "max_length": 13}
    settings = {"search": search, "training": {"metrics": ["character_error_rate"]}}
    (folder / "settings.json").write_text(json.dumps(settings))
    epochs = [{"loss": 3.0, "val_bleu": None}, {"loss": 2.0, "val_bleu": 5.0}]
    history = {"checkpoint": "checkpoint-2.keras", "epochs": epochs}
    (folder / "history.json").write_text(json.dumps(history))
    return folder


@pytest.fixture
def folder(tmp_path):
    """A folder that looks like a run, for a model that is not looked at."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model.keras").touch()
    return tmp_path / "run"


class Reverser:
    """A translator that writes each text backwards."""

    def __init__(self):
        self.searches = []

    def translate(self, texts, search=None, num_hypotheses=None, alignments=False):
        self.searches.append(search)
        n = num_hypotheses or 1 if search is None else search.num_hypotheses
        return [[self.translation(text, i) for i in range(n)] for text in texts]

    def translation(self, text, i):
        weights = np.full((1, 1), 1 / 3, np.float32)
        return Translation(text[::-1] + "'" * i, -i / 8, -i, ["s"], ["t"], weights)

    def score(self, pairs, progress=False):
        return [(-float(len(source)), len(target)) for source, target in pairs]


@pytest.fixture
def reverser(monkeypatch):
    translator = Reverser()
    monkeypatch.setattr(commands, "_load", lambda path: translator)
    return translator


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs the command; gives exit code, standard output and standard error."""

    def run_command(*arguments, stdin=""):
        stdin = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            code = cli.main([str(x) for x in arguments])
        except SystemExit as error:
            code = error.code
        return types.SimpleNamespace(code=code, **capsys.readouterr()._asdict())

    return run_command


def assert_refused(result, match):
    assert result.code == 2
    assert result.out == ""
    assert re.search(match, result.err), result.err
    assert result.err.count("\n") == 1 and result.err.startswith("kseq2seq")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", ["translate", "score", "evaluate", "export", "plot"])
def test_each_command_has_help_with_an_example(call, name):
    result = call(name, "--help")
    assert result.code == 0
    assert f"kseq2seq {name} runs/" in result.out
    assert name in call("--help").out


def test_version(call):
    assert call("--version").out == f"kseq2seq {kseq2seq.__version__}\n"


def test_help_names_all_metrics(call):
    text = call("evaluate", "--help").out
    assert all(name in text for name in evaluation.METRICS)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "COMMAND"),
        (["draw"], "invalid choice: 'draw'"),
        (["translate"], "PATH"),
        (["translate", "RUN", "--beam", "0"], "--beam: must be an integer from 1"),
        (["translate", "RUN", "--beam", "99999"], "to 10000, not '99999'"),
        (["translate", "RUN", "--n-best", "two"], "--n-best: must be an integer"),
        (["translate", "RUN", "--max-length", "1.5"], "--max-length: must be an int"),
        (["translate", "RUN", "--length-penalty", "nan"], "from 0 on, not 'nan'"),
        (["translate", "RUN", "--length-penalty", "-1"], "from 0 on, not '-1'"),
        (["translate", "RUN", "--coverage-penalty", "x"], "from 0 on, not 'x'"),
        (["translate", "RUN", "--n-best", "3", "--beam", "2"], "num_hypotheses=3"),
        (["translate", "RUN", "--input", "absent.txt"], "absent.txt: no such file"),
        (["translate", "RUN", "--input", "."], r"\.:1: cannot be read.*Is a directory"),
        (["translate", "RUN", "--output", "no/out"], "no/out: cannot be written"),
        (["translate", "RUN", "--output", "."], r"\.: cannot be written: Is a dir"),
        (["translate", "absent"], "absent is no folder: give a run folder"),
        (["translate", "."], r"\. holds no model: give a run folder"),
        (["score", "RUN"], "standard input: no lines to score"),
        (["evaluate", "RUN"], "one of the arguments --source --tsv is required"),
        (["evaluate", "RUN", "--source", "a"], "--source needs --reference"),
        (["evaluate", "RUN", "--tsv", "a", "--reference", "b"], "not with --tsv"),
        (["evaluate", "RUN", "--tsv", "absent.tsv"], "absent.tsv: no such file"),
        (["evaluate", "RUN", "--source", "a", "--metrics", "x"], "one of bleu, "),
        (["evaluate", "RUN", "--tsv", "a", "--bootstrap", "1"], "0 or at least 2"),
        (["evaluate", "RUN", "--tsv", "a", "--columns", "0", "-1"], "not '-1'"),
        (["export", "absent"], "absent is no folder"),
        (["plot", "RUN", "--output", "a.png"], "--text --history is required"),
        (["plot", "RUN", "--history"], "--output"),
        (["plot", "RUN", "--history", "--output", "a.gif"], "must end in .png"),
        (["plot", "RUN", "--history", "--output", "no/a.png"], "no such folder"),
        (["plot", "RUN", "--history", "--output", "a.png"], "history.json: no such"),
        (["plot", "RUN", "--text", " ", "--output", "a.png"], "something to translate"),
    ],
)
def test_bad_arguments(call, folder, reverser, monkeypatch, arguments, match):
    monkeypatch.chdir(folder.parent)
    arguments = [folder if x == "RUN" else x for x in arguments]
    assert_refused(call(*arguments), match)
    assert [x.name for x in folder.parent.iterdir()] == ["run"]


@pytest.mark.parametrize(
    ("command", "stdin", "match"),
    [
        ("translate", b"good\n\xff\n", r"standard input:2: not valid UTF-8 .*0xff"),
        ("score", b"a\tb\nno tab\n", "standard input:2: .* a tab .*'no tab'"),
    ],
)
def test_bad_standard_input_is_refused_with_its_line(
    call, folder, reverser, command, stdin, match
):
    assert_refused(call(command, folder, stdin=stdin), match)


def test_closed_standard_input(call, folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main(["translate", str(folder)]) == 2
    assert "standard input is closed" in capsys.readouterr().err


def test_lines_are_translated_in_order(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(commands, "CHUNK", 3)
    stdin = "\ufeff  \r\n\nabc\nd\u2028e\x85f\nlast line"
    result = call("translate", folder, stdin=stdin)
    assert result.out == "\n\ncba\nf\x85e\u2028d\nenil tsal\n"
    assert (result.code, result.err) == (0, "")
    assert call("translate", folder, stdin="").out == ""


def test_n_best_lines_have_number_and_score(call, folder, reverser):
    result = call("translate", folder, "--n-best", "2", stdin="ab\n\nc\n")
    assert result.out == (
        "1\t0.0000\tba\n1\t-0.1250\tba'\n3\t0.0000\tc\n3\t-0.1250\tc'\n"
    )


def test_alignments_are_json(call, folder, reverser):
    out = call("translate", folder, "--alignments", stdin="äb\n\n").out
    first, second = map(json.loads, out.splitlines())
    assert first["source_tokens"] == ["s"]
    assert first["translations"] == [
        {"text": "bä", "score": 0, "log_prob": 0, "tokens": ["t"],
         "alignment": [[0.3333]]}
    ]  # fmt: skip
    assert second == {"source_tokens": [], "translations": []}


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


def test_options_change_the_search_of_the_run(call, folder, reverser):
    call("translate", folder, stdin="x")
    (folder / "settings.json").write_text('{"search": {"beam_size": 3}}')
    for arguments in (
        ["--length-penalty", "0.5"],
        ["--n-best", "7"],
        ["--beam", "2", "--max-length", "9", "--coverage-penalty", "0.25"],
        ["--max-length-factor", "1.5", "--max-length-offset", "3"],
    ):
        call("translate", folder, *arguments, stdin="x")
    assert reverser.searches == [
        Search(),
        Search(beam_size=3, length_penalty=0.5),
        Search(beam_size=7, num_hypotheses=7),
        Search(beam_size=2, max_length=9, coverage_penalty=0.25),
        Search(beam_size=3, max_length_factor=1.5, max_length_offset=3),
    ]


def test_output_is_written_whole_or_not_at_all(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(commands, "CHUNK", 1)
    output = folder.parent / "out.txt"
    assert call("translate", folder, "--output", output, stdin="ab\ncd").code == 0
    assert output.read_text() == "ba\ndc\n"

    def fail_at_second(texts, search):
        if texts == ["y"]:
            raise ValueError("too\nhard")
        return Reverser().translate(texts, search)

    monkeypatch.setattr(reverser, "translate", fail_at_second)
    result = call("translate", folder, "--output", output, stdin="x\ny\n")
    assert_refused(result, "translate: too hard")
    assert output.read_text() == "ba\ndc\n"
    assert {x.name for x in folder.parent.iterdir()} == {"run", "out.txt"}


def test_interrupt_gives_130(call, folder, reverser, monkeypatch):
    def interrupt(texts, search):
        raise KeyboardInterrupt

    monkeypatch.setattr(reverser, "translate", interrupt)
    result = call("translate", folder, stdin="x")
    assert (result.code, result.out, result.err) == (130, "", "")


def test_closed_output_gives_no_traceback(folder):
    code = (
        "import sys; from kseq2seq import cli, commands\n"
        "commands._search_function = lambda options: lambda texts: [[]] * len(texts)\n"
        "commands._formatted = lambda *_: 'x' * 999 + chr(10)\n"
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


def test_score_prints_log_probability_and_tokens(call, folder, reverser):
    result = call("score", folder, stdin="abc\tde\tignored\n\tf\n")
    assert result.out == "-3.000000\t2\n-0.000000\t1\n"
    assert result.err == f"perplexity {math.exp(3 / 3):.4f} (3 tokens in 2 lines)\n"


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


def test_evaluate_accepts_all_targets_of_a_row(call, folder, reverser):
    path = folder.parent / "test.tsv"
    path.write_text("-\tab\tx\n-\tcd\tdc\n-\tab\tba\n")
    result = call("evaluate", folder, "--tsv", path, "--columns", "1", "2",
                  "--metrics", "exact_match", "--bootstrap", "9")  # fmt: skip
    assert "= 100.00 (95 %" in result.out and "nrefs:var" in result.out


def test_metrics_are_those_of_the_run(call, folder, reverser):
    path = folder.parent / "test.tsv"
    path.write_text("ab\tba\n")
    names = [
        x.split("|")[0] for x in call("evaluate", folder, "--tsv", path).out.split("\n")
    ]
    assert names == ["BLEU", "chrF2", ""]
    (folder / "settings.json").write_text('{"training": {"metrics": ["ter"]}}')
    assert call("evaluate", folder, "--tsv", path).out.startswith("TER|")


@pytest.mark.parametrize("version", [".", "12"])
def test_a_saved_model_is_asked_for_no_more_than_it_gives(
    call, tmp_path, reverser, version
):
    saved = tmp_path / "saved"
    (saved / version).mkdir(parents=True)
    (saved / version / "saved_model.pb").touch()
    assert call("translate", saved, stdin="ab").out == "ba\n"
    assert reverser.searches == [None]
    for arguments in (
        ["translate", saved, "--beam", "3"],
        ["translate", saved, "--alignments", "--n-best", "2"],
        ["translate", saved, "--max-length-offset", "1"],
        ["evaluate", saved, "--tsv", "x", "--length-penalty", "1"],
    ):
        assert_refused(call(*arguments), "is a SavedModel, which searches as it was")
    assert_refused(call("export", saved), "is a SavedModel: give the run folder")
    found = call("translate", saved, "--n-best", "2", stdin="ab").out
    assert found == "1\t0.0000\tba\n1\t-0.1250\tba'\n"
    assert call("score", saved, stdin="ab\tc").out == "-2.000000\t1\n"
    plot = ["plot", saved, "--text", "x", "--output", "x.png"]
    assert_refused(call(*plot), "is a SavedModel: give the run folder")


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
        (i, best.text) for i, found in enumerate(expected) for best in found
    ]
    best = expected[1][0]
    out = call("score", run, stdin=f"{texts[1]}\t{PAIRS[1][1]}\n").out
    log_prob, num_tokens = translator.score(PAIRS[1:2])[0]
    assert out == f"{log_prob:.6f}\t{num_tokens}\n"
    out = call("translate", run, "--beam", "3", "--alignments", stdin=texts[1]).out
    found = json.loads(out)["translations"]
    assert [x["text"] for x in found] == [best.text]
    assert found[0]["tokens"] == best.target_tokens
    np.testing.assert_allclose(found[0]["alignment"], best.alignment, atol=1e-4)


def test_several_runs_are_exported_as_one(call, run, tmp_path):
    arguments = ["--ensemble", run, "--weights", "int8", "--n-best", "2"]
    limits = ["--max-bytes", "9", "--max-tokens", "7"]
    call("export", run, tmp_path / "two", *arguments, *limits)
    saved = tmp_path / "two" / "1"
    about = json.loads((saved / "assets.extra" / "kseq2seq.json").read_text())
    assert about["weights"] == "int8" and about["search"]["num_hypotheses"] == 2
    assert about["limits"] == {"max_bytes": 9, "max_tokens": 7}
    card = json.loads((saved / "model_card.json").read_text())
    assert len(card["trainings"]) == 2
    size = len(kseq2seq.Translator.load(run).encode(["ja"])[0].state)
    assert len(kseq2seq.Translator.load(saved).encode(["ja"])[0].state) == 2 * size
    found = json.loads(call("translate", saved, "--alignments", stdin="ja").out)
    (best,) = found["translations"]
    assert found["source_tokens"] == ["j", "a", "</s>"] and best["log_prob"] is None
    assert np.shape(best["alignment"]) == (len(best["tokens"]), 3)
    n_best = call("translate", saved, "--n-best", "2", stdin="ja").out
    assert [line[:2] for line in n_best.splitlines()] == ["1\t", "1\t"]
    result = call("translate", saved, "--n-best", "3", stdin="ja")
    assert_refused(result, "from 1 to 2, as many as were asked for at the export")
    result = call("export", run, tmp_path / "two", "--ensemble", tmp_path)
    assert_refused(result, "no run folder")
    result = call("export", run, tmp_path / "two", "--max-bytes", "3")
    assert_refused(result, "`max_bytes` must be an integer of at least 4")


def test_a_run_is_exported_and_the_export_translates_alike(
    call, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    result = call("export", run)
    assert result.out == str(Path("saved_models", "small", "1")) + "\n"
    stdin = "ja\n\nnein\n"
    by_run = call("translate", run, stdin=stdin).out
    assert call("translate", "saved_models/small", stdin=stdin).out == by_run
    assert call("export", run, "elsewhere", "--beam", "1").out == "elsewhere/1\n"
    greedy = call("translate", run, "--beam", "1", stdin=stdin).out
    assert call("translate", "elsewhere/1", stdin=stdin).out == greedy


def test_plots_are_written(call, run, tmp_path):
    heatmap, curves = tmp_path / "a.png", tmp_path / "b.svg"
    assert call("plot", run, "--text", "ein Hund", "--output", heatmap).code == 0
    assert heatmap.read_bytes().startswith(b"\x89PNG")
    assert call("plot", run, "--history", "--output", curves).code == 0
    assert "<svg" in curves.read_text()


def test_no_heatmap_without_attention(call, folder, reverser, monkeypatch):
    monkeypatch.setattr(
        reverser, "translation", lambda text, i: Translation(text, 0.0, 0.0, [], [])
    )
    result = call("plot", folder, "--text", "x", "--output", folder / "x.png")
    assert_refused(result, "this model has no attention")


def test_read_lines_of_files(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\x0bc\n\n\xc3\xa9")
    assert read_lines(path) == ["a", "b\x0bc", "", "é"]
    zipped = tmp_path / "text.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert read_lines(zipped) == read_lines(path)
    zipped.write_bytes(zipped.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"text\.gz:\d+: cannot be read"):
        read_lines(zipped)
    path.write_bytes(b"a\nb\xe9\n")
    with pytest.raises(ValueError, match=r"text:2: not valid UTF-8 \(byte 0xe9 at off"):
        read_lines(path)
