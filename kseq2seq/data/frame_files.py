"""Tables of WAV files, or of files of frames, with a text for each."""

import io
import logging
import os
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from kseq2seq.data.lines import DataError
from kseq2seq.data.tsv import numbered_tsv
from kseq2seq.utils import (
    UNREADABLE,
    PathLike,
    check_integer,
    check_integers,
    is_blank,
    open_npz,
)

_logger = logging.getLogger("kseq2seq")
Checked = TypeVar("Checked")


class FrameFile:
    """Frames in a file of their own, read each time they are needed.

    NumPy takes it for an array: `numpy.asarray(file)` reads it.

    Args:
        path: Path of a `.npy` file, or of a `.npz` file with one array: numbers of
            shape `(num_frames, size)`, with at least one frame.

    Attributes:
        path: The `Path`.
        shape: `(num_frames, size)`.
        dtype: Type of the numbers.

    Raises:
        DataError: If there is no such file, or it holds something else.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npy"
    >>> np.save(path, np.ones((5, 3)))
    >>> file = FrameFile(path)
    >>> len(file), file.shape, float(np.asarray(file).sum())
    (5, (5, 3), 15.0)
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        frames = self._read()
        if frames.ndim != 2 or frames.dtype.kind not in "fiu" or not frames.size:
            raise DataError(
                f"{self.path}: must hold numbers of shape (num_frames, size), with at "
                f"least one frame. Received: {frames.dtype} of shape {frames.shape}"
            )
        self.shape, self.dtype = frames.shape, frames.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __str__(self) -> str:
        return str(self.path)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        frames = np.array(self._read(), dtype=dtype)
        if frames.shape != self.shape:
            raise DataError(
                f"{self.path}: has changed since it was looked at. Expected the shape "
                f"{self.shape}. Received: {frames.shape}"
            )
        if not np.isfinite(frames).all():
            raise DataError(
                f"{self.path}: must hold finite numbers: put a number in the place of "
                "each that is missing. Received: "
                f"{np.sum(~np.isfinite(frames))} that are NaN or infinite"
            )
        return frames

    @property
    def ndim(self) -> int:
        """Number of axes: 2."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of numbers in the file."""
        return self.shape[0] * self.shape[1]

    def _read(self) -> np.ndarray:
        try:
            if self.path.suffix.lower() != ".npz":
                return np.load(self.path, mmap_mode="r", allow_pickle=False)
            with open_npz(self.path) as arrays:
                if len(arrays.files) != 1:
                    names = f": {', '.join(arrays.files)}" if arrays.files else ""
                    raise ValueError(f"{len(arrays.files)} arrays{names}")
                return arrays[arrays.files[0]]
        except UNREADABLE as error:
            raise DataError(
                f"{self.path}: must be a file of NumPy, .npy or .npz with one array. "
                f"Received: {error}"
            ) from error


def wav_sample_rate(path: PathLike) -> int:
    """The sample rate of a WAV file, whose header is checked.

    Args:
        path: Path of the file.

    Returns:
        Samples in a second.

    Raises:
        DataError: If there is no such file, or it is none of 16-bit PCM with at least
            one sample and as many as its header says.

    Example:

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.wav"
    >>> with wave.open(str(path), "wb") as file:
    ...     file.setparams((1, 2, 8000, 0, "NONE", ""))
    ...     file.writeframes(bytes(2 * 800))
    >>> wav_sample_rate(path)
    8000
    """
    with _open_wav(path) as (file, num_bytes):
        size = file.getnframes() * 2 * file.getnchannels()
        rate = file.getframerate()
    if not size:
        raise _no_wav(path, "no samples")
    if num_bytes < size:
        raise _no_wav(path, "fewer samples than its header says")
    return rate


def read_wav_samples(source: PathLike | bytes) -> tuple[np.ndarray, int]:
    """The samples of a WAV file, those of the first channel, and their rate.

    Args:
        source: Path of the file, or its bytes.

    Returns:
        A tuple of an int16 array of shape `(num_samples,)` and of samples in a second.

    Raises:
        DataError: If there is no such file, or it is none of 16-bit PCM with as many
            samples as its header says.

    Example:

    >>> content = io.BytesIO()
    >>> with wave.open(content, "wb") as file:
    ...     file.setparams((2, 2, 8000, 0, "NONE", ""))
    ...     file.writeframes(np.array([[3, 4], [5, 6]], "<i2").tobytes())
    >>> samples, sample_rate = read_wav_samples(content.getvalue())
    >>> samples.tolist(), sample_rate
    ([3, 5], 8000)
    """
    with _open_wav(source) as (file, _):
        channels, count = file.getnchannels(), file.getnframes()
        content = file.readframes(count)
        if len(content) != 2 * channels * count:
            raise _no_wav(source, "fewer samples than its header says")
        samples = np.frombuffer(content, "<i2").reshape(count, channels)
        return samples[:, 0], file.getframerate()


@contextmanager
def _open_wav(source: PathLike | bytes) -> Iterator[tuple[wave.Wave_read, int]]:
    """A WAV file of 16-bit PCM, and the number of bytes from its first sample on."""
    try:
        is_content = isinstance(source, bytes)
        with (
            io.BytesIO(source) if is_content else Path(source).open("rb") as content,
            wave.open(content) as file,
        ):
            start = content.tell()  # behind the header, however long that is
            num_bytes = content.seek(0, os.SEEK_END) - start
            content.seek(start)
            if file.getsampwidth() != 2:
                raise _no_wav(source, f"{8 * file.getsampwidth()}-bit samples")
            if file.getframerate() < 1:
                raise _no_wav(source, f"{file.getframerate()} samples a second")
            yield file, num_bytes
    except (OSError, EOFError, wave.Error) as error:
        reason = str(error) or "the end of the file in its header"
        raise _no_wav(source, reason) from error
    except RuntimeError as error:  # so `wave` tells of it
        raise _no_wav(source, "a chunk that is longer than the file") from error


