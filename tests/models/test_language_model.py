"""Language models of the target: their steps, and shallow fusion."""

import keras
import numpy as np
import pytest

from kseq2seq import decoding
from kseq2seq.models import (
    Fusion,
    Mixture,
    build_language_model,
    encode_and_step,
    language_model_step,
    load_model,
    mixed_halves,
    start_search,
)
from kseq2seq.utils import BOS_ID, EOS_ID
from reference import randomize
from small_models import FEW, SOURCE, B, K, T, V, random_ids, random_model

LAYERS, UNITS, WEIGHT = 2, 7, 0.4


@pytest.fixture(scope="module")
def language_model():
    model = build_language_model(V, 5, UNITS, LAYERS, dropout=0.0)
    randomize(model, scale=0.7)
    return model


def test_the_step_does_what_the_training_model_does(language_model):
    target = random_ids([T] * B * K, T, V, seed=1)
    expected = np.asarray(language_model({"target": target}))
    step = language_model_step(language_model)
    states = [keras.ops.zeros((B, K, UNITS))] * (2 * LAYERS)
    for t in range(T):
        tokens = keras.ops.convert_to_tensor(target[:, t].reshape(B, K))
        outputs = step({"tokens": tokens, "states": states})
        logits = np.asarray(outputs["logits"]).reshape(B * K, V)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-5)
        states = outputs["states"]


def test_it_trains_on_the_batches_of_a_translator_and_is_saved(tmp_path):
    model = build_language_model(V, 5, UNITS)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ids = random_ids([T] * B, T, V)
    inputs = {"source": SOURCE, "target": ids}
    first = model.evaluate(inputs, ids, verbose=0)
    model.fit(inputs, ids, epochs=3, verbose=0)
    assert model.evaluate(inputs, ids, verbose=0) < first
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded({"target": ids}), model({"target": ids}))


def all_outputs(length):
    """All outputs that end in EOS by a length, of the tokens 4 and 5."""
    outputs = [[]]
    for _ in range(length):
        yield from ([*output, EOS_ID] for output in outputs)
        outputs = [[*output, token] for output in outputs for token in (4, 5)]


def log_prob(model, inputs, output):
    labels = np.array([output])
    target = np.concatenate([[[BOS_ID]], labels[:, :-1]], axis=1)
    logits = keras.ops.log_softmax(model({**inputs, "target": target}))
    return float(np.take_along_axis(np.asarray(logits), labels[..., None], 2).sum())


@pytest.mark.parametrize("name", ["none_gru_deep", "general_feed"])
def test_a_wide_beam_finds_the_best_sum(name, language_model):
    """Against all outputs there are, scored by the two whole models."""
    model, length = random_model(name), 3
    fusion = Fusion(language_model, WEIGHT)
    encode, step = mixed_halves([model], mixture=Mixture(fusion=fusion))
    source, others = SOURCE[1:2], [x for x in range(V) if x not in (EOS_ID, 4, 5)]
    start, states = start_search(encode, step, source, gives_logits=False)
    actual = decoding.beam_search(
        start,
        states,
        beam_size=7,
        max_length=length,
        forbidden_ids=others,
    )
    outputs = list(all_outputs(length))
    own = [log_prob(model, {"source": source}, x) for x in outputs]
    sums = [
        score + WEIGHT * log_prob(language_model, {}, output)
        for score, output in zip(own, outputs, strict=True)
    ]
    best = outputs[int(np.argmax(sums))]
    assert np.asarray(actual.ids)[0, 0, : len(best)].tolist() == best
    assert float(actual.log_probs[0, 0]) == pytest.approx(max(sums), abs=1e-4)
    # Without a weight it is the translation model's own.
    encode, step = mixed_halves(
        [model], mixture=Mixture(fusion=fusion._replace(weight=0))
    )
    start, states = start_search(encode, step, source, gives_logits=False)
    own = start_search(*encode_and_step([model]), source)
    expected = decoding.greedy_search(*own, max_length=length)
    actual = decoding.greedy_search(start, states, max_length=length)
    np.testing.assert_array_equal(actual.ids, expected.ids)
    np.testing.assert_allclose(actual.scores, expected.scores, atol=1e-5)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        (lambda own: Fusion(own, -0.1), "at least 0"),
        (
            lambda own: Fusion(build_language_model(V + 1, 5, 7), 0.1),
            "target tokenizer",
        ),
        (lambda own: Fusion(random_model(FEW[0]), 0.1), "build_language_model"),
        (lambda own: Fusion("own.keras", 0.1), "`load_model`.*Received: 'own.keras'"),
    ],
)
def test_what_cannot_help_is_refused(fusion, message, language_model):
    assert_refused(fusion(language_model), message)


def test_one_that_has_diverged_is_refused():
    language_model = build_language_model(V, 5, 7)
    language_model.get_layer("projection").bias.assign([np.nan] * V)
    assert_refused(Fusion(language_model, 0.1), "weights that are numbers.*bias")


def assert_refused(fusion, message):
    mixture = Mixture(fusion=fusion)
    with pytest.raises(ValueError, match=message):
        mixed_halves([random_model(FEW[0])], mixture=mixture)


@pytest.mark.parametrize(
    "sizes", [{"vocabulary_size": 4}, {"units": 0}, {"num_layers": 0}]
)
def test_sizes_are_checked(sizes):
    with pytest.raises(ValueError, match="must be an integer of at least"):
        build_language_model(**{"vocabulary_size": V, **sizes})
    with pytest.raises(ValueError, match="`dropout` must be a finite .* less than 1"):
        build_language_model(V, dropout=1.0)
