"""The command `kseq2seq`: its parser, and the call of one verb.

A verb is a module of this folder, with its parser and its body. What takes seconds to
import is imported by the bodies, after a look at what was given: `--help` and most
errors come at once.
"""

import _thread
import argparse
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol

from kseq2seq import __version__
from kseq2seq.cli import (
    backtranslate,
    evaluate,
    export,
    filter,
    plot,
    score,
    serve,
    shortlist,
    sweep,
    train,
    transcribe,
    translate,
)
from kseq2seq.cli.arguments import Parser, one_line


class Verb(Protocol):
    """One verb of the command, such as the module `kseq2seq.cli.translate`."""

    def add_parser(self, subparsers: Any) -> argparse.ArgumentParser:
        """Adds the verb's parser to what `ArgumentParser.add_subparsers` returned."""
        ...

    def run(self, options: argparse.Namespace) -> int | None:
        """Does what the verb is for; returns the exit code, or `None` for 0."""
        ...


VERBS: tuple[Verb, ...] = (
    train,
    sweep,
    translate,
    transcribe,
    evaluate,
    score,
    backtranslate,
    filter,
    shortlist,
    export,
    serve,
    plot,
)


def main(arguments: Sequence[str] | None = None, verbs: Sequence[Verb] = VERBS) -> int:
    """Runs the command.

    Args:
        arguments: List of `str`; those of the process if `None`.
        verbs: The verbs that the command has.

    Returns:
        The exit code: 0, or 2 for input that cannot be used, 130 for an interrupt,
        141 for output that nobody reads any more. A training without a model to score
        gives 1. SIGTERM ends the process with 143, SIGHUP with 129, and leaves no
        temporary file.

    Example:

    >>> main(["export", "no/such/folder"])  # says so on standard error
    2
    """
    if sys.stderr is None:  # `print` would write messages to standard output
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # whatever the locale is
            stream.reconfigure(encoding="utf-8", newline="\n")
    options = make_parser(verbs).parse_args(arguments)
    try:
        _check_output()
        with _stopped_by_exception():
            code = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as error:
        # Several wrong settings are told at once, a line each.
        for message in getattr(error, "messages", [error]):
            print(f"kseq2seq {options.verb}: {one_line(message)}", file=sys.stderr)
        return 2
    return code or 0


def _check_output() -> None:
    """Refuses a closed standard output, before hours of work end there."""
    if sys.stdout is None:
        raise ValueError(
            "standard output is closed: send it to a file, or with >/dev/null nowhere."
        )


@contextmanager
def _stopped_by_exception() -> Iterator[None]:
    """Raises `SystemExit` at signals that end a process, so that it tidies up."""
    former = {}
    if threading.current_thread() is threading.main_thread():
        names = [x for x in ("SIGTERM", "SIGHUP") if hasattr(signal, x)]
        numbers = [getattr(signal, name) for name in names]
        # Not where somebody else handles or ignores it, as `nohup` does.
        former = {x: signal.SIG_DFL for x in numbers if _is_default(x)}
    for number in former:
        signal.signal(number, _stop)
    hook = sys.unraisablehook
    sys.unraisablehook = partial(_stop_later, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in former.items():
            signal.signal(number, handler)


def _is_default(number: int) -> bool:
    return signal.getsignal(number) is signal.SIG_DFL


class _Stopped(SystemExit):
    """The end by a signal, whose number is the code less 128."""


def _stop(number: int, frame: object) -> None:
    raise _Stopped(128 + number)


def _stop_later(hook: Callable[[Any], object], unraisable: Any) -> None:
    """Raises a signal again that came where Python loses exceptions, as in `__del__`.

    A collection of garbage is such a place, in which JAX has a function of its own: a
    training went on after the signal.
    """
    error = unraisable.exc_value
    if isinstance(error, _Stopped):
        number = int(error.code) - 128  # type: ignore[arg-type]
    elif isinstance(error, KeyboardInterrupt):
        number = int(signal.SIGINT)
    else:
        hook(unraisable)
        return
    # Not at once, since exceptions are lost here, too.
    threading.Timer(0.1, _thread.interrupt_main, [number]).start()


def make_parser(verbs: Sequence[Verb] = VERBS) -> argparse.ArgumentParser:
    """The parser of the command line.

    Args:
        verbs: The verbs that the command has.

    Returns:
        A parser whose options have the verb's name, `verb`, and its body, `run`.
    """
    parser = Parser(
        prog="kseq2seq",
        description="Train translators; translate with them, score, draw, export, "
        "serve them.",
        epilog="A run folder is what 'kseq2seq train', or Translator.save, writes; "
        "a SavedModel is what 'kseq2seq export' writes, its folder with or without "
        "the version's number; a preset is a run folder that is found by a name, "
        "such as dates or hf://USER/NAME. Text is UTF-8, one sentence a line. Input "
        "that cannot be used gives one line on standard error and exit code 2.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    subparsers = parser.add_subparsers(
        dest="verb", required=True, metavar="COMMAND", title="commands"
    )
    for verb in verbs:
        verb.add_parser(subparsers).set_defaults(run=verb.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
