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


def write_recordings(folder, texts, rate=8000):
    """A folder with a WAV file for each text, and a table `all.tsv` of them.

    Each letter is a tone of its own, of 40 ms.
    """
    folder.mkdir(exist_ok=True)
    times = np.arange(rate // 25) / rate
    rows = []
    for number, text in enumerate(texts):
        tones = [np.sin(2 * np.pi * (300 + 200 * (ord(x) % 9)) * times) for x in text]
        with wave.open(str(folder / f"{number}.wav"), "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            samples = 9000 * np.concatenate(tones)
            file.writeframes(samples.astype("<i2").tobytes())
        rows.append(f"{number}.wav\t{text}\n")
    (folder / "all.tsv").write_text("".join(rows))
    return folder / "all.tsv"
