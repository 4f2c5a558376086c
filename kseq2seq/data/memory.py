"""Endless batches of pairs in memory, which a training resumes at any step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kseq2seq.data.bucketing import (
    DEFAULT_BUCKETS,
    Batching,
    Order,
    combine_seed,
    in_buckets,
    order_by_length,
    shuffled_plan,
    warn_of_unknown_tokens,
    without_autotune,
)
from kseq2seq.data.padding import element_function
from kseq2seq.utils import check_integer

if TYPE_CHECKING:
    import tensorflow as tf


class MemoryBatches:
    """Endless batches of pairs in memory; the seed and the step give each batch.

    Each pass has the batches of `batches` with a seed. Their order depends neither on
    TensorFlow's global seed nor on earlier passes. So a training can be resumed at any
    step, with the batches of an uninterrupted one.

    Args:
        pairs: Pairs or triples, as for `batches`, like the other arguments.
        source_tokenizer: A `kseq2seq.Tokenizer`.
        target_tokenizer: Another, or the same.
        batch_size: Rows of a batch.
        batch_tokens: Instead of `batch_size`: positions of a batch.
        buckets: Lengths in tokens, EOS included.
        seed: Integer to shuffle by.
        features: The `kseq2seq.FeatureVocabulary`; `None` without.
        linked: Whether word links are given, as for `batches`.

    Attributes:
        steps_per_pass: Number of batches of a pass over the pairs.

    Raises:
        ValueError: As `batches` does.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> pairs = [("a", "b"), ("b", "c"), ("c", "a")]
    >>> memory = MemoryBatches(pairs, tokenizer, tokenizer, batch_size=1)
    >>> memory.steps_per_pass
    3
    >>> _, labels = next(iter(memory.dataset(start=7)))
    >>> labels.shape
    TensorShape([1, 4])
    """

    def __init__(
        self,
        pairs: Any,
        source_tokenizer: Any,
        target_tokenizer: Any,
        batch_size: int = 64,
        batch_tokens: int | None = None,
        buckets: Sequence[int] = DEFAULT_BUCKETS,
        seed: int = 0,
        features: Any = None,
        linked: bool = False,
    ) -> None:
        tokenizers = source_tokenizer, target_tokenizer
        sizes = batch_size, batch_tokens, buckets
        batching = Batching.of(*tokenizers, *sizes, features, linked)
        self._seed = check_integer("seed", seed)
        rows = batching.rows(pairs)
        sides = batching.tokenize(rows)
        warn_of_unknown_tokens(sides)
        kept, lengths = in_buckets(*sides, batching.buckets)
        order = order_by_length(kept, lengths, batching.most_rows)
        self.steps_per_pass = len(order.cuts)
        self._order, self._ragged = order.tensors(), (*sides, batching.links(rows))

    def dataset(
        self, start: int = 0, place: dict[str, Any] | None = None
    ) -> "tf.data.Dataset":
        """The batches from a step on.

        Args:
            start: Number of the first batch, from 0.
            place: Result of `place`; not used, since the step is enough.

        Returns:
            An endless `tf.data.Dataset` of elements as of `batches`.
        """
        element = element_function(*self._ragged)
        batches = endless_plan(self._order, self._seed, self.steps_per_pass, start)
        batches = batches.map(element, num_parallel_calls=2, deterministic=True)
        return without_autotune(batches.prefetch(4))

    def place(self, step: int) -> dict[str, Any]:
        """The place of a batch in the data: an empty dict, since the step is enough.

        Args:
            step: Number of the batch, from 0.
        """
        return {}


def endless_plan(
    order: Order, seed: int, steps_per_pass: int, start: int
) -> "tf.data.Dataset":
    """The batches of an order from a step on, shuffled anew in each pass.

    Args:
        order: The `Order`, of tensors.
        seed: Integer to shuffle by.
        steps_per_pass: Number of batches of the order.
        start: Number of the first batch, from 0.

    Returns:
        An endless dataset of elements as of `shuffled_plan`.
    """
    import tensorflow as tf

    first, skipped = divmod(check_integer("start", start, 0), steps_per_pass)

    def plan(number):
        of_pass = shuffled_plan(order, combine_seed(seed, number))
        skip = tf.where(number == first, skipped, 0)
        return of_pass.skip(tf.cast(skip, tf.int64))

    passes = tf.data.Dataset.counter(tf.constant(first, tf.int64))
    return passes.flat_map(plan)
