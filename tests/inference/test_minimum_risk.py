"""Minimum-risk decoding, against its definition in plain loops."""

from collections import Counter

import numpy as np
import pytest
from sacrebleu.metrics import CHRF

from kseq2seq import Search
from kseq2seq.inference import minimum_risk
from translators import FEATURES_OF_TEXTS, NUM_FEATURES, TEXTS, tiny_translator

SEARCH = Search(beam_size=3, num_hypotheses=3, max_length=11)
CHRF2 = CHRF()


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def by_chrf(candidates, references, weights):
    """Expected chrF2 of each candidate, by sacreBLEU."""
    return {
        x: sum(
            weight * CHRF2.sentence_score(x, [y]).score
            for y, weight in zip(references, weights, strict=True)
        )
        for x in candidates
    }


def assert_ranked(actual, expected):
    assert {x.text for x in actual} == {*expected} and len(actual) == len(expected)
    scores = [x.score for x in actual]
    np.testing.assert_allclose(scores, [expected[x.text] for x in actual], atol=1e-9)
    assert scores == sorted(scores, reverse=True)


def test_the_best_candidate_is_most_like_all_samples(translator):
    actual = minimum_risk(translator, TEXTS, samples=7, n_best=3, search=SEARCH,
                          seed=5, top_k=4)  # fmt: skip
    searched = translator.translate(TEXTS, SEARCH, alignments=False)
    lengths = set()
    for n, ranked in enumerate(actual):
        drawn = translator.sample([TEXTS[n]] * 7, seed=5 + 7 * n, top_k=4)
        references = [x.text for x in drawn]
        candidates = {*references, *(x.text for x in searched[n])}
        lengths.add(len(candidates))
        assert_ranked(ranked, by_chrf(candidates, references, [1 / 7] * 7))
        log_probs = {x.text: x.log_prob for x in (*searched[n], *drawn)}
        for x in ranked:
            np.testing.assert_allclose(x.log_prob, log_probs[x.text], rtol=1e-4)
    assert max(lengths) > 5 and min(lengths) == 1  # of the blank text


def test_an_n_best_list_counts_by_its_probabilities(translator):
    actual = minimum_risk(translator, TEXTS, samples=0, n_best=3, search=SEARCH)
    searched = translator.translate(TEXTS, SEARCH, alignments=False)
    for ranked, best_first in zip(actual, searched, strict=True):
        weights = np.exp([x.log_prob for x in best_first])
        weights /= weights.sum()
        texts = [x.text for x in best_first]
        assert_ranked(ranked, by_chrf(texts, texts, weights))


def test_where_nothing_keeps_to_the_rules_there_is_the_empty_text(translator):
    search = Search(beam_size=2, pattern="[a-z]", min_length=5)
    ((only,),) = minimum_risk(translator, TEXTS[:1], samples=0, n_best=2, search=search)
    assert (only.text, only.score, only.log_prob) == ("", 0.0, -np.inf)


def test_a_utility_may_be_a_function(translator):
    def most_frequent(hypotheses, references):
        return [[float(x == y) for y in references] for x in hypotheses]

    actual = minimum_risk(translator, TEXTS[:1], most_frequent, 13, top_k=2)
    drawn = translator.sample(TEXTS[:1] * 13, top_k=2)
    ((_, most), *_) = Counter(x.text for x in drawn).most_common()
    np.testing.assert_allclose(actual[0][0].score, most / 13)
    with pytest.raises(ValueError, match=r"shape \(hypotheses, references\).*\(3,\)"):
        minimum_risk(translator, TEXTS[:1], lambda *_: [1, 2, 3], samples=2)
    with pytest.raises(ValueError, match="`utility` must return numbers.*1 of 1 pairs"):
        minimum_risk(translator, TEXTS[:1], lambda *_: [[np.nan]], samples=1)


def test_features_reach_samples_and_search():
    greedy = Search(beam_size=1, max_length=5)
    model = tiny_translator(feature_vocabulary_size=NUM_FEATURES)
    # An iterator, which can be read once.
    features = iter(FEATURES_OF_TEXTS)
    actual = minimum_risk(
        model, TEXTS, samples=1, n_best=1, search=greedy, features=features
    )
    drawn = model.sample(TEXTS, features=FEATURES_OF_TEXTS)
    searched = model.translate(
        TEXTS, greedy, alignments=False, features=FEATURES_OF_TEXTS
    )
    for n, ranked in enumerate(actual):
        assert {x.text for x in ranked} == {drawn[n].text, searched[n][0].text}
        assert ranked[0].text == drawn[n].text
    with pytest.raises(ValueError, match=r"for each of the 2 texts.*Received: 1$"):
        minimum_risk(model, TEXTS[:2], samples=3, features=FEATURES_OF_TEXTS[:1])


def test_arguments_that_cannot_be(translator, monkeypatch):
    for values, match in [
        ({"samples": 0}, "`samples` or `n_best` must be above 0. Received: samples=0"),
        ({"samples": -1}, "`samples` must be .*Received: samples=-1"),
        ({"n_best": 0.5}, "`n_best` must be .*Received: n_best=0.5"),
        ({"samples": 0, "n_best": 2, "top_k": 3}, "`samples` must.*: samples=0, top_k"),
        ({"search": SEARCH}, r"`n_best` must.*Received: n_best=0, search=Search\("),
        ({"utility": "ter"}, "`utility` must be one of chrf, .*utility='ter'"),
        ({"temperature": 0}, "`temperature` must be .*Received: temperature=0"),
    ]:
        with pytest.raises(ValueError, match=match):
            minimum_risk(translator, ["a"], **values)
    translate = translator.translate

    def as_saved(*args, **options):
        lists = translate(*args, **options)
        return [[x._replace(log_prob=None) for x in best] for best in lists]

    monkeypatch.setattr(translator, "translate", as_saved)
    with pytest.raises(ValueError, match="`samples` must be above 0 for a SavedModel"):
        minimum_risk(translator, ["a"], samples=0, n_best=3, search=SEARCH)
    assert minimum_risk(translator, [], samples=2) == []
