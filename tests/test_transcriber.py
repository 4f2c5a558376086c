"""`Transcriber`: its sources, results and files."""

import copy
import dataclasses
import pathlib

import numpy as np
import pytest

import kseq2seq
from kseq2seq import Search, Transcriber, layers
from kseq2seq.callbacks import TranscribeAndScore
from kseq2seq.tokenizers import train_tokenizer
from transcribers import (
    BANDS,
    FRAMES,
    RATE,
    SEARCH,
    SIZE,
    WAVES,
    frames_transcriber,
    make_model,
    make_tokenizer,
    speech_transcriber,
)
from translators import tiny_translator
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


@pytest.mark.parametrize("sources", [5, None, pathlib.PurePosixPath("a.npy"), b"RIFF"])
def test_sources_are_a_list(plain, sources):
    with pytest.raises(ValueError, match="`sources` must be a list; put a single"):
        plain(sources)


@pytest.mark.parametrize(
    ("pair", "received"),
    [
        ((FRAMES[0], "a", "b"), "tuple"),
        ("ab", "str, 'ab'"),
        ((FRAMES[0], 5), "tuple"),
        (None, "NoneType, None"),
    ],
)
def test_pairs_to_score_are_a_source_and_a_text(plain, tokenizer, pair, received):
    pairs = [(FRAMES[0], "a"), pair]
    match = rf"tuples of a source and a text\. Received: pairs\[1\] of {received}"
    with pytest.raises(ValueError, match=match):
        plain.score(pairs)
    with pytest.raises(ValueError, match=match):
        TranscribeAndScore(pairs, tokenizer)


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
