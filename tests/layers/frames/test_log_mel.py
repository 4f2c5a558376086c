"""Log-mel features, against the formulas in plain NumPy."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import LogMel

RATE, WINDOW, STRIDE, BANDS = 1000, 19, 7, 5
FFT_LENGTH = 32


def hertz_to_mel(hertz):
    return 2595 * np.log10(1 + hertz / 700)


def expected_frames(samples, low=50.0, high=RATE / 2):
    """One waveform: windows, discrete Fourier transforms by their sum, triangles."""
    edges = np.linspace(hertz_to_mel(low), hertz_to_mel(high), BANDS + 2)
    frequencies = hertz_to_mel(np.arange(FFT_LENGTH // 2 + 1) * RATE / FFT_LENGTH)
    # Of the periodic kind, whatever is odd, in the middle of what is transformed.
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    before = (FFT_LENGTH - WINDOW) // 2
    frames = []
    for start in range(0, max(len(samples), 1), STRIDE):
        piece = samples[start + before : start + before + WINDOW]
        piece = np.pad(piece, (0, WINDOW - len(piece))) * hann
        bands = np.zeros(BANDS)
        for k in range(1, FFT_LENGTH // 2 + 1):
            angles = 2 * np.pi * k * np.arange(WINDOW) / FFT_LENGTH
            power = (piece @ np.cos(angles)) ** 2 + (piece @ np.sin(angles)) ** 2
            for band in range(BANDS):
                low_edge, top, high_edge = edges[band : band + 3]
                rise = (frequencies[k] - low_edge) / (top - low_edge)
                fall = (high_edge - frequencies[k]) / (high_edge - top)
                bands[band] += max(0, min(rise, fall)) * power
        frames.append(np.log(np.maximum(bands, 1e-10)))
    return np.array(frames)


def make_layer(**options):
    options = {"window": WINDOW, "stride": STRIDE, "min_frequency": 50.0, **options}
    return LogMel(BANDS, RATE, **options)


LENGTHS = (97, 43, 7, 0)


def batch(width=101, fill=np.nan):
    samples = np.random.default_rng(0).normal(size=(len(LENGTHS), width))
    mask = np.arange(width) < np.array(LENGTHS)[:, None]
    return np.where(mask, samples, fill).astype("float32"), mask


@pytest.mark.parametrize("normalize", [False, True])
def test_rows_are_as_the_formulas_say_whatever_they_are_padded_to(normalize):
    samples, mask = batch()
    frames, frame_mask = make_layer(normalize=normalize)(samples, mask)
    assert frames.shape == (4, 15, BANDS)
    for row, own, own_mask, length in zip(
        samples, frames, frame_mask, LENGTHS, strict=True
    ):
        expected = expected_frames(row[:length].astype("float64"))
        if normalize:
            variance = expected.var(axis=0)
            expected = (expected - expected.mean(axis=0)) / np.sqrt(variance + 1e-5)
        count = max(1, -(-length // STRIDE))
        assert len(expected) == count
        np.testing.assert_array_equal(own_mask, np.arange(15) < count)
        np.testing.assert_allclose(own[:count], expected, atol=1e-3)
        np.testing.assert_array_equal(own[count:], 0)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_rounds_frames_and_no_samples(dtype):
    # A loud tone, and noise below what half precision has beside it.
    noise = 1e-4 * np.random.default_rng(0).normal(size=(1, 500))
    samples = np.sin(np.arange(500) * 0.7)[None] + noise
    mask = np.ones_like(samples, "bool")
    frames, _ = make_layer(normalize=False)(samples, mask)
    rounded, _ = make_layer(normalize=False, dtype=dtype)(samples, mask)
    np.testing.assert_array_equal(rounded, keras.ops.cast(frames, rounded.dtype))


def test_defaults_are_25_and_10_milliseconds():
    layer = LogMel(sample_rate=22050)
    assert (layer.window, layer.stride, layer.fft_length) == (551, 220, 1024)
    assert layer.seconds_per_frame == 220 / 22050


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_bands", 0),
        ("sample_rate", 99),
        ("window", 1),
        ("stride", 0),
        ("min_frequency", -1.0),
        ("max_frequency", 501.0),
        ("normalize", 1),
    ],
)
def test_options_are_checked(name, value):
    options = {"num_bands": 3, "sample_rate": RATE, "window": 20, "stride": 7}
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}="):
        LogMel(**{**options, name: value})


def test_a_recording_alone_has_no_axis_of_the_batch():
    layer = LogMel(num_bands=3, sample_rate=RATE, window=20, stride=7)
    with pytest.raises(ValueError, match=r"waveform\[None\].*\(50,\) and \(50,\)"):
        layer(np.ones(50, "float32"), np.ones(50, "bool"))
