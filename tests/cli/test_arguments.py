"""Arguments that several verbs have: what is taken, and what is told of others."""

import argparse
from pathlib import Path

import pytest

from kseq2seq.cli import arguments


@pytest.mark.parametrize(
    ("check", "text", "value"),
    [
        (arguments.count, "1", 1),
        (arguments.count, "10000", 10_000),
        (arguments.named, ".", "."),
        (arguments.folder_path, "a/b", Path("a", "b")),
        (arguments.index, "0", 0),
        (arguments.index, "10007", 10_007),
        (arguments.column, "3", 3),
        (arguments.column, "text", "text"),
        (arguments.column, "-", "-"),
        (arguments.port, "0", 0),
        (arguments.port, "65535", 65_535),
        (arguments.weight, "0", 0.0),
        (arguments.weight, "2.5e3", 2500.0),
        (arguments.positive, "1e-9", 1e-9),
        (arguments.share, "1", 1.0),
        (arguments.share, "0.25", 0.25),
    ],
)
def test_what_can_be_is_read(check, text, value):
    read = check(text)
    assert read == value and type(read) is type(value)


@pytest.mark.parametrize(
    ("check", "texts", "message"),
    [
        (arguments.count, ["0", "10001", "-1", "1.5", "", "x"], "from 1 to 10000"),
        (arguments.named, [""], "must name a folder, such as . for this one"),
        (arguments.folder_path, [""], "must name a folder, such as . for this one"),
        (arguments.index, ["-1", "1.0", "", "x"], "an integer from 0 on"),
        (arguments.column, ["-1", "-17"], "an integer from 0 on"),
        (arguments.port, ["65536", "-1", "http"], "an integer from 0 to 65535"),
        (arguments.weight, ["-0.1", "inf", "nan", "x", ""], "a number from 0 on"),
        (arguments.positive, ["0", "0.0"], "a number above 0"),
        (arguments.positive, ["-1", "nan"], "a number from 0 on"),
        (arguments.share, ["1.01", "7"], "a number above 0, at most 1"),
        (arguments.share, ["0"], "a number above 0"),
    ],
)
def test_what_cannot_be_is_refused(check, texts, message):
    for text in texts:
        with pytest.raises(argparse.ArgumentTypeError) as error:
            check(text)
        assert message in str(error.value)
        assert str(error.value).endswith(f". Received: {text!r}")


def test_an_error_is_one_line_with_the_file_that_it_is_of():
    assert arguments.one_line(" too\n  hard\t") == "too hard"
    error = OSError(28, "No space\nleft", "a file")
    assert arguments.one_line(error) == "a file: No space left."
    assert arguments.one_line(OSError("no file")) == "no file"


def parser_of(name):
    """A command of one verb, and the verb's parser."""
    command = arguments.Parser(prog="command")
    verb = arguments.add_verb(
        command.add_subparsers(), name, "Does nothing.", "For example:\n  $ command"
    )
    return command, verb


def test_the_verb_tells_of_its_errors(capsys):
    command, verb = parser_of("verb")
    verb.add_argument("--number", type=arguments.count)
    for given, message in [
        (["--number", "0"], "argument --number: must be an integer from 1 to 10000"),
        (["--nothing"], "unrecognized arguments: --nothing"),
        (["a.txt"], "unrecognized arguments: a.txt (see"),
    ]:
        with pytest.raises(SystemExit) as error:
            command.parse_args(["verb", *given])
        told = capsys.readouterr().err
        assert error.value.code == 2 and told.count("\n") == 1
        assert told.startswith(f"command verb: {message}")
        assert told.endswith("(see command verb --help)\n")
    arguments.add_input_and_output(verb, "lines")
    with pytest.raises(SystemExit):
        command.parse_args(["verb", "a.txt"])
    assert "a.txt; name a file of texts by --input (see" in capsys.readouterr().err


def test_files_may_stand_behind_options_and_a_verb_may_have_others(capsys):
    command, verb = parser_of("verb")
    verb.add_argument("files", nargs="*")
    verb.add_argument("--number", type=arguments.count)
    verb.files = "files"
    read = command.parse_args(["verb", "a", "--number", "3", "b", "c"])
    assert (read.files, read.number) == (["a", "b", "c"], 3)
    with pytest.raises(SystemExit):
        command.parse_args(["verb", "a", "--number", "3", "--other", "c"])
    assert "unrecognized arguments: --other c" in capsys.readouterr().err
    verb.rewrite = lambda args: ["--number", "7", *args]
    assert command.parse_args(["verb", "a"]).number == 7


def test_options_that_several_verbs_have():
    _, verb = parser_of("verb")
    arguments.add_path(verb, "run folder")
    arguments.add_products(verb)
    arguments.add_input_and_output(verb, "lines")
    arguments.add_features_column(verb, "the input")
    arguments.add_data_folder(verb)
    read = verb.parse_args(["run"])
    assert vars(read) == {
        "path": "run",
        "modules": [],
        "products": None,
        "input": None,
        "output": None,
        "features": None,
        "data": Path(),
    }
    given = ["run", "--import", "one", "--import", "two", "--features", "3"]
    read = verb.parse_args([*given, "--data", "folder", "--products", "int8"])
    assert (read.modules, read.features) == (["one", "two"], 3)
    assert (read.data, read.products) == (Path("folder"), "int8")
    _, verb = parser_of("other")
    arguments.add_features_column(verb, "a table", arguments.column)
    assert verb.parse_args(["--features", "tags"]).features == "tags"
