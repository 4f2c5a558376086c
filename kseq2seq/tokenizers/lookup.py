"""Lookup of strings in the graph, without a table that would have to be kept."""

from collections.abc import Sequence

import tensorflow as tf

from kseq2seq.utils import Tensor

# Of two strings with one hash, one would not be there; among 100,000 strings there are
# two with a probability of 1e-9.
_NUM_HASHES = 2**62


def look_up(strings: Sequence[str], wanted: Tensor) -> Tensor:
    """The place of each of some strings in a list.

    By their hashes in constants: a table would be a resource, which each SavedModel
    would have to keep and to fill.

    Args:
        strings: The list, without repetitions, at least one.
        wanted: String tensor of any shape.

    Returns:
        int32 of the shape of `wanted`; -1 for what is not in the list.

    Example:

    >>> look_up(["a", "dog"], tf.constant([["dog"], ["cat"]])).numpy().tolist()
    [[1], [-1]]
    """
    own, flat = tf.constant(strings), tf.reshape(wanted, [-1])
    hashes, others = (
        tf.strings.to_hash_bucket_fast(values, _NUM_HASHES) for values in (own, flat)
    )
    order = tf.argsort(hashes)
    place = tf.searchsorted(tf.gather(hashes, order), others)
    nearest = tf.gather(order, tf.minimum(place, len(strings) - 1))
    is_there = tf.gather(own, nearest) == flat
    return tf.reshape(tf.where(is_there, nearest, -1), tf.shape(wanted))
