"""Frames with texts, such as spectrograms with what was said: files and batches.

Shapes in the comments: N pairs, B rows of a batch, S the frames that its sources are
padded to, D the size of a frame.
"""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.data.batching import plan_in_order
from kseq2seq.data.bucketing import (
    DEFAULT_BUCKETS,
    order_by_length,
    shuffled_plan,
    without_autotune,
)
from kseq2seq.data.lines import DataError
from kseq2seq.utils import (
    BOS_ID,
    PAD_ID,
    PathLike,
    atomic_folder,
    atomic_path,
    check_integer,
    check_integers,
)

if TYPE_CHECKING:
    import tensorflow as tf

_logger = logging.getLogger("kseq2seq")
# Each about a fifth longer than the one before, and a multiple of 8: three layers that
# halve the time leave no position half empty.
DEFAULT_FRAME_BUCKETS = (
    32, 48, 64, 80, 96, 120, 144, 176, 208, 256, 304, 368, 440, 528, 640, 768, 920,
    1104, 1328, 1600, 1920, 2304, 2768,
)  # fmt: skip
FramePair = tuple[np.ndarray, str]
_FRAMES, _LENGTHS, _TEXTS = "frames.npy", "lengths.npy", "texts.npy"


def as_frame_pairs(pairs: Iterable[Any]) -> list[FramePair]:
    """Pairs of frames and texts, checked.

    Args:
        pairs: Iterable of `(frames, text)`: an array of shape `(num_frames, size)`,
            also one that is read from a file where it is needed, and a string. All
            have frames of the same size.

    Returns:
        List of tuples of a NumPy array and a `str`.

    Raises:
        ValueError: If there are none, or one of them is none such; the error names it.

    Example:

    >>> ((frames, text),) = as_frame_pairs([(np.zeros((5, 3)), "yes")])
    >>> frames.shape, text
    ((5, 3), 'yes')
    """
    checked: list[FramePair] = []
    for number, pair in enumerate(pairs):
        frames, text = pair if isinstance(pair, tuple) and len(pair) == 2 else (0, pair)
        frames = np.asanyarray(frames)
        size = checked[0][0].shape[1:] if checked else frames.shape[1:]
        fits = frames.ndim == 2 and frames.dtype.kind in "fiu" and frames.size
        if not fits or frames.shape[1:] != size or not isinstance(text, str):
            raise ValueError(
                "`pairs` must hold tuples of frames, numbers of shape (num_frames, "
                "size) with at least one frame and the same size in all, and a text. "
                f"Received: pairs[{number}] of {type(pair).__name__}, with "
                f"frames of shape {frames.shape} and {type(text).__name__}"
            )
        checked.append((frames, text))
    if not checked:
        raise ValueError("`pairs` must hold at least one pair. Received: none")
    return checked


def write_frames(path: PathLike, pairs: Iterable[Any], dtype: str = "float32") -> None:
    """Writes frames and texts into a file, or into a folder for much data.

    Args:
        path: Path of a file whose name ends in `.npz`, or of a folder, which must not
            exist yet or be empty. The folder has `frames.npy`, which `read_frames`
            leaves on the disk, `lengths.npy` and `texts.npy`.
        pairs: Frames and texts, as of `as_frame_pairs`.
        dtype: Of the frames in the file, such as "float16" for half of the bytes.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "speech.npz"
    >>> write_frames(path, [(np.zeros((5, 3)), "yes"), (np.ones((2, 3)), "no")])
    >>> [(frames.shape, text) for frames, text in read_frames(path)]
    [((5, 3), 'yes'), ((2, 3), 'no')]
    """
    checked = as_frame_pairs(pairs)
    lengths = np.array([len(frames) for frames, _ in checked], "int64")
    texts = np.array([text for _, text in checked])
    path = Path(path)
    if path.suffix == ".npz":
        frames = np.concatenate([frames for frames, _ in checked]).astype(dtype)
        with atomic_path(path) as beside:
            np.savez(beside, frames=frames, lengths=lengths, texts=texts)
        return
    shape = int(lengths.sum()), checked[0][0].shape[1]
    with atomic_folder(path) as beside:
        beside.mkdir(exist_ok=True)
        # Row by row: all of them may be more than fits into memory.
        file = np.lib.format.open_memmap(beside / _FRAMES, "w+", dtype, shape)
        for (frames, _), end in zip(checked, np.cumsum(lengths), strict=True):
            file[end - len(frames) : end] = frames
        file.flush()
        np.save(beside / _LENGTHS, lengths)
        np.save(beside / _TEXTS, texts)


