"""Frames with texts in TFRecord files, as other pipelines of TensorFlow read them."""

import errno
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kseq2seq.data.frames import FramePair, as_frame_pairs, check_finite
from kseq2seq.data.lines import DataError
from kseq2seq.utils import PathLike, atomic_path

# Names in each `tf.train.Example`.
_FRAMES, _SIZE, _TEXT = "frames", "frame_size", "text"


def write_tfrecords(path: PathLike, pairs: Iterable[Any]) -> None:
    """Writes frames and texts into a TFRecord file.

    Each record is a `tf.train.Example` with `frames`, floats one after the other,
    `frame_size`, an integer, and `text`, bytes of UTF-8.

    Args:
        path: Path of the file; packed by gzip if its name ends in `.gz`.
        pairs: Frames and texts, as of `as_frame_pairs`.

    Raises:
        ValueError: If `pairs` are no such pairs, or a number is not finite in float32.
        FileNotFoundError: If there is no such folder.

    Example:

    >>> import tempfile
    >>> import numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "speech.tfrecord"
    >>> write_tfrecords(path, [(np.zeros((5, 3)), "yes"), (np.ones((2, 3)), "no")])
    >>> [(frames.shape, text) for frames, text in read_tfrecords(path)]
    [((5, 3), 'yes'), ((2, 3), 'no')]
    """
    import tensorflow as tf

    checked = as_frame_pairs(pairs)
    if not Path(path).parent.exists():
        # TensorFlow would name the file beside it that is written first.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    with (
        atomic_path(path) as beside,
        tf.io.TFRecordWriter(str(beside), _compression(path)) as writer,
    ):
        for row, (frames, text) in enumerate(checked):
            floats = check_finite(frames, row)
            features = {
                _FRAMES: tf.train.Feature(
                    float_list=tf.train.FloatList(value=floats.ravel())
                ),
                _SIZE: tf.train.Feature(
                    int64_list=tf.train.Int64List(value=[floats.shape[1]])
                ),
                _TEXT: tf.train.Feature(
                    bytes_list=tf.train.BytesList(value=[text.encode()])
                ),
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def read_tfrecords(path: PathLike) -> list[FramePair]:
    """Reads frames and texts of a TFRecord file into memory.

    Args:
        path: Path of a file as `write_tfrecords` writes it; packed by gzip if its name
            ends in `.gz`.

    Returns:
        List of tuples of frames, float32 of shape `(num_frames, size)`, and a `str`.

    Raises:
        DataError: If the file is missing or damaged, or a record is another one; the
            error names its number.
    """
    import tensorflow as tf

    features = {
        _FRAMES: tf.io.RaggedFeature(tf.float32),
        _SIZE: tf.io.FixedLenFeature([], tf.int64),
        _TEXT: tf.io.FixedLenFeature([], tf.string),
    }
    pairs: list[FramePair] = []
    try:
        for record in tf.data.TFRecordDataset(str(path), _compression(path)):
            example = tf.io.parse_single_example(record, features)
            size = int(example[_SIZE])
            frames = example[_FRAMES].numpy().reshape(-1, size)
            pairs.append((frames, example[_TEXT].numpy().decode()))
        if not pairs:
            raise ValueError("there is none")
    except (tf.errors.OpError, ValueError) as error:
        raise DataError(
            f"{path}: expected records with {_FRAMES}, {_SIZE} and {_TEXT}, as "
            f"`write_tfrecords` writes them. Received: record {len(pairs)} (counted "
            f"from 0): {error}"
        ) from error
    try:
        return as_frame_pairs(pairs)
    except ValueError as error:
        # It names the pair, which is the record.
        raise DataError(f"{path}: {error}") from error


def _compression(path: PathLike) -> str:
    return "GZIP" if Path(path).suffix == ".gz" else ""
