"""Frames with texts, such as spectrograms with what was said, and files of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from kseq2seq.data.frame_files import FrameFile
from kseq2seq.data.lines import DataError
from kseq2seq.utils import (
    UNREADABLE,
    PathLike,
    as_array,
    atomic_folder,
    atomic_path,
    check_choice,
    open_npz,
)

FramePair = tuple[np.ndarray | FrameFile, str]
_DTYPES = "float32", "float64", "float16"
_FRAMES, _LENGTHS, _TEXTS = "frames.npy", "lengths.npy", "texts.npy"


def as_frame_pairs(pairs: Iterable[Any]) -> list[FramePair]:
    """Pairs of frames and texts, checked.

    Args:
        pairs: Iterable of `(frames, text)`: an array of shape `(num_frames, size)`,
            also one that is read from a file where it is needed, or a `FrameFile`, and
            a string. All have frames of the same size.

    Returns:
        List of tuples of a NumPy array, or the `FrameFile`, and a `str`.

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
        if not isinstance(frames, FrameFile):
            frames = as_array(frames, f"pairs[{number}]")
        size = checked[0][0].shape[1:] if checked else frames.shape[1:]
        fits = frames.ndim == 2 and frames.dtype.kind in "fiu" and frames.size
        if not fits or frames.shape[1:] != size or not isinstance(text, str):
            raise ValueError(
                "`pairs` must hold tuples of frames, numbers of shape (num_frames, "
                "size) with at least one frame and the same size in all, and a text. "
                f"Received: pairs[{number}] of {type(pair).__name__}, with "
                f"{frames.dtype} frames of shape {frames.shape} and "
                f"{type(text).__name__}"
            )
        # What stays on the disk is not read yet.
        if type(frames) is np.ndarray:
            check_finite(frames, number)
        checked.append((frames, text))
    if not checked:
        raise ValueError("`pairs` must hold at least one pair. Received: none")
    return checked


def check_finite(
    frames: np.ndarray | FrameFile, number: int, dtype: str = "float32"
) -> np.ndarray:
    """The frames of a pair, converted to a dtype in which all numbers are finite.

    Args:
        frames: Array of numbers.
        number: Number of the pair, from 0, for the error.
        dtype: Name of a dtype of floating-point numbers.

    Raises:
        ValueError: If a number is NaN or infinite, or too large for the dtype.

    Example:

    >>> check_finite(np.ones((1, 2)), 0).dtype
    dtype('float32')
    """
    with np.errstate(over="ignore"):  # reported below
        converted = np.asarray(frames).astype(dtype, copy=False)
    if np.isfinite(converted).all():
        return converted
    raise ValueError(
        "`pairs` must hold finite numbers: put a number in the place of each that is "
        f"missing, and divide what is too large for {dtype}. Received: NaN or infinite "
        f"ones in pairs[{number}], as {dtype}"
    )


def write_frames(path: PathLike, pairs: Iterable[Any], dtype: str = "float32") -> None:
    """Writes frames and texts into a file, or into a folder for much data.

    Args:
        path: Path of a file whose name ends in `.npz`, or of a folder, which must not
            exist yet or be empty. The folder has `frames.npy`, which `read_frames`
            leaves on the disk, `lengths.npy` and `texts.npy`.
        pairs: Frames and texts, as of `as_frame_pairs`.
        dtype: Of the frames in the file: "float32", "float64", or "float16" for half of
            the bytes.

    Raises:
        ValueError: If `pairs` are no such pairs, a text holds NUL, `dtype` is none of
            these, or a number is too large for it.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "speech.npz"
    >>> write_frames(path, [(np.zeros((5, 3)), "yes"), (np.ones((2, 3)), "no")])
    >>> [(frames.shape, text) for frames, text in read_frames(path)]
    [((5, 3), 'yes'), ((2, 3), 'no')]
    """
    check_choice("dtype", dtype, _DTYPES)
    checked = as_frame_pairs(pairs)
    lengths = np.array([len(frames) for frames, _ in checked], "int64")
    texts = np.array([text for _, text in checked])
    path = Path(path)
    for number, (_, text) in enumerate(checked):
        if "\0" in text:
            raise ValueError(
                "`pairs` must hold texts without NUL, which NumPy's strings lose. "
                f"Received: pairs[{number}] with {text!r:.80}"
            )
    if path.suffix == ".npz":
        frames = np.concatenate(
            [check_finite(own, row, dtype) for row, (own, _) in enumerate(checked)]
        )
        with atomic_path(path) as beside:
            np.savez(beside, frames=frames, lengths=lengths, texts=texts)
        return
    shape = int(lengths.sum()), checked[0][0].shape[1]
    with atomic_folder(path) as beside:
        beside.mkdir(exist_ok=True)
        # Row by row: all of them may be more than fits into memory.
        file = np.lib.format.open_memmap(beside / _FRAMES, "w+", dtype, shape)
        ends = np.cumsum(lengths)
        for row, ((frames, _), end) in enumerate(zip(checked, ends, strict=True)):
            file[end - len(frames) : end] = check_finite(frames, row, dtype)
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
    frames, lengths, texts = _read_arrays(Path(path))
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


def _read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames, lengths and texts of a file or a folder, each of its own kind."""
    expected = (
        f"{path}: must be what `write_frames` writes, with arrays frames, lengths and "
        "texts"
    )
    try:
        if path.is_dir():
            frames = np.load(path / _FRAMES, mmap_mode="r")
            lengths, texts = np.load(path / _LENGTHS), np.load(path / _TEXTS)
        else:
            with open_npz(path) as arrays:
                frames, lengths, texts = (
                    arrays[name] for name in ("frames", "lengths", "texts")
                )
    except UNREADABLE as error:
        raise DataError(f"{expected}. Received: {error}") from error
    given = [
        (frames, 2, "fiu", "numbers of shape (all frames, size)"),
        (lengths, 1, "iu", "integers of shape (rows,)"),
        (texts, 1, "U", "strings of shape (rows,)"),
    ]
    for array, ndim, kinds, wanted in given:
        if array.ndim != ndim or array.dtype.kind not in kinds:
            raise DataError(
                f"{expected}, of which one must be {wanted}. Received: {array.dtype} "
                f"of shape {array.shape}"
            )
    if lengths.size and lengths.min() < 1:
        raise DataError(
            f"{expected}, and at least one frame in each row. Received: a length of "
            f"{lengths.min()}"
        )
    return frames, lengths, texts
