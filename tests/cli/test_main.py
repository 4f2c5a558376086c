"""The command: help, errors and exit codes, and a verb from outside."""

import gzip
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import kseq2seq
from commands import assert_refused
from kseq2seq import cli
from kseq2seq.data import read_lines
from kseq2seq.utils import add_numbered_folder, atomic_write


@pytest.mark.parametrize("name", ["translate", "score", "evaluate", "plot"])
def test_each_command_has_help_with_an_example(call, name):
    result = call(name, "--help")
    assert result.code == 0
    assert f"kseq2seq {name} runs/" in result.out
    assert name in call("--help").out


def test_python_runs_the_package_as_the_command():
    command = [sys.executable, "-m", "kseq2seq", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"kseq2seq {kseq2seq.__version__}\n"


class Count:
    """A verb: `kseq2seq count PATH`."""

    @staticmethod
    def add_parser(subparsers):
        parser = subparsers.add_parser("count", help="count the files of a run")
        parser.add_argument("path")
        return parser

    @staticmethod
    def run(options):
        if options.path == "nowhere":
            raise ValueError("there is\nnothing")
        print("one file in", options.path)
        return 3


def test_a_verb_from_outside_is_one_object(capsys):
    verbs = (*cli.VERBS, Count)
    with pytest.raises(SystemExit):
        cli.main(["--help"], verbs)
    assert "count the files of a run" in capsys.readouterr().out
    assert cli.main(["count", "here"], verbs) == 3
    assert capsys.readouterr().out == "one file in here\n"
    assert cli.main(["count", "nowhere"], verbs) == 2
    assert capsys.readouterr().err == "kseq2seq count: there is nothing\n"
    with pytest.raises(SystemExit):
        cli.main(["count", "here"])


def test_several_errors_are_a_line_each(capsys, monkeypatch):
    class SeveralError(ValueError):
        messages = ("one\nof them", "another")

    def fail(options):
        raise SeveralError("both")

    monkeypatch.setattr(Count, "run", staticmethod(fail))
    assert cli.main(["count", "here"], [Count]) == 2
    expected = "kseq2seq count: one of them\nkseq2seq count: another\n"
    assert capsys.readouterr().err == expected


def test_version(call):
    assert call("--version").out == f"kseq2seq {kseq2seq.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "COMMAND"),
        (["draw"], "invalid choice: 'draw'"),
        (["translate"], "PATH"),
        (["translate", "RUN", "--beam", "0"], "--beam: must be an integer from 1"),
        (["translate", "RUN", "--beam", "99999"], r"to 10000\. Received: '99999'"),
        (["translate", "RUN", "--n-best", "two"], "--n-best: must be an integer"),
        (["translate", "RUN", "--max-length", "1.5"], "--max-length: must be an int"),
        (["translate", "RUN", "--length-penalty", "nan"], "from 0 on. Received: 'nan'"),
        (["translate", "RUN", "--length-penalty", "-1"], "from 0 on. Received: '-1'"),
        (["translate", "RUN", "--coverage-penalty", "x"], "from 0 on. Received: 'x'"),
        (["translate", "RUN", "--n-best", "3", "--beam", "2"], "num_hypotheses=3"),
        (
            ["translate", "RUN", "--input", "absent.txt"],
            "absent.txt: no such file. Expected the path of a file",
        ),
        (
            ["translate", "RUN", "--input", "."],
            r"\.: expected a file\. Received: a folder",
        ),
        (["translate", "RUN", "--output", "no/out"], "no/out: cannot be written"),
        (["translate", "RUN", "--output", "run/model.keras/x"], "x: cannot be written"),
        (["translate", "RUN", "--output", "."], r"\.: cannot be written: Is a dir"),
        (["translate", "RUN", "a.txt"], "a.txt; name a file of texts by --input"),
        (["translate", "absent"], "absent is no folder: give a run folder"),
        (["translate", "."], r"\. holds no model: give a run folder"),
        (["translate", ""], "PATH: must name a folder, .*: ''"),
        (["train", "dates", "--run", ""], "--run: must name a folder, .*: ''"),
        (["train", "dates", "--from", ""], "--from: must name a folder, .*: ''"),
        (["train", "dates", "--data", ""], "--data: must name a folder, .*: ''"),
        (["sweep", "a.toml", "--run", ""], "--run: must name a folder, .*: ''"),
        (["export", "RUN", ""], "FOLDER: must name a folder, such as .*: ''"),
        (["score", "RUN"], "standard input: no lines to score. Expected a source TAB"),
        (
            ["evaluate", "RUN"],
            "one of the arguments --source --tsv --jsonl --dialogues is required",
        ),
        (["evaluate", "RUN", "--source", "a"], "--source needs --reference"),
        (
            ["evaluate", "RUN", "--tsv", "a", "--reference", "b"],
            "--reference with --tsv",
        ),
        (["evaluate", "RUN", "--tsv", "absent.tsv"], "absent.tsv: no such file"),
        (["evaluate", "RUN", "--source", "a", "--metrics", "x"], "'x' .*'bleu', "),
        (["evaluate", "RUN", "--tsv", "a", "--bootstrap", "1"], "0 or at least 2"),
        (["evaluate", "RUN", "--tsv", "a", "--columns", "0", "-1"], "Received: '-1'"),
        (["export", "absent"], "absent is no folder"),
        (
            ["plot", "RUN", "--output", "a.png"],
            "--recording --history is required",
        ),
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


def test_closed_standard_output(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert cli.main(["train", "--list"]) == 2
    expected = "kseq2seq train: standard output is closed: send it to a file"
    assert capsys.readouterr().err.startswith(expected)


def test_closed_standard_error(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["count", "nowhere"], [Count]) == 2
    assert capsys.readouterr().out == ""


def test_interrupt_gives_130(call, folder, reverser, monkeypatch):
    def interrupt(texts, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(reverser, "translate", interrupt)
    result = call("translate", folder, stdin="x")
    assert (result.code, result.out, result.err) == (130, "", "")


class Stop:
    """A verb that is stopped by a signal while it writes a file and a folder."""

    @staticmethod
    def add_parser(subparsers):
        parser = subparsers.add_parser("stop")
        parser.add_argument("folder", type=Path)
        parser.add_argument("number", type=int)
        return parser

    @staticmethod
    def run(options):
        def write(path):
            path.mkdir()
            assert len([*options.folder.iterdir()]) == 2
            signal.raise_signal(options.number)

        with atomic_write(options.folder / "out.txt") as file:
            file.write("half of it")
            add_numbered_folder(options.folder, write)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_leaves_no_file_behind(tmp_path, name):
    number = getattr(signal, name)
    former = signal.signal(number, signal.SIG_DFL)  # `nohup` has it ignored
    try:
        with pytest.raises(SystemExit) as error:
            cli.main(["stop", str(tmp_path), str(int(number))], (Stop,))
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, former)
    assert error.value.code == 128 + number
    assert [*tmp_path.iterdir()] == []


class StopInDel:
    """A verb that a signal reaches where Python ignores exceptions."""

    add_parser = Stop.add_parser

    @staticmethod
    def run(options):
        class Dying:
            def __del__(self):
                signal.raise_signal(options.number)

        Dying()
        for _ in range(500):
            time.sleep(0.01)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_no_signal_is_lost(tmp_path, name, code, monkeypatch):
    number, others = getattr(signal, name), []
    monkeypatch.setattr(sys, "unraisablehook", others.append)
    default = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    former = signal.signal(number, default)
    try:
        received = cli.main(["stop", str(tmp_path), str(int(number))], (StopInDel,))
    except SystemExit as error:
        received = error.code
    finally:
        signal.signal(number, former)
    assert received == code and others == []


def test_handlers_of_others_are_left_alone(tmp_path):
    received = []
    former = signal.signal(signal.SIGTERM, lambda *_: received.append(1))
    try:
        cli.main(["stop", str(tmp_path), str(int(signal.SIGTERM))], (Stop,))
    finally:
        signal.signal(signal.SIGTERM, former)
    assert received == [1]
    assert (tmp_path / "out.txt").read_text() == "half of it"


def test_the_command_runs_in_any_thread():
    codes = []
    verbs = (Count,)
    thread = threading.Thread(
        target=lambda: codes.append(cli.main(["count", "here"], verbs))
    )
    thread.start()
    thread.join()
    assert codes == [3]


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
