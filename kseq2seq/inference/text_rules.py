"""Rules about texts as constraints of tokens."""

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from kseq2seq.decoding import (
    AllowedOutputs,
    Constraint,
    Search,
    TransitionTable,
    pattern_automaton,
    token_table,
    words_automaton,
)
from kseq2seq.tokenizers import Tokenizer
from kseq2seq.utils import PAD_ID, UNK_ID, check_words

# What tokens without a text, such as the unknown one, count as.
NO_TEXT = "\ufffd"

_logger = logging.getLogger("kseq2seq")


def text_constraints(search: Search, tokenizer: Tokenizer) -> list[Constraint]:
    """The constraints of the fields of a `Search` that are about texts.

    Args:
        search: The `kseq2seq.Search`.
        tokenizer: The `kseq2seq.Tokenizer` of the target.

    Raises:
        ValueError: If no output matches the pattern, or the tokenizer writes characters
            in parts.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["2017-03-04"], kind="character")
    >>> search = Search(pattern="[0-9]{4}")
    >>> [type(x).__name__ for x in text_constraints(search, tokenizer)]
    ['TransitionTable']
    """
    if search.pattern is None and not search.forbidden_words:
        return []
    if tokenizer.decomposes:
        raise ValueError(
            "`pattern` and `forbidden_words` need a tokenizer that writes whole "
            "characters: train one without normalization 'nfd'. Received: "
            f"pattern={search.pattern!r}, forbidden_words={search.forbidden_words!r}"
        )
    texts = tokenizer.piece_texts()
    characters = NO_TEXT.join(text for text in texts if text is not None) + NO_TEXT
    ahead = tokenizer.writes_blank_ahead
    constraints: list[Constraint] = []
    if search.pattern is not None:
        automaton = pattern_automaton(search.pattern, characters)
        table = token_table(automaton, texts, ahead)
        try:
            constraints.append(TransitionTable(table))
        except ValueError as error:
            raise ValueError(
                "`pattern` must be of characters that the target's vocabulary has: no "
                "output of its tokens matches. Leave the others out, or train a "
                f"tokenizer that has them. Received: pattern={search.pattern!r}"
            ) from error
    if search.forbidden_words:
        automaton = words_automaton(search.forbidden_words, characters).complement()
        table = token_table(automaton, texts, ahead, others=NO_TEXT)
        constraints.append(TransitionTable(table))
    return constraints


def forced_ids(
    phrases: Iterable[Sequence[str] | None] | None, count: int, tokenizer: Tokenizer
) -> dict[str, np.ndarray]:
    """The input `forced` of a search, in a dict; an empty one if there is none.

    Args:
        phrases: For each text a list of `str`, the words and phrases that its
            translation holds, or `None`; or `None`.
        count: Number of texts.
        tokenizer: The `kseq2seq.Tokenizer` of the target.

    Raises:
        ValueError: If it is anything else, or the vocabulary lacks a character.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> forced_ids([["b", "ca"], None], 2, tokenizer)["forced"].shape
    (2, 2, 2)
    """
    if phrases is None:
        return {}
    is_single = isinstance(phrases, (str, bytes))
    rows = [] if is_single else [() if row is None else row for row in phrases]
    is_flat = any(isinstance(row, (str, bytes)) for row in rows)
    if is_single or is_flat or len(rows) != count:
        raise ValueError(
            f"`forced` must hold a list of strings, or `None`, for each of the {count} "
            "texts, such as [['word'], None] for two. "
            f"Received: forced={phrases!r:.200}"
        )
    ids = [[_ids_of(x, tokenizer) for x in check_words("forced", row)] for row in rows]
    width = max([1, *map(len, ids)])
    longest = max([1, *(len(phrase) for row in ids for phrase in row)])
    forced = np.full((count, width, longest), PAD_ID, "int32")
    for number, row in enumerate(ids):
        for place, phrase in enumerate(row):
            forced[number, place, : len(phrase)] = phrase
    return {"forced": forced}


def _ids_of(text, tokenizer):
    ids = [id_ for _, id_ in tokenizer.read(text)]
    if UNK_ID in ids:
        raise ValueError(
            "`forced` must hold words of characters that the target's vocabulary has. "
            f"Received: {text!r}"
        )
    return ids


def allowed_texts(texts: Sequence[str], tokenizer: Tokenizer) -> AllowedOutputs:
    """The constraint that allows the texts of a list alone.

    Args:
        texts: The texts. Those of which the vocabulary lacks a character are left out,
            with a warning.
        tokenizer: The `kseq2seq.Tokenizer` of the target.

    Raises:
        ValueError: If none is left.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["yes", "no"], kind="character")
    >>> allowed_texts(["yes", "no"], tokenizer).least_room
    4
    """
    sequences = [[id_ for _, id_ in tokenizer.read(text)] for text in texts]
    known = [ids for ids in sequences if UNK_ID not in ids]
    if not known:
        raise ValueError(
            "`allowed` must hold a text, at least one, of characters that the target's "
            f"vocabulary has. Received: allowed={list(texts)!r:.200}"
        )
    if len(known) < len(sequences):
        _logger.warning(
            "%d of the %d allowed texts have characters that the vocabulary lacks, and "
            "cannot be written.",
            len(sequences) - len(known),
            len(sequences),
        )
    return AllowedOutputs(known, tokenizer.vocabulary_size)
