"""`FrameReader`: recordings, files and arrays to the frames that a model reads."""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kseq2seq.data import FrameFile, read_wav_samples
from kseq2seq.inference.batches import check_texts
from kseq2seq.layers import LogMel
from kseq2seq.utils import PathLike, as_array, check_integer

# Files of NumPy, which hold frames. All others are WAV files.
FRAME_SUFFIXES = (".npy", ".npz")


def is_recording(source: Any) -> bool:
    """Whether a source is a path, or the bytes of a file.

    Args:
        source: The source.

    Example:

    >>> is_recording(b"RIFF"), is_recording(["a.wav"])
    (True, False)
    """
    return isinstance(source, (str, os.PathLike, bytes, bytearray, memoryview))


def sources_and_texts(pairs: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """The sources and the texts of pairs.

    Args:
        pairs: Tuples of a source and a text.

    Raises:
        ValueError: If one of them is none; the error names it.

    Example:

    >>> sources_and_texts([("a.wav", "one"), ("b.wav", "two")])
    (['a.wav', 'b.wav'], ['one', 'two'])
    """
    sources, texts = [], []
    for number, pair in enumerate(pairs):
        is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
        if not is_pair or not isinstance(pair[1], str):
            raise ValueError(
                "`pairs` must hold tuples of a source and a text. Received: "
                f"pairs[{number}] of {type(pair).__name__}, {pair!r:.80}"
            )
        sources.append(pair[0])
        texts.append(pair[1])
    return sources, check_texts(texts)


def _finite(array: np.ndarray) -> np.ndarray:
    """The array, if all of its numbers are finite."""
    if np.isfinite(array).all():
        return array
    raise ValueError(
        "`sources` must hold finite numbers: put a number in the place of each that is "
        f"missing. Received: {np.sum(~np.isfinite(array))} of {array.size} that are "
        "NaN or infinite"
    )


def _shown(given: Any, array: np.ndarray | None) -> str:
    """A source in an error: dtype and shape of an array, not the numbers in it."""
    if array is None or array.dtype.kind in "OSU":
        return f"{given!r:.80}"
    numbers = f"{array.dtype} of shape {array.shape}"
    return f"{given}, {numbers}" if isinstance(given, (str, Path)) else numbers


def _samples(array: np.ndarray) -> np.ndarray:
    """A waveform from -1 to 1; of integers the type tells what they are parts of."""
    if array.dtype == "int16":
        return array / 2**15  # as a WAV file has them
    if array.dtype.kind == "f" or not array.size:
        return array
    raise ValueError(
        "A waveform must be of floating-point numbers from -1 to 1, or of 16-bit "
        "integers: divide others by the largest there may be, or make them 16-bit by "
        f"waveform.astype('int16') if they are. Received: {array.dtype} of shape "
        f"{array.shape}"
    )


def _samples_of_file(source: PathLike | bytes, sample_rate: int) -> np.ndarray:
    """The samples of a WAV file of that sample rate."""
    samples, received = read_wav_samples(source)
    if received != sample_rate:
        name = f"{source!r:.80}" if isinstance(source, bytes) else source
        raise ValueError(
            f"A WAV file must have {sample_rate} samples a second, as 'ffmpeg -i IN "
            f"-ac 1 -ar {sample_rate} -c:a pcm_s16le OUT.wav' writes it. Received: "
            f"{name}, with {received} samples a second"
        )
    return samples


class FrameReader:
    """Makes frames of sources: of arrays, of files of NumPy, and of WAV files.

    Args:
        frame_size: Size of a frame.
        log_mel: The `kseq2seq.layers.LogMel` that makes frames of waveforms and WAV
            files; `None` where all sources are frames.

    Attributes:
        frame_size: As given.
        log_mel: As given.

    Raises:
        ValueError: If there is no such layer, or it gives frames of another size.

    Example:

    >>> reader = FrameReader(20, LogMel(20, sample_rate=8000))
    >>> reader(np.zeros(800)).shape
    (10, 20)
    """

    def __init__(self, frame_size: int, log_mel: LogMel | None = None) -> None:
        self.frame_size = check_integer("frame_size", frame_size, 1)
        if log_mel is not None and not isinstance(log_mel, LogMel):
            raise ValueError(
                "`log_mel` must be a `layers.LogMel`, or None for a model of frames. "
                f"Received: log_mel={log_mel!r:.80}"
            )
        self.log_mel = log_mel
        if log_mel is not None and log_mel.num_bands != frame_size:
            raise ValueError(
                f"`log_mel` must give frames of the size {frame_size} that the "
                f"model was built with. Received: num_bands={log_mel.num_bands}"
            )

    def __reduce__(self):
        return type(self), (self.frame_size, self.log_mel)

    def __call__(self, source: Any) -> np.ndarray:
        """The frames of a source.

        Args:
            source: Frames, an array of shape `(num_frames, frame_size)`; the path of a
                `.npy` or `.npz` file of them; with `log_mel` also a waveform, an array
                of shape `(num_samples,)`, from -1 to 1 or of 16-bit integers, or the
                path or the bytes of a WAV file.

        Returns:
            float32 array of shape `(num_frames, frame_size)`.

        Raises:
            ValueError: If it is none of these, or has a number that is not finite.
            FileNotFoundError: If there is no such file.
        """
        given = source
        if isinstance(source, (bytearray, memoryview)):
            source = bytes(source)
        is_wav = isinstance(source, bytes)
        if isinstance(source, (str, os.PathLike)):
            path = Path(source)
            is_frames = path.suffix.lower() in FRAME_SUFFIXES
            if not path.is_file():
                raise FileNotFoundError(
                    "`sources` must be frames, waveforms, or paths of files that are "
                    f"there. Received: {str(path)!r}, which is no file"
                )
            is_wav = not is_frames
            source = FrameFile(path) if is_frames else path
        if is_wav and self.log_mel is not None:
            source = _samples_of_file(source, self.log_mel.sample_rate)
            is_wav = False
        array = None if is_wav else np.asarray(as_array(source, "sources"))
        if array is not None and array.dtype.kind in "fiu":
            if array.ndim == 1:
                array = _samples(array)
            array = _finite(array.astype("float32"))
            if array.ndim == 2 and array.shape[1] == self.frame_size:
                return array
            if array.ndim == 1 and self.log_mel is not None:
                return self._frames_of_samples(tf.constant(array)).numpy()
        others = ", or, with `log_mel`, waveforms and WAV files"
        raise ValueError(
            "`sources` must be a list of frames of shape (num_frames, "
            f"{self.frame_size}){others}. "
            f"Received: {_shown(given, array)} with log_mel={self.log_mel}"
        )

    # Traced once, for all lengths: faster than operation by operation.
    @cached_property
    def _frames_of_samples(self):
        spec = tf.TensorSpec([None], tf.float32)
        graph = tf.function(self._frames, input_signature=[spec], autograph=False)
        return graph.get_concrete_function()

    def _frames(self, samples):
        layer: Any = self.log_mel
        frames, _ = layer(samples[None], tf.ones_like(samples[None], "bool"))
        # Of no samples the layer makes a frame, which a SavedModel does not read.
        frames = frames[0, : tf.shape(frames)[1] * tf.minimum(tf.size(samples), 1)]
        # In half precision only the model reads them.
        return tf.cast(frames, tf.float32)
