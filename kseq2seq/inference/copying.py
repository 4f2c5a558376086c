"""Unknown symbols that were copied, in the graph."""

import tensorflow as tf

from kseq2seq.tokenizers import TruncatedIds
from kseq2seq.utils import UNK_ID, Tensor


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
