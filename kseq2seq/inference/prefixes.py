"""Beginnings of translations: texts that rows are to begin with."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_text

from kseq2seq.decoding import ForcedPrefix, OpenEnd
from kseq2seq.inference.tokenizer_graphs import TokenizerGraphs
from kseq2seq.utils import EOS_ID, PAD_ID, Tensor

BLANK = "▁"


class Beginnings(NamedTuple):
    """The texts that the rows of a batch are to begin with, as tokens.

    Attributes:
        ids: int32 of shape `(batch, length)`, PAD behind the last token.
        word_start: As `kseq2seq.decoding.OpenEnd` has it.
        word_range: Likewise.
        token_range: Likewise.
    """

    ids: Tensor
    word_start: Tensor
    word_range: Tensor
    token_range: Tensor


def read_beginnings(
    graphs: TokenizerGraphs, texts: Tensor, pieces: list[str | None]
) -> Beginnings:
    """The tokens of texts that are to be gone on with.

    Args:
        graphs: The `TokenizerGraphs`.
        texts: String tensor of shape `(batch,)`; an empty one for a row that is free.
        pieces: The text of each id of the target, `Tokenizer.piece_texts()`.

    Returns:
        The `Beginnings`.
    """
    labels = graphs.read_target(texts)
    ids = tf.where(labels.ids == EOS_ID, PAD_ID, labels.ids)
    tokens = graphs.target_pieces(ids)  # (B, P)
    places = tf.range(tf.shape(ids)[1])
    lengths = number_of_tokens(ids)
    starts_word = tf.strings.substr(tokens, 0, len(BLANK.encode())) == BLANK
    word_start = tf.reduce_max(tf.where(starts_word, places, 0), axis=1)
    in_word = places >= word_start[:, None]
    words = tf.strings.reduce_join(tf.where(in_word, tokens, ""), axis=1)
    is_last = places == lengths[:, None] - 1
    last = tf.strings.reduce_join(tf.where(is_last, tokens, ""), axis=1)
    # A tokenizer of words drops the blank that ends one.
    has_ended = tf.strings.regex_full_match(texts, r"(?s).*\s")
    has_ended &= ~tf.strings.regex_full_match(last, f"(?s).*{BLANK}")
    _, texts_in_order = piece_order(pieces)
    word_range, token_range = (
        tf.where(has_ended[:, None], 0, _places_of(begun, texts_in_order))
        for begun in (words, last)
    )
    return Beginnings(ids, word_start, word_range, token_range)


def forced_prefix(beginnings: Beginnings, pieces: list[str | None]) -> ForcedPrefix:
    """The constraint that holds rows to their beginnings.

    Args:
        beginnings: The `Beginnings`.
        pieces: As for `read_beginnings`.
    """
    order, _ = piece_order(pieces)
    ids, word_start, word_range, token_range = beginnings
    end = OpenEnd(tf.constant(order), word_start, word_range, token_range)
    return ForcedPrefix(ids, end)


def length_of_next(beginnings: Beginnings, texts: Tensor) -> Tensor:
    """The number of tokens of beginnings with the one that comes next.

    A blank at the end of a text is a part of that token, where there are such.

    Args:
        beginnings: The `Beginnings`.
        texts: String tensor of shape `(batch,)`, their texts.

    Returns:
        int32 of shape `(batch,)`.
    """
    first, end = beginnings.token_range[:, 0], beginnings.token_range[:, 1]
    is_part = tf.strings.regex_full_match(texts, r"(?s).*\s") & (end - first > 1)
    lengths = number_of_tokens(beginnings.ids)
    return tf.where(is_part, lengths, lengths + 1)


def number_of_tokens(ids: Tensor) -> Tensor:
    """The number of tokens ahead of PAD, int32 of shape `(batch,)`."""
    return tf.reduce_sum(tf.cast(ids != PAD_ID, tf.int32), axis=1)


def piece_order(pieces: list[str | None]) -> tuple[np.ndarray, list[str]]:
    """The places of pieces in the order of their texts, and these in that order.

    Args:
        pieces: The text of each id; `None` for none.

    Returns:
        A tuple of int32 of shape `(vocabulary,)`, -1 for ids without text, and the list
        of texts.

    Example:

    >>> order, texts = piece_order([None, "b", " a"])
    >>> order.tolist(), texts
    ([-1, 0, 1], ['b', '▁a'])
    """
    marked = {
        n: text.replace(" ", BLANK) for n, text in enumerate(pieces) if text is not None
    }
    in_order = sorted(marked, key=lambda n: marked[n].encode())
    order = np.full(len(pieces), -1, "int32")
    order[in_order] = np.arange(len(in_order))
    return order, [marked[n] for n in in_order]


def with_beginnings(
    texts: Tensor, beginnings: Tensor, written: Tensor, in_parts: bool = False
) -> Tensor:
    """Translations whose beginnings are the texts given, to the byte.

    Characters that the vocabulary lacks, and those that it writes in another form, are
    put in the place of what the model wrote for them.

    Of a model that writes parts of characters, the last character of a beginning may go
    on: "e" becomes "été".

    Args:
        texts: String tensor of shape `(batch, n)`.
        beginnings: String tensor of shape `(batch,)`: the texts given.
        written: The same as their tokens are written, of shape `(batch, 1)` or
            `(batch, n)`.
        in_parts: Whether the model writes parts of characters, which are composed.

    Returns:
        String tensor of the shape of `texts`; in NFC if `in_parts`.
    """
    if in_parts:
        texts, beginnings, written = (
            tensorflow_text.normalize_utf8(x, "NFD")
            for x in (texts, beginnings, written)
        )
    shape = tf.shape(texts)
    ahead = tf.broadcast_to(beginnings[:, None], shape)
    length = tf.strings.length
    begun = tf.strings.substr(texts, tf.zeros(shape, tf.int32), length(ahead))
    lengths = tf.minimum(length(written), length(texts))
    rest = tf.strings.substr(texts, lengths, tf.fill(shape, tf.int32.max))
    joined = tf.strings.join([ahead, rest])
    if not in_parts:
        return tf.where(begun == ahead, texts, joined)
    # A mark that follows may stand ahead of the beginning's own, in Unicode's order.
    head = tf.strings.substr(texts, tf.zeros(shape, tf.int32), lengths)
    is_whole = (begun == ahead) | (head != written)
    return tensorflow_text.normalize_utf8(tf.where(is_whole, texts, joined), "NFC")


def _places_of(beginnings, texts):
    """Places, from and up to, of texts in their order that begin so; (B, 2)."""
    shape = [tf.shape(beginnings)[0], len(texts)]
    lengths = tf.broadcast_to(tf.strings.length(beginnings)[:, None], shape)
    cut = tf.strings.substr(
        tf.broadcast_to(tf.constant(texts), shape), tf.zeros_like(lengths), lengths
    )
    begins = tf.logical_and(cut == beginnings[:, None], lengths > 0)  # (B, texts)
    count = tf.reduce_sum(tf.cast(begins, tf.int32), axis=1)
    first = tf.argmax(tf.cast(begins, tf.int32), axis=1, output_type=tf.int32)
    return tf.stack([first, first + count], axis=1)
