"""Noise for training: tokens that are hidden, or swapped with their neighbours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kseq2seq.data.bucketing import combine_seed, without_autotune
from kseq2seq.data.link_targets import has_links
from kseq2seq.utils import (
    EOS_ID,
    PAD_ID,
    UNK_ID,
    check_fraction,
    check_integer,
    check_integers,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from kseq2seq.utils import Tensor


def add_noise(
    batches: "tf.data.Dataset",
    source_mask: float = 0.0,
    target_mask: float = 0.0,
    source_swap: float = 0.0,
    seed: int | None = None,
    shared_mask: float = 0.0,
    copied_ids: Sequence[int] | None = None,
    start: int | None = None,
) -> "tf.data.Dataset":
    """Batches with noise, drawn anew in each epoch, against overfitting.

    A token that is hidden becomes UNK. BOS, EOS and what stands behind EOS in a source,
    such as features, are never changed, and no shape is. Labels are changed by
    `shared_mask` alone.

    Args:
        batches: A `tf.data.Dataset` as `batches` makes it.
        source_mask: Share of the source's tokens that are hidden, from 0 to below 1.
        target_mask: Share of the tokens that the decoder reads that are hidden, which
            makes it look at the source instead of its own past.
        source_swap: Share of the source's tokens that change places with the next one.
        seed: Integer seed; another noise each time if `None`.
        shared_mask: Share of the symbols that a source and its target have in common
            that are hidden in both, wherever they stand: the labels become UNK, too. So
            a model that copies learns to copy unknown symbols.
        copied_ids: For each source id the target id of the same symbol, as
            `kseq2seq.tokenizers.copied_ids` gives them; the same ids if `None`.
        start: Number of the first batch, from 0, of endless batches such as those of
            `MemoryBatches`. The noise of a batch then depends only on the seed and on
            its number. `None` for batches of one epoch.

    Returns:
        A `tf.data.Dataset` of the same cardinality and shapes.

    Raises:
        ValueError: If an argument is out of range. A source id that `copied_ids` lacks
            ends the iteration with TensorFlow's `InvalidArgumentError`.

    Example:

    >>> from kseq2seq.data import batches
    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> plain = batches([("ab", "c")], tokenizer, tokenizer)
    >>> noisy = add_noise(plain, source_mask=0.9999, seed=1)
    >>> inputs, labels = next(iter(noisy))
    >>> tokenizer.pieces(inputs["source"][0])
    ['<unk>', '<unk>', '</s>', '<pad>']

    Reference:
        [Gal & Ghahramani, 2016](https://arxiv.org/abs/1512.05287), section 4.2 (hidden
        words); [Lample et al., 2018](https://arxiv.org/abs/1711.00043), section 2.3
        (swapped ones).
    """
    import tensorflow as tf

    rates = {
        name: float(check_fraction(name, value))
        for name, value in (
            ("source_mask", source_mask),
            ("target_mask", target_mask),
            ("source_swap", source_swap),
            ("shared_mask", shared_mask),
        )
    }
    if source_swap and has_links(batches):
        raise ValueError(
            "`source_swap` must be 0 where word links are given, whose tokens it would "
            f"move: leave it out. Received: source_swap={source_swap!r}"
        )
    if copied_ids is not None:
        copied_ids = check_integers("copied_ids", list(copied_ids), least=0)
    seed = check_integer("seed", seed, optional=True)
    start = check_integer("start", start, 0, optional=True)
    if start is None:
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True)
    else:
        numbers = tf.data.Dataset.counter(tf.constant(start, tf.int64))
        seeds = numbers.map(lambda number: combine_seed(seed or 0, number))

    def noisy(element, number):
        inputs, *others = element
        source, target = inputs["source"], inputs["target"]
        if shared_mask:
            hidden = _without_shared(
                (source, target, others[0]), copied_ids, shared_mask, [number, 3]
            )
            source, target, others[0] = hidden
        source = _swapped(source, rates["source_swap"], [number, 0])
        source = _masked(source, rates["source_mask"], [number, 1])
        # Its first token is BOS.
        words = _masked(target[:, 1:], rates["target_mask"], [number, 2])
        target = tf.concat([target[:, :1], words], axis=1)
        return ({**inputs, "source": source, "target": target}, *others)

    count = batches.cardinality()
    dataset = tf.data.Dataset.zip(batches, seeds).map(noisy)
    if start is None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return without_autotune(dataset.prefetch(4))


def _is_token(ids: "Tensor") -> "Tensor":
    """Mask of the positions of a text's tokens: before EOS, and no padding."""
    import tensorflow as tf

    ended = tf.cumsum(tf.cast(ids == EOS_ID, tf.int32), axis=1) > 0
    return tf.logical_and(tf.logical_not(ended), ids != PAD_ID)


def _masked(ids, rate, seed):
    import tensorflow as tf

    if not rate:
        return ids
    drawn = tf.random.stateless_uniform(tf.shape(ids), seed) < rate
    return tf.where(tf.logical_and(drawn, _is_token(ids)), UNK_ID, ids)


def _without_shared(sides, copied_ids, rate, seed):
    """Source, target and labels with some of their common symbols hidden."""
    import tensorflow as tf

    source, target, labels = sides
    is_token, as_target = _is_token(source), source
    if copied_ids is not None:
        # What stands behind EOS may have ids of its own.
        tokens = tf.where(is_token, source, PAD_ID)
        fits = tf.debugging.assert_less(
            tokens,
            len(copied_ids),
            "`copied_ids` must have a target id for each source id: use "
            "kseq2seq.tokenizers.copied_ids(source, target) of the batches' "
            f"tokenizers. Received: {len(copied_ids)} ids",
        )
        with tf.control_dependencies([fits]):  # TensorFlow's own error comes first else
            as_target = tf.gather(tf.constant(copied_ids, tf.int32), tokens)
    is_symbol = tf.logical_and(is_token, as_target > EOS_ID)
    as_target = tf.where(is_symbol, as_target, PAD_ID)  # (B, S)
    both = as_target[:, :, None] == labels[:, None]  # (B, S, T)
    shared = tf.logical_and(is_symbol, tf.reduce_any(both, axis=2))
    # One number for each symbol of a row, wherever it stands.
    size = tf.reduce_max(as_target) + 1
    drawn = tf.random.stateless_uniform([tf.shape(source)[0], size], seed) < rate
    drawn = tf.logical_and(shared, tf.gather(drawn, as_target, batch_dims=1))
    hidden = tf.where(drawn, as_target, PAD_ID)

    def hide(ids):  # of the target, (B, T)
        same = tf.logical_and(
            ids[:, :, None] == hidden[:, None], ids[..., None] != PAD_ID
        )
        return tf.where(tf.reduce_any(same, axis=2), UNK_ID, ids)

    return tf.where(drawn, UNK_ID, source), hide(target), hide(labels)


def _swapped(ids, rate, seed):
    """Ids with some neighbours swapped; no token is swapped twice."""
    import tensorflow as tf

    if not rate:
        return ids
    is_token = _is_token(ids)
    both = tf.logical_and(is_token[:, :-1], is_token[:, 1:])
    drawn = tf.random.stateless_uniform(tf.shape(both), seed) < rate
    first = tf.logical_and(drawn, both)
    # Not where the token before begins a pair itself.
    before = tf.pad(first[:, :-1], [[0, 0], [1, 0]])
    first = tf.pad(tf.logical_and(first, tf.logical_not(before)), [[0, 0], [0, 1]])
    second = tf.pad(first[:, :-1], [[0, 0], [1, 0]])
    following = tf.concat([ids[:, 1:], ids[:, :1]], axis=1)
    previous = tf.concat([ids[:, -1:], ids[:, :-1]], axis=1)
    return tf.where(first, following, tf.where(second, previous, ids))
