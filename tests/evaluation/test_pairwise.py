"""Pairwise scores, against sacreBLEU's scores of single sentences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from kseq2seq.evaluation import pairwise_scores

SENTENCES = [
    "A dog runs over the wet grass, barking.",
    "The dog is running over wet grass.",
    "a dog a dog a dog a dog",
    "Ein Hund läuft.",
    "Yes!",
    "ab  cd",
    "dog",
    "",
]
WORDS = st.lists(st.sampled_from(["a", "dog", "runs", "é,", "12.5", "-"]), max_size=9)


def by_sacrebleu(metric, hypotheses, references):
    return [
        [metric.sentence_score(x, [y]).score for y in references] for x in hypotheses
    ]


@pytest.mark.parametrize(
    ("utility", "metric"), [("chrf", CHRF()), ("bleu", BLEU(effective_order=True))]
)
def test_scores_are_those_of_sacrebleu(utility, metric):
    actual = pairwise_scores(utility, SENTENCES, SENTENCES[1:6])
    expected = by_sacrebleu(metric, SENTENCES, SENTENCES[1:6])
    np.testing.assert_allclose(actual, expected, atol=1e-9)
    assert actual.shape == (8, 5) and len(np.unique(actual)) > 6

    @settings(max_examples=40)
    @given(WORDS, WORDS, WORDS)
    def of_any_sentences(first, second, third):
        hypothesis, *references = map(" ".join, (first, second, third))
        actual = pairwise_scores(utility, [hypothesis], references)
        expected = by_sacrebleu(metric, [hypothesis], references)
        np.testing.assert_allclose(actual, expected, atol=1e-9)

    of_any_sentences()


def test_edits_are_in_percent_of_the_longer_one():
    actual = pairwise_scores("edit", ["kitten", "", "ab"], ["sitting", ""])
    expected = [[100 - 300 / 7, 0], [0, 100], [0, 0]]
    np.testing.assert_allclose(actual, expected)


def test_nothing_is_compared_with_nothing():
    for utility in ("chrf", "bleu", "edit"):
        assert pairwise_scores(utility, [], ["a"]).shape == (0, 1)
        assert pairwise_scores(utility, ["a"], []).shape == (1, 0)


def test_unknown_utilities_are_refused():
    with pytest.raises(ValueError, match="`utility` must be one of chrf, bleu, edit.*"):
        pairwise_scores("ter", ["a"], ["a"])
