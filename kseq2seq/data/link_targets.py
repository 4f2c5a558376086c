"""Word links as attention to learn: from words to pieces, and to batches.

Shapes in the comments: B rows of a batch, S and T the lengths that its sources and
targets are padded to, L links between pieces.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kseq2seq.data.links import check_links, parse_links, words_of_spans

if TYPE_CHECKING:
    import tensorflow as tf

    from kseq2seq.utils import Tensor

# Pairs tokenised by one call.
_CHUNK = 16384


def piece_links(
    triples: Sequence[tuple[str, str, str]],
    source_tokenizer: Any,
    target_tokenizer: Any,
) -> "tf.RaggedTensor":
    """The pieces of the words that are linked.

    Args:
        triples: `(source, target, links)`, the last as `parse_links` reads them; those
            that are possible alone count nothing.
        source_tokenizer: A `kseq2seq.Tokenizer`.
        target_tokenizer: Another, or the same.

    Returns:
        int32 of shape `(triples, None, 2)`: pieces of the target and of the source.

    Raises:
        ValueError: If links are none, or none of these texts.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["ab c"], kind="character")
    >>> piece_links([("ab", "c ab", "0-1")], tokenizer, tokenizer).to_list()
    [[[2, 0], [2, 1], [3, 0], [3, 1]]]
    """
    import numpy as np
    import tensorflow as tf

    links: list[tuple[int, int]] = []
    counts = []
    for start in range(0, len(triples), _CHUNK):
        chunk = triples[start : start + _CHUNK]
        sources = _pieces_of_words([x[0] for x in chunk], source_tokenizer)
        targets = _pieces_of_words([x[1] for x in chunk], target_tokenizer)
        rows = zip(chunk, sources, targets, strict=True)
        for number, (triple, source, target) in enumerate(rows, start + 1):
            own = _own_links(triple, number, source, target)
            links += own
            counts.append(len(own))
    values = np.array(links, np.int32).reshape(-1, 2)
    # On the CPU, since tf.data runs there.
    with tf.device("CPU"):
        # It is not in TensorFlow's stubs.
        return tf.RaggedTensor.from_row_lengths(values, counts)  # pyright: ignore


def _pieces_of_words(texts, tokenizer):
    """A dict for each text, from its words to the lists of their pieces."""
    _, *offsets = tokenizer.tokenize_with_offsets(texts)
    all_pieces = []
    for text, *own in zip(texts, *(x.to_list() for x in offsets), strict=True):
        pieces, spans = defaultdict(list), zip(*own, strict=True)
        if tokenizer.decomposes:
            # Of the parts of a character the last one has all of its bytes.
            spans = [(start, max(start + 1, end)) for start, end in spans]
        words = words_of_spans(text, spans)
        for piece, word in enumerate(words):
            pieces[word].append(piece)
        all_pieces.append(pieces)
    return all_pieces


def _own_links(triple, number, source, target):
    """The links between pieces of one pair of texts."""
    try:
        links = parse_links(triple[2])
        check_links(links, *triple[:2])
    except ValueError as error:
        raise ValueError(f"`pairs`, row {number}: {error}") from error
    return [
        (target_piece, source_piece)
        for source_word, target_word in sorted(links.sure)
        for target_piece in target[target_word]
        for source_piece in source[source_word]
    ]


def attention_to_learn(
    links: "tf.RaggedTensor", source_length: Any, target_length: Any
) -> "Tensor":
    """Links of pieces as attention of a batch.

    Args:
        links: int32 of shape `(batch, None, 2)`, each once.
        source_length: Integer scalar, the length that sources are padded to.
        target_length: Likewise, of the targets.

    Returns:
        float32 of shape `(batch, target_length, source_length)`: each linked piece of
        the target shares 1 equally among the pieces of its source words; the rows of
        the others are 0.

    Example:

    >>> import tensorflow as tf
    >>> links = tf.ragged.constant([[[1, 0], [1, 2]], []], ragged_rank=1,
    ...                            inner_shape=(2,), dtype=tf.int32)
    >>> attention_to_learn(links, 3, 2).numpy().tolist()
    [[[0.0, 0.0, 0.0], [0.5, 0.0, 0.5]], [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]
    """
    import tensorflow as tf

    rows = tf.cast(links.value_rowids(), tf.int64)[:, None]
    places = tf.concat([rows, tf.cast(links.values, tf.int64)], axis=1)  # (L, 3)
    shape = [links.nrows(), target_length, source_length]
    shape = tf.stack([tf.cast(x, tf.int64) for x in shape])
    linked = tf.scatter_nd(places, tf.ones(tf.shape(places)[:1]), shape)  # (B, T, S)
    counts = tf.reduce_sum(linked, axis=2, keepdims=True)
    return tf.math.divide_no_nan(linked, counts)


def has_links(batches: "tf.data.Dataset") -> bool:
    """Whether batches have links among their inputs.

    Args:
        batches: A `tf.data.Dataset` as `batches` makes it.
    """
    return "links" in batches.element_spec[0]
