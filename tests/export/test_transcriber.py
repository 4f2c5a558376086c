"""SavedModels of a transcriber: of WAV files and of frames."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Transcriber
from loaders import run_session, strings
from transcribers import (
    FRAMES,
    RATE,
    SEARCH,
    SIZE,
    WAVES,
    frames_transcriber,
    make_tokenizer,
    speech_transcriber,
)
from waves import wav


@pytest.fixture(scope="module", name="tokenizer")
def tokenizer_():
    return make_tokenizer()


@pytest.fixture(scope="module", name="speech")
def speech_(tokenizer):
    return speech_transcriber(tokenizer)


@pytest.fixture(scope="module", name="plain")
def plain_(tokenizer):
    return frames_transcriber(tokenizer)


@pytest.fixture(scope="module", name="results")
def results_(speech):
    return speech.transcribe([content for content, _ in WAVES], SEARCH)


@pytest.fixture(scope="module", name="saved_models")
def saved_models_(speech, plain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    return (
        speech.export(folder / "speech", SEARCH),
        plain.export(folder / "plain", SEARCH, weights="float16"),
    )


def test_a_saved_model_takes_wav_files(saved_models, results):
    silence, _ = wav(0, RATE)
    stereo, _ = wav(3000, RATE, seed=3000, channels=2)
    contents = [content for content, _ in WAVES]
    audio = strings([*contents, silence, stereo])
    requests = [
        ("transcribe_align", {"audio": audio}),
        ("serving_default", {"audio": audio}),
        ("nbest", {"audio": audio}),
        ("score", {"audio": audio, "target": strings(["abc"] * 5)}),
    ]
    aligned, best, nbest, scored = run_session(saved_models[0], requests)
    assert {*best} == {"text", "score"}
    for n, (expected,) in enumerate([*results, [None], results[0]]):
        if expected is None:
            assert (best["text"][n], best["score"][n]) == (b"", 0)
            continue
        count = aligned["num_tokens"][n]
        assert best["text"][n].decode() == expected.text
        assert [x.decode() for x in aligned["tokens"][n, :count]] == expected.tokens
        np.testing.assert_allclose(best["score"][n], expected.score, atol=1e-5)
        np.testing.assert_allclose(aligned["times"][n, :count], expected.times)
        assert aligned["frames"][n, :count].tolist() == expected.frames
        assert (aligned["times"][n, count:] == -1).all()
    np.testing.assert_array_equal(nbest["texts"][:, 0], best["text"])
    assert nbest["texts"].shape == (5, 3) and (scored["num_tokens"] == 4).all()


def test_a_saved_model_takes_frames(plain, saved_models):
    padded = np.full((3, 25, SIZE), 1e3, "float32")
    for row, frames in zip(padded, FRAMES, strict=True):
        row[: len(frames)] = frames
    inputs = {"frames": padded, "num_frames": np.array([23, 6, 1], "int32")}
    (outputs,) = run_session(saved_models[1], [("transcribe_align", inputs)])
    assert "times" not in outputs
    expected = plain.transcribe(FRAMES, SEARCH)
    texts = [x.decode() for x in outputs["text"]]
    assert texts == [best.text for (best,) in expected]
    for numbers, message in [
        ([23, 6], "`frames` must have as many rows as `num_frames`"),
        ([23, 6, 26], "`num_frames` must be from 0 to the number of frames"),
        ([23, 6, -1], "`num_frames` must be from 0 to the number of frames"),
    ]:
        wrong = {**inputs, "num_frames": np.array(numbers, "int32")}
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            run_session(saved_models[1], [("serving_default", wrong)])
    readme = (saved_models[1] / "README.md").read_text(encoding="utf-8")
    assert "| `serving_default` | `frames` float32, `num_frames` int32 |" in readme


def test_a_wav_file_of_another_kind_is_an_error(speech, saved_models, tmp_path):
    other, _ = wav(100, 16000)
    with pytest.raises(tf.errors.InvalidArgumentError, match="8000 samples a second"):
        request = {"audio": strings([other])}
        run_session(saved_models[0], [("serving_default", request)])
    for content in (other, b"no WAV"):
        with pytest.raises(ValueError, match="ffmpeg.*Received: .*(16000|header)"):
            speech([content])
        (tmp_path / "a.wav").write_bytes(content)
        with pytest.raises(ValueError, match="a.wav.*(16000|header)|a.wav.*ffmpeg"):
            speech([tmp_path / "a.wav"])
    with pytest.raises(FileNotFoundError, match="no.wav', which is no file"):
        speech([tmp_path / "no.wav"])
    with pytest.raises(ValueError, match="must be a `layers.LogMel`.*'log_mel'"):
        Transcriber(speech.model, speech.tokenizer, "log_mel")
