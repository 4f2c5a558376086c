"""Tables of WAV files and of files of frames."""

import io
import logging
import re
import struct
import wave

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import data
from kseq2seq.tokenizers import train_tokenizer
from waves import wav, write_recordings

FRAMES = np.random.default_rng(0).normal(size=(7, 3))


@pytest.fixture(name="folder")
def folder_(tmp_path):
    (tmp_path / "frames").mkdir()
    np.save(tmp_path / "frames" / "a.npy", FRAMES)
    np.savez(tmp_path / "frames" / "b.npz", any=FRAMES[:5].astype("float16"))
    return tmp_path


def test_a_table_of_files_of_frames(folder, caplog):
    table = folder / "table.tsv"
    table.write_text("text\tfile\nab\tframes/a.npy\n\tframes/a.npy\nc\tframes/b.npz\n")
    with caplog.at_level(logging.WARNING, "kseq2seq"):
        rows = data.read_frame_table(table, ("file", "text"))
    assert "left out 1 of 3 rows, whose path or text is empty" in caplog.text
    assert [(file.shape, text) for file, text in rows] == [
        ((7, 3), "ab"),
        ((5, 3), "c"),
    ]
    tokenizer = train_tokenizer(["abc"], kind="character")
    inputs, _ = next(iter(data.frame_batches(rows, tokenizer, buckets=(8,))))
    np.testing.assert_allclose(inputs["frames"][0, :7], FRAMES, rtol=1e-6)
    np.testing.assert_allclose(inputs["frames"][1, :5], FRAMES[:5], atol=1e-2)
    np.save(folder / "frames" / "a.npy", np.where(FRAMES > 1, np.nan, FRAMES))
    match = rf"a.npy: must hold finite .*Received: {np.sum(FRAMES > 1)} that"
    with pytest.raises(data.DataError, match=match):
        np.asarray(rows[0][0])
    # Which a dataset passes on with its own words around it.
    with pytest.raises(tf.errors.OpError, match=match):
        list(data.frame_batches(rows, tokenizer, buckets=(8,)))
    np.save(folder / "frames" / "a.npy", FRAMES[:2])
    with pytest.raises(data.DataError, match=r"has changed .* Received: \(2, 3\)"):
        np.asarray(rows[0][0])


def npy(array):
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("no.npy", None, "must be a file of NumPy.*No such file"),
        ("c.npy", b"", "must be a file of NumPy"),
        ("c.npy", b"\x93NUMPY rest", "must be a file of NumPy"),
        ("c.npz", b"PK\x03\x04 rest", "must be a file of NumPy"),
        ("c.npz", npy(np.zeros((2, 3))), r"must be a file of NumPy.*shape \(2, 3\)"),
        ("c.npy", np.zeros(3), r"must hold numbers of .*Received: float64 of"),
        (
            "c.npy",
            np.zeros((2, 4)),
            "must have frames of size 3, .*: size 4",
        ),
    ],
)
def test_a_file_that_is_none_of_frames(folder, name, content, match):
    path = folder / "frames" / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.save(path, content)
    table = folder / "table.tsv"
    table.write_text(f"frames/a.npy\tab\n\nframes/{name}\tc\n")
    place = re.escape(f"{table}:3: {path}: ")
    with pytest.raises(data.DataError, match=place + match):
        data.read_frame_table(table)


def test_a_table_of_recordings(tmp_path):
    table = write_recordings(tmp_path / "speech", ["ab", "c"])
    paths = [str(table.parent / f"{number}.wav") for number in range(2)]
    assert data.read_wav_table(table) == [(paths[0], "ab"), (paths[1], "c")]
    assert data.wav_sample_rate(paths[0]) == 8000
    match = re.escape(f"{table}:1: {paths[0]}: must have 16000") + ".* Received: 8000"
    with pytest.raises(data.DataError, match=match):
        data.read_wav_table(table, sample_rate=16000)
    table.write_text("path\tsentence\n0.wav\tab\n")
    with pytest.raises(data.DataError, match=r":1: .*path: must be .*by these names"):
        data.read_wav_table(table)
    assert data.read_wav_table(table, ("path", "sentence")) == [(paths[0], "ab")]
    table.write_text("0.wav\n")
    with pytest.raises(data.DataError, match=r"all.tsv:1: column 1 .* is missing"):
        data.read_wav_table(table)
    table.write_text("0.wav\t\n")
    with pytest.raises(data.DataError, match="Received: 1 lines, none of which has"):
        data.read_wav_table(table)


def _bytes_per_sample(width):
    def write(path):
        with wave.open(str(path), "wb") as file:
            file.setparams((1, width, 8000, 0, "NONE", ""))
            file.writeframes(bytes(12))

    return write


