"""Word links of attention, beside a loop over pieces."""

import numpy as np
import pytest

from kseq2seq.inference import Alignment, word_links, word_weights

# Pieces: zwei| Hun|de|EOS and two| d|o|gs|EOS.
SOURCE, TARGET = "zwei Hünde", "two dogs"
SOURCE_SPANS = [(0, 4), (5, 9), (9, 11), (11, 11)]
TARGET_SPANS = [(0, 3), (4, 5), (5, 6), (6, 8), (8, 8)]


def aligned(weights):
    return Alignment(["s"] * 4, ["t"] * 5, SOURCE_SPANS, TARGET_SPANS, weights, [0] * 5)


def test_weights_are_sums_over_the_source_and_means_over_the_target():
    weights = np.random.default_rng(0).dirichlet([0.5] * 4, size=5)
    of_source, of_target = [[0], [1, 2]], [[0], [1, 2, 3]]
    expected = [
        [np.mean([sum(weights[t, s] for s in word) for t in row]) for word in of_source]
        for row in of_target
    ]
    actual = word_weights(SOURCE, TARGET, aligned(weights.astype("float32")))
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_a_target_word_is_linked_to_the_source_word_that_it_attends_to_most():
    weights = np.zeros((5, 4))
    weights[0] = [0, 0.1, 0, 0.9]  # most at EOS
    weights[1:4] = [[0.5, 0.3, 0.2, 0], [0.7, 0, 0.3, 0], [0, 0.6, 0.4, 0]]
    # Of the word "dogs" 0.4 at the first word and 0.6 at the second.
    assert word_links(SOURCE, TARGET, aligned(weights)) == {(1, 0), (1, 1)}
    assert word_links(SOURCE, TARGET, aligned(weights), 0.35) == {(0, 1), (1, 1)}
    weights[0] = [0, 0, 0, 1]
    assert word_links(SOURCE, TARGET, aligned(weights)) == {(1, 1)}


def test_texts_without_words_have_no_links():
    empty = Alignment(["</s>"], ["</s>"], [(0, 0)], [(0, 0)], np.ones((1, 1)), [0])
    assert word_links("", "", empty) == frozenset()


def test_a_least_weight_must_be_one():
    with pytest.raises(ValueError, match=r"`least`.*above 0.*Received: least=0"):
        word_links(SOURCE, TARGET, aligned(np.ones((5, 4))), 0)
