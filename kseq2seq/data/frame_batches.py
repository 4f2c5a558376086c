"""Batches of frames and texts.

Shapes in the comments: N pairs, B rows of a batch, S the frames that its sources are
padded to, T the tokens of its targets, D the size of a frame.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.data.batching import plan_batches
from kseq2seq.data.bucketing import (
    DEFAULT_BUCKETS,
    check_buckets,
    order_by_length,
    without_autotune,
)
from kseq2seq.data.frame_files import FrameFile
from kseq2seq.data.frames import as_frame_pairs, check_finite
from kseq2seq.data.lines import DataError
from kseq2seq.data.memory import endless_plan
from kseq2seq.data.padding import pad_rows, shift_right
from kseq2seq.utils import check_integer

if TYPE_CHECKING:
    import tensorflow as tf

_logger = logging.getLogger("kseq2seq")
# Each about a fifth longer than the one before, and a multiple of 8: three layers that
# halve the time leave no position half empty.
DEFAULT_FRAME_BUCKETS = (
    32, 48, 64, 80, 96, 120, 144, 176, 208, 256, 304, 368, 440, 528, 640, 768, 920,
    1104, 1328, 1600, 1920, 2304, 2768,
)  # fmt: skip


def frame_batches(
    pairs: Iterable[Any],
    target_tokenizer: Any,
    batch_size: int = 32,
    buckets: Sequence[int] = DEFAULT_FRAME_BUCKETS,
    target_buckets: Sequence[int] = DEFAULT_BUCKETS,
    seed: int | None = None,
) -> "tf.data.Dataset":
    """Makes a `tf.data.Dataset` of batches of frames and texts, for `model.fit`.

    As `batches`, for sources that are frames: both sides are padded to the smallest
    bucket that holds a batch, pairs longer than the last one are left out with a
    warning, and with a `seed` batches are of pairs of like lengths, mixed anew in each
    epoch.

    Args:
        pairs: Frames and texts, as of `as_frame_pairs`; `read_frames` gives them.
        target_tokenizer: A `kseq2seq.Tokenizer`.
        batch_size: Rows of a batch. One of them may have fewer.
        buckets: Lengths in frames.
        target_buckets: Lengths in tokens, EOS included.
        seed: Integer to shuffle by, or `None` for the order of `pairs`.

    Returns:
        A `tf.data.Dataset` of known cardinality, with elements `({"frames": frames,
        "frame_mask": mask, "target": ids}, labels)`: float32 of shape `(batch, frames,
        size)`, booleans of shape `(batch, frames)`, and ids and labels as of `batches`.

    Raises:
        ValueError: If `pairs` are no such pairs, an argument is out of range, or no
            pair is left.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> dataset = frame_batches([(np.ones((5, 3)), "ab")], tokenizer, buckets=(8,))
    >>> inputs, labels = next(iter(dataset))
    >>> tuple(inputs["frames"].shape), inputs["frame_mask"].numpy().sum()
    ((1, 8, 3), np.int64(5))
    """
    import tensorflow as tf

    seed = check_integer("seed", seed, optional=True)
    rows = _FrameRows(pairs, target_tokenizer, batch_size, buckets, target_buckets)
    plan, count = plan_batches(rows.kept, rows.lengths, rows.most_rows, seed)
    dataset = rows.batches(plan)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return without_autotune(dataset.prefetch(4))


class FrameBatches:
    """Endless batches of frames and texts; the seed and the step give each batch.

    As with `MemoryBatches`, a training can be resumed at any step.

    Args:
        pairs: Frames and texts, as for `frame_batches`, like the other arguments.
        target_tokenizer: A `kseq2seq.Tokenizer`.
        batch_size: Rows of a batch.
        buckets: Lengths in frames.
        target_buckets: Lengths in tokens, EOS included.
        seed: Integer to shuffle by.

    Attributes:
        steps_per_pass: Number of batches of a pass over the pairs.

    Raises:
        ValueError: As `frame_batches` does.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> pairs = [(np.ones((5, 3)), "ab"), (np.ones((7, 3)), "c")]
    >>> batches = FrameBatches(pairs, tokenizer, batch_size=1, buckets=(8,))
    >>> batches.steps_per_pass
    2
    >>> inputs, _ = next(iter(batches.dataset(start=7)))
    >>> inputs["frames"].shape
    TensorShape([1, 8, 3])
    """

    def __init__(
        self,
        pairs: Iterable[Any],
        target_tokenizer: Any,
        batch_size: int = 32,
        buckets: Sequence[int] = DEFAULT_FRAME_BUCKETS,
        target_buckets: Sequence[int] = DEFAULT_BUCKETS,
        seed: int = 0,
    ) -> None:
        self._seed = check_integer("seed", seed)
        self._rows = _FrameRows(
            pairs, target_tokenizer, batch_size, buckets, target_buckets
        )
        self._order = self._rows.order()
        self.steps_per_pass = len(self._order.cuts)

    def dataset(
        self, start: int = 0, place: dict[str, Any] | None = None
    ) -> "tf.data.Dataset":
        """The batches from a step on.

        Args:
            start: Number of the first batch, from 0.
            place: Result of `place`; not used, since the step is enough.

        Returns:
            An endless `tf.data.Dataset` of elements as of `frame_batches`.
        """
        order, steps = self._order.tensors(), self.steps_per_pass
        plan = endless_plan(order, self._seed, steps, start)
        return without_autotune(self._rows.batches(plan).prefetch(4))

    def place(self, step: int) -> dict[str, Any]:
        """The place of a batch in the data: an empty dict, since the step is enough.

        Args:
            step: Number of the batch, from 0.
        """
        return {}


class _FrameRows:
    """Pairs of frames and texts, checked, with the buckets of their lengths."""

    def __init__(self, pairs, target_tokenizer, batch_size, buckets, target_buckets):
        import tensorflow as tf

        size = check_integer("batch_size", batch_size, 1)
        both = (
            check_buckets(buckets, unit="lengths in frames"),
            check_buckets(target_buckets, "target_buckets"),
        )
        self.pairs = as_frame_pairs(pairs)
        # On the CPU, since tf.data runs there.
        with tf.device("CPU"):
            self.targets = target_tokenizer.tokenize([text for _, text in self.pairs])
        self.num_frames = np.array([len(frames) for frames, _ in self.pairs])
        lengths = np.stack([self.num_frames, self.targets.row_lengths()], axis=1)
        self.kept, self.lengths = _in_buckets(lengths, both)  # (N,), (N, 2)
        self.most_rows = lambda *_: size

    def order(self):
        """The rows in order of their lengths, cut to batches."""
        return order_by_length(self.kept, self.lengths, self.most_rows)

    def batches(self, plan):
        """A dataset of the batches in a plan."""
        return plan.map(self._element, num_parallel_calls=2, deterministic=True)

    def _padded_frames(self, indices, length):
        size = self.pairs[0][0].shape[1]
        rows = np.zeros((len(indices), length, size), "float32")  # (B, S, D)
        for row, index in zip(rows, indices, strict=True):
            frames = np.asarray(self.pairs[index][0])
            # Frames in files are read here for the first time.
            try:
                row[: len(frames)] = check_finite(frames, index)
            except ValueError as error:
                given = self.pairs[index][0]
                place = f"{given}: " if isinstance(given, FrameFile) else ""
                raise DataError(f"{place}{error}") from error
        return rows

    def _element(self, indices, source_length, target_length):
        import tensorflow as tf

        # A NumPy function, since frames may be in files.
        frames = tf.numpy_function(
            self._padded_frames, [indices, source_length], tf.float32, stateful=False
        )
        labels = pad_rows(self.targets, indices, target_length)  # (B, T)
        size = self.pairs[0][0].shape[1]
        inputs = {
            "frames": tf.ensure_shape(frames, [None, None, size]),
            "frame_mask": tf.sequence_mask(
                tf.gather(self.num_frames, indices), source_length
            ),
            "target": shift_right(labels),
        }
        return inputs, labels


def _in_buckets(lengths, buckets):
    """The pairs that are not too long, and the buckets of both sides, as lengths."""
    longest = [of_side[-1] for of_side in buckets]
    kept = np.flatnonzero(np.all(lengths <= longest, axis=1))
    if len(kept) < len(lengths):
        message = (
            f"{len(lengths) - len(kept)} of {len(lengths)} pairs are longer than the "
            f"last bucket, {longest[0]} frames or {longest[1]} tokens with EOS"
        )
        if not len(kept):
            raise ValueError(
                "`pairs` must fit `buckets` and `target_buckets`: give longer ones. "
                f"Received: {message}"
            )
        _logger.warning("Left out: %s.", message)
    sides = [
        np.array(of_side)[np.searchsorted(of_side, lengths[kept, side])]
        for side, of_side in enumerate(buckets)
    ]
    return kept, np.stack(sides, axis=1)
