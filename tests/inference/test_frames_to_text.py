"""Frames to text as graphs: rules of texts, and ensembles."""

import dataclasses
import re

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search, Transcriber, layers
from kseq2seq.inference import FramesToText
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
)


@pytest.fixture(scope="module", name="tokenizer")
def tokenizer_():
    return make_tokenizer()


@pytest.fixture(scope="module", name="plain")
def plain_(tokenizer):
    return frames_transcriber(tokenizer)


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


def test_models_of_an_ensemble_join_as_many_frames(tokenizer, plain):
    other = make_model(tokenizer, SIZE, convolutions=0)
    with pytest.raises(ValueError, match=r"joined, size\) \[\(2, 7\), \(4, 7\)\]"):
        FramesToText([plain.model, other], tokenizer, SEARCH)


@pytest.mark.parametrize(("convolutions", "padding"), [(0, np.nan), (2, 1e30)])
def test_a_source_without_frames_does_not_see_its_padding(
    tokenizer, convolutions, padding
):
    model = make_model(tokenizer, SIZE, convolutions=convolutions)
    graphs = FramesToText([model], tokenizer, SEARCH)
    frames = np.random.default_rng(0).normal(size=(3, 11, SIZE)).astype("float32")
    num_frames, texts = tf.constant([11, 5, 0]), tf.constant(["ab", "c", "ba"])
    scores = []
    for value in (0.0, padding):
        frames[1, 5:], frames[2] = value, value
        scores.append(graphs.score(tf.constant(frames), num_frames, texts)["log_prob"])
    np.testing.assert_allclose(*scores, rtol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_a_layer_in_half_precision_gives_what_a_transcriber_reads(tokenizer, policy):
    log_mel = layers.LogMel(BANDS, RATE, dtype=policy)
    model = make_model(tokenizer, BANDS)
    graphs = FramesToText([model], tokenizer, SEARCH, log_mel)
    received = graphs.transcribe(tf.constant([content for content, _ in WAVES]))
    transcriber = Transcriber(model, tokenizer, log_mel)
    rows = transcriber.transcribe([content for content, _ in WAVES], SEARCH)
    texts = [best[0].text.encode() for best in rows]
    assert received["text"].numpy().tolist() == texts
    scores = [best[0].score for best in rows]
    np.testing.assert_allclose(received["score"], scores, atol=1e-4)
