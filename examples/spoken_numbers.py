#!/usr/bin/env python3
"""Makes recordings of spoken numbers, to train a model that writes them down.

    python spoken_numbers.py numbers
    kseq2seq train spoken_numbers --data numbers

eSpeak NG says numbers of one to six digits in many voices, with accents, speeds and
pitches of their own, and noise is mixed in. The folder gets a WAV file for each number
and the tables train.tsv, validation.tsv and test.tsv: path, number and voice. No voice
of the test is in the others. It needs the program `espeak-ng` and NumPy.
"""

import argparse
import random
import shutil
import subprocess
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

PROGRAM = "espeak-ng"
ACCENTS = ("en-gb", "en-us", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-gb-x-gbclan")
# These hardly speak: they whisper, croak, or are robots.
LEFT_OUT = ("whisper", "croak", "robosoft", "demonic", "unirobot", "klatt", "zac")
DIGITS = (1, 2, 3, 3, 4, 4, 5, 6)
LEAST = (0, 0, 10, 100, 1000, 10000, 100000)
TEST_VOICES = 12
# Loudness of the voice above the noise, in decibels.
LOUDNESS = (5.0, 30.0)


def find_voices():
    """The voices of eSpeak NG that speak clearly, in order."""
    if shutil.which(PROGRAM) is None:
        raise SystemExit(
            f"{PROGRAM} is missing: install it, as by 'apt-get install espeak-ng' on "
            "Debian and Ubuntu or 'brew install espeak-ng' on macOS."
        )
    listed = subprocess.check_output([PROGRAM, "--voices=variant"], text=True)
    names = {cell[3:] for cell in listed.split() if cell.startswith("!v/")}
    return sorted(x for x in names if not any(y in x.lower() for y in LEFT_OUT))


def draw_numbers(count, voices, generator):
    """Numbers, each with the options of eSpeak NG that say it."""
    rows = []
    for _ in range(count):
        digits = generator.choice(DIGITS)
        number = generator.randrange(LEAST[digits], 10**digits)
        voice = f"{generator.choice(ACCENTS)}+{generator.choice(voices)}"
        speed, pitch = generator.randrange(120, 221), generator.randrange(20, 81)
        options = ["-v", voice, f"-s{speed}", f"-p{pitch}"]
        rows.append((str(number), voice, options, generator.randrange(2**32)))
    return rows


def say(path, number, options, seed):
    """Writes a recording of a number, with noise."""
    subprocess.run([PROGRAM, *options, "-w", str(path), number], check=True)
    with wave.open(str(path), "rb") as file:
        parameters, content = file.getparams(), file.readframes(file.getnframes())
    samples = np.frombuffer(content, "<i2").astype("float64")
    noisy = samples + make_noise(samples, np.random.default_rng(seed))
    with wave.open(str(path), "wb") as file:
        file.setparams(parameters)
        file.writeframes(np.clip(noisy, -32768, 32767).astype("<i2").tobytes())


def make_noise(samples, generator):
    """Noise, white, pink or brown, so much softer than the samples as is drawn."""
    spectrum = np.fft.rfft(generator.normal(size=len(samples)))
    frequencies = np.maximum(1, np.arange(len(spectrum)))
    spectrum /= frequencies ** generator.choice([0.0, 0.5, 1.0])
    noise = np.fft.irfft(spectrum, len(samples))
    decibels = generator.uniform(*LOUDNESS)
    power = np.mean(samples**2) / 10 ** (decibels / 10)
    return noise * np.sqrt(power / np.mean(noise**2))


def write_part(folder, name, rows):
    """Writes the recordings of a part of the data, and then its table."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    width = len(str(len(rows)))
    paths = [Path(name) / f"{n:0{width}}.wav" for n in range(1, len(rows) + 1)]

    def say_row(path, row):
        number, _, options, seed = row
        say(folder / path, number, options, seed)

    with ThreadPoolExecutor() as pool:
        list(pool.map(say_row, paths, rows))
    with (folder / f"{name}.tsv").open("w", encoding="utf-8") as file:
        for path, (number, voice, *_) in zip(paths, rows, strict=True):
            file.write(f"{path.as_posix()}\t{number}\t{voice}\n")


def main(arguments=None):
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="folder to write")
    for name, count in (("train", 14000), ("validation", 200), ("test", 400)):
        parser.add_argument(f"--{name}", type=int, default=count, metavar="NUMBERS")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    voices = find_voices()
    random.Random(options.seed).shuffle(voices)
    new, known = voices[:TEST_VOICES], voices[TEST_VOICES:]
    for name, of_part in (("train", known), ("validation", known), ("test", new)):
        generator = random.Random(f"{options.seed} {name}")
        rows = draw_numbers(getattr(options, name), of_part, generator)
        write_part(options.folder, name, rows)
        print(f"{name}: {len(rows)} numbers in {len(of_part)} voices", flush=True)


if __name__ == "__main__":
    main()
