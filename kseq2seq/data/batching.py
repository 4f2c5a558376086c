"""Batches: pairs of text, tokenised, bucketed by length and padded.

Shapes in the comments: N pairs, B rows of a batch, S and T the lengths that its sources
and targets are padded to.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.data.containers import as_pairs, as_triples
from kseq2seq.data.pairs import Row
from kseq2seq.utils import (
    BOS_ID,
    PAD_ID,
    UNK_ID,
    check_integer,
    check_integers,
    is_blank,
)

if TYPE_CHECKING:
    import tensorflow as tf

_logger = logging.getLogger("kseq2seq")
# Pairs tokenised by one call, and the seconds after which progress is shown.
_CHUNK = 16384
_PATIENCE = 5.0
# Share of unknown tokens from which on a tokenizer is hardly the right one.
_MOST_UNKNOWN = 0.2
# Each about a fifth longer than the one before, so that texts of any length are padded
# by about a tenth of it or less on average. On Multi30k (SentencePiece, 8,000 pieces,
# batches of 64) 6.7 % of the positions are padding, in 56 shapes of batches; with every
# even length it would be 4.7 % in 96, with steps of a third 12.2 % in 27
# (benchmarks/pipeline.py).
DEFAULT_BUCKETS = (4, 6, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 64)


def batches(
    pairs: Any,
    source_tokenizer: Any,
    target_tokenizer: Any,
    batch_size: int = 64,
    batch_tokens: int | None = None,
    buckets: Sequence[int] = DEFAULT_BUCKETS,
    seed: int | None = None,
    features: Any = None,
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
            also `(source, target, features)`, as `as_triples` takes them.
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

    Returns:
        A `tf.data.Dataset` of known cardinality, with elements
        `({"source": ids, "target": ids}, labels)`, all int32 and padded with PAD, of
        shapes `(batch, source length)` and twice `(batch, target length)`. Source and
        labels end with EOS; "target" is what the decoder reads: BOS and the labels but
        the last. The ids 0 to 3 are PAD, UNK, BOS and EOS. Batches made without this
        function need the same: symbols have ids from 4 on, since losses and metrics
        leave out labels of 0 as padding.

    Raises:
        ValueError: If `pairs` are no pairs, an argument is out of range, or no pair is
            left.

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

    batch_size = check_integer("batch_size", batch_size, 1)
    batch_tokens = check_integer("batch_tokens", batch_tokens, 1, optional=True)
    seed = check_integer("seed", seed, optional=True)
    lengths_of_buckets = _check_buckets(buckets)
    rows = as_pairs(pairs) if features is None else as_triples(pairs, "pairs")
    rows = _with_text(rows)
    sources, targets = _tokenize(rows, source_tokenizer, target_tokenizer, features)
    _tell_of_unknown((sources, targets))
    kept, lengths = _in_buckets(sources, targets, lengths_of_buckets)  # (N,), (N, 2)

    def most_rows(source_length, target_length):
        if batch_tokens is None:
            return batch_size
        return max(1, batch_tokens // max(source_length, target_length))

    if seed is None:
        plan, count = _plan_in_order(kept, lengths, most_rows)
    else:
        plan, count = _plan_shuffled(kept, lengths, most_rows, seed)

    def element(indices, source_length, target_length):
        def padded(ids, length):
            shape = tf.stack([-1, length])
            return tf.gather(ids, indices).to_tensor(PAD_ID, shape=shape)

        labels = padded(targets, target_length)  # (B, T)
        shifted = tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BOS_ID)
        # Where the label is padding, `shifted` may still hold EOS.
        target = tf.where(labels == PAD_ID, PAD_ID, shifted)
        return {"source": padded(sources, source_length), "target": target}, labels

    dataset = plan.map(element, num_parallel_calls=2, deterministic=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return without_autotune(dataset.prefetch(4))


def _with_text(pairs: Sequence[Row]) -> list[Row]:
    """The pairs with text on both sides; says how many others there are."""
    kept = [pair for pair in pairs if not any(map(is_blank, pair[:2]))]
    if not kept:
        raise ValueError(
            "`pairs` must hold at least one pair with text on both sides. Received: "
            f"{len(pairs)} pairs, none of them such"
        )
    if len(kept) < len(pairs):
        _logger.warning(
            "Left out %d of %d pairs, whose source or target is blank.",
            len(pairs) - len(kept),
            len(pairs),
        )
    return kept


def without_autotune(dataset: "tf.data.Dataset") -> "tf.data.Dataset":
    """The same dataset, whose iterators end without waiting for TensorFlow's tuner.

    The tuner of buffers and threads looks at ever longer intervals, of up to a minute,
    and the end of an epoch at times waits for the next. Where all sizes are given
    there is nothing to tune.

    Args:
        dataset: A dataset with fixed sizes of buffers and numbers of threads.
    """
    import tensorflow as tf

    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _check_buckets(buckets):
    """The buckets in order, each once."""
    note = "lengths in tokens with EOS, at least one"
    lengths = check_integers("buckets", buckets, 1, note=note)
    if not lengths:
        raise ValueError(
            f"`buckets` must be a list of integers, {note}. "
            f"Received: buckets={buckets!r}"
        )
    return sorted(set(lengths))


def _tokenize(pairs, source_tokenizer, target_tokenizer, features):
    """Tokenises in chunks; returns source and target ids as ragged tensors."""
    import tensorflow as tf
    from tqdm import tqdm

    sides = ([], [])
    # `disable=None` shows it on a terminal alone.
    with tqdm(
        total=len(pairs), desc="tokenised", unit=" pairs", delay=_PATIENCE, disable=None
    ) as bar:
        for start in range(0, len(pairs), _CHUNK):
            chunk = pairs[start : start + _CHUNK]
            for side, tokenizer in enumerate((source_tokenizer, target_tokenizer)):
                ids = tokenizer.tokenize([pair[side] for pair in chunk])
                if side == 0 and features is not None:
                    others = features.tokenize([pair[2] for pair in chunk])
                    ids = tf.concat([ids, others + tokenizer.vocabulary_size], axis=1)
                sides[side].append((ids.values.numpy(), ids.row_lengths().numpy()))
            bar.update(len(chunk))
    # On the CPU, since tf.data runs there.
    with tf.device("CPU"):
        return [
            _ragged(*(np.concatenate(parts) for parts in zip(*side, strict=True)))
            for side in sides
        ]


def _tell_of_unknown(sides):
    """Warns where so much text is unknown that it must be another tokenizer's."""
    for name, ids in zip(("source", "target"), sides, strict=True):
        share = float(np.mean(ids.values.numpy() == UNK_ID))
        if share > _MOST_UNKNOWN:
            _logger.warning(
                "%.0f %% of the tokens of the %s side are unknown to its tokenizer: "
                "check that it was trained on such texts, and that source_tokenizer "
                "and target_tokenizer are not swapped.",
                100 * share,
                name,
            )