def _no_wav(source: PathLike | bytes, received: str) -> DataError:
    name = f"{source!r:.80}" if isinstance(source, bytes) else source
    return DataError(
        f"{name}: must be a WAV file of 16-bit PCM, as 'ffmpeg -i IN -ac 1 -c:a "
        "pcm_s16le OUT.wav' or 'sox IN -b 16 -c 1 OUT.wav' writes it. "
        f"Received: {received}"
    )


def read_wav_table(
    path: PathLike,
    columns: Sequence[int] | Sequence[str] = (0, 1),
    sample_rate: int | None = None,
) -> list[tuple[str, str]]:
    r"""Reads a table of WAV files and texts, and looks at each file's header.

    Rows with an empty path or text are left out and reported by a warning of the logger
    "kseq2seq".

    Args:
        path: A table, as for `read_tsv`: paths, from the table's folder on, and texts.
        columns: As for `read_tsv`: the columns of the paths and the texts.
        sample_rate: Samples in a second that all files must have; those of the first
            file if `None`.

    Returns:
        List of `(path, text)`, for a `kseq2seq.Transcriber`.

    Raises:
        DataError: If the table or a file cannot be read, or a file has another sample
            rate; the error names file and line.
        ValueError: If `columns` are neither two integers of at least 0 nor two names,
            or `sample_rate` is no integer of at least 1.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with wave.open(str(folder / "a.wav"), "wb") as file:
    ...     file.setparams((1, 2, 8000, 0, "NONE", ""))
    ...     file.writeframes(bytes(2 * 800))
    >>> _ = (folder / "table.tsv").write_text("a.wav\tone two\n")
    >>> [(Path(path).name, text) for path, text in read_wav_table(folder / "table.tsv")]
    [('a.wav', 'one two')]
    """
    expected = check_integer("sample_rate", sample_rate, 1, optional=True)

    def check(file: Path) -> str:
        nonlocal expected
        rate = wav_sample_rate(file)
        expected = expected or rate
        if rate != expected:
            raise DataError(
                f"{file}: must have {expected} samples a second, as the files before "
                f"it: resample it, as by 'sox IN -r {expected} OUT.wav'. "
                f"Received: {rate}"
            )
        return str(file)

    return _read_table(path, columns, check)


def read_frame_table(
    path: PathLike,
    columns: Sequence[int] | Sequence[str] = (0, 1),
    frame_size: int | None = None,
) -> list[tuple[FrameFile, str]]:
    r"""Reads a table of files of frames and texts.

    Rows with an empty path or text are left out and reported by a warning of the logger
    "kseq2seq".

    Args:
        path: A table, as for `read_tsv`: paths, from the table's folder on, and texts.
        columns: As for `read_tsv`: the columns of the paths and the texts.
        frame_size: Size that the frames of all files must have; that of the first file
            if `None`.

    Returns:
        List of tuples of a `FrameFile` and a `str`, for `frame_batches`. Frames stay on
        the disk until a batch needs them.

    Raises:
        DataError: If the table or a file cannot be read, or a file has frames of
            another size; the error names file and line.
        ValueError: If `columns` are neither two integers of at least 0 nor two names,
            or `frame_size` is no integer of at least 1.

    Example:

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> np.save(folder / "a.npy", np.ones((5, 3)))
    >>> _ = (folder / "table.tsv").write_text("a.npy\tone two\n")
    >>> [(file.shape, text) for file, text in read_frame_table(folder / "table.tsv")]
    [((5, 3), 'one two')]
    """
    expected = check_integer("frame_size", frame_size, 1, optional=True)

    def check(path: Path) -> FrameFile:
        nonlocal expected
        file = FrameFile(path)
        expected = expected or file.shape[1]
        if file.shape[1] != expected:
            raise DataError(
                f"{path}: must have frames of size {expected}, as the files before it. "
                f"Received: size {file.shape[1]}"
            )
        return file

    return _read_table(path, columns, check)


def _read_table(
    table: PathLike,
    columns: Sequence[int] | Sequence[str],
    check: Callable[[Path], Checked],
) -> list[tuple[Checked, str]]:
    """The rows of a table, with a function's result in the place of each path."""
    is_pair = isinstance(columns, (list, tuple)) and len(columns) == 2
    if not is_pair or not all(isinstance(column, str) for column in columns):
        note = "the paths' and the texts', or their names in the first line"
        check_integers("columns", columns, 0, 2, note)
    rows, left_out, folder = [], 0, Path(table).parent
    for number, (name, text) in numbered_tsv(table, columns):
        if is_blank(name) or is_blank(text):
            left_out += 1
            continue
        try:
            rows.append((check(folder / name.strip()), text))
        except DataError as error:
            hint = ""
            if number == 1 and not isinstance(columns[0], str):
                hint = ". If this line names the columns, give `columns` by these names"
            raise DataError(f"{table}:{number}: {error}{hint}") from error
    if not rows:
        raise DataError(
            f"{table}: expected a path and a text in each line, with a tab between "
            f"them. Received: {left_out} lines, none of which has both"
        )
    if left_out:
        _logger.warning(
            "%s: left out %d of %d rows, whose path or text is empty.",
            table,
            left_out,
            left_out + len(rows),
        )
    return rows