def read_frames(path: PathLike) -> list[FramePair]:
    """Reads frames and texts of a `.npz` file, or of a folder.

    Args:
        path: Path of a file or folder as `write_frames` writes it: arrays `frames` of
            shape `(all frames, size)`, `lengths`, the frames of each row, and `texts`.
            Of a folder the frames stay on the disk, as a `numpy.memmap`, until a batch
            needs them.

    Returns:
        List of tuples of frames, of shape `(num_frames, size)`, and a `str`.

    Raises:
        DataError: If the file is missing, or holds something else.
    """
    path = Path(path)
    try:
        if path.is_dir():
            frames = np.load(path / _FRAMES, mmap_mode="r")
            lengths, texts = np.load(path / _LENGTHS), np.load(path / _TEXTS)
        else:
            with np.load(path) as arrays:
                frames, lengths, texts = (
                    arrays[name] for name in ("frames", "lengths", "texts")
                )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: must be what `write_frames` writes, with arrays frames, lengths "
            f"and texts. Received: {error}"
        ) from error
    if len(texts) != len(lengths) or lengths.sum() != len(frames):
        raise DataError(
            f"{path}: must have a length and a text for each row, and as many frames "
            f"as the lengths sum to. Received: {len(lengths)} lengths with the sum "
            f"{lengths.sum()}, {len(texts)} texts and {len(frames)} frames"
        )
    ends = np.cumsum(lengths)
    return [
        (frames[end - length : end], str(text))
        for end, length, text in zip(ends, lengths, texts, strict=True)
    ]


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

    batch_size = check_integer("batch_size", batch_size, 1)
    seed = check_integer("seed", seed, optional=True)
    both = (
        _check_buckets("buckets", buckets),
        _check_buckets("target_buckets", target_buckets),
    )
    checked = as_frame_pairs(pairs)
    # On the CPU, since tf.data runs there.
    with tf.device("CPU"):
        targets = target_tokenizer.tokenize([text for _, text in checked])
    num_frames = np.array([len(frames) for frames, _ in checked])
    lengths = np.stack([num_frames, targets.row_lengths()], axis=1)  # (N, 2)
    kept, lengths = _in_buckets(lengths, both)
    if seed is None:
        plan, count = plan_in_order(kept, lengths, lambda *_: batch_size)
    else:
        order = order_by_length(kept, lengths, lambda *_: batch_size).tensors()
        seeds = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).take(1)
        plan = seeds.flat_map(lambda epoch: shuffled_plan(order, epoch))
        count = int(order.cuts.shape[0])
    size = checked[0][0].shape[1]

    def padded_frames(indices, length):
        rows = np.zeros((len(indices), length, size), "float32")
        for row, index in zip(rows, indices, strict=True):
            frames = checked[index][0]
            row[: len(frames)] = frames
        return rows

    def element(indices, source_length, target_length):
        # Of NumPy, since the frames may lie in a file.
        frames = tf.numpy_function(
            padded_frames, [indices, source_length], tf.float32, stateful=False
        )
        shape = tf.stack([-1, target_length])
        labels = tf.gather(targets, indices).to_tensor(PAD_ID, shape=shape)  # (B, T)
        shifted = tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BOS_ID)
        inputs = {
            "frames": tf.ensure_shape(frames, [None, None, size]),
            "frame_mask": tf.sequence_mask(
                tf.gather(num_frames, indices), source_length
            ),
            # Where the label is padding, `shifted` may still hold EOS.
            "target": tf.where(labels == PAD_ID, PAD_ID, shifted),
        }
        return inputs, labels

    dataset = plan.map(element, num_parallel_calls=2, deterministic=True)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(count))
    return without_autotune(dataset.prefetch(4))


def _check_buckets(name, buckets):
    """The buckets in order, each once."""
    lengths = check_integers(name, buckets, 1, note="lengths, at least one")
    if not lengths:
        raise ValueError(
            f"`{name}` must be a list of lengths, at least one. Received: {buckets!r}"
        )
    return sorted(set(lengths))


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