def _ragged(values, lengths):
    import tensorflow as tf

    # It is not in TensorFlow's stubs.
    return tf.RaggedTensor.from_row_lengths(values, lengths)  # pyright: ignore


def _in_buckets(sources, targets, buckets):
    """The pairs that are not too long, and the buckets of both sides, as lengths."""
    lengths = np.stack([sources.row_lengths(), targets.row_lengths()], axis=1)  # (N, 2)
    kept = np.flatnonzero(np.max(lengths, axis=1) <= buckets[-1])
    too_long = len(lengths) - len(kept)
    if not len(kept):
        raise ValueError(
            f"No pair is left to make batches of: {too_long} of {len(lengths)} pairs "
            f"are longer than the last bucket, {buckets[-1]} tokens with EOS. Give "
            "longer `buckets` or other pairs."
        )
    if too_long:
        _logger.warning(
            "Left out %d of %d pairs, longer than the last bucket, %d tokens with EOS.",
            too_long,
            len(lengths),
            buckets[-1],
        )
    return kept, np.array(buckets)[np.searchsorted(buckets, lengths[kept])]


def _cut(lengths, most_rows):
    """Cuts pairs into batches, in order, each as large as it may be.

    Args:
        lengths: Array of shape `(N, 2)`: each pair's bucket lengths.
        most_rows: Function from a batch's source and target lengths to its rows.

    Returns:
        int64 array of shape `(batches, 3)`: rows, source length and target length.
    """
    cuts, rows, longest = [], 0, (0, 0)
    for pair in map(tuple, lengths.tolist()):
        longer = max(longest[0], pair[0]), max(longest[1], pair[1])
        if rows and rows >= most_rows(*longer):
            cuts.append((rows, *longest))
            rows, longer = 0, pair
        rows, longest = rows + 1, longer
    cuts.append((rows, *longest))
    return np.array(cuts, np.int64)


def _plan_in_order(kept, lengths, most_rows):
    """A dataset of (indices, source length, target length), in order; how many."""
    import tensorflow as tf

    cuts = _cut(lengths, most_rows)
    indices = _ragged(kept, cuts[:, 0])
    plan = tf.data.Dataset.from_tensor_slices((indices, cuts[:, 1], cuts[:, 2]))
    return plan, len(cuts)


def _plan_shuffled(kept, lengths, most_rows, seed):
    """Likewise, but other batches of the same shapes in each epoch."""
    import tensorflow as tf

    sources, targets = lengths.T
    _, turn = np.unique(targets, return_inverse=True)
    # From the shortest sources to the longest and with the next targets back, so that
    # a batch which has targets of two buckets has sources of like lengths.
    back_and_forth = np.where(turn % 2, -sources, sources)
    order = np.lexsort((back_and_forth, targets))
    cuts = _cut(lengths[order], most_rows)
    changes = np.any(np.diff(lengths[order], axis=0), axis=1)
    cell = np.concatenate([[0], np.cumsum(changes)])  # the same: the same two buckets
    ordered = kept[order]
    number, count = len(ordered), len(cuts)
    starts = tf.constant(np.cumsum([0, *cuts[:, 0]]))
    source_lengths, target_lengths = tf.constant(cuts[:, 1]), tf.constant(cuts[:, 2])

    def epoch(epoch_seed):
        def shuffled(length, use):
            seeds = tf.stack([epoch_seed, use])
            positions = tf.range(length, dtype=tf.int64)
            shuffle = tf.random.experimental.stateless_shuffle  # pyright: ignore
            return shuffle(positions, seeds)

        mixed = tf.argsort(cell * number + shuffled(number, 1))  # within each cell
        indices = tf.gather(ordered, mixed)

        def plan(batch):
            of_batch = indices[starts[batch] : starts[batch + 1]]
            return of_batch, source_lengths[batch], target_lengths[batch]

        # Slices of a RaggedTensor would do the same, but TensorFlow calls their graph
        # invalid, on standard error and at length.
        return tf.data.Dataset.from_tensor_slices(shuffled(count, 0)).map(plan)

    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
    return seeds.flat_map(epoch), count
