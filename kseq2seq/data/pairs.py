"""Pairs of texts: what is kept of them, their split into parts, their references.

Pairs are plain lists of `(source, target)` strings. `kseq2seq.data.batches` makes of
them what `model.fit` takes.
"""

import logging
import random
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from kseq2seq.data.containers import Pairs, as_pairs
from kseq2seq.data.lines import DataError
from kseq2seq.utils import is_blank

# A pair, or a triple, which has features behind source and target.
Row = TypeVar("Row", bound="tuple[str, ...]")

_logger = logging.getLogger("kseq2seq")
_WORD = re.compile(r"[^\W_]+")
_LEFT_OUT = (
    "%s: left out the first line, which names columns: %r. If it is a pair, move it to "
    "another line, or read the file by read_tsv with header=False."
)
# Names of columns in streams that were warned of.
_told: set[tuple[str, ...]] = set()
# Of what names of columns are made.
_HEADER_WORDS = frozenset([
    "source", "target", "src", "tgt", "trg", "input", "output", "text", "sentence",
    "sentences", "word", "words", "phrase", "translation", "translations",
    "pronunciation", "phoneme", "phonemes", "phone", "phones", "grapheme", "graphemes",
    "lemma", "form", "question", "answer", "query", "response", "original", "reference",
    "language", "lang",
    "arabic", "bengali", "bulgarian", "chinese", "croatian", "czech", "danish",
    "dutch", "english", "estonian", "finnish", "french", "german", "greek", "hebrew",
    "hindi", "hungarian", "indonesian", "irish", "italian", "japanese", "korean",
    "latvian", "lithuanian", "maltese", "norwegian", "persian", "polish", "portuguese",
    "romanian", "russian", "slovak", "slovenian", "spanish", "swedish", "tamil",
    "telugu", "thai", "turkish", "ukrainian", "urdu", "vietnamese",
])  # fmt: skip
# Many are words, too, such as "it", "no" and "de".
_LANGUAGE_CODES = frozenset([
    "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "ga",
    "he", "hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "mt", "nb", "nl", "no",
    "pl", "pt", "ro", "ru", "sk", "sl", "sv", "ta", "te", "th", "tr", "uk", "ur", "vi",
    "zh",
])  # fmt: skip


def has_empty_side(row: Sequence[str]) -> bool:
    """Whether source or target shows no text.

    Args:
        row: Source and target, and perhaps features, which may be empty.

    Example:

    >>> has_empty_side(("Go.", " ")), has_empty_side(("Go.", "Va !", ""))
    (True, False)
    """
    return is_blank(row[0]) or is_blank(row[1])


def without_empty_sides(pairs: Sequence[Row], name: str) -> list[Row]:
    """Leaves out pairs with an empty side, and says so by the logger "kseq2seq".

    Text that shows nothing, of white space, zero-width and control characters, is
    empty.

    Args:
        pairs: List of `(source, target)` strings, as a reader has read them; what
            stands behind these two, such as features, may be empty.
        name: Their origin, such as the file's path, for messages.

    Returns:
        The other pairs.

    Raises:
        DataError: If there is no pair, or none without an empty side.

    Example:

    >>> without_empty_sides([("Go.", "Va !")], "fra.txt")
    [('Go.', 'Va !')]
    """
    if not pairs:
        raise DataError(
            f"{name}: expected text, a pair in each line. Received: an empty file"
        )
    kept = [pair for pair in pairs if not has_empty_side(pair)]
    if len(kept) == len(pairs):
        return kept
    first = next(n for n, pair in enumerate(pairs, 1) if has_empty_side(pair))
    if not kept:
        raise DataError(
            f"{name}: expected pairs with text on both sides. Received: "
            f"{len(pairs)} pairs, of which every pair has an empty side"
        )
    _logger.warning(
        "%s: left out %d of %d pairs, whose source or target is empty; "
        "the first is number %d.",
        name,
        len(pairs) - len(kept),
        len(pairs),
        first,
    )
    return kept


def without_header(pairs: list[Row], name: str) -> list[Row]:
    """Leaves out a first pair that names columns, and says so by the logger "kseq2seq".

    Args:
        pairs: List of `(source, target)` strings, as a reader has read them.
        name: Their origin, such as the file's path, for the message.

    Returns:
        The pairs without the first if it names columns, as `names_columns` tells.

    Raises:
        DataError: If there is no other pair.

    Example:

    >>> without_header([("Go.", "Va !")], "fra.txt")
    [('Go.', 'Va !')]
    """
    if not pairs:
        return pairs
    if not names_columns(pairs[0]):
        return pairs
    _logger.warning(_LEFT_OUT, name, pairs[0])
    if not pairs[1:]:
        raise DataError(
            f"{name}: expected pairs. Received: names of columns alone, {pairs[0]}"
        )
    return pairs[1:]


