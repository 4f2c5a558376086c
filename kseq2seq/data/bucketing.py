"""Buckets of lengths: ids of pairs, cut into batches of like lengths.

Shapes in the comments: N pairs, M of them that are not too long, B rows of a batch, S
and T the lengths that its sources and targets are padded to.
"""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from kseq2seq.data.containers import as_pairs, as_triples
from kseq2seq.data.link_targets import piece_links
from kseq2seq.data.pairs import Row, has_empty_side
from kseq2seq.utils import (
    UNK_ID,
    check_boolean,
    check_integer,
    check_integers,
)

if TYPE_CHECKING:
    import tensorflow as tf

# Function from the padded lengths of source and target to the most rows of a batch.
MostRows: TypeAlias = Callable[[int, int], int]

_logger = logging.getLogger("kseq2seq")
# Pairs tokenised by one call, and the seconds after which progress is shown.
_CHUNK = 16384
_PATIENCE = 5.0
# Largest share of unknown tokens without a warning.
_MOST_UNKNOWN = 0.2
# Each about a fifth longer than the one before, so that texts of any length are padded
# by about a tenth of it or less on average. On Multi30k (SentencePiece, 8,000 pieces,
# batches of 64) 6.7 % of the positions are padding, in 56 shapes of batches; with every
# even length it would be 4.7 % in 96, with steps of a third 12.2 % in 27
# (benchmarks/pipeline.py).
DEFAULT_BUCKETS = (4, 6, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 64)


