"""Output of verbs: files, standard output, a log and a progress bar."""

import json
import logging
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TextIO

from kseq2seq.utils import atomic_write


def open_output(path: str | None) -> AbstractContextManager[TextIO]:
    """The file to write to, complete or not at all.

    Args:
        path: Path of the file; standard output if `None`.
    """
    return nullcontext(sys.stdout) if path is None else atomic_write(path)


def check_output(path: str | None, *inputs: str | None) -> None:
    """Refuses to write over a file that is read, or text into one of a packed name.

    Args:
        path: Path of the file to write, or `None`.
        *inputs: Paths of the files to read; `None` for none.

    Raises:
        ValueError: If it is one of them, or of such a name.
    """
    if path is None:
        return
    from kseq2seq.data import PACKED_SUFFIXES

    if Path(path).suffix in (*PACKED_SUFFIXES, ".zip"):
        raise ValueError(
            f"{path}: the output is plain text, and must not have the name of a packed "
            f"file: leave out {Path(path).suffix}, and pack it afterwards."
        )
    if not Path(path).exists():
        return
    for name in filter(None, inputs):
        if Path(name).exists() and Path(path).samefile(name):
            raise ValueError(
                f"{path}: would be replaced by what is made of it: name another file "
                "to write."
            )


def json_line(content: Any) -> str:
    r"""A value as a line of JSON, with null for what JSON has no number for.

    Args:
        content: Dicts, lists, strings and numbers.

    Example:

    >>> json_line({"text": "é", "score": -math.inf})
    '{"text": "é", "score": null}\n'
    """
    return json.dumps(_finite(content), ensure_ascii=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    is_number = not isinstance(value, float) or math.isfinite(value)
    return value if is_number else None


@contextmanager
def progress_bar(
    total: int | None, output: str | None, hidden: bool = False
) -> Iterator[Callable[[int], Any]]:
    """A bar on standard error, where somebody sees it and it hides nothing.

    Args:
        total: Number of lines; `None` if it is not known.
        output: Path of the file that is written; `None` for standard output.
        hidden: Whether to draw none.

    Yields:
        A function that takes the number of lines done since its last call.
    """
    from tqdm import tqdm

    # Where the lines are seen as they come, a bar would be in their way.
    seen = output is None and sys.stdout.isatty()
    hidden = hidden or seen or not sys.stderr.isatty()
    with tqdm(total=total, unit=" lines", disable=hidden) as bar:
        yield bar.update


@contextmanager
def log_to_stderr(verb: str) -> Iterator[None]:
    """Writes the package's log to standard error, each line with the verb ahead.

    Args:
        verb: The word on the command line.
    """
    logger, handler = logging.getLogger("kseq2seq"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter(f"kseq2seq {verb}: %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
