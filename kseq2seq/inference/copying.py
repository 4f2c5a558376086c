"""Unknown symbols that were copied, in the graph."""

import tensorflow as tf

from kseq2seq.tokenizers import Tokenizer, TruncatedIds, source_spans
from kseq2seq.utils import EOS_ID, UNK_ID, Tensor


def parts_of_tokens(
    tokenizer: Tokenizer, texts: Tensor, ids: Tensor, ends: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Texts in parts of characters, and the place of each token in them.

    In the text itself, a token that is a part of a character has the place of the whole
    character.

    Args:
        tokenizer: The `Tokenizer` of the source, which decomposes.
        texts: The source texts, strings of shape `(batch,)`.
        ids: Their ids, as of `TruncatedIds`.
        ends: Where their tokens end, likewise.

    Returns:
        A tuple `(texts, starts, ends)`: strings of shape `(batch,)`, and int32 of the
        shape of `ids`, 0 behind the text.

    Example:

    >>> from kseq2seq.tokenizers import tokenize_truncated, train_tokenizer
    >>> tokenizer = train_tokenizer(["e"], kind="character", normalization="nfd")
    >>> texts = tf.constant(["é"])
    >>> source = tokenize_truncated(tokenizer, texts)
    >>> source.starts.numpy().tolist(), source.ends.numpy().tolist()
    ([[0, 0, 2]], [[2, 2, 2]])
    >>> _, starts, ends = parts_of_tokens(tokenizer, texts, source.ids, source.ends)
    >>> starts.numpy().tolist(), ends.numpy().tolist()
    ([[0, 1, 3]], [[1, 3, 3]])
    """
    is_text = tf.cumsum(tf.cast(ids == EOS_ID, tf.int32), axis=1) == 0
    lengths = tf.reduce_max(tf.where(is_text, ends, 0), axis=1)
    # What a limit left out is left out here, too.
    read = tf.strings.substr(texts, tf.zeros_like(lengths), lengths)
    parts = tokenizer.decomposed(read)
    _, *places = source_spans(tokenizer, parts)
    starts, ends = (x.to_tensor(0, shape=tf.shape(ids)) for x in places)
    return parts, starts, ends


def copied_symbols(
    texts: Tensor, source: TruncatedIds, copied_ids: Tensor, alignments: Tensor
) -> Tensor:
    """The symbol of the source that each token of the target is a copy of, if of one.

    Of the tokens of the source that are copied as UNK it is the one that is attended to
    most.

    Args:
        texts: The source texts, strings of shape `(batch,)`.
        source: Their `TruncatedIds`.
        copied_ids: int32 of shape `(batch, source_length)`: the target id that each
            token of the source is copied as.
        alignments: float32 of shape `(batch, n, source_length)`.

    Returns:
        Strings of shape `(batch, n)`, valid UTF-8; empty where nothing is copied as
        UNK.

    Example:

    >>> from kseq2seq.tokenizers import tokenize_truncated, train_tokenizer
    >>> tokenizer = train_tokenizer(["dog"], kind="character")
    >>> texts = tf.constant(["dXogY"])
    >>> source = tokenize_truncated(tokenizer, texts)
    >>> alignments = tf.constant([[[0.0, 0.1, 0.6, 0.0, 0.3, 0.0]]])
    >>> copied_symbols(texts, source, source.ids, alignments).numpy().tolist()
    [[b'Y']]
    """
    unknown = copied_ids == UNK_ID  # (B, S)
    # The tokens in question win even where they get no attention.
    seen = tf.where(unknown[:, None], alignments, -1.0)
    positions = tf.argmax(seen, axis=2, output_type=tf.int32)
    symbols = tf.strings.substr(
        texts[:, None], source.starts, source.ends - source.starts
    )
    symbols = tf.strings.unicode_transcode(symbols, "UTF-8", "UTF-8")
    symbols = tf.where(unknown, symbols, "")
    return tf.gather(symbols, positions, batch_dims=1)
