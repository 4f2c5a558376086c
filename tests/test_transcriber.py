"""`Transcriber`: its sources, results, files and SavedModels."""

import copy
import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import Search, Transcriber, layers
from kseq2seq.inference import FramesToText
from kseq2seq.tokenizers import train_tokenizer
from loaders import run_session, strings
from reference import randomize
from translators import tiny_translator
from waves import wav

RATE, BANDS, SIZE = 8000, 11, 7
SEARCH = Search(beam_size=3, max_length=9)
# Of two thirds of a frame, so that the last position is not full.
WAVES = [wav(n, RATE, seed=n) for n in (3000, 1717, 50)]
FRAMES = [np.random.default_rng(n).normal(size=(n, SIZE)) for n in (23, 6, 1)]


@pytest.fixture(scope="module", name="tokenizer")
def tokenizer_():
    return train_tokenizer(["abc de"], kind="character")


def make_model(tokenizer, frame_size, **options):
    config = kseq2seq.Seq2SeqConfig(
        **{
            "source_frame_size": frame_size,
            "target_vocabulary_size": tokenizer.vocabulary_size,
            "units": 8,
            "embedding_size": 5,
            "encoder_layers": 2,
            "pyramidal_layers": 1,
            "convolutions": 1,
            "attention": "bahdanau",
            **options,
        }
    )
    model = kseq2seq.build_model(config)
    randomize(model, seed=3)
    return model


@pytest.fixture(scope="module", name="speech")
def speech_(tokenizer):
    log_mel = layers.LogMel(BANDS, RATE)
    return Transcriber(make_model(tokenizer, BANDS), tokenizer, log_mel)


@pytest.fixture(scope="module", name="plain")
def plain_(tokenizer):
    return Transcriber(make_model(tokenizer, SIZE), tokenizer)


@pytest.fixture(scope="module", name="results")
def results_(speech):
    return speech.transcribe([content for content, _ in WAVES], SEARCH)


def check_same(actual, expected):
    for (one, *_), (other, *_) in zip(actual, expected, strict=True):
        assert (one.text, one.tokens) == (other.text, other.tokens)
        np.testing.assert_allclose(one.score, other.score, atol=1e-5)
        np.testing.assert_allclose(one.alignment, other.alignment, atol=1e-5)
        assert one.times == other.times


def test_sources_of_every_kind_give_the_same(speech, results, tmp_path):
    paths = [tmp_path / f"{n}.wav" for n in range(len(WAVES))]
    for path, (content, _) in zip(paths, WAVES, strict=True):
        path.write_bytes(content)
    frames = [speech.frames(path) for path in paths]
    # A batch of one each, so that nothing is padded.
    alone = speech.transcribe(frames, SEARCH, batch_size=1)
    check_same(alone, results)
    mixed = [paths[0], WAVES[1][1], str(paths[2])]
    check_same(speech.transcribe(mixed, SEARCH), results)


