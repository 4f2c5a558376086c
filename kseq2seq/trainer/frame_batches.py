"""Recordings and frames of a training, read for its batches."""

import sys
from typing import Any

from tqdm import tqdm

from kseq2seq import data
from kseq2seq.inference import FrameReader
from kseq2seq.trainer.batch_settings import BatchSettings
from kseq2seq.trainer.readers import Pairs
from kseq2seq.trainer.vocabularies import Source


def with_frames(source: Source, *parts: Pairs) -> tuple[Any, ...]:
    """Parts of the data, with frames in the place of paths if sources are frames.

    Frames of recordings are made here, and kept in memory. Frames in files stay there
    until a batch needs them.

    Args:
        source: The tokenizer of the source, or the reader of its frames.
        *parts: Lists of `(source, target)`, and so on.

    Returns:
        A tuple of the parts.

    Raises:
        DataError: If a file has frames of another size.
        ValueError: If a recording cannot be read.
    """
    if not isinstance(source, FrameReader):
        return parts
    read = _recorded if source.log_mel is not None else _in_file
    total = sum(map(len, parts))
    hidden = source.log_mel is None or not sys.stderr.isatty()
    with tqdm(total=total, unit=" recordings", disable=hidden) as bar:

        def pair(path, text):
            bar.update(1)
            return read(source, path), text

        return tuple([pair(*row) for row in part] for part in parts)


def _recorded(reader: FrameReader, path: str) -> Any:
    try:
        return reader(path)
    except ValueError as error:
        raise data.DataError(f"{path}: {error}") from error


def _in_file(reader: FrameReader, path: str) -> Any:
    file = data.FrameFile(path)
    if file.shape[1] != reader.frame_size:
        raise data.DataError(
            f"{path}: must have frames of size {reader.frame_size}, as the training "
            f"has. Received: size {file.shape[1]}"
        )
    return file


def frame_options(settings: BatchSettings) -> dict[str, Any]:
    """Arguments of `kseq2seq.data.frame_batches` in the section [batches].

    Args:
        settings: The section [batches].

    Example:

    >>> sorted(frame_options(BatchSettings()))
    ['batch_size', 'buckets', 'target_buckets']
    """
    return {
        "batch_size": settings.batch_size,
        "buckets": settings.frame_buckets,
        "target_buckets": settings.buckets,
    }
