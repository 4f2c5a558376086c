"""Truncation: texts to ids, cut where the texts are too long."""

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from kseq2seq.tokenizers.offsets import source_spans
from kseq2seq.tokenizers.tokenizer import Tokenizer
from kseq2seq.utils import BLANK_RE2, EOS_ID, Tensor, check_integer

# Of a text from `file.readlines()`: no tokenizer knows it.
_LINE_END = r"[\r\n]+\z"


@dataclasses.dataclass(frozen=True)
class Limits:
    """The longest texts that a model reads; the rest of a longer one is left out.

    Args:
        max_bytes: Bytes of a text. It is cut between two characters.
        max_tokens: Tokens of a source, EOS included. A target to be scored or aligned
            has at most as many as the search may write.

    Raises:
        ValueError: If a number is out of range.

    Example:

    >>> Limits(max_tokens=200).max_bytes
    10000
    """

    max_bytes: int = 10_000
    max_tokens: int = 1_000

    def __post_init__(self) -> None:
        # A character has up to four bytes; a text has a token besides EOS.
        for name, least in (("max_bytes", 4), ("max_tokens", 2)):
            value = check_integer(name, getattr(self, name), least)
            object.__setattr__(self, name, value)


class TruncatedIds(NamedTuple):
    """Ids of texts within `Limits`, and the places of the tokens in their texts.

    Attributes:
        ids: int32 of shape `(batch, length)`: tokens, EOS, then PAD.
        starts: int32 of the same shape: where each token begins in its text, in bytes.
        ends: Where it ends. EOS does both at the text's end; both are 0 at PAD.
        truncated: Boolean of shape `(batch,)`: whether a part was left out.
    """

    ids: Tensor
    starts: Tensor
    ends: Tensor
    truncated: Tensor


def tokenize_truncated(
    tokenizer: Tokenizer, texts: Tensor, limits: Limits | None = None
) -> TruncatedIds:
    """Turns texts into ids within limits.

    A text of white space, zero-width and control characters alone is read as the empty
    one. Line ends at the end of a text are left out.

    Args:
        tokenizer: A `kseq2seq.Tokenizer`.
        texts: String tensor of shape `(batch,)`.
        limits: The `Limits`; none if `None`.

    Returns:
        The `TruncatedIds`.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["a dog runs"], kind="character")
    >>> texts = tf.constant(["a dog", "a"])
    >>> result = tokenize_truncated(tokenizer, texts, Limits(max_tokens=3))
    >>> result.starts.numpy().tolist(), result.truncated.numpy().tolist()
    ([[0, 1, 5], [0, 1, 0]], [True, False])
    """
    given = texts
    texts = tf.where(tf.strings.regex_full_match(texts, BLANK_RE2), "", texts)
    texts = tf.strings.regex_replace(texts, _LINE_END, "")
    truncated = tf.zeros_like(texts, tf.bool)
    if limits is not None:
        texts, truncated = cut_bytes(texts, limits.max_bytes)
    ids, starts, ends = source_spans(tokenizer, texts)
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    if limits is not None:
        truncated |= lengths > limits.max_tokens
        lengths = _cut_lengths(lengths, starts, limits.max_tokens)
    most = tf.reduce_max(tf.concat([lengths, [1]], axis=0))
    shape = tf.stack([-1, most])
    places = tf.range(most)
    last = places == lengths[:, None] - 1  # (B, S)
    behind = places >= lengths[:, None]
    at_end = tf.strings.length(given)[:, None]
    ids, starts, ends = (
        tf.where(last, end, tf.where(behind, 0, values.to_tensor(0, shape=shape)))
        for values, end in ((ids, EOS_ID), (starts, at_end), (ends, at_end))
    )
    return TruncatedIds(ids, starts, ends, truncated)


def _cut_lengths(lengths, starts, most):
    """Lengths of at most `most` tokens, EOS included, without part of a character."""
    head = starts.to_tensor(0, shape=[None, most])
    # The token whose place EOS takes; those that begin with it are of one character.
    whole = tf.reduce_sum(tf.cast(head[:, :-1] < head[:, -1:], tf.int32), axis=1)
    cut = tf.where(whole > 0, whole + 1, most)
    return tf.where(lengths > most, cut, lengths)


def cut_bytes(texts: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Cuts texts after a number of bytes, between characters.

    Args:
        texts: String tensor of shape `(batch,)`.
        most: The most bytes of a text, at least 4.

    Returns:
        A tuple `(texts, truncated)` of strings and booleans of shape `(batch,)`.

    Example:

    >>> texts, truncated = cut_bytes(tf.constant(["€uro", "euro"]), 4)
    >>> [text.decode() for text in texts.numpy()], truncated.numpy().tolist()
    (['€u', 'euro'], [True, False])
    """
    too_long = tf.strings.length(texts) > most
    # A character begins at the first byte left out, or else up to three bytes before
    # it, where the last byte is that goes on no other (10xxxxxx does).
    at = tf.where(too_long, most - 3, 0)
    tail = tf.strings.substr(tf.where(too_long, texts, ""), at, 4 * tf.ones_like(at))
    tail = tf.io.decode_raw(tail, tf.uint8, fixed_length=4)  # (B, 4)
    goes_on = tf.bitwise.bitwise_and(tail[:, ::-1], 0b11000000) == 0b10000000
    back = tf.reduce_sum(tf.math.cumprod(tf.cast(goes_on, tf.int32), axis=1), axis=1)
    # No character has so many bytes: it is not UTF-8, and cut anywhere.
    back = tf.where(too_long & (back < 4), back, 0)
    return tf.strings.substr(texts, tf.zeros_like(at), most - back), too_long