def test_results_fit_together(speech, results):
    for (best,), (_, samples) in zip(results, WAVES, strict=True):
        num_frames = -(-len(samples) // 80)
        assert best.alignment.shape == (len(best.tokens), -(-num_frames // 4))
        np.testing.assert_allclose(best.alignment.sum(axis=1), 1, atol=1e-5)
        parts = np.split(np.arange(num_frames), range(4, num_frames, 4))
        peaks = best.alignment.argmax(axis=1)
        assert best.frames == [parts[peak][len(parts[peak]) // 2] for peak in peaks]
        np.testing.assert_allclose(best.times, np.array(best.frames) * 0.01)
    pairs = [(content, best.text) for (content, _), (best,) in
             zip(WAVES, results, strict=True)]  # fmt: skip
    for (log_prob, count), (best,) in zip(speech.score(pairs), results, strict=True):
        if best.tokens[-1] == "</s>" and "<unk>" not in best.tokens:
            np.testing.assert_allclose(log_prob, best.log_prob, atol=1e-4)
            assert count == len(best.tokens)


def test_n_best_and_no_frames(plain):
    search = Search(beam_size=3, num_hypotheses=2, max_length=5)
    both, nothing = plain.transcribe([FRAMES[0], np.zeros((0, SIZE))], search)
    assert len(both) == 2 and both[0].score >= both[1].score
    assert [(x.text, x.score) for x in nothing] == [("", 0.0)]
    assert both[0].times is None and both[0].frames is not None
    assert plain([FRAMES[1]], beam=1) == [
        plain.transcribe([FRAMES[1]], Search(beam_size=1))[0][0].text
    ]


def test_patterns_and_forbidden_words(plain):
    search = Search(beam_size=3, num_hypotheses=3, pattern="a[bc]+", max_length=5)
    rows = plain.transcribe(FRAMES, search)
    texts = [row.text for best in rows for row in best]
    assert len({*texts}) > 1 and all(re.fullmatch("a[bc]+", text) for text in texts)
    words = [best[0].text for best in rows]
    without = plain.transcribe(
        FRAMES, dataclasses.replace(search, forbidden_words=words)
    )
    assert not {best[0].text for best in without} & {*words}
    # The graph of an export has the same rules.
    graphs = FramesToText([plain.model], plain.tokenizer, search)
    received = graphs.transcribe(tf.constant(FRAMES[:1], "float32"), tf.constant([23]))
    assert received["text"].numpy()[0].decode() == words[0]


def test_a_model_without_attention(tokenizer):
    model = make_model(tokenizer, SIZE, attention="none")
    transcriber = Transcriber(model, tokenizer)
    assert transcriber.transcribe(FRAMES[:1])[0][0].alignment is None
    with pytest.raises(ValueError, match="without attention"):
        transcriber.plot(FRAMES[0])
    with pytest.raises(ValueError, match="`search` must have coverage_penalty=0"):
        transcriber.export("none", Search(coverage_penalty=0.1))
    with pytest.raises(ValueError, match="`search` must have shortlist=False for fram"):
        transcriber.transcribe(FRAMES[:1], Search(shortlist=True))
    search = Search(forbid_unknown=False, replace_unknown=True)
    with pytest.raises(ValueError, match="replace_unknown=False for frames"):
        transcriber.transcribe(FRAMES[:1], search)


def test_saved_loaded_and_copied(speech, plain, results, tmp_path):
    speech.save(tmp_path / "run")
    loaded = Transcriber.load(tmp_path / "run")
    assert loaded.log_mel.get_config() == speech.log_mel.get_config()
    check_same(loaded.transcribe([x for x, _ in WAVES], SEARCH), results)
    plain.save(tmp_path / "run", weights="float16")
    loaded = Transcriber.load(tmp_path / "run")
    assert loaded.log_mel is None
    for x, y in zip(loaded.model.weights, plain.model.weights, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-3)
    assert copy.copy(plain).model is plain.model
    with pytest.raises(FileNotFoundError, match="one that `Transcriber.save` wrote"):
        Transcriber.load(tmp_path / "other")


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
        with pytest.raises(ValueError, match="16-bit PCM, with 8000 samples a second"):
            speech([content])
        (tmp_path / "a.wav").write_bytes(content)
        with pytest.raises(ValueError, match="ffmpeg.*Received: .*(16000|header)"):
            speech([tmp_path / "a.wav"])
    with pytest.raises(FileNotFoundError, match="no.wav', which is no file"):
        speech([tmp_path / "no.wav"])
    with pytest.raises(ValueError, match="must be a `layers.LogMel`.*'log_mel'"):
        Transcriber(speech.model, speech.tokenizer, "log_mel")


def test_waveforms_of_16_bit_without_samples_and_not_finite(speech):
    for content, samples in WAVES:
        integers = np.round(np.array(samples) * 2**15).astype("int16")
        np.testing.assert_array_equal(speech.frames(integers), speech.frames(content))
    assert speech.frames(np.zeros(0)).shape == (0, BANDS)
    assert speech.frames(wav(0)[0]).shape == (0, BANDS)
    for source in (np.full(800, np.nan), np.full((3, BANDS), np.inf)):
        with pytest.raises(ValueError, match="finite numbers.*NaN or infinite"):
            speech([source])


def test_none_and_a_single_one(plain):
    assert plain([]) == plain.score([]) == []
    with pytest.raises(ValueError, match="put a single source into one.*'a.npy'"):
        plain("a.npy")
    with pytest.raises(ValueError, match="put a single source into one"):
        plain(FRAMES[0])


def test_searches_are_checked(plain):
    with pytest.raises(ValueError, match="must be a `kseq2seq.Search`.*'beam_size': 2"):
        plain.transcribe(FRAMES, {"beam_size": 2})
    with pytest.raises(ValueError, match=r"goes to `transcribe\(sources, search\)`"):
        plain(FRAMES, beam=SEARCH)


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_integers_of_other_sizes_are_no_waveforms(speech, dtype):
    with pytest.raises(ValueError, match=rf"from -1 to 1, or of 16-bit.*: {dtype} of"):
        speech([np.ones(800, dtype)])


@pytest.mark.parametrize("source", [b"RIFF", np.zeros(7), np.zeros((3, 8)), ["a"]])
def test_what_is_no_source_is_refused(plain, source):
    with pytest.raises(ValueError, match=r"frames of shape \(num_frames, 7\)"):
        plain([source])


def test_a_translator_is_refused_its_model(tokenizer, plain):
    with pytest.raises(ValueError, match=r"texts.*`kseq2seq\.Transcriber.*of frames"):
        kseq2seq.Translator(plain.model, tokenizer, tokenizer)
    model = tiny_translator().model
    with pytest.raises(ValueError, match=r"`kseq2seq\.Translator`.*model of texts"):
        Transcriber(model, tokenizer)


def test_sizes_must_fit(tokenizer, plain):
    other = train_tokenizer(["abcdefgh"], kind="character")
    with pytest.raises(ValueError, match="`tokenizer` must have the .* Received:"):
        Transcriber(plain.model, other)
    with pytest.raises(ValueError, match="size 7 that .* Received: num_bands=11"):
        Transcriber(plain.model, tokenizer, layers.LogMel(BANDS, RATE))


def test_models_of_an_ensemble_join_as_many_frames(tokenizer, plain):
    other = make_model(tokenizer, SIZE, convolutions=0)
    with pytest.raises(ValueError, match=r"joined, size\) \[\(2, 7\), \(4, 7\)\]"):
        FramesToText([plain.model, other], tokenizer, SEARCH)


def test_the_plot_has_a_row_for_each_token(speech, results):
    figure = speech.plot(WAVES[0][0], title="said")
    labels = figure.axes[1].get_yticklabels()
    best = speech.transcribe([WAVES[0][0]])[0][0]
    assert [x.get_text() for x in labels] == best.tokens
    assert figure.axes[1].get_xlim()[1] == pytest.approx(0.38)


def test_a_coverage_penalty_with_and_without_alignments(plain):
    search = dataclasses.replace(SEARCH, coverage_penalty=0.3)
    aligned = plain.transcribe(FRAMES, search)
    without = plain.transcribe(FRAMES, search, alignments=False)
    for (best,), (other,) in zip(aligned, without, strict=True):
        assert best.alignment is not None and other.alignment is None
        assert (best.text, best.score) == (other.text, other.score)
