"""`FrameReader`: recordings, files and arrays to the frames that a model reads."""

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from kseq2seq.data import FrameFile, wav_sample_rate
from kseq2seq.inference.waveforms import read_wav
from kseq2seq.layers import LogMel
from kseq2seq.utils import check_integer

# Files of NumPy, which hold frames. All others are WAV files.
FRAME_SUFFIXES = (".npy", ".npz")


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


def _wrong_wav(given: Any, sample_rate: int) -> ValueError:
    """The error of a WAV file that cannot be read, which tells of one on the disk."""
    received = f"{given!r:.80}"
    if not isinstance(given, bytes):
        rate = wav_sample_rate(given)  # tells itself what else is wrong
        received = f"{given}, with {rate} samples a second"
    return ValueError(
        f"A WAV file must be of 16-bit PCM, with {sample_rate} samples a second, as "
        f"'ffmpeg -i IN -ar {sample_rate} -c:a pcm_s16le OUT.wav' writes it. "
        f"Received: {received}"
    )


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
            FileNotFoundError: If there is no such WAV file.
        """
        given = source
        if isinstance(source, (str, Path)):
            path = Path(source)
            is_frames = path.suffix.lower() in FRAME_SUFFIXES
            if not is_frames and not path.is_file():
                raise FileNotFoundError(
                    "`sources` must be frames, waveforms, or paths of files that are "
                    f"there. Received: {str(path)!r}, which is no file"
                )
            source = FrameFile(path) if is_frames else path.read_bytes()
        if isinstance(source, bytes) and self.log_mel is not None:
            try:
                return self._frames_of_file(tf.constant(source)).numpy()
            except tf.errors.InvalidArgumentError as error:
                raise _wrong_wav(given, self.log_mel.sample_rate) from error
        array = None if isinstance(source, bytes) else np.asarray(source)
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

    # Each traced once, for all lengths: faster than operation by operation.
    @cached_property
    def _frames_of_samples(self):
        return _traced(self._frames, tf.TensorSpec([None], tf.float32))

    @cached_property
    def _frames_of_file(self):
        def frames_of_file(content):
            layer: Any = self.log_mel
            samples, _ = read_wav(content[None], layer.sample_rate)
            return self._frames(samples[0])

        return _traced(frames_of_file, tf.TensorSpec([], tf.string))

    def _frames(self, samples):
        layer: Any = self.log_mel
        frames, _ = layer(samples[None], tf.ones_like(samples[None], "bool"))
        # Of no samples the layer makes a frame, which a SavedModel does not read.
        return frames[0, : tf.shape(frames)[1] * tf.minimum(tf.size(samples), 1)]


def _traced(function, spec):
    graph = tf.function(function, input_signature=[spec], autograph=False)
    return graph.get_concrete_function()