class Batching(NamedTuple):
    """Settings by which pairs become batches.

    Attributes:
        source_tokenizer: A `kseq2seq.Tokenizer`.
        target_tokenizer: Another, or the same.
        features: The `kseq2seq.FeatureVocabulary`; `None` without.
        buckets: Lengths in tokens, in order, each once.
        most_rows: Function from a batch's source and target lengths to its rows.
        linked: Whether word links stand behind source and target.
    """

    source_tokenizer: Any
    target_tokenizer: Any
    features: Any
    buckets: Sequence[int]
    most_rows: MostRows
    linked: bool = False

    @classmethod
    def of(
        cls,
        source_tokenizer: Any,
        target_tokenizer: Any,
        batch_size: int,
        batch_tokens: int | None,
        buckets: Sequence[int],
        features: Any,
        linked: bool = False,
    ) -> "Batching":
        """The arguments of `batches`, checked."""
        if check_boolean("linked", linked) and features is not None:
            raise ValueError(
                "`linked` is for models without features: leave one of the two out. "
                f"Received: linked={linked!r}, features={features!r}"
            )
        size = check_integer("batch_size", batch_size, 1)
        tokens = check_integer("batch_tokens", batch_tokens, 1, optional=True)

        def most_rows(source_length: int, target_length: int) -> int:
            if tokens is None:
                return size
            return max(1, tokens // max(source_length, target_length))

        lengths, sides = check_buckets(buckets), (source_tokenizer, target_tokenizer)
        for name, tokenizer in zip(("source", "target"), sides, strict=True):
            check_tokenizer(f"{name}_tokenizer", tokenizer)
        return cls(*sides, features, lengths, most_rows, linked)

    def rows(self, pairs: Any) -> list[Any]:
        """The pairs of a container, or triples, with text on both sides."""
        is_pairs = self.features is None and not self.linked
        return _with_text(as_pairs(pairs) if is_pairs else as_triples(pairs, "pairs"))

    def tokenize(self, rows: Sequence[Any], progress: bool = True) -> tuple[Any, Any]:
        """Source and target ids as ragged tensors; a bar is shown if `progress`."""
        tokenizers = self.source_tokenizer, self.target_tokenizer
        return _tokenize(rows, *tokenizers, self.features, progress)

    def links(self, rows: Sequence[Any]) -> "tf.RaggedTensor | None":
        """Links of pieces, as `piece_links` gives them; `None` if there are none."""
        if not self.linked:
            return None
        return piece_links(rows, self.source_tokenizer, self.target_tokenizer)


def check_tokenizer(name: str, tokenizer: Any) -> None:
    """Refuses values that are no tokenizer, such as the name of a kind.

    Args:
        name: Name of the argument.
        tokenizer: Value of the argument.

    Raises:
        ValueError: If it has no method `tokenize`.
    """
    if not callable(getattr(tokenizer, "tokenize", None)):
        raise ValueError(
            f"`{name}` must be a tokenizer, as `kseq2seq.train_tokenizers` makes one "
            f"for each side. Received: {name}={tokenizer!r:.80}"
        )


class Order(NamedTuple):
    """Pairs in the order of their lengths, cut into batches.

    Attributes:
        indices: Array of shape `(M,)`: rows.
        cell: Array of shape `(M,)`: the same number for pairs of the same two buckets.
        cuts: int64 array of shape `(batches, 3)`: rows, source length, target length.
    """

    indices: Any
    cell: Any
    cuts: Any

    def tensors(self) -> "Order":
        """The same as tensors of int64."""
        import tensorflow as tf

        # On the CPU, since tf.data runs there.
        with tf.device("CPU"):
            return Order(*(tf.convert_to_tensor(x, tf.int64) for x in self))


def _with_text(pairs: Sequence[Row]) -> list[Row]:
    """The pairs with text on both sides; warns of the others."""
    kept = [pair for pair in pairs if not has_empty_side(pair)]
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


def check_buckets(
    buckets: Any, name: str = "buckets", unit: str = "lengths in tokens with EOS"
) -> list[int]:
    """Checks the lengths that batches are padded to.

    Args:
        buckets: List of integers.
        name: Name of the argument.
        unit: Noun for its values, for the error.

    Returns:
        The lengths in order, each once.

    Raises:
        ValueError: If there is none, or one is no integer of at least 1.

    Example:

    >>> check_buckets([8, 4, 8])
    [4, 8]
    """
    note = f"{unit}, at least one"
    lengths = check_integers(name, buckets, 1, note=note)
    if not lengths:
        raise ValueError(
            f"`{name}` must be a list of {note}. Received: {name}={buckets!r}"
        )
    return sorted(set(lengths))


def _tokenize(pairs, source_tokenizer, target_tokenizer, features, progress):
    """Tokenises in chunks; returns source and target ids as ragged tensors."""
    import tensorflow as tf
    from tqdm import tqdm

    sides = ([], [])
    # `disable=None` shows it on a terminal alone.
    disable = None if progress else True
    with tqdm(
        total=len(pairs),
        desc="tokenised",
        unit=" pairs",
        delay=_PATIENCE,
        disable=disable,
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
        source, target = (
            ragged(*(np.concatenate(parts) for parts in zip(*side, strict=True)))
            for side in sides
        )
    return source, target


def warn_of_unknown_tokens(sides: Sequence[Any]) -> None:
    """Warns if a side has so many unknown tokens that its tokenizer must be wrong.

    Args:
        sides: Ragged ids of the source and of the target.
    """
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


def ragged(values: Any, lengths: Any) -> "tf.RaggedTensor":
    """A ragged tensor of rows of these lengths."""
    import tensorflow as tf

    # It is not in TensorFlow's stubs.
    return tf.RaggedTensor.from_row_lengths(values, lengths)  # pyright: ignore


def bucket_lengths(sources: Any, targets: Any, buckets: Sequence[int]) -> Any:
    """The pairs that are not too long, and the buckets of both sides, as lengths.

    Args:
        sources: Ragged ids of N rows.
        targets: Likewise.
        buckets: Lengths in tokens, in order.

    Returns:
        A tuple of arrays of shapes `(M,)`, rows, and `(M, 2)`, lengths.
    """
    lengths = np.stack([sources.row_lengths(), targets.row_lengths()], axis=1)  # (N, 2)
    kept = np.flatnonzero(np.max(lengths, axis=1, initial=0) <= buckets[-1])
    return kept, np.array(buckets)[np.searchsorted(buckets, lengths[kept])]


def in_buckets(sources: Any, targets: Any, buckets: Sequence[int]) -> Any:
    """The result of `bucket_lengths`; warns of pairs that are left out.

    Raises:
        ValueError: If no pair is left.
    """
    kept, lengths = bucket_lengths(sources, targets, buckets)
    number = int(sources.nrows())
    too_long = number - len(kept)
    if not len(kept):
        raise ValueError(
            f"No pair is left to make batches of: {too_long} of {number} pairs "
            f"are longer than the last bucket, {buckets[-1]} tokens with EOS. Give "
            "longer `buckets` or other pairs."
        )
    if too_long:
        _logger.warning(
            "Left out %d of %d pairs, longer than the last bucket, %d tokens with EOS.",
            too_long,
            number,
            buckets[-1],
        )
    return kept, lengths


def cut(lengths: Any, most_rows: MostRows) -> Any:
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


def order_by_length(kept: Any, lengths: Any, most_rows: MostRows) -> Order:
    """Orders pairs by the buckets of their targets, then of their sources, and cuts.

    Args:
        kept: Array of shape `(M,)`: rows.
        lengths: Array of shape `(M, 2)`: each pair's bucket lengths.
        most_rows: Function from a batch's source and target lengths to its rows.
    """
    sources, targets = lengths.T
    _, turn = np.unique(targets, return_inverse=True)
    # From the shortest sources to the longest and with the next targets back, so that
    # a batch which has targets of two buckets has sources of like lengths.
    back_and_forth = np.where(turn % 2, -sources, sources)
    order = np.lexsort((back_and_forth, targets))
    cuts = cut(lengths[order], most_rows)
    changes = np.any(np.diff(lengths[order], axis=0), axis=1)
    cell = np.concatenate([[0], np.cumsum(changes)])  # the same: the same two buckets
    return Order(kept[order], cell, cuts)


def combine_seed(seed: int, number: Any) -> Any:
    """The seed of one pass, buffer or batch, by the seed of all of them.

    Args:
        seed: Integer seed of all.
        number: Number of the pass, buffer or batch: an integer of less than 2 ** 32, or
            an int64 scalar.

    Returns:
        An integer, or an int64 scalar.

    Example:

    >>> combine_seed(0, 3), combine_seed(1, 3) == combine_seed(0, 3)
    (3, False)
    """
    return number + (seed % 2**31 << 32)


def shuffled_plan(order: Order, seed: Any) -> "tf.data.Dataset":
    """The batches of an order, with their pairs mixed within cells, shuffled.

    Args:
        order: The `Order`, of tensors.
        seed: Scalar of int64.

    Returns:
        A dataset of (indices, source length, target length).
    """
    import tensorflow as tf

    indices, cell, cuts = order
    number, count = tf.size(indices, tf.int64), tf.shape(cuts, tf.int64)[0]
    starts = tf.concat([[tf.zeros((), tf.int64)], tf.cumsum(cuts[:, 0])], axis=0)

    def shuffled(length, use):
        positions = tf.range(length, dtype=tf.int64)
        shuffle = tf.random.experimental.stateless_shuffle  # pyright: ignore
        return shuffle(positions, tf.stack([seed, use]))

    mixed = tf.gather(indices, tf.argsort(cell * number + shuffled(number, 1)))

    def plan(batch):
        return mixed[starts[batch] : starts[batch + 1]], cuts[batch, 1], cuts[batch, 2]

    # Slices of a RaggedTensor would do the same, but TensorFlow calls their graph
    # invalid, on standard error and at length.
    return tf.data.Dataset.from_tensor_slices(shuffled(count, 0)).map(plan)


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
