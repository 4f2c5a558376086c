"""Models that copy: symbols that training never saw, padding, compiled steps."""

import dataclasses

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq import data
from kseq2seq.models import all_copied_ids, copied_ids_of, freeze, load_model
from small_models import SOURCE, T, V, make_model, random_ids, random_model, train

LETTERS, NEW = list("abcdefghijklm"), list("xyżßΩ漢")


def test_what_stands_at_padding_is_not_copied():
    model = random_model("copying")
    target = random_ids((T, T), T, V)
    wider = np.pad(SOURCE, ((0, 0), (0, 2)))
    before, after = (model({"source": x, "target": target}) for x in (SOURCE, wider))
    np.testing.assert_allclose(before, after, atol=1e-5)
    np.testing.assert_allclose(np.exp(before).sum(axis=-1), 1, atol=1e-5)


def test_compiled_training_is_the_same():
    trained = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(7)
        model = make_model("copying_feed", encoder_layers=1, decoder_layers=1)
        train(model, steps=1, jit_compile=jit_compile)
        trained.append(model.get_weights())
    for received, expected in zip(*trained, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-4)


def test_ids_must_fit_the_vocabularies(tmp_path):
    sizes = {"source_vocabulary_size": 7, "target_vocabulary_size": 9}
    config = kseq2seq.Seq2SeqConfig(**sizes, embedding_size=3, units=4, copying=True)
    with pytest.raises(ValueError, match=r"7 source ids.*below 9.*Received: None"):
        kseq2seq.build_model(config)
    with pytest.raises(ValueError, match="6 ids, the largest 5"):
        kseq2seq.build_model(config, copied_ids=[0, 1, 0, 3, 4, 5])
    with pytest.raises(ValueError, match="7 ids, the largest 9"):
        kseq2seq.build_model(config, copied_ids=[0, 1, 0, 3, 4, 5, 9])
    plain = dataclasses.replace(config, copying=False)
    with pytest.raises(ValueError, match="copying=False"):
        kseq2seq.build_model(plain, copied_ids=[0] * 7)
    assert copied_ids_of(kseq2seq.build_model(plain)) is None
    # Features stand behind the text, and are not copied.
    shared = dataclasses.replace(
        config, target_vocabulary_size=7, feature_vocabulary_size=2
    )
    assert all_copied_ids(shared) == [0, 1, 0, 3, 4, 5, 6, 0, 0]
    model = kseq2seq.build_model(shared)
    model.save(tmp_path / "model.keras")
    assert copied_ids_of(load_model(tmp_path / "model.keras")) == all_copied_ids(shared)
    freeze(model, ["output"])
    assert not model.get_layer("copying").trainable


def test_symbols_that_training_never_saw():
    """A letter more behind a word, whatever letters it has."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)

    def word(letters, length):
        return "".join(rng.choice(letters, length))

    words = [word(LETTERS, rng.integers(2, 8)) for _ in range(900)]
    pairs = [(x, x + "en") for x in words]
    source, target = kseq2seq.train_tokenizers(pairs, kind="character")
    copied_ids = kseq2seq.tokenizers.copied_ids(source, target)
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        embedding_size=16,
        units=32,
        attention="bahdanau",
        dropout=0.0,
        copying=True,
    )
    model = kseq2seq.build_model(config, copied_ids=copied_ids)
    batches = data.batches(pairs, source, target, 32, buckets=(10,), seed=1)
    batches = data.add_noise(batches, shared_mask=0.15, copied_ids=copied_ids, seed=2)
    model.compile(kseq2seq.Adam(0.005), kseq2seq.MaskedCrossentropy())
    model.fit(batches, epochs=6, shuffle=False, verbose=0)
    translator = kseq2seq.Translator(model, source, target)
    texts = [
        word(LETTERS, n) + word(NEW, 1) + word(LETTERS, n + 1) for n in [1, 2] * 20
    ]
    texts += [f"{a}{b}{c}" for a, b, c in zip("ßΩx漢", "abcd", "Ωyßż", strict=True)]
    right = [
        x + "en" == y for x, y in zip(texts, translator(texts, beam=2), strict=True)
    ]
    assert np.mean(right) >= 0.9
