"""Parsers of verbs, the arguments that several have, and checks of single ones."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

MAX_COUNT = 10_000
MAX_PORT = 65_535
# What most verbs take for `PATH`.
RUN_FOLDER = (
    "run folder, or name of a preset: dates, hf://USER/NAME, or the https URL of a "
    "folder; a folder of the name comes first"
)
MODEL = f"SavedModel, {RUN_FOLDER}"
# Options of the search whose names in `Search` are not those of the command line.
_FLAGS = {
    "beam_size": "--beam",
    "num_hypotheses": "--n-best",
    "forbidden_words": "--forbid-words",
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and name the command that they are of.

    Attributes:
        rewrite: Function from the arguments to those that are parsed in their place, or
            `None`.
        files: Name of an argument of any number of files, which may stand behind
            options as well; `None` if there is none.
    """

    rewrite: Callable[[list[str]], list[str]] | None = None
    files: str | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses what `rewrite` returns; unknown arguments are an error.

        Args:
            args: List of `str`; those of the process if `None`.
            namespace: Object that takes the options; a new one if `None`.
        """
        if self.rewrite is not None and args is not None:
            args = self.rewrite(list(args))
        namespace, unknown = super().parse_known_args(args, namespace)
        if self.files is not None and not any(x.startswith("-") for x in unknown):
            # Python takes those for unknown that stand behind an option.
            setattr(namespace, self.files, getattr(namespace, self.files) + unknown)
            unknown = []
        if unknown:
            # Else the command as a whole would refuse them, instead of its verb.
            is_file = (
                not unknown[0].startswith("-") and "--input" in self.format_usage()
            )
            hint = "; name a file of texts by --input" if is_file else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return namespace, unknown

    def error(self, message: str) -> NoReturn:
        """Prints an error and ends the process with exit code 2.

        Args:
            message: The error.
        """
        self.exit(2, f"{self.prog}: {one_line(message)} (see {self.prog} --help)\n")


def one_line(error: object) -> str:
    """An error's message on one line.

    Args:
        error: The message, or the exception; of an `OSError` it is the file and the
            system's words.
    """
    text = str(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror}."
    return " ".join(text.split())


def flag(name: str) -> str:
    """An option as it is typed.

    Args:
        name: Name of its value in the parsed options.

    Example:

    >>> flag("max_length"), flag("beam_size")
    ('--max-length', '--beam')
    """
    return _FLAGS.get(name, f"--{name.replace('_', '-')}")


def add_verb(
    subparsers: Any, name: str, summary: str, epilog: str, **options: Any
) -> Parser:
    """Adds a parser to those of a command.

    Args:
        subparsers: Result of `ArgumentParser.add_subparsers`.
        name: The word on the command line.
        summary: One sentence.
        epilog: Text behind the options, printed as it is: notes and an example.
        **options: Others of `ArgumentParser`.

    Returns:
        The new parser.
    """
    return subparsers.add_parser(
        name,
        help=summary[0].lower() + summary[1:].rstrip("."),
        description=summary,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **options,
    )


def add_path(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds the argument `path`, where the model is, and the option `--import`.

    Args:
        parser: The parser of a verb.
        text: Kinds of paths that it may be.
    """
    parser.add_argument("path", type=named, metavar="PATH", help=text)
    add_import(parser)


def add_import(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--import`.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="Python module to import first, from this folder or an installed package: "
        "it registers layers of your own that the model has; may be repeated",
    )


def add_products(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--products`.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--products",
        choices=("float32", "int8"),
        help="type of products by large matrices; int8 is for x86 processors alone, "
        "and faster on those with VNNI (default: float32)",
    )


def add_input_and_output(parser: argparse.ArgumentParser, text: str) -> None:
    """Adds the options `--input` and `--output`.

    Args:
        parser: The parser of a verb.
        text: Meaning of the lines of the input.
    """
    parser.add_argument(
        "--input", metavar="FILE", help=f"{text} (default: standard input)"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="file to write, complete or not at all (default: standard output)",
    )


def add_features_column(
    parser: argparse.ArgumentParser, text: str, kind: Callable[[str], Any] | None = None
) -> None:
    """Adds the option `--features`, a column.

    Args:
        parser: The parser of a verb.
        text: Words for the table of the column, for the help.
        kind: Function from the argument to the column; `index` if `None`.
    """
    parser.add_argument(
        "--features",
        metavar="COLUMN",
        type=kind or index,
        help=f"for a model with features: their column in {text}, counted from 0"
        f"{'' if kind is None else ', or its name'} (default: features are missing)",
    )


def count(text: str) -> int:
    """An argument's integer from 1 to `MAX_COUNT`."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(
            f"must be an integer from 1 to {MAX_COUNT}. Received: {text!r}"
        )
    return int(text)


def named(text: str) -> str:
    """An argument's name: not an empty one, as a variable has that is not set."""
    if not text:
        raise argparse.ArgumentTypeError(
            "must name a folder, such as . for this one. Received: ''"
        )
    return text


def folder_path(text: str) -> Path:
    """An argument's path of a folder, not an empty one."""
    return Path(named(text))


def index(text: str) -> int:
    """An argument's integer from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(
            f"must be an integer from 0 on. Received: {text!r}"
        )
    return int(text)


def column(text: str) -> int | str:
    """An argument's column of a table: an integer from 0 on, or a name."""
    is_integer = text.removeprefix("-").isdecimal()
    return index(text) if is_integer else text


def port(text: str) -> int:
    """An argument's number of a port."""
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(
            f"must be an integer from 0 to {MAX_PORT}. Received: {text!r}"
        )
    return int(text)


def weight(text: str) -> float:
    """An argument's finite number from 0 on."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(
            f"must be a number from 0 on. Received: {text!r}"
        )
    return value


def positive(text: str) -> float:
    """An argument's finite number above 0."""
    value = weight(text)
    if value == 0:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0. Received: {text!r}"
        )
    return value


def share(text: str) -> float:
    """An argument's number above 0, at most 1."""
    value = positive(text)
    if value > 1:
        raise argparse.ArgumentTypeError(
            f"must be a number above 0, at most 1. Received: {text!r}"
        )
    return value


def add_data_folder(parser: argparse.ArgumentParser) -> None:
    """Adds `--data`, the folder of the files that settings name.

    Args:
        parser: The verb's parser.
    """
    parser.add_argument(
        "--data",
        type=folder_path,
        default=Path(),
        metavar="FOLDER",
        help="folder of the data files that the settings name (default: this one)",
    )
