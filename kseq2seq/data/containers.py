"""Pairs and texts in the containers that people have them in, as plain lists."""

import math
import reprlib
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Real
from typing import Any, TypeAlias

Pairs: TypeAlias = list[tuple[str, str]]
Triples: TypeAlias = list[tuple[str, str, str]]

# What a container holds, by the longest of its rows.
_EXPECTED = {
    2: "`{name}` must hold pairs of strings, (source, target)",
    3: "`{name}` must hold strings, (source, target) or (source, target, features)",
}
# Missing values of pandas, which is not imported.
_MISSING = ("NAType", "NaTType")
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def as_pairs(pairs: Any, name: str = "pairs", with_features: str = "") -> Pairs:
    r"""Takes pairs out of the container that they are in.

    Line ends at the end of a text are left out, as `file.readlines()` leaves them
    there.

    Args:
        pairs: `(source, target)` strings, each pair a tuple, a list or a row of a NumPy
            array: in a list or another iterable, which is read once (such as a
            generator or `zip(sources, targets)`), in a NumPy array of shape `(n, 2)`,
            or in a data frame of two columns.
        name: Name of the argument, for errors.
        with_features: The function that takes rows with features, for errors.

    Returns:
        A list of tuples of `str`.

    Raises:
        ValueError: If the container or one of its rows is anything else; the message
            names the row, counted from 1, and how to make pairs of what it holds.

    Example:

    >>> as_pairs(zip(["Go.\n", "Hi.\n"], ["Va !\n", "Salut !\n"]))
    [('Go.', 'Va !'), ('Hi.', 'Salut !')]
    >>> try:
    ...     as_pairs([("Go.", "Va !"), {"en": "Hi.", "fr": "Salut !"}])
    ... except ValueError as error:
    ...     print(error)  # doctest: +NORMALIZE_WHITESPACE
    `pairs` must hold pairs of strings, (source, target); of dicts take two values,
    such as [(row['en'], row['fr']) for row in pairs]. Received: {'en': 'Hi.', 'fr':
    'Salut !'} in row 2
    """
    taken: Any = _as_rows(pairs, name, (2,), with_features)
    return taken


def as_triples(triples: Any, name: str = "triples") -> Triples:
    r"""Takes triples of source, target and features out of their container.

    Args:
        triples: `(source, target, features)` strings in a container as `as_pairs` takes
            it. The features of a row of two are missing, and so is what a data frame
            has for a missing value of features.
        name: Name of the argument, for errors.

    Returns:
        A list of tuples of three `str`; missing features are `""`.

    Raises:
        ValueError: As in `as_pairs`.

    Example:

    >>> as_triples([("gehen", "ging", "V;PST;3;SG\n"), ("Go.", "Va !")])
    [('gehen', 'ging', 'V;PST;3;SG'), ('Go.', 'Va !', '')]
    """
    rows: Any = _as_rows(triples, name, (2, 3))
    return [(row[0], row[1], "".join(row[2:])) for row in rows]


def _as_rows(
    rows: Any, name: str, widths: Sequence[int], with_features: str = ""
) -> list[tuple[str, ...]]:
    """The rows of a container as tuples of strings, each of one of the widths."""
    expected = _EXPECTED[widths[-1]].format(name=name)
    taken = []
    for number, row in enumerate(_rows(rows, name, widths), 1):
        if hasattr(row, "tolist"):  # of a NumPy array
            row = row.tolist()
        if not isinstance(row, (tuple, list)) or len(row) not in widths:
            raise ValueError(
                f"{expected}; {_remedy_of_row(row, name, with_features)}. "
                f"Received: {_shown(row)} in row {number}"
            )
        texts = list(row)
        if len(texts) == 3 and _is_missing(texts[2]):
            texts[2] = ""
        try:
            taken.append(tuple(map(_as_text, texts)))
        except ValueError as error:
            raise ValueError(
                f"{expected}; {error}. Received: {_shown(row)} in row {number}"
            ) from None
    return taken


