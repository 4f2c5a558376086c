"""Scores of translations between epochs."""

import math

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq import data, evaluation
from kseq2seq.callbacks import DecodeAndScore, TranscribeAndScore
from kseq2seq.decoding import Search
from kseq2seq.inference import Translation

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
        def translate(self, texts, search, features):
            seen.append(self.model.trainable_variables[0].numpy().flat[0])
            searches.append(search)
            return super().translate(texts, search)

    seen, searches, values = [], [], []
    monkeypatch.setattr("kseq2seq.callbacks.decode_and_score.Translator", Recorder)
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
        ({"metrics": []}, "`metrics` must name at least one of bleu, .* none"),
        ({"search": 5}, r"`search` must be a `kseq2seq.Search`, .* search=5"),
    ],
)
def test_errors_of_decode_and_score(tokenizers, changes, match):
    source, target = tokenizers
    arguments = {"source_tokenizer": source, "target_tokenizer": target}
    with pytest.raises(ValueError, match=match):
        DecodeAndScore(**{"pairs": PAIRS, **arguments, **changes})


def test_one_metric_may_stand_without_a_list(tokenizers):
    assert DecodeAndScore(PAIRS, *tokenizers, "chrf").metrics == ("chrf",)


def test_a_model_of_other_tokenizers_is_refused_before_it_is_trained(model, tokenizers):
    others = kseq2seq.train_tokenizers([("abcdefgh", "a")], kind="character")
    callback = DecodeAndScore(PAIRS, *others)
    callback.set_model(model)
    with pytest.raises(ValueError, match="source tokenizer must have the"):
        callback.on_train_begin()


def letters(count):
    """Pairs of a word and itself."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcdefg"), size=5)) for _ in range(count)]
    return [(word, word) for word in words]


def trained(pairs, layer, epochs, learning_rate, caplog, **config):
    """Logs of a small training, and the warnings of its end."""
    keras.utils.set_random_seed(0)
    tokenizers = kseq2seq.train_tokenizers(pairs, kind="character")
    sizes = {
        f"{side}_vocabulary_size": tokenizer.vocabulary_size
        for side, tokenizer in zip(("source", "target"), tokenizers, strict=True)
    }
    settings = {"units": 32, "embedding_size": 16, "dropout": 0.0, **sizes, **config}
    model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(**settings), layer)
    loss = kseq2seq.MaskedCrossentropy()
    model.compile(kseq2seq.Adam(learning_rate, global_clipnorm=1.0), loss=loss)
    callback = DecodeAndScore(
        pairs[:23], *tokenizers, ["exact_match"], every=epochs, alignments=True
    )
    batches = data.batches(pairs, *tokenizers, batch_size=32, buckets=(6,), seed=0)
    options = {"epochs": epochs, "verbose": 0, "shuffle": False}
    logs = model.fit(batches, callbacks=[callback], **options).history
    return logs, [x for x in caplog.messages if "not learnt to align" in x]


def test_a_model_that_copies_has_learnt_to_align(caplog):
    logs, warnings = trained(letters(509), None, 12, 0.02, caplog)
    assert logs["val_exact_match"][-1] > 50
    assert logs["val_alignment"][-1] > 0.3 and warnings == []
    assert logs["val_alignment_monotonicity"][-1] > 0.5


def test_attention_that_is_uniform_gets_a_warning(caplog):
    uniform = kseq2seq.layers.LuongAttention(
        "general", kernel_initializer="zeros", trainable=False
    )
    logs, warnings = trained(letters(61), uniform, 1, 0.02, caplog)
    assert logs["val_alignment"][-1] == pytest.approx(0, abs=1e-5)
    assert logs["val_alignment_sharpness"][-1] == pytest.approx(0, abs=1e-5)
    assert len(warnings) == 1
    assert "(val_alignment is 0.000, below 0.1)" in warnings[0]


@pytest.mark.parametrize(
    ("information", "coverage", "words"),
    [
        (0.099, 0.9, ["(val_alignment is 0.099, below 0.1)"]),
        (
            0.3,
            0.49,
            ["few tokens of the source (val_alignment_coverage is 0.490, below 0.5"],
        ),
        (0.1, 0.5, []),
        (math.nan, math.nan, []),
    ],
)
def test_what_is_told_at_the_end(
    model, tokenizers, monkeypatch, caplog, information, coverage, words
):
    class Uniform(kseq2seq.Translator):
        """Which knows its answers, and traces no graph for them."""

        def translate(self, texts, search, features):
            weights = np.full((2, 3), 1 / 3, np.float32)
            best = Translation("a", -1.0, -1.0, [*"ab"], ["a"], weights)
            return [[best]] * len(texts)

    monkeypatch.setattr("kseq2seq.callbacks.decode_and_score.Translator", Uniform)
    told = evaluation.AlignmentStatistics(information, 0.9, coverage, 0.0)
    monkeypatch.setattr(evaluation, "alignment_statistics", lambda alignments: told)
    callback = DecodeAndScore(PAIRS, *tokenizers, ["ter"], alignments=True)
    callback.set_model(model)
    callback.on_train_begin()
    logs = {}
    callback.on_epoch_end(0, logs)
    assert logs["val_alignment_coverage"] == pytest.approx(coverage, nan_ok=True)
    callback.on_train_end()
    assert len(caplog.messages) == len(words)
    assert all(x in y for x, y in zip(words, caplog.messages, strict=True))
    callback.on_train_begin()
    callback.on_train_end()
    assert len(caplog.messages) == len(words)


def test_a_model_without_attention_is_left_out(caplog):
    logs, warnings = trained(letters(61), None, 1, 0.02, caplog, attention="none")
    assert warnings == []
    assert set(logs) == {"loss", "val_exact_match"}


def test_transcriptions_are_scored():
    tokenizer = kseq2seq.tokenizers.train_tokenizer(["ab"], kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_frame_size=3,
        target_vocabulary_size=tokenizer.vocabulary_size,
        units=6,
        embedding_size=5,
    )
    model = kseq2seq.build_model(config)
    generator = np.random.default_rng(0)
    pairs = [(generator.normal(size=(n, 3)), text) for n, text in ((5, "ab"), (7, "b"))]
    search = Search(beam_size=1, max_length=4)
    callback = TranscribeAndScore(
        pairs, tokenizer, None, ["character_error_rate"], search, alignments=True
    )
    logs = {"loss": 1.0}
    callback.set_model(model)
    callback.on_epoch_end(0, logs)
    texts = [best.text for best, *_ in callback.decode(model)]
    expected = evaluation.character_error_rate(texts, ["ab", "b"])
    assert logs["val_character_error_rate"] == expected.value
    assert {"val_alignment", "val_alignment_coverage"} <= {*logs}
    with pytest.raises(ValueError, match=r"at least one pair\. Received: none"):
        TranscribeAndScore([], tokenizer)
