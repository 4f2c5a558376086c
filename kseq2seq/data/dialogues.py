"""Reader of dialogues: pairs of the turns before a reply, and the reply."""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from kseq2seq.data.containers import Pairs
from kseq2seq.data.jsonl import as_text, is_jsonl, numbered_objects, text_field
from kseq2seq.data.lines import DataError, stream_lines
from kseq2seq.data.pairs import without_empty_sides
from kseq2seq.utils import (
    PathLike,
    check_choice,
    check_integer,
    check_string,
    is_blank,
)

_logger = logging.getLogger("kseq2seq")
TURN_SEPARATOR = " | "
# Step from one reply to the next in a dialogue.
REPLIES = {"all": 1, "second": 2}
_EXPECTED = 'an object of JSON in each line, such as {"turns": ["Hi!", "Hello."]}'
_LINE_ENDS = re.compile(r"[\r\n]+")


def read_dialogues(
    path: PathLike,
    context_turns: int = 1,
    separator: str = TURN_SEPARATOR,
    replies: str = "all",
    turns: str = "turns",
) -> Pairs:
    r"""Reads pairs of context and reply from a file of dialogues.

    The context of a reply are the turns before it, as `join_turns` joins them. Pairs
    with an empty side are left out and reported by a warning of the logger
    "kseq2seq", and so are dialogues without a reply.

    Args:
        path: A file in UTF-8, plain or packed, as for `read_lines`. If its name ends
            in `.jsonl` or `.ndjson` (or `.jsonl.gz`), it has an object of JSON in each
            line, with the list of a dialogue's turns. Else each line is a turn, and a
            blank line is between two dialogues.
        context_turns: The most turns of a context, the last ones.
        separator: The text between two turns of a context.
        replies: The turns that are replies: `"all"` but the first, or every
            `"second"` one, where two speakers take turns and the second one is whom
            the model shall speak for.
        turns: Of JSON Lines the name of the field with the list of turns, which are
            strings, or objects with their text in a field behind a dot:
            "messages.content".

    Returns:
        A list of `(context, reply)` strings.

    Raises:
        DataError: If the file is missing, empty, damaged or no text in UTF-8, or has
            no reply; if a line is no object of JSON, or its turns are missing or no
            texts. The message names file and line.
        ValueError: If another argument is not as described.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "shop.txt"
    >>> _ = path.write_text("Hi!\nHello.\nA pen?\nHere it is.\n\nBye.\nGood bye.\n")
    >>> read_dialogues(path, context_turns=2, replies="second")
    [('Hi!', 'Hello.'), ('Hello. | A pen?', 'Here it is.'), ('Bye.', 'Good bye.')]
    """
    context_turns = _check_context(context_turns, separator)
    check_choice("replies", replies, REPLIES)
    _check_name(turns)
    read = _json_dialogues(path, turns) if is_jsonl(path) else _text_dialogues(path)
    pairs, alone = [], []
    for dialogue in read:
        if len(dialogue.turns) < 2:
            alone.append(dialogue.line)
        for reply in range(1, len(dialogue.turns), REPLIES[replies]):
            context = _joined(dialogue.turns[:reply], context_turns, separator)
            pairs.append((context, dialogue.turns[reply]))
    if not pairs:
        place = f":{alone[0]}" if alone else ""
        raise DataError(
            f"{path}{place}: expected dialogues of two turns or more. Received: "
            f"{len(alone)} of one turn or none. Of a file of text each line is a turn, "
            "and a blank line ends a dialogue."
        )
    if alone:
        _logger.warning(
            "%s: left out %d dialogues without a reply; the first is at line %d.",
            path,
            len(alone),
            alone[0],
        )
    return without_empty_sides(pairs, str(path))


def join_turns(
    turns: Sequence[str], context_turns: int = 1, separator: str = TURN_SEPARATOR
) -> str:
    """The context of a reply, as `read_dialogues` makes it: the last turns, joined.

    Args:
        turns: The turns before the reply, a list of `str`.
        context_turns: The most turns of the context, as in the training.
        separator: The text between two of them, likewise.

    Returns:
        The source for a translator.

    Raises:
        ValueError: If there is no turn, or an argument is not as described.

    Example:

    >>> join_turns(["Hi!", "Hello.", "A pen?"], context_turns=2)
    'Hello. | A pen?'
    """
    is_list = not isinstance(turns, str) and len(turns) > 0
    if not is_list or not all(isinstance(turn, str) for turn in turns):
        raise ValueError(
            "`turns` must be a list of strings, one or more, the turns before the "
            f"reply. Received: turns={turns!r}"
        )
    context_turns = _check_context(context_turns, separator)
    return _joined([*map(_one_line, turns)], context_turns, separator)


class _Dialogue(NamedTuple):
    """A dialogue, and the number of the line that it begins at."""

    line: int
    turns: list[str]


def _check_context(context_turns: int, separator: str) -> int:
    if not check_string("separator", separator):
        raise ValueError(
            "`separator` must hold one character or more, such as ' | '. Received: "
            f"separator={separator!r}"
        )
    return check_integer("context_turns", context_turns, 1)


def _joined(turns: list[str], context_turns: int, separator: str) -> str:
    return separator.join(x for x in turns[-context_turns:] if not is_blank(x))


def _one_line(turn: str) -> str:
    return _LINE_ENDS.sub(" ", turn).strip()


def _check_name(turns: Any) -> None:
    if not isinstance(turns, str) or not all(turns.split(".")):
        raise ValueError(
            "`turns` must be the name of a field, such as 'turns' or "
            f"'messages.content'. Received: turns={turns!r}"
        )


def _text_dialogues(path: PathLike) -> Iterator[_Dialogue]:
    """Dialogues with a blank line between each other."""
    first, turns = 1, []
    for number, line in enumerate(stream_lines(path), 1):
        if number == 1 and _is_json(line):
            raise DataError(
                f"{path}:1: expected a turn. Received: JSON, {line[:80]!r}. Write an "
                "object into each line of a file whose name ends in .jsonl."
            )
        if is_blank(line):
            if turns:
                yield _Dialogue(first, turns)
            first, turns = number + 1, []
        else:
            turns.append(_one_line(line))
    if turns:
        yield _Dialogue(first, turns)


def _is_json(line: str) -> bool:
    """Whether a line is an object or a list, or the first line of one over many."""
    if line.strip() in ("{", "["):
        return True
    try:
        return isinstance(json.loads(line), (dict, list))
    except (ValueError, RecursionError):
        return False


def _json_dialogues(path: PathLike, name: str) -> Iterator[_Dialogue]:
    for number, fields in numbered_objects(path, _EXPECTED):
        if fields is not None:
            turns = _turns_of(fields, name, f"{path}:{number}")
            yield _Dialogue(number, turns)


def _turns_of(fields: Mapping[str, Any], name: str, place: str) -> list[str]:
    """The texts of the list in a field, or in a field of each object of that list."""
    value: Any = fields
    keys = [name] if name in fields else name.split(".")
    while keys and isinstance(value, Mapping) and keys[0] in value:
        value = value[keys.pop(0)]
    if not isinstance(value, list):
        raise DataError(
            f"{place}: expected a list of turns in the field {name!r}. Received: "
            f"fields {', '.join(fields) or 'none'}. Name another by turns."
        )
    within, texts = ".".join(keys), []
    for turn in value:
        if within and isinstance(turn, Mapping):
            text = text_field(turn, within, place, argument="turns")
        else:
            # Refuses an object where no field of it is named.
            text = as_text(turn, name, place, "turns")
        texts.append(_one_line(text))
    return texts
