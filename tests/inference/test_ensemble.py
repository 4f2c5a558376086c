"""Ensembles: means of probabilities, and members that have to agree."""

import pickle

import keras
import numpy as np
import pytest

from kseq2seq import Search, Translator
from kseq2seq.models import Mixture, encode_and_step
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID
from loaders import run_session, strings
from translators import TEXTS, tiny_translator
from whole_models import (
    TARGETS,
    ids_of,
    text_to_text,
    whole_model_log_probs,
)


@pytest.fixture(scope="module")
def two():
    """Translators of the same tokenizers and different models."""
    return [
        tiny_translator(),
        tiny_translator(units=6, cell="gru", attention="luong_general"),
    ]


def averaged_greedy(translators, text, steps, weights=(1, 1)):
    """Greedy search by the mean of the whole models' probabilities, token by token."""
    source, labels = ids_of(translators[0], [text], [""])
    actual, total = [], 0.0
    while len(actual) < steps and EOS_ID not in actual:
        labels = np.array([[*actual, EOS_ID]])
        log_probs = [
            whole_model_log_probs(x, source, labels)[0, -1] for x in translators
        ]
        mean = np.average(np.exp(log_probs), axis=0, weights=weights)
        mean[[PAD_ID, BOS_ID]] = 0
        actual.append(int(mean.argmax()))
        total += np.log(mean[actual[-1]])
    return actual, total


def test_an_ensemble_averages_probabilities(two, tmp_path, export_only):
    export_only("serving_default", "translate_align", "encode")
    search = Search(beam_size=1, max_length=7)
    from kseq2seq.export import export_translators

    path = export_translators(tmp_path, two, search, mixture=Mixture([7, 2]))
    text = {"text": strings(TEXTS)}
    actual, aligned, encoded = run_session(
        path, [("serving_default", text), ("translate_align", text), ("encode", text)]
    )
    for row in (0, 5):
        line = TEXTS[row]
        ids, total = averaged_greedy(two, line, 7, [7, 2])
        pieces = two[0].target_tokenizer.pieces(ids)
        count = aligned["num_target_tokens"][row]
        got = [x.decode() for x in aligned["target_tokens"][row][:count]]
        assert got == pieces
        np.testing.assert_allclose(actual["score"][row], total, rtol=1e-4)
    sums = aligned["alignment"].sum(axis=2)
    real = np.arange(sums.shape[1]) < aligned["num_target_tokens"][:, None]
    np.testing.assert_allclose(sums[real], 1, atol=1e-5)
    assert encoded["memory"].shape[2] == sum(
        x.model.get_layer("memory").output.shape[-1] for x in two
    )


def test_an_ensemble_is_a_translator(two, tmp_path):
    weights = [0.2, 0.9]
    together = Translator.ensemble(two, weights)
    copy = pickle.loads(pickle.dumps(together))
    texts = [TEXTS[0], TEXTS[5]]
    totals = [averaged_greedy(two, text, 5, weights)[1] for text in texts]
    for one in (together, copy):
        actual = one.translate(texts, Search(beam_size=1, max_length=5))
        actual = [best.log_prob for (best,) in actual]
        assert actual == pytest.approx(totals, rel=1e-4)
    with pytest.raises(ValueError, match="must be called for a single model"):
        together.save(tmp_path)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ([1.0], "a number for each of its 2 models. Received"),
        ([1.0, 0.0], "`weights of an ensemble` must be .* above 0"),
        ([1.0, "2"], "must be a finite number"),
    ],
)
def test_weights_that_an_ensemble_cannot_have(two, weights, match):
    with pytest.raises(ValueError, match=match):
        Translator.ensemble(two, weights)


def test_members_that_an_ensemble_cannot_have(two, tmp_path):
    for members in ([], "runs/a", tmp_path, two[0]):
        with pytest.raises(ValueError, match="must be a list .*at least one; .* Rec"):
            Translator.ensemble(members)
    with pytest.raises(FileNotFoundError, match="must be a run folder"):
        Translator.ensemble([two[0], tmp_path])


def test_an_ensemble_averages_alignments(two):
    inputs = strings(TEXTS), strings(TARGETS)
    together = text_to_text(two).align(*inputs)["alignment"].numpy()
    apart = [text_to_text([x]).align(*inputs)["alignment"].numpy() for x in two]
    np.testing.assert_allclose(together, np.mean(apart, axis=0), atol=1e-6)
    assert np.abs(apart[0] - apart[1]).max() > 0.01


def test_models_of_an_ensemble_must_agree(two):
    from kseq2seq.export import export_translators

    other = tiny_translator()
    other.target_tokenizer = two[0].source_tokenizer
    with pytest.raises(ValueError, match="same tokenizers.*target_tokenizer"):
        export_translators("nowhere", [two[0], other])
    swapped = Translator(two[0].model, two[0].source_tokenizer, two[0].target_tokenizer)
    larger = keras.models.clone_model(swapped.model)
    larger.get_layer("source_embedding").input_dim += 1
    with pytest.raises(ValueError, match="vocabularies of the same size"):
        encode_and_step([swapped.model, larger])
