"""Words of the source in the place of unknown tokens, in the graph."""

import tensorflow as tf

from kseq2seq.tokenizers import TruncatedIds, look_up
from kseq2seq.utils import Tensor

_PUNCTUATION = r"^\pP+|\pP+\z"


def attended_words(
    texts: Tensor,
    source: TruncatedIds,
    alignments: Tensor,
    dictionary: tuple[tuple[str, str], ...] = (),
) -> Tensor:
    """The word of the source that each token of the target attends to most.

    Words are what stands between blanks. The attention of one is that of all its tokens
    together.

    Args:
        texts: The source texts, strings of shape `(batch,)`.
        source: Their `TruncatedIds`.
        alignments: float32 of shape `(batch, n, source_length)`.
        dictionary: Tuples of a word of the source, with the punctuation around it or
            without, and of what it becomes. Other words stay, without punctuation
            around them.

    Returns:
        Strings of shape `(batch, n)`, valid UTF-8; empty where the source has no word.

    Example:

    >>> from kseq2seq.tokenizers import tokenize_truncated, train_tokenizer
    >>> tokenizer = train_tokenizer(["go on!"], kind="character")
    >>> texts = tf.constant(["go on!"])
    >>> source = tokenize_truncated(tokenizer, texts)
    >>> alignments = tf.constant([[[0.2, 0.3, 0.0, 0.2, 0.1, 0.1, 0.1]]])
    >>> attended_words(texts, source, alignments).numpy().tolist()
    [[b'go']]
    >>> alignments = tf.constant([[[0.1, 0.3, 0.0, 0.2, 0.2, 0.2, 0.0]]])
    >>> attended_words(texts, source, alignments).numpy().tolist()
    [[b'on']]
    >>> attended_words(texts, source, alignments, (("on", "an"),)).numpy().tolist()
    [[b'an']]
    """
    words = tf.strings.split(texts)  # (B, W)
    written = tf.strings.unicode_transcode(words.values, "UTF-8", "UTF-8")
    words = words.with_values(_replaced(written, dictionary))
    counts = tf.cast(words.row_lengths(), tf.int32)
    most = tf.reduce_max(tf.concat([counts, [1]], axis=0))
    number = _words_of_tokens(texts, source, counts)  # (B, S)
    of_word = tf.one_hot(number, most, dtype=alignments.dtype)  # (B, S, W)
    attention = tf.matmul(alignments, of_word)
    # Where all attention is elsewhere, as on EOS, it is the first one.
    best = tf.argmax(attention, axis=2, output_type=tf.int32)
    padded = words.to_tensor("", shape=tf.stack([-1, most]))
    return tf.gather(padded, best, batch_dims=1)


def _replaced(words, dictionary):
    """Words, `(n,)`, by the dictionary, or else without punctuation around them."""
    stripped = tf.strings.regex_replace(words, _PUNCTUATION, "")
    stripped = tf.where(stripped == "", words, stripped)
    if not dictionary:
        return stripped
    sources, targets = zip(*dictionary, strict=True)
    place = look_up(sources, words)
    place = tf.where(place < 0, look_up(sources, stripped), place)
    known = tf.gather(tf.constant(targets), tf.maximum(place, 0))
    return tf.where(place < 0, stripped, known)


def _words_of_tokens(texts, source, counts):
    """The number of the word in its text that each token is of; -1 for none."""
    texts = texts + " "  # an end for the last word, and a place for EOS
    data = tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8)
    is_blank = (data == 32) | ((data >= 9) & (data <= 13))
    before = tf.concat([[True], is_blank], axis=0)[:-1]
    begun = tf.cumsum(tf.cast(before & ~is_blank, tf.int32))
    first = tf.cumsum(tf.strings.length(texts), exclusive=True)
    places = source.starts + first[:, None]
    number = tf.gather(begun, places) - tf.cumsum(counts, exclusive=True)[:, None] - 1
    is_part = (source.ends > source.starts) & ~tf.gather(is_blank, places)
    return tf.where(is_part, number, -1)
