"""New symbols for a tokenizer that exists: ids behind those that it has."""

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from kseq2seq.data import as_texts
from kseq2seq.tokenizers.round_trip import trainable
from kseq2seq.tokenizers.tokenizer import Tokenizer
from kseq2seq.utils import UNK_ID, check_choice, check_integer

# Kinds whose symbols stand for themselves: subwords would have to be learnt anew.
EXTENDABLE_KINDS = ("character", "word")
# SentencePiece's numbers of kinds, of its messages.
_KINDS = {1: "unigram", 2: "bpe", 3: "word", 4: "character"}
_META_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
# Less than that of any piece that was trained, which are logarithms of frequencies.
_SCORE = -1000.0


def add_symbols(
    tokenizer: Tokenizer,
    texts: Iterable[str],
    kind: str,
    vocabulary_size: int | None = None,
) -> tuple[Tokenizer, list[str]]:
    """A tokenizer that also knows the symbols of other texts.

    All ids that there were stay as they are, so that a model needs new rows for the new
    symbols alone: see `kseq2seq.models.transfer_weights`.

    Args:
        tokenizer: A `Tokenizer` of kind "character" or "word".
        texts: An iterable of `str`.
        kind: Its kind.
        vocabulary_size: Most ids of the new tokenizer, the most frequent symbols being
            added; without bound if `None`.

    Returns:
        A tuple of the new `Tokenizer`, or the same if there is nothing to add, and the
        list of the pieces added, the most frequent first. Their ids follow on
        `tokenizer.vocabulary_size - 1`.

    Raises:
        ValueError: If `kind` is neither, or not that of the tokenizer, or `texts` are
            no texts.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> larger, added = add_symbols(tokenizer, ["abd", "d", "e"], "character")
    >>> added, larger.vocabulary_size - tokenizer.vocabulary_size
    (['d', 'e'], 2)
    >>> larger.pieces(larger.tokenize(["bad"])[0])
    ['b', 'a', 'd', '</s>']
    """
    check_choice("kind", kind, EXTENDABLE_KINDS)
    if kind != (own := kind_of(tokenizer)):
        raise ValueError(
            "`kind` must be that of the tokenizer, whose other symbols are pieces of "
            f"that kind: {own!r}. Received: kind={kind!r}"
        )
    most = check_integer("vocabulary_size", vocabulary_size, 5, optional=True)
    counts: Counter[str] = Counter()
    for text in as_texts(texts):
        counts.update(_unknown(tokenizer, trainable(text, kind), kind))
    added = sorted(counts, key=lambda piece: (-counts[piece], piece))
    if most is not None:
        added = added[: max(0, most - tokenizer.vocabulary_size)]
    if not added:
        return tokenizer, []
    return Tokenizer(_with_pieces(tokenizer, added)), added


def kind_of(tokenizer: Tokenizer) -> str:
    """The kind that a tokenizer was trained as, one of `KINDS`.

    Args:
        tokenizer: The `Tokenizer`.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> kind_of(train_tokenizer(["abc"], kind="character"))
    'character'
    """
    # What is written behind a message of one field is merged into it.
    parts = [value for number, value in _fields(tokenizer.model) if number == 2]
    settings = dict(_fields(b"".join(parts)))
    return _KINDS[settings.get(3, 1)]


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields: integers, or bytes."""
    place = 0

    def varint():
        nonlocal place
        start = place
        while message[place] >= 0x80:
            place += 1
        place += 1
        return sum((x & 0x7F) << 7 * n for n, x in enumerate(message[start:place]))

    while place < len(message):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(tag & 7) or varint()
        yield tag >> 3, message[place : place + size]
        place += size


def _unknown(tokenizer, text, kind):
    """The pieces of a text, normalised, that the tokenizer has no ids for."""
    for piece, id_ in tokenizer.read(text):
        if id_ != UNK_ID:
            continue
        # Neighbours come as one.
        if kind == "character":
            yield from piece.replace(_META_SPACE, "")
        else:
            for word in piece.split(_META_SPACE):
                if word:
                    yield _META_SPACE + word


def _with_pieces(tokenizer, pieces):
    """The serialised model, with more pieces.

    A message of Protocol Buffers is extended by what is written behind it: elements of
    repeated fields are added, other fields take the last value. sentencepiece's own
    classes for it need a version of protobuf that TensorFlow does not allow. The fields
    are those of sentencepiece_model.proto: 1 of the model the pieces, 2 the trainer's
    settings, with 4 the size; of a piece 1 the text, 2 the score.
    """
    messages = [
        _field(1, _field(1, piece.encode()) + b"\x15" + struct.pack("<f", _SCORE))
        for piece in pieces
    ]
    size = tokenizer.vocabulary_size + len(pieces)
    settings = _field(2, b"\x20" + _varint(size))
    return b"".join([tokenizer.model, *messages, settings])


def _field(number, content):
    """A field with a length."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
