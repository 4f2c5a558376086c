"""Reranking of n-best lists."""

import numpy as np
import pytest

from kseq2seq import Search
from kseq2seq.inference import (
    Translation,
    forward_score,
    rerank,
    reverse_score,
    right_to_left_score,
)
from translators import FEATURES_OF_TEXTS, NUM_FEATURES, TEXTS, tiny_translator


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def test_lists_are_ordered_by_weighted_sums(translator):
    lists = translator.translate(TEXTS, Search(beam_size=5, num_hypotheses=5))
    scorers = [
        forward_score(translator, batch_size=3),
        reverse_score(translator),
        right_to_left_score(translator),
    ]
    weights = [0.5, 2.0, -1.0, 3.0]
    actual = rerank(TEXTS, lists, scorers, weights)
    moved = 0
    for text, ranked, best_first in zip(TEXTS, actual, lists, strict=True):
        sums = {}
        for x in best_first:
            turned = " ".join(x.text.split()[::-1])
            scores = [
                x.score,
                *(
                    translator.score([pair])[0][0]
                    for pair in [(text, x.text), (x.text, text), (text, turned)]
                ),
            ]
            sums[x.text] = np.dot(weights, scores)
        np.testing.assert_allclose(
            [x.score for x in ranked], [sums[x.text] for x in ranked], rtol=1e-4
        )
        assert [x.text for x in ranked] == sorted(sums, key=lambda x: -sums[x])
        moved += ranked[0].text != best_first[0].text
        # All else stays with its translation.
        others = {x.text: x.target_tokens for x in best_first}
        assert all(x.target_tokens == others[x.text] for x in ranked)
    assert moved > 1


def test_features_go_to_the_scorers_that_read_them(translator):
    reader = tiny_translator(features="joined", feature_vocabulary_size=NUM_FEATURES)
    lists = [[Translation("b a", 0.0), Translation("a", 0.0)] for _ in TEXTS]
    scorers = [forward_score, reverse_score, right_to_left_score]
    turns = [lambda x, y: (x, y), lambda x, y: (y, x), lambda x, y: (x, y[::-1])]
    for scorer, turn in zip(scorers, turns, strict=True):
        both = [scorer(reader), scorer(translator)]
        ranked = rerank(TEXTS, lists, both, features=FEATURES_OF_TEXTS)
        for text, features, row in zip(TEXTS, FEATURES_OF_TEXTS, ranked, strict=True):
            for x in row:
                pair = turn(text, x.text)
                expected = reader.score([(*pair, features)])[0][0]
                expected += translator.score([pair])[0][0]
                np.testing.assert_allclose(x.score, expected, rtol=1e-4)
        with pytest.raises(ValueError, match="`features` must be given to `rerank`"):
            rerank(TEXTS, lists, both)
    with pytest.raises(ValueError, match="one string for each of the 6 texts.*: 1"):
        rerank(TEXTS, lists, [], features=["N"])


def test_equal_sums_keep_the_order():
    best_first = [Translation("b", -1.0), Translation("a", -2.0)]
    lists = rerank(["x"], [best_first], [lambda pairs: [-1, 0]])
    assert [x.text for x in lists[0]] == ["b", "a"]
    assert rerank([], [], [forward_score(None)]) == []


def test_an_infinite_score_of_no_weight_has_no_part():
    impossible = [Translation("a", -np.inf), Translation("b", -np.inf)]
    ((first, second),) = rerank(["x"], [impossible], [lambda pairs: [1, 2]], [0, 1])
    assert (first.text, first.score) == ("b", 2.0)
    assert (second.text, second.score) == ("a", 1.0)


def test_what_is_no_number_is_no_score():
    lists = [[Translation("a", -1.0), Translation("b", -2.0)]]
    with pytest.raises(ValueError, match=r"NaN for the pair \('x', 'b'\)"):
        rerank(["x"], lists, [lambda pairs: [0.0, float("nan")]])


def test_lengths_must_fit():
    lists = [[Translation("a", -1.0)]]
    with pytest.raises(ValueError, match="a list for each text. Received: 1 lists for"):
        rerank(["x", "y"], lists, [])
    with pytest.raises(ValueError, match="scorer, 2 in all. Received: 1"):
        rerank(["x"], lists, [len], [1])
    with pytest.raises(ValueError, match="one score for each of 1 pairs. Received: 2"):
        rerank(["x"], lists, [lambda pairs: [1, 2]])
    with pytest.raises(ValueError, match="`weights` must be .*nan"):
        rerank(["x"], lists, [], [float("nan")])
