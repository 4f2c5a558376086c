"""Reader of JSON Lines: an object in each line, whose fields are the columns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kseq2seq.data.containers import Pairs, Triples
from kseq2seq.data.lines import DataError, stream_lines, unpacked_name
from kseq2seq.data.pairs import without_empty_sides
from kseq2seq.utils import PathLike, is_blank

_SUFFIXES = (".jsonl", ".ndjson")
_EXPECTED = 'an object of JSON in each line, such as {"source": "Go.", "target": "Va"}'


def read_jsonl(
    path: PathLike, columns: Sequence[str] = ("source", "target")
) -> Pairs | Triples:
    r"""Reads pairs from the fields of a file of JSON Lines.

    Pairs with an empty side, `null` among them, and blank lines are left out and
    reported by a warning of the logger "kseq2seq".

    Args:
        path: A file in UTF-8, plain or packed, as for `read_lines`.
        columns: Names of the source's and of the target's field. A name with dots
            leads into objects, unless there is a field of the whole name:
            "translation.en". A third one is the field of features, such as
            morphological tags; it may be empty, `null` or missing.

    Returns:
        A list of `(source, target)` strings; of three `columns` of `(source, target,
        features)` strings.

    Raises:
        DataError: If the file is missing, empty, damaged or no text in UTF-8, if a
            line is no object of JSON, or a field is missing or no string; the message
            names file and line.
        ValueError: If `columns` are not two or three names.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pairs.jsonl"
    >>> _ = path.write_text('{"id": 1, "translation": {"en": "Go.", "fr": "Va !"}}\n')
    >>> read_jsonl(path, columns=("translation.en", "translation.fr"))
    [('Go.', 'Va !')]
    """
    rows: Any = list(iter_jsonl(path, columns))
    return without_empty_sides(rows, str(path))


def iter_jsonl(path: PathLike, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The rows of a file of JSON Lines, one by one.

    Args:
        path: A file, as for `read_jsonl`.
        columns: Names of fields, as there.

    Returns:
        An iterator of tuples of a string for each column, empty ones among them.

    Raises:
        DataError: As in `read_jsonl`.
        ValueError: If `columns` are not two or three names.
    """
    is_list = isinstance(columns, (list, tuple)) and len(columns) in (2, 3)
    if not is_list or not all(isinstance(x, str) and x for x in columns):
        raise ValueError(
            "`columns` of JSON Lines must be the names of two fields, the source's and "
            "the target's, or of three with that of features. "
            f"Received: columns={columns!r}"
        )
    return _rows(path, columns)


def is_jsonl(path: PathLike) -> bool:
    """Whether a file is one of JSON Lines, by its name.

    Args:
        path: Its path, which may be that of a packed file.

    Example:

    >>> is_jsonl("train.jsonl.gz"), is_jsonl("train.tsv")
    (True, False)
    """
    return unpacked_name(path).endswith(_SUFFIXES)


def numbered_objects(
    path: PathLike, expected: str
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The objects of a file of JSON Lines, each behind the number of its line.

    Args:
        path: A file, as for `read_jsonl`.
        expected: Noun for the content of the lines, for messages.

    Returns:
        An iterator of numbers from 1 and dicts; `None` for a blank line.

    Raises:
        DataError: If the file cannot be read, or a line is no object.
    """
    for number, line in enumerate(stream_lines(path), 1):
        if is_blank(line):
            yield number, None
            continue
        wrong = f"{path}:{number}: expected {expected}. Received: {line[:80]!r}"
        remedy = "Write each object into a line of its own."
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{wrong} ({error}). {remedy}") from error
        if not isinstance(fields, dict):
            raise DataError(f"{wrong}. {remedy}")
        yield number, fields


def text_field(
    fields: Mapping[str, Any],
    name: str,
    place: str,
    default: str | None = None,
    argument: str = "columns",
) -> str:
    """The text of a field, of objects inside of others by a name with dots.

    Args:
        fields: An object.
        name: Name of the field, as for `read_jsonl`.
        place: File and line, for messages.
        default: The text of a field that is missing; `None` if it must not be.
        argument: Name of the argument that names fields, for messages.

    Raises:
        DataError: If the field is missing, or holds no text.
    """
    value: Any = fields
    for key in [name] if name in fields else name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            if default is not None:
                return default
            raise DataError(
                f"{place}: expected a field {name!r}. Received: fields "
                f"{', '.join(fields) or 'none'}. Name others by {argument}."
            )
        value = value[key]
    return as_text(value, name, place, argument)


def as_text(value: Any, name: str, place: str, argument: str) -> str:
    """A value of JSON, which must be a text or null, without line ends behind it.

    Args:
        value: The value.
        name: Name of its field, for messages, and so are the others.
        place: File and line.
        argument: Name of the argument that names fields.

    Raises:
        DataError: If it is none.
    """
    if value is None:
        return ""
    if not isinstance(value, str) or any(
        x == "\0" or "\ud800" <= x <= "\udfff" for x in value
    ):
        raise DataError(
            f"{place}: expected text in the field {name!r}. Received: {value!r}. Name "
            f"another field by {argument}, or write strings of Unicode without NUL."
        )
    return value.rstrip("\r\n")


def _rows(path: PathLike, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for number, fields in numbered_objects(path, _EXPECTED):
        if fields is None:
            yield ("",) * len(columns)
            continue
        place = f"{path}:{number}"
        texts = [text_field(fields, name, place) for name in columns[:2]]
        # Features may be missing.
        texts += [text_field(fields, name, place, "") for name in columns[2:]]
        yield tuple(texts)
