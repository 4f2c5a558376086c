"""Which bytes of a text each of its tokens is, so that a page can light them up."""

import tensorflow as tf

from kseq2seq.special_ids import EOS_ID, PAD_ID


def source_spans(tokenizer, texts):
    """Ids of texts, and where each token stands in its text.

    Args:
        tokenizer: A `kseq2seq.Tokenizer`.
        texts: String tensor of shape `(batch,)`.

    Returns:
        A tuple `(ids, starts, ends)` of `tf.RaggedTensor`s of int32, of shape
        `(batch, None)`: byte offsets into the text, blanks before a token left out.
        EOS stands at the end, and is empty.

    Example:

    >>> from kseq2seq import text
    >>> tokenizer = text.train_tokenizer(["dog cat"], kind="word")
    >>> _, starts, ends = source_spans(tokenizer, tf.constant(["cat dog"]))
    >>> starts.to_list(), ends.to_list()
    ([[0, 4, 7]], [[3, 7, 7]])
    """
    ids, starts, ends = tokenizer.tokenize_with_offsets(texts)
    rows = ids.value_rowids()
    starts = starts.with_values(
        _behind_blanks(tf.gather(texts, rows), starts.values, ends.values)
    )
    return ids, starts, ends


def target_spans(detokenize, ids, texts):
    """Where each token of a translation stands in its text.

    Args:
        detokenize: The method of the target's `kseq2seq.Tokenizer`.
        ids: int32 tensor of shape `(batch, length)`, with PAD behind EOS.
        texts: String tensor of shape `(batch,)`: what `detokenize` makes of the ids.

    Returns:
        A tuple `(starts, ends)` of int32, of shape `(batch, length)`, as
        `source_spans` gives them; 0 in padding.

    Example:

    >>> from kseq2seq import text
    >>> tokenizer = text.train_tokenizer(["dog cat"], kind="word")
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
    # Half of a character's bytes gives U+FFFD, longer than the character will be.
    later = tf.where(tf.transpose(upto), ends[:, None], tf.int32.max)  # (B, T, T)
    ends = tf.reduce_min(later, axis=2)
    starts = tf.concat([tf.zeros_like(ends[:, :1]), ends[:, :-1]], axis=1)
    flat = (tf.reshape(x, [-1]) for x in (starts, ends))
    starts = _behind_blanks(tf.repeat(texts, length), *flat)
    real = ids != PAD_ID
    starts = tf.where(real, tf.reshape(starts, [batch, length]), 0)
    return starts, tf.where(real, ends, 0)


def _behind_blanks(texts, starts, ends):
    """Starts of tokens, all `(tokens,)`, moved past the blanks before each.

    A token of nothing but blanks, as character models have, stays as it is.
    """
    surfaces = tf.strings.substr(texts, starts, ends - starts)
    words = tf.strings.regex_replace(surfaces, "^ +", "")
    lengths = tf.strings.length(words)
    return tf.where(lengths > 0, ends - lengths, starts)