def as_texts(texts: Any, name: str = "texts") -> list[str]:
    r"""Takes texts out of the container that they are in.

    Args:
        texts: An iterable of strings, which is read once.
        name: Name of the argument, for errors.

    Returns:
        A list of `str`, without line ends at their ends.

    Raises:
        ValueError: If it holds anything else; the message names which, counted from 1.

    Example:

    >>> as_texts(iter(["Go.\n", "Hi."]))
    ['Go.', 'Hi.']
    """
    expected = f"`{name}` must be a list of strings"
    if isinstance(texts, (str, bytes, Mapping)) or not isinstance(texts, Iterable):
        raise ValueError(f"{expected}. Received: {_shown(texts)}")
    taken = []
    for number, text in enumerate(texts, 1):
        try:
            taken.append(_as_text(text))
        except ValueError as error:
            raise ValueError(
                f"{expected}; {error}. Received: {_shown(text)} as number {number}"
            ) from None
    return taken


def _rows(pairs: Any, name: str, widths: Sequence[int]) -> Iterable[Any]:
    """The rows of a container of pairs."""
    if isinstance(pairs, Mapping):
        remedy = "zip the columns, as in zip(columns['en'], columns['de'])"
    elif isinstance(pairs, (set, frozenset)):
        remedy = "a set comes in another order in each process: sort it, sorted(pairs)"
    elif hasattr(pairs, "as_numpy_iterator"):
        remedy = (
            "of a tf.data.Dataset make a list, such as [(source.decode(), "
            "target.decode()) for source, target in dataset.as_numpy_iterator()]"
        )
    elif hasattr(pairs, "columns"):  # pandas, polars
        columns = list(pairs.columns)
        if len(columns) in widths:
            if hasattr(pairs, "itertuples"):
                return pairs.itertuples(index=False, name=None)
            return pairs.iter_rows()
        remedy = (
            "choose two columns of a data frame, such as frame[['source', 'target']], "
            f"among {columns}"
        )
    elif isinstance(pairs, (str, bytes)) or not isinstance(pairs, Iterable):
        remedy = "give a list of them"
    elif getattr(pairs, "ndim", 2) == 0:
        remedy = "give an array of shape (n, 2)"
    else:
        return pairs
    expected = _EXPECTED[widths[-1]].format(name=name)
    raise ValueError(f"{expected}; {remedy}. Received: {_shown(pairs)}")


def _remedy_of_row(row: Any, name: str, with_features: str) -> str:
    """The advice of an error on a row that is no pair."""
    if isinstance(row, Mapping):
        of_dict, path = row, "row"
        # As the data sets of Hugging Face have them: {"translation": {"en": ...}}.
        if len(row) == 1 and isinstance(next(iter(row.values())), Mapping):
            [(key, of_dict)] = row.items()
            path = f"row[{key!r}]"
        keys = [key for key, value in of_dict.items() if isinstance(value, str)]
        first, second = keys[:2] if len(keys) > 1 else ("source", "target")
        return (
            "of dicts take two values, such as "
            f"[({path}[{first!r}], {path}[{second!r}]) for row in {name}]"
        )
    if isinstance(row, (tuple, list)) and len(row) > 2:
        remedy = f"take two of each row, such as [(row[0], row[1]) for row in {name}]"
        if len(row) == 3 and with_features:
            remedy += f", or keep features by {with_features}"
        return remedy
    if isinstance(row, (str, bytes)):
        return "a text alone is none: zip sources and targets, zip(sources, targets)"
    return "make a tuple of two of each"


def _as_text(text: Any) -> str:
    """A string without line ends at its end; the error is the remedy."""
    if not isinstance(text, str):
        if _is_missing(text):
            raise ValueError("leave out rows without a text (pandas: frame.dropna())")
        if isinstance(text, bytes):
            raise ValueError("decode bytes, text.decode()")
        raise ValueError("make a string of everything else, str(value)")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(
            "halves of characters (surrogates) are no text: read files as UTF-8, "
            "without errors='surrogateescape'"
        ) from None
    return str(text.rstrip("\r\n"))


def _is_missing(value: Any) -> bool:
    """Whether it is what data frames have in an empty cell."""
    if isinstance(value, Real):
        return math.isnan(value)
    return value is None or type(value).__name__ in _MISSING


def _shown(value: Any) -> str:
    """A value for an error, with its type where it does not tell it itself."""
    text = _short.repr(value)
    plain = isinstance(value, (str, bytes, tuple, list, Mapping, Set))
    return text if plain or value is None else f"{text} of type {type(value).__name__}"
