"""Sources to frames: arrays, files of NumPy and WAV files, beside the layer itself."""

import pickle

import numpy as np
import pytest

from kseq2seq.inference.frame_reader import FrameReader
from kseq2seq.layers import LogMel
from waves import wav

RATE, BANDS, SIZE = 8000, 11, 7
CONTENT, SAMPLES = wav(1717, RATE)


@pytest.fixture(scope="module")
def reader():
    return FrameReader(BANDS, LogMel(BANDS, RATE))


@pytest.fixture(scope="module")
def expected():
    frames, _ = LogMel(BANDS, RATE)(SAMPLES[None], np.ones((1, 1717), bool))
    return np.asarray(frames)[0]


def test_recordings_in_all_forms_have_the_same_frames(reader, expected, tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(CONTENT)
    integers = np.round(SAMPLES * 2**15).astype("int16")
    sources = [CONTENT, path, str(path), SAMPLES, SAMPLES.astype("float64"), integers]
    sources += [bytearray(CONTENT), memoryview(CONTENT)]
    for source in [*sources, SAMPLES.tolist()]:
        frames = reader(source)
        assert frames.dtype == "float32"
        np.testing.assert_allclose(frames, expected, atol=1e-4)


def test_frames_are_taken_as_they_are(reader, tmp_path):
    frames = np.random.default_rng(5).normal(size=(13, BANDS))
    np.save(tmp_path / "a.npy", frames)
    np.savez(tmp_path / "b.NPZ", frames)
    (tmp_path / "b.NPZ.npz").rename(tmp_path / "b.NPZ")
    for source in (frames, tmp_path / "a.npy", str(tmp_path / "b.NPZ")):
        received = reader(source)
        assert received.dtype == "float32"
        np.testing.assert_array_equal(received, frames.astype("float32"))
    # Without the layer as well; whole numbers are numbers, too.
    np.testing.assert_array_equal(
        FrameReader(SIZE)(np.ones((3, SIZE), "int64")), np.ones((3, SIZE))
    )


def test_nothing_has_no_frames(reader):
    for source in (np.zeros(0), np.zeros(0, "int64"), wav(0, RATE)[0]):
        assert reader(source).shape == (0, BANDS)
    assert reader(np.zeros((0, BANDS))).shape == (0, BANDS)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_frames_are_float32_whatever_the_policy_of_the_layer(policy):
    layer = LogMel(BANDS, RATE, dtype=policy)
    for source in (CONTENT, SAMPLES):
        frames = FrameReader(BANDS, layer)(source)
        assert frames.dtype == "float32" and frames.shape[1] == BANDS


def test_it_is_pickled_with_its_layer(reader, expected):
    again = pickle.loads(pickle.dumps(reader))
    assert again.frame_size == BANDS
    assert again.log_mel.get_config() == reader.log_mel.get_config()
    np.testing.assert_allclose(again(CONTENT), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.full(800, np.nan), "finite numbers.*Received: 800 of 800 that are NaN"),
        (np.array([[1.0] * 10 + [np.inf]]), "finite.*Received: 1 of 11 that are NaN"),
        (np.ones(7, "int32"), r"from -1 to 1, or of 16-bit.*: int32 of shape \(7,\)"),
        (np.ones(7, "uint8"), r"from -1 to 1, or of 16-bit.*: uint8 of shape \(7,\)"),
        (
            np.zeros((3, 8)),
            r"shape \(num_frames, 11\).*: float32 of shape \(3, 8\) with log_mel=<LogM",
        ),
        ([[1, 2, 3]] * 5, r"\(num_frames, 11\), or.*: float32 of shape \(5, 3\) with"),
        (np.ones((3, BANDS), bool), r"Received: bool of shape \(3, 11\) with"),
        (["a"], r"shape \(num_frames, 11\).*Received: \['a'\]"),
        (b"RIFF", r"b'RIFF': must be .* 16-bit PCM.*the end of the file in"),
        (wav(100, 16000)[0], "-ar 8000 .*: b.RIFF.*, with 16000 samples a second"),
        ([[1.0], [1.0, 2.0]], r"lists of the same length.*: \[\[1.0\], \[1.0, 2"),
        (
            np.ma.masked_equal(np.arange(22.0).reshape(2, BANDS), 5.0),
            r"no missing values.*x\.filled\(0\).*Received: 1 of 22",
        ),
    ],
)
def test_what_is_no_source_is_refused(reader, source, message):
    with pytest.raises(ValueError, match=message):
        reader(source)


def test_without_a_layer_there_are_frames_alone():
    for source in (CONTENT, np.zeros(7)):
        with pytest.raises(ValueError, match=r"\(num_frames, 7\).*log_mel=None"):
            FrameReader(SIZE)(source)


def test_a_file_is_named(reader, tmp_path):
    for name in ("no.wav", "no.npy"):
        with pytest.raises(FileNotFoundError, match=f"Received: '.*{name}', which is"):
            reader(tmp_path / name)
    path = tmp_path / "a.wav"
    path.write_bytes(wav(100, 16000)[0])
    with pytest.raises(ValueError, match="Received: .*a.wav, with 16000 samples a sec"):
        reader(path)


def test_a_file_of_other_frames_is_named_with_their_shape(reader, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((5, SIZE)))
    with pytest.raises(ValueError, match=r"a\.npy, float32 of shape \(5, 7\) with log"):
        reader(path)


def test_the_layer_must_fit():
    with pytest.raises(ValueError, match="must be a `layers.LogMel`.*log_mel='layer'"):
        FrameReader(BANDS, "layer")
    with pytest.raises(ValueError, match="frames of the size 7 .*: num_bands=11"):
        FrameReader(SIZE, LogMel(BANDS, RATE))
    with pytest.raises(ValueError, match="`frame_size` must be .*frame_size=0"):
        FrameReader(0)
