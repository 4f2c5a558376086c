"""A translator whose searches ask a language model, in Python and exported."""

import json
import pickle

import numpy as np
import pytest

from kseq2seq import Search, Translator
from kseq2seq.models import build_language_model
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from loaders import run_session, strings
from reference import randomize
from translators import TEXTS, tiny_translator

SEARCH, WEIGHT = Search(beam_size=3, max_length=11), 0.7


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.fixture(scope="module")
def language_model(translator):
    size = translator.target_tokenizer.vocabulary_size
    model = build_language_model(size, embedding_size=5, units=7, dropout=0.0)
    randomize(model, scale=0.9)
    return model


@pytest.fixture(scope="module")
def fused(translator, language_model):
    return translator.with_language_model(language_model, WEIGHT)


def best(translator, search=SEARCH):
    return [
        (row[0].text, pytest.approx(row[0].score, abs=1e-4))
        for row in translator.translate(TEXTS, search)
    ]


def log_softmax(logits):
    x = np.asarray(logits, "float64")
    x -= x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def fused_greedy(models, source, steps):
    """Ids and score of greedy search by the whole models, token by token."""
    translation, language = models
    ids, total = [], 0.0
    while len(ids) < steps and EOS_ID not in ids:
        target = np.array([[BOS_ID, *ids]])
        sums = log_softmax(translation({"source": source, "target": target}))
        sums += WEIGHT * log_softmax(language({"target": target}))
        sums = sums[0, -1]
        sums[[PAD_ID, UNK_ID, BOS_ID]] = -np.inf
        ids.append(int(sums.argmax()))
        total += sums[ids[-1]]
    return ids, total


def test_searches_ask_it_and_scores_are_the_translation_model_s(
    translator, language_model, fused
):
    own, together = best(translator), best(fused)
    assert sum(a[0] != b[0] for a, b in zip(own, together, strict=True)) >= 2
    greedy = fused.translate(TEXTS[2:4], Search(beam_size=1, max_length=7))
    for text, (actual,) in zip(TEXTS[2:4], greedy, strict=True):
        source = translator.source_tokenizer.tokenize([text]).to_tensor()
        models = translator.model, language_model
        ids, total = fused_greedy(models, np.asarray(source), 7)
        assert actual.target_tokens == translator.target_tokenizer.pieces(ids)
        assert actual.log_prob == pytest.approx(total, rel=1e-4)
    pairs = [(text, "ein Hund") for text in TEXTS if text]
    assert fused.score(pairs) == translator.score(pairs)
    drawn = [[x.text for x in one.sample(TEXTS, 5)] for one in (fused, translator)]
    assert drawn[0] == drawn[1]


def test_an_export_holds_it(fused, tmp_path, export_only):
    export_only("serving_default")
    path = fused.export(tmp_path / "saved", SEARCH)
    (outputs,) = run_session(path, [("serving_default", {"text": strings(TEXTS)})])
    texts = [text.decode() for text in outputs["translation"]]
    assert list(zip(texts, outputs["score"], strict=True)) == best(fused)
    card = json.loads((path / "model_card.json").read_text("utf-8"))
    assert card["language_model_weight"] == WEIGHT
    assert f"log-probabilities times {WEIGHT}" in (path / "README.md").read_text(
        "utf-8"
    )


def test_it_is_pickled_and_joins_an_ensemble(translator, language_model, fused):
    copy = pickle.loads(pickle.dumps(fused))
    assert copy.fusion.weight == WEIGHT and not copy.members
    for actual, expected in zip(
        copy.fusion.model.get_weights(), language_model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)
    twice = Translator.ensemble([translator, translator])
    search = Search(beam_size=1, max_length=5)
    assert best(twice.with_language_model(language_model, WEIGHT), search) == best(
        fused, search
    )


def test_what_cannot_be_is_refused(language_model, fused, tmp_path):
    with pytest.raises(ValueError, match="without the language model, or `export`"):
        fused.save(tmp_path)
    with pytest.raises(ValueError, match="takes one language model"):
        fused.with_language_model(language_model)
    with pytest.raises(ValueError, match="call `with_language_model` of the ensemble"):
        Translator.ensemble([fused])
    with pytest.raises(ValueError, match="nor has a translator with a language"):
        fused.translate(TEXTS, Search(shortlist=True))
