"""Batches: pairs of text, tokenised, bucketed by length and padded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kseq2seq.data.bucketing import (
    DEFAULT_BUCKETS,
    Batching,
    MostRows,
    cut,
    in_buckets,
    order_by_length,
    ragged,
    shuffled_plan,
    warn_of_unknown_tokens,
    without_autotune,
)
from kseq2seq.data.padding import element_function
from kseq2seq.utils import check_integer

if TYPE_CHECKING:
    import tensorflow as tf


def batches(
    pairs: Any,
    source_tokenizer: Any,
    target_tokenizer: Any,
    batch_size: int = 64,
    batch_tokens: int | None = None,
    buckets: Sequence[int] = DEFAULT_BUCKETS,
    seed: int | None = None,
    features: Any = None,
    linked: bool = False,
) -> "tf.data.Dataset":
    """Makes a `tf.data.Dataset` of batches for `model.fit`.

    The pairs are tokenised once, here, and kept as ids. The sources of a batch are
    padded to the smallest bucket that holds them all, EOS included, and its targets
    likewise, each side to its own: so there are few shapes, which are those of every
    epoch. Each costs XLA a compilation; where that is dear (`jit_compile=True`, the
    jax backend), give fewer `buckets`. Pairs with a side longer than the last bucket
    are left out and reported by a warning of the logger "kseq2seq", and so are pairs
    with a blank side.

    With a `seed` the batches are cut from the pairs in the order of their targets'
    buckets and then their sources', so that those of a batch are alike in length.
    In each epoch pairs of the same two buckets are mixed anew, and the batches come in
    another order; their number is always the same. Without a seed, pairs come in the
    order of `pairs`.

    Args:
        pairs: `(source, target)` strings, as `as_pairs` takes them; with `features`
            also `(source, target, features)`, as `as_triples` takes them, and with
            `linked` likewise `(source, target, links)`.
        source_tokenizer: A `kseq2seq.Tokenizer`.
        target_tokenizer: Another, or the same.
        batch_size: Rows of a batch. One of them, that of the longest pairs or without a
            seed the last one, may have fewer.
        batch_tokens: Instead of `batch_size`: positions, padding included, that the
            targets of a batch have at most, and the sources as well; but a batch has
            always one row.
        buckets: Lengths in tokens, EOS included. By default each is about a fifth
            longer than the one before, from 4 to 64: on English and German captions
            (Multi30k) 7 % of the positions are padding then.
        seed: Integer to shuffle by, or `None`. Where TensorFlow's global seed is
            set (`keras.utils.set_random_seed`), the order depends on both.
        features: The `kseq2seq.FeatureVocabulary` of a model with features, whose ids
            follow those of the source; they count as its tokens. `None` without.
        linked: Whether word links are given, as `read_linked` reads them, for
            `kseq2seq.models.GuidedAlignment`. Links that are possible, not sure, count
            nothing.

    Returns:
        A `tf.data.Dataset` of known cardinality, with elements
        `({"source": ids, "target": ids}, labels)`, all int32 and padded with PAD, of
        shapes `(batch, source length)` and twice `(batch, target length)`. Source and
        labels end with EOS; "target" is what the decoder reads: BOS and the labels but
        the last. The ids 0 to 3 are PAD, UNK, BOS and EOS. Batches made without this
        function need the same: symbols have ids from 4 on, since losses and metrics
        leave out labels of 0 as padding. With `linked` there is "links" beside
        "source", the attention to learn: float32 of shape `(batch, target length,
        source length)`, in which each piece of a linked word of the target shares 1
        equally among the pieces of its source words, and the other rows are 0.

    Raises:
        ValueError: If `pairs` are no pairs, an argument is out of range, no pair is
            left, or links are none of these texts.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> dataset = batches([("ab", "c"), ("a", "b")], tokenizer, tokenizer,
    ...                   buckets=(5,))
    >>> inputs, labels = next(iter(dataset))
    >>> [tokenizer.pieces(row) for row in inputs["target"]]
    [['<s>', 'c', '<pad>', '<pad>', '<pad>'], ['<s>', 'b', '<pad>', '<pad>', '<pad>']]
    >>> tokenizer.pieces(labels[0])
    ['c', '</s>', '<pad>', '<pad>', '<pad>']
    """
    import tensorflow as tf

    sides = source_tokenizer, target_tokenizer
    batching = Batching.of(*sides, batch_size, batch_tokens, buckets, features, linked)
    seed = check_integer("seed", seed, optional=True)
    rows = batching.rows(pairs)
    sources, targets = batching.tokenize(rows)
    warn_of_unknown_tokens((sources, targets))
    kept, lengths = in_buckets(sources, targets, batching.buckets)  # (N,), (N, 2)
    plan, count = plan_batches(kept, lengths, batching.most_rows, seed)
    element = element_function(sources, targets, batching.links(rows))
    dataset = plan.map(element, num_parallel_calls=2, deterministic=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return without_autotune(dataset.prefetch(4))


def plan_batches(
    kept: Any, lengths: Any, most_rows: MostRows, seed: int | None
) -> tuple["tf.data.Dataset", int]:
    """The batches of an epoch: in order, or with a seed shuffled anew in each epoch.

    Args:
        kept: Array of shape `(M,)`: rows.
        lengths: Array of shape `(M, 2)`: each pair's bucket lengths.
        most_rows: Function from a batch's source and target lengths to its rows.
        seed: Integer to shuffle by, or `None`.

    Returns:
        A tuple of a dataset of (indices, source length, target length), and the number
        of batches.
    """
    import tensorflow as tf

    if seed is None:
        cuts = cut(lengths, most_rows)
        indices = ragged(kept, cuts[:, 0])
        plan = tf.data.Dataset.from_tensor_slices((indices, cuts[:, 1], cuts[:, 2]))
        return plan, len(cuts)
    order = order_by_length(kept, lengths, most_rows).tensors()
    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
    plan = seeds.flat_map(lambda epoch: shuffled_plan(order, epoch))
    return plan, int(order.cuts.shape[0])