def is_header(row: tuple[str, ...], name: str) -> bool:
    """Whether the first row of a stream names columns; a warning says so once.

    A stream has many files and reads each again and again: files that begin with the
    same names are told of together.

    Args:
        row: Source and target, and perhaps features.
        name: Their origin, such as the file's path, for the message.
    """
    if not names_columns(row):
        return False
    if row not in _told:
        _told.add(row)
        _logger.warning(_LEFT_OUT, f"{name}, and any that begins so", row)
    return True


def names_columns(pair: tuple[str, ...]) -> bool:
    """Whether a pair consists of names of columns.

    Both sides are then made of words such as "source", "sentence" and "English", or
    both have a code of a language, both in small letters or both in capitals. They do
    not end in a sign, and differ.

    Args:
        pair: Source and target.

    Example:

    >>> names_columns(("English", "French")), names_columns(("text_en", "text_fr"))
    (True, True)
    >>> names_columns(("He", "it")), names_columns(("German", "de"))
    (False, False)
    """
    sides = [side.strip() for side in pair[:2]]
    if not all(side and (side[-1].isalnum() or side[-1] in ")]") for side in sides):
        return False
    words = [_WORD.findall(side) for side in sides]
    codes = [[x for x in side if x.lower() in _LANGUAGE_CODES] for side in words]
    written = "".join(codes[0] + codes[1])
    if bool(codes[0]) != bool(codes[1]) or (
        written and not written.islower() and not written.isupper()
    ):
        return False
    source, target = ([x.casefold() for x in side] for side in words)
    if not source or not target or source == target:
        return False
    return (_HEADER_WORDS | _LANGUAGE_CODES).issuperset(source + target)


def split(
    pairs: Any,
    fractions: Sequence[float] = (0.9, 0.05, 0.05),
    seed: int = 0,
) -> tuple[Pairs, ...]:
    """Splits pairs by source text, so that no source is in two parts.

    Args:
        pairs: `(source, target)` strings, as `as_pairs` takes them.
        fractions: The share of distinct sources for each part; they sum to 1.
        seed: An integer; the same seed gives the same parts.

    Returns:
        A tuple of lists of pairs, one for each fraction, each in the order of
        `pairs`.

    Raises:
        ValueError: If the fractions are not positive or do not sum to 1, or if
            there are too few sources for a part to have any.

    Example:

    >>> pairs = [(str(n // 2), str(n)) for n in range(40)]
    >>> train, dev = split(pairs, fractions=(0.9, 0.1))
    >>> len(train), len(dev)
    (36, 4)
    """
    pairs = as_pairs(pairs, with_features="`split_triples`")
    parts = parts_by_source([source for source, _ in pairs], fractions, seed)
    return tuple([pairs[row] for row in rows] for rows in parts)


def parts_by_source(
    texts: Sequence[str], fractions: Sequence[float], seed: int
) -> list[list[int]]:
    """Numbers of the rows of each part, as `split` has them.

    Args:
        texts: The source of each row.
        fractions: As for `split`.
        seed: As for `split`.

    Raises:
        ValueError: As of `split`.

    Example:

    >>> parts_by_source(["a", "b", "a"], (0.5, 0.5), seed=0)
    [[0, 2], [1]]
    """
    if not fractions or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            "`fractions` must be positive and sum to 1. "
            f"Received: fractions={fractions!r}"
        )
    sources = list(dict.fromkeys(texts))
    random.Random(seed).shuffle(sources)
    ends = [
        round(sum(fractions[: i + 1]) * len(sources)) for i in range(len(fractions))
    ]
    starts = [0, *ends[:-1]]
    if any(start == end for start, end in zip(starts, ends, strict=True)):
        raise ValueError(
            f"Too few sources for these fractions: a part would be empty. Received: "
            f"fractions={fractions!r}, {len(sources)} distinct sources"
        )
    part_of: dict[str, int] = {}
    for part, (start, end) in enumerate(zip(starts, ends, strict=True)):
        part_of.update(dict.fromkeys(sources[start:end], part))
    parts: list[list[int]] = [[] for _ in fractions]
    for row, text in enumerate(texts):
        parts[part_of[text]].append(row)
    return parts


def group_references(pairs: Any) -> tuple[list[str], list[list[str]]]:
    """Gathers the accepted targets of each source.

    Args:
        pairs: `(source, target)` strings, as `as_pairs` takes them.

    Returns:
        A tuple `(sources, references)`: the distinct sources, and for each a list
        of its distinct targets; both in the order of first occurrence.

    Example:

    >>> group_references([("Hi.", "Salut !"), ("Go.", "Va !"), ("Hi.", "Salut.")])
    (['Hi.', 'Go.'], [['Salut !', 'Salut.'], ['Va !']])
    """
    references: dict[str, list[str]] = {}
    for source, target in as_pairs(pairs, with_features="`group_triples`"):
        targets = references.setdefault(source, [])
        if target not in targets:
            targets.append(target)
    return list(references), list(references.values())
