"""Subword regularisation: texts of batches in other pieces, drawn anew."""

from typing import TYPE_CHECKING, Protocol

from kseq2seq.data.bucketing import without_autotune
from kseq2seq.data.link_targets import has_links
from kseq2seq.data.padding import shift_right
from kseq2seq.utils import EOS_ID, PAD_ID, UNK_ID, check_integers, check_number

if TYPE_CHECKING:
    import tensorflow as tf

    from kseq2seq.utils import Tensor


class Sampling(Protocol):
    """The methods of a `kseq2seq.Tokenizer` that are needed."""

    def detokenize(self, ids: "Tensor") -> "Tensor": ...

    def sample(
        self, texts: "Tensor", alpha: float, nbest_size: int
    ) -> "tf.RaggedTensor": ...


def sample_segmentations(
    batches: "tf.data.Dataset",
    source_tokenizer: Sampling,
    target_tokenizer: Sampling,
    nbest_size: int | tuple[int, int] = -1,
    alpha: float = 0.1,
) -> "tf.data.Dataset":
    """Batches whose texts are cut into other pieces in each epoch.

    For tokenizers of kind "unigram", whose segmentations are drawn by their
    probabilities, and "bpe", whose merges are left out by chance (BPE-dropout). A
    sampled text is longer than the best one. It takes its place where the padded length
    has room for it: no shape is changed. A text with unknown characters stays as it is,
    and so do features.

    SentencePiece draws without a seed: no two trainings are the same.

    Args:
        batches: A `tf.data.Dataset` as `batches` makes it.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        nbest_size: Number of the best segmentations that are drawn from, of "unigram",
            up to 512; -1 for all, 0 for none but the best. A tuple of two for source
            and target.
        alpha: Of "unigram" the exponent of the probabilities, the smaller the more
            alike; of "bpe" the probability that a merge is left out.

    Returns:
        A `tf.data.Dataset` of the same shapes and cardinality.

    Raises:
        ValueError: If an argument is out of range, or a tokenizer has one segmentation
            of each text alone.

    Example:

    >>> from kseq2seq.data import batches
    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> texts = ["a banana", "an ananas", "a bandana"]
    >>> tokenizer = train_tokenizer(texts, 15, allow_smaller=True)
    >>> plain = batches([(x, x) for x in texts], tokenizer, tokenizer, buckets=(24,))
    >>> inputs, labels = next(iter(sample_segmentations(plain, tokenizer, tokenizer)))
    >>> [x.decode() for x in tokenizer.detokenize(labels).numpy()]
    ['a banana', 'an ananas', 'a bandana']

    Reference:
        [Kudo, 2018](https://arxiv.org/abs/1804.10959), section 3.3;
        [Provilkov et al., 2020](https://arxiv.org/abs/1910.13267), BPE-dropout.
    """
    import tensorflow as tf

    both = nbest_size if isinstance(nbest_size, (tuple, list)) else [nbest_size] * 2
    sizes = check_integers(
        "nbest_size", both, -1, 2, note="or one for both source and target"
    )
    alpha = float(check_number("alpha", alpha, least=0))
    if sizes[0] in (0, 1) and sizes[1] in (0, 1):
        return batches
    if has_links(batches):
        raise ValueError(
            "`batches` must be without word links, which are of the pieces that they "
            "have: make them without `linked`, or draw no segmentations. Received: "
            f"nbest_size={nbest_size!r}, batches with links"
        )
    # In Python, for errors ahead of the graph's.
    for tokenizer, size in zip(
        (source_tokenizer, target_tokenizer), sizes, strict=True
    ):
        if size not in (0, 1):
            tokenizer.sample(tf.constant(["a"]), alpha, size)

    def sampled(inputs, labels):
        source = _sampled(source_tokenizer, inputs["source"], alpha, sizes[0])
        labels = _sampled(target_tokenizer, labels, alpha, sizes[1])
        return {**inputs, "source": source, "target": shift_right(labels)}, labels

    return without_autotune(batches.map(sampled).prefetch(4))


def _sampled(tokenizer, ids, alpha, nbest_size):
    """Rows of ids, (B, L), in other pieces where there is room for them."""
    import tensorflow as tf

    if nbest_size in (0, 1):
        return ids
    ended = tf.cumsum(tf.cast(ids == EOS_ID, tf.int32), axis=1, exclusive=True) > 0
    behind = tf.ragged.boolean_mask(ids, tf.logical_and(ended, ids != PAD_ID))
    pieces = tokenizer.sample(tokenizer.detokenize(ids), alpha, nbest_size)
    pieces = tf.concat([pieces, behind], axis=1)
    width = tf.shape(ids)[1]
    fits = pieces.row_lengths() <= tf.cast(width, tf.int64)
    known = tf.reduce_all(ids != UNK_ID, axis=1)
    padded = pieces.to_tensor(PAD_ID, shape=[None, None])[:, :width]
    padded = tf.pad(padded, [[0, 0], [0, width - tf.shape(padded)[1]]])
    padded = tf.ensure_shape(padded, ids.shape)
    return tf.where(tf.logical_and(fits, known)[:, None], padded, ids)
