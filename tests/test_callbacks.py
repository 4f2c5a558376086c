"""Scores of translations between epochs."""

import math

import numpy as np
import pytest

import kseq2seq
from kseq2seq import data, evaluation
from kseq2seq.callbacks import DecodeAndScore
from kseq2seq.decoding import Search

PAIRS = [("ab", "ba"), ("cde", "edc"), ("ab", "b a"), ("e", "e"), ("dac", "cad")]


@pytest.fixture(scope="module")
def tokenizers():
    return kseq2seq.train_tokenizers(PAIRS, kind="character")


@pytest.fixture
def model(tokenizers):
    """A small translator, compiled."""
    source, target = tokenizers
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        units=6,
        embedding_size=5,
    )
    model = kseq2seq.build_model(config)
    model.compile("adam", loss=kseq2seq.MaskedCrossentropy())
    return model


def test_scores_of_a_fit_are_those_of_its_translator(model, tokenizers):
    callback = DecodeAndScore(PAIRS, *tokenizers, ["exact_match", "ter"])
    batches = data.batches(PAIRS, *tokenizers, batch_size=2, buckets=(5,))
    options = {"epochs": 2, "verbose": 0, "shuffle": False}
    history = model.fit(batches, callbacks=[callback], **options).history
    sources, references = data.group_references(PAIRS)
    hypotheses = kseq2seq.Translator(model, *tokenizers)(sources, beam=1)
    expected = evaluation.evaluate(hypotheses, references, ["exact_match", "ter"])
    assert len(sources) == 4
    assert history["val_exact_match"][-1] == expected["exact_match"].value
    assert history["val_ter"][-1] == expected["ter"].value


def test_weights_of_now_are_scored_and_only_every_few_epochs(
    model, tokenizers, monkeypatch
):
    class Recorder(kseq2seq.Translator):
        def translate(self, texts, search):
            seen.append(self.model.trainable_variables[0].numpy().flat[0])
            searches.append(search)
            return super().translate(texts, search)

    seen, searches, values = [], [], []
    monkeypatch.setattr("kseq2seq.callbacks.Translator", Recorder)
    search = Search(beam_size=2, max_length=3)
    callback = DecodeAndScore(PAIRS, *tokenizers, ["ter"], search, every=2)
    callback.set_model(model)
    for epoch in range(4):
        variable = model.trainable_variables[0]
        variable.assign(np.full(variable.shape, epoch))
        logs = {"loss": 1.0}
        callback.on_epoch_end(epoch, logs)
        values.append(logs["val_ter"])
    assert seen == [1, 3] and searches == [search, search]
    assert [math.isnan(x) for x in values] == [True, False, True, False]
    logs = {"loss": math.nan}
    callback.on_epoch_end(5, logs)
    assert math.isnan(logs["val_ter"]) and seen == [1, 3]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"pairs": []}, "`pairs` must hold at least one pair"),
        ({"metrics": ["bleu", "blue"]}, "one of bleu, .* Received: metrics='blue'"),
        ({"every": 0}, "`every` must be an integer of at least 1. Received: every=0"),
        ({"every": True}, "Received: every=True"),
    ],
)
def test_errors_of_decode_and_score(tokenizers, changes, match):
    source, target = tokenizers
    arguments = {"source_tokenizer": source, "target_tokenizer": target}
    with pytest.raises(ValueError, match=match):
        DecodeAndScore(**{"pairs": PAIRS, **arguments, **changes})