@pytest.mark.parametrize(
    ("write", "received"),
    [
        (lambda path: None, "No such file"),
        (lambda path: path.write_bytes(b"RIFF"), "the end of the file in its header"),
        (lambda path: path.write_bytes(b"ID3 and so on"), "file does not start with"),
        (lambda path: path.write_bytes(wav(0)[0]), "no samples"),
        (lambda path: path.write_bytes(wav(99)[0][:-9]), "fewer samples than its"),
        (_bytes_per_sample(3), "24-bit samples"),
    ],
)
def test_a_file_that_is_no_recording(tmp_path, write, received):
    write(tmp_path / "a.wav")
    match = (
        f"a.wav: must be a WAV file of 16-bit PCM, as 'ffmpeg.* Received: .*{received}"
    )
    with pytest.raises(data.DataError, match=match):
        data.wav_sample_rate(tmp_path / "a.wav")


@pytest.mark.parametrize(
    ("read", "number"),
    [(data.read_wav_table, "sample_rate"), (data.read_frame_table, "frame_size")],
)
def test_arguments_of_tables_are_checked(tmp_path, read, number):
    for columns in ((0,), (0, -1), (0, 1, 2), (0, "text"), "path"):
        with pytest.raises(ValueError, match="`columns` must be a list of 2 integers"):
            read(tmp_path / "no.tsv", columns)
    for value in (0, "3"):
        with pytest.raises(ValueError, match=f"`{number}` must be .*of at least 1"):
            read(tmp_path / "no.tsv", **{number: value})


def _with_chunk(content, size, body, where=36):
    """A WAV file with a chunk ahead of its samples, or at another place."""
    chunk = b"LIST" + struct.pack("<I", size) + body
    content = content[:where] + chunk + content[where:]
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]


def test_other_chunks_are_passed_over(tmp_path):
    content, samples = wav(131)
    path = tmp_path / "a.wav"
    odd = 5, b"INFOx\0"  # with the byte that makes it even
    for given in (
        _with_chunk(content, *odd),
        _with_chunk(content, *odd, where=len(content)),
        _with_chunk(content, 400, bytes(400)),
        content + b"abc",
    ):
        path.write_bytes(given)
        assert data.wav_sample_rate(path) == 8000
        for source in (path, given):
            received, rate = data.read_wav_samples(source)
            assert (received.dtype, rate) == ("int16", 8000)
            np.testing.assert_array_equal(received, np.round(samples * 2**15))


def test_the_first_channel_is_read_as_tensorflow_reads_it():
    stereo = np.random.default_rng(3).uniform(-1, 1, size=(101, 2)).astype("float32")
    content = tf.audio.encode_wav(stereo, 11025).numpy()
    expected, rate = tf.audio.decode_wav(content)
    samples, received = data.read_wav_samples(content)
    assert received == int(rate) == 11025
    np.testing.assert_array_equal(samples / np.float32(2**15), expected[:, 0])


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (_with_chunk(wav(99)[0], 4000, b"INFO"), "chunk that is longer than the file"),
        (_with_chunk(wav(99)[0], 400, bytes(400))[:-9], "fewer samples than its heade"),
        (wav(99)[0][:24] + bytes(4) + wav(99)[0][28:], "Received: 0 samples a second"),
    ],
)
def test_damaged_recordings_name_what_is_wrong(tmp_path, content, received):
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    for read, source in (
        (data.wav_sample_rate, path),
        (data.read_wav_samples, path),
        (data.read_wav_samples, content),
    ):
        name = "a.wav" if source is path else "b.RIFF.*"
        with pytest.raises(data.DataError, match=f"{name}: must be .*{received}"):
            read(source)


@pytest.mark.parametrize("kind", ["npy", "npz", "wav"])
def test_whatever_is_damaged_is_an_error_of_data(tmp_path, kind):
    path, rng = tmp_path / f"a.{kind}", np.random.default_rng(7)
    if kind == "wav":
        path.write_bytes(_with_chunk(wav(99)[0], 4, b"INFO"))
    elif kind == "npy":
        np.save(path, rng.normal(size=(11, 3)))
    else:
        np.savez_compressed(path, rng.normal(size=(11, 3)))
    content, errors = path.read_bytes(), 0
    read = data.read_wav_samples if kind == "wav" else data.FrameFile
    for _ in range(300):
        damaged = bytearray(content)
        damaged[rng.integers(min(len(content), 200))] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            np.asarray(read(path)[0] if kind == "wav" else read(path))
        except data.DataError as error:
            assert str(path) in str(error)
            errors += 1
    assert errors > 30


def test_a_file_of_several_arrays_is_told_by_their_names(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((2, 3)), y=np.ones((2, 3)))
    with pytest.raises(data.DataError, match=r"one array. Received: 2 arrays: x, y"):
        data.FrameFile(tmp_path / "a.npz")
