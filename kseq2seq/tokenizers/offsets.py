"""Offsets: the bytes of a text that each of its tokens stands for."""

from collections.abc import Callable

import tensorflow as tf

from kseq2seq.tokenizers.tokenizer import Tokenizer
from kseq2seq.utils import EOS_ID, PAD_ID, Tensor


def source_spans(
    tokenizer: Tokenizer, texts: Tensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
    """Ids of texts, and the place of each token in its text.

    Args:
        tokenizer: A `kseq2seq.Tokenizer`.
        texts: String tensor of shape `(batch,)`.

    Returns:
        A tuple `(ids, starts, ends)` of `tf.RaggedTensor`s of int32, of shape
        `(batch, None)`: byte offsets into the text, blanks before a token left out.
        EOS stands at the end, and is empty.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["dog cat"], kind="word")
    >>> _, starts, ends = source_spans(tokenizer, tf.constant(["cat dog"]))
    >>> starts.to_list(), ends.to_list()
    ([[0, 4, 7]], [[3, 7, 7]])
    """
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    rows = ids.value_rowids()
    if tokenizer.decomposes:
        ends = ends.with_values(_ends_of_characters(rows, starts.values, ends.values))
    flat = _skip_blanks(texts, rows, starts.values, ends.values)
    return ids, starts.with_values(flat), ends


def _ends_of_characters(rows, starts, ends):
    """Ends of tokens, all `(tokens,)`; each part of a character ends where that does.

    In SentencePiece only the last part does, and the others are empty.
    """
    before = (
        tf.concat([[-1], rows[:-1]], axis=0),
        tf.concat([[-1], starts[:-1]], axis=0),
    )
    begins = tf.math.logical_or(rows != before[0], starts != before[1])
    characters = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    return tf.gather(tf.math.segment_max(ends, characters), characters)


def target_spans(
    detokenize: Callable[[Tensor], Tensor], ids: Tensor, texts: Tensor
) -> tuple[Tensor, Tensor]:
    """The place of each token of a translation in its text.

    Args:
        detokenize: The method of the target's `kseq2seq.Tokenizer`.
        ids: int32 tensor of shape `(batch, length)`, with PAD behind EOS.
        texts: String tensor of shape `(batch,)`: `detokenize(ids)`.

    Returns:
        A tuple `(starts, ends)` of int32, of shape `(batch, length)`, as
        `source_spans` gives them; 0 in padding.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["dog cat"], kind="word")
    >>> ids = tokenizer.tokenize(["cat dog"]).to_tensor()
    >>> texts = tf.constant(["cat dog"])
    >>> starts, ends = target_spans(tokenizer.detokenize, ids, texts)
    >>> starts.numpy().tolist(), ends.numpy().tolist()
    ([[0, 4, 7]], [[3, 7, 7]])
    """
    shape = tf.shape(ids)
    batch, length = shape[0], shape[1]
    # A token ends where the text of all tokens up to it does.
    places = tf.range(length)
    upto = places <= places[:, None]  # (T, T), its first axis for the last token
    prefixes = tf.where(upto, ids[:, None], PAD_ID)
    prefixes = detokenize(tf.reshape(prefixes, [-1, length]))
    ends = tf.reshape(tf.strings.length(prefixes), [batch, length])
    total = tf.strings.length(texts)[:, None]
    ends = tf.where(ids == EOS_ID, total, tf.minimum(ends, total))
    # A token that is a part of a character gives U+FFFD, which has another length: the
    # first token of a character gets the whole character.
    later = tf.where(tf.transpose(upto), ends[:, None], tf.int32.max)  # (B, T, T)
    ends = tf.reshape(tf.reduce_min(later, axis=2), [-1])
    rows = tf.repeat(tf.range(batch), length)
    data, offsets = _joined_bytes(texts, rows)
    begins = tf.bitwise.bitwise_and(data, 0b11000000) != 0b10000000
    ends = _next_true(begins, ends + offsets) - offsets
    before = tf.reshape(ends, [batch, length])[:, :-1]
    starts = tf.concat([tf.zeros([batch, 1], tf.int32), before], axis=1)
    starts = _skip_blanks(texts, rows, tf.reshape(starts, [-1]), ends)
    real = ids != PAD_ID
    starts, ends = (tf.reshape(offsets, [batch, length]) for offsets in (starts, ends))
    return tf.where(real, starts, 0), tf.where(real, ends, 0)


def _skip_blanks(texts, rows, starts, ends):
    """Starts of tokens, all `(tokens,)`, moved past the white space before each.

    A token of nothing but blanks, as character models have, stays as it is.
    """
    data, offsets = _joined_bytes(texts, rows)
    is_control = tf.math.logical_and(data >= 9, data <= 13)
    solid = tf.math.logical_not(tf.math.logical_or(data == 32, is_control))
    first = _next_true(solid, starts + offsets) - offsets
    return tf.where(first < ends, first, starts)


def _joined_bytes(texts, rows):
    """The bytes of all texts, joined, and the offset of each token's text in them.

    So a text is not copied for each of its tokens, which may be thousands.
    """
    data = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    begin = tf.cumsum(tf.strings.length(texts), exclusive=True)
    return data, tf.gather(begin, rows)


def _next_true(flags, positions):
    """The next index from each position on whose flag is true, or the end."""
    num_before = tf.cumsum(tf.cast(tf.concat([[False], flags], axis=0), tf.int32))
    indices = tf.cast(tf.where(flags)[:, 0], tf.int32)
    indices = tf.concat([indices, [tf.size(flags)]], axis=0)
    return tf.gather(indices, tf.gather(num_before, positions))
