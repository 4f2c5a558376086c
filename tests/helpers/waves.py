"""WAV files of noise, as bytes."""

import io
import wave

import numpy as np


def wav(num_samples, rate=8000, seed=0, channels=1):
    """A file of 16-bit PCM, and its samples from -1 to 1."""
    samples = np.random.default_rng(seed).normal(scale=3000, size=num_samples)
    samples = samples.astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        # Other channels are silent.
        silent = np.zeros((num_samples, channels - 1), "<i2")
        writer.writeframes(np.concatenate([samples[:, None], silent], axis=1).tobytes())
    return file.getvalue(), samples.astype("float32") / 32768
