"""Batches: pairs of text, tokenised, bucketed by length and padded.

Shapes in the comments: N pairs, B rows of a batch, L the bucket's length.
"""

import logging
import sys
import time

import numpy as np
import tensorflow as tf

from kseq2seq.special_ids import BOS_ID, PAD_ID

_logger = logging.getLogger("kseq2seq")
# Pairs tokenised by one call, and the seconds after which progress is shown.
_CHUNK = 16384
_PATIENCE = 5.0


def batches(
    pairs,
    source_tokenizer,
    target_tokenizer,
    batch_size=64,
    batch_tokens=None,
    buckets=(10, 20, 40),
    seed=None,
):
    """Makes a `tf.data.Dataset` of batches for `model.fit`.

    The pairs are tokenised once, here. Each belongs to the smallest bucket that
    holds both its sides, EOS included; source and target of a batch are both
    padded to the bucket's length, so that there are only as many lengths as
    buckets. Pairs longer than the last bucket are left out and reported by a
    warning of the logger "kseq2seq".

    With a `seed` the pairs are shuffled anew in each epoch, each batch is drawn
    from one bucket, and the number of batches is always the same. Without, they
    come in the order of `pairs`, and a batch is padded to the smallest bucket
    that holds all its rows.

    Args:
        pairs: A list of `(source, target)` strings.
        source_tokenizer: A `kseq2seq.text.Tokenizer`.
        target_tokenizer: Another, or the same.
        batch_size: Rows of a batch. The last batch of a bucket may have fewer.
        batch_tokens: Instead of `batch_size`: padded target positions (rows times
            bucket length) that a batch has at most, but always one row.
        buckets: Lengths in tokens, EOS included.
        seed: An integer to shuffle by, or `None`. Where TensorFlow's global seed is
            set (`keras.utils.set_random_seed`), the order depends on both.

    Returns:
        A `tf.data.Dataset` of known cardinality, with elements
        `({"source": ids, "target": ids}, labels)`, all int32 of shape
        `(batch, bucket length)` and padded with PAD. Source and labels end with
        EOS; "target" is what the decoder reads: BOS and the labels but the last.

    Raises:
        ValueError: If an argument is out of range, or if no pair is left.

    Example:

    >>> from kseq2seq.text import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> dataset = batches([("ab", "c"), ("a", "b")], tokenizer, tokenizer,
    ...                   buckets=(5,))
    >>> inputs, labels = next(iter(dataset))
    >>> [tokenizer.pieces(row) for row in inputs["target"]]
    [['<s>', 'c', '<pad>', '<pad>', '<pad>'], ['<s>', 'b', '<pad>', '<pad>', '<pad>']]
    >>> tokenizer.pieces(labels[0])
    ['c', '</s>', '<pad>', '<pad>', '<pad>']
    """
    buckets = _check(batch_size, batch_tokens, buckets, seed)
    if not pairs:
        raise ValueError("`pairs` must hold at least one pair. Received: no pairs")
    sources, targets = _tokenize(pairs, source_tokenizer, target_tokenizer)
    bucket = _bucket_of_each(sources, targets, buckets)  # (N,), -1 if too long
    rows = {
        length: max(1, batch_tokens // length) if batch_tokens else batch_size
        for length in buckets
    }
    if seed is None:
        plan, count = _plan_in_order(bucket, rows)
    else:
        plan, count = _plan_shuffled(bucket, rows, seed)

    def element(indices, length):
        def padded(ids):
            shape = tf.stack([-1, length])
            return tf.gather(ids, indices).to_tensor(PAD_ID, shape=shape)

        labels = padded(targets)  # (B, L)
        shifted = tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BOS_ID)
        # Where the label is padding, `shifted` may still hold EOS.
        target = tf.where(labels == PAD_ID, PAD_ID, shifted)
        return {"source": padded(sources), "target": target}, labels

    dataset = plan.map(element, num_parallel_calls=2, deterministic=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return dataset.prefetch(4)


def _check(batch_size, batch_tokens, buckets, seed):
    """Checks the arguments; returns the buckets in order."""
    for name, value in (("batch_size", batch_size), ("batch_tokens", batch_tokens)):
        if name == "batch_tokens" and value is None:
            continue
        if not isinstance(value, int) or value <= 0:
            raise ValueError(
                f"`{name}` must be a positive integer. Received: {name}={value!r}"
            )
    if seed is not None and not isinstance(seed, int):
        raise ValueError(f"`seed` must be an integer or None. Received: seed={seed!r}")
    lengths = tuple(buckets) if isinstance(buckets, (tuple, list)) else ()
    if not lengths or not all(isinstance(n, int) and n > 0 for n in lengths):
        raise ValueError(
            "`buckets` must be a list of positive integers, lengths in tokens with "
            f"EOS. Received: buckets={buckets!r}"
        )
    return sorted(set(lengths))


def _tokenize(pairs, source_tokenizer, target_tokenizer):
    """Tokenises in chunks; returns source and target ids as ragged tensors."""
    sides = ([], [])
    started = time.monotonic()
    shown = False
    for start in range(0, len(pairs), _CHUNK):
        chunk = pairs[start : start + _CHUNK]
        for side, tokenizer in enumerate((source_tokenizer, target_tokenizer)):
            ids = tokenizer.tokenize([pair[side] for pair in chunk])
            sides[side].append((ids.values.numpy(), ids.row_lengths().numpy()))
        if time.monotonic() - started > _PATIENCE:
            done = start + len(chunk)
            sys.stderr.write(f"\rtokenised {done:,} of {len(pairs):,} pairs")
            shown = True
    if shown:
        sys.stderr.write("\n")
    # On the CPU, since tf.data runs there.
    with tf.device("CPU"):
        return [_ragged(side) for side in sides]


def _ragged(chunks):
    values, lengths = zip(*chunks, strict=True)
    return tf.RaggedTensor.from_row_lengths(
        np.concatenate(values), np.concatenate(lengths)
    )


def _bucket_of_each(sources, targets, buckets):
    """The length of each pair's bucket, -1 where it is longer than the last."""
    lengths = np.maximum(sources.row_lengths(), targets.row_lengths())
    bucket = np.append(buckets, -1)[np.searchsorted(buckets, lengths)]
    too_long = int(np.sum(bucket < 0))
    if too_long == len(bucket):
        raise ValueError(
            f"No pair is left to make batches of: {too_long} of {len(bucket)} pairs "
            f"are longer than the last bucket, {buckets[-1]} tokens with EOS. Give "
            "longer `buckets` or other pairs."
        )
    if too_long:
        _logger.warning(
            "Left out %d of %d pairs, longer than the last bucket, %d tokens with EOS.",
            too_long,
            len(bucket),
            buckets[-1],
        )
    return bucket


def _plan_in_order(bucket, rows):
    """A dataset of (indices, length), in order, and how many."""
    groups, lengths, group, length = [], [], [], 0
    for index in np.flatnonzero(bucket > 0):
        longer = max(length, bucket[index])
        if group and len(group) >= rows[longer]:
            groups.append(group)
            lengths.append(length)
            group, longer = [], bucket[index]
        group.append(index)
        length = longer
    groups.append(group)
    lengths.append(length)
    indices = tf.ragged.constant(groups, tf.int64)
    plan = tf.data.Dataset.from_tensor_slices((indices, np.array(lengths, np.int64)))
    return plan, len(groups)


def _plan_shuffled(bucket, rows, seed):
    """A dataset of (indices, length), another in each epoch, and how many."""
    members = {n: np.flatnonzero(bucket == n) for n in rows if np.any(bucket == n)}
    count = sum(-(-len(indices) // rows[n]) for n, indices in members.items())

    def epoch(epoch_seed):
        groups, lengths = [], []
        for length, indices in members.items():
            seeds = tf.stack([epoch_seed, length])
            shuffled = tf.random.experimental.stateless_shuffle(indices, seeds)
            sizes = [rows[length]] * (len(indices) // rows[length])
            if len(indices) % rows[length]:
                sizes.append(len(indices) % rows[length])
            groups.append(tf.RaggedTensor.from_row_lengths(shuffled, sizes))
            lengths += [length] * len(sizes)
        order = tf.random.experimental.stateless_shuffle(
            tf.range(count), tf.stack([epoch_seed, 0])
        )
        plan = tf.concat(groups, axis=0), tf.constant(lengths, tf.int64)
        return tf.data.Dataset.from_tensor_slices(
            tuple(tf.gather(part, order) for part in plan)
        )

    seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
    return seeds.flat_map(epoch), count
