"""Log-mel features of waveforms, as a layer."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kseq2seq.layers.frames.reduction import check_is_boolean, num_blocks
from kseq2seq.utils import Tensor, check_boolean, check_integer, check_number

# Of the power in a band; below the noise of 16 bits.
_LEAST_POWER = 1e-10


@keras.saving.register_keras_serializable(package="kseq2seq")
class LogMel(keras.layers.Layer):
    """Logarithms of the power in bands of the mel scale, a frame every few samples.

    The window of frame `i` begins at sample `i * stride + (n - window) // 2`, where `n`
    is the power of 2 from `window` on, for which Fourier transforms are fast; behind
    the end of a waveform there is silence. All is computed in float32, and rounded to
    the layer's compute dtype at the end. The bands are those of
    `keras.layers.MelSpectrogram`. That layer's own decibels depend on the loudest row
    of a batch, and its first and last frames on mirrored samples; here rows are
    independent, and so is what a row is padded to.

    Args:
        num_bands: Number of bands: the size of a frame.
        sample_rate: Samples in a second.
        window: Samples of a frame; by default of 25 ms.
        stride: Samples from one frame to the next; by default of 10 ms.
        min_frequency: Lower edge of the lowest band, in hertz.
        max_frequency: Upper edge of the highest one; half the sample rate if `None`.
        normalize: Whether each band has mean 0 and variance 1 over the frames of a
            row.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        waveforms: Tensor of shape `(batch, num_samples)`, from -1 to 1.
        mask: Boolean tensor of shape `(batch, num_samples)`, `True` at samples and
            `False` at the padding behind them.

    Returns:
        A tuple `(frames, mask)` of shapes `(batch, num_frames, num_bands)` and
        `(batch, num_frames)`. A waveform of `n` samples has `ceil(n / stride)` frames,
        and at least one; what stands at padding is 0.

    Raises:
        ValueError: If a number is out of range, or an input has another number of axes,
            or the mask is not boolean.

    Example:

    >>> layer = LogMel(num_bands=20, sample_rate=8000)
    >>> waveforms = keras.ops.ones((2, 800))
    >>> frames, mask = layer(waveforms, keras.ops.ones((2, 800), "bool"))
    >>> tuple(frames.shape), tuple(mask.shape)
    ((2, 10, 20), (2, 10))

    Reference:
        [Davis & Mermelstein, 1980](https://doi.org/10.1109/TASSP.1980.1163420), without
        the cosine transform.
    """

    def __init__(
        self,
        num_bands: int = 80,
        sample_rate: int = 16000,
        window: int | None = None,
        stride: int | None = None,
        min_frequency: float = 20.0,
        max_frequency: float | None = None,
        normalize: bool = True,
        **kwargs: Any,
    ) -> None:
        # Without autocast: samples rounded to half precision are noise in all bands.
        super().__init__(**kwargs, autocast=False)
        self.num_bands = check_integer("num_bands", num_bands, 1)
        self.sample_rate = check_integer("sample_rate", sample_rate, 100)
        window = sample_rate // 40 if window is None else window
        stride = sample_rate // 100 if stride is None else stride
        self.window = check_integer("window", window, 2)
        self.stride = check_integer("stride", stride, 1)
        half = sample_rate / 2
        highest = half if max_frequency is None else max_frequency
        self.max_frequency = check_number("max_frequency", highest, above=0, most=half)
        self.min_frequency = check_number(
            "min_frequency", min_frequency, least=0, below=self.max_frequency
        )
        self.normalize = check_boolean("normalize", normalize)
        # The next power of 2, for which Fourier transforms are fast.
        self.fft_length = 1 << (self.window - 1).bit_length()
        # Eagerly, and as a constant: it would be made anew in each call otherwise.
        self.bands = _bands(self)
        # Periodic. That of TensorFlow is not where the window is odd.
        angles = 2 * np.pi * np.arange(self.window) / self.window
        self.hann = (0.5 - 0.5 * np.cos(angles)).astype("float32")
        self.built = True

    @property
    def seconds_per_frame(self) -> float:
        """Time from one frame to the next."""
        return self.stride / self.sample_rate

    def call(self, waveforms: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        _check_waveforms(waveforms, mask)
        samples = ops.where(mask, ops.cast(waveforms, "float32"), 0.0)
        # One frame at least, and each whole.
        samples = ops.pad(samples, [(0, 0), (0, self.fft_length + self.stride)])
        real, imaginary = ops.stft(
            samples,
            self.window,
            self.stride,
            self.fft_length,
            window=self.hann,
            center=False,
        )
        power = ops.square(real) + ops.square(imaginary)
        frames = ops.log(ops.maximum(ops.matmul(power, self.bands), _LEAST_POWER))
        count = self._num_frames(ops.shape(waveforms)[1])
        lengths = ops.sum(ops.cast(mask, "int32"), axis=1)  # (B,)
        lengths = self._num_frames(lengths)
        real_frames = ops.arange(count) < lengths[:, None]  # (B, S)
        frames = frames[:, :count]
        if self.normalize:
            frames = _normalized(frames, real_frames)
        frames = ops.where(real_frames[..., None], frames, 0.0)
        return ops.cast(frames, self.compute_dtype), real_frames

    def _num_frames(self, num_samples: Any) -> Any:
        count = num_blocks(num_samples, self.stride)
        return max(count, 1) if isinstance(count, int) else ops.maximum(count, 1)

    def compute_output_spec(
        self, waveforms: keras.KerasTensor, mask: keras.KerasTensor
    ) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        _check_waveforms(waveforms, mask)
        batch, length = waveforms.shape
        count = None if length is None else max(1, num_blocks(length, self.stride))
        frames = keras.KerasTensor((batch, count, self.num_bands), self.compute_dtype)
        return frames, keras.KerasTensor((batch, count), "bool")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_bands": self.num_bands,
            "sample_rate": self.sample_rate,
            "window": self.window,
            "stride": self.stride,
            "min_frequency": self.min_frequency,
            "max_frequency": self.max_frequency,
            "normalize": self.normalize,
        }


def _check_waveforms(waveforms, mask):
    lengths = waveforms.shape[-1:] + mask.shape[-1:]
    is_flat = len(waveforms.shape) == len(mask.shape) == 2
    if not is_flat or (None not in lengths and lengths[0] != lengths[1]):
        raise ValueError(
            "`waveforms` and `mask` must have shape (batch, num_samples); give a "
            "single recording an axis of 1, waveform[None]. "
            f"Received: shapes {tuple(waveforms.shape)} and {tuple(mask.shape)}"
        )
    check_is_boolean(mask)


def _bands(layer: LogMel) -> np.ndarray:
    """Weights of the spectrum's frequencies in each band, from Keras's own layer."""
    keras_layer = keras.layers.MelSpectrogram(dtype="float32")
    matrix = keras_layer.linear_to_mel_weight_matrix(
        num_mel_bins=layer.num_bands,
        num_spectrogram_bins=layer.fft_length // 2 + 1,
        sampling_rate=layer.sample_rate,
        lower_edge_hertz=layer.min_frequency,
        upper_edge_hertz=layer.max_frequency,
    )
    return ops.convert_to_numpy(matrix)


def _normalized(frames, mask):
    """Frames of which each band has mean 0 and variance 1 over those that are real."""
    weight = ops.cast(mask, "float32")[..., None]  # (B, S, 1)
    count = ops.sum(weight, axis=1, keepdims=True)
    mean = ops.sum(weight * frames, axis=1, keepdims=True) / count
    centred = frames - mean
    variance = ops.sum(weight * ops.square(centred), axis=1, keepdims=True) / count
    # A row of one frame, or of silence, has no variance.
    return centred / ops.sqrt(variance + 1e-5)
