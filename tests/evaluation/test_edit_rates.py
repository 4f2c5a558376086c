"""Error rates against brute-force edit distance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kseq2seq import evaluation
from kseq2seq.evaluation import METRICS, edit_distance
from sentences import ERROR_RATES, FIRST, HYPOTHESES, REFERENCES


def brute_force(first, second):
    """Edit distance by its recursive definition, as a table."""
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    table[:, 0], table[0] = range(len(first) + 1), range(len(second) + 1)
    for i, j in np.ndindex(len(first), len(second)):
        replaced = table[i, j] + (first[i] != second[j])
        table[i + 1, j + 1] = min(table[i, j + 1] + 1, table[i + 1, j] + 1, replaced)
    return table[-1, -1]


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_edit_distance_matches_brute_force(first, second):
    assert edit_distance(first, second) == brute_force(first, second)
    words = list(map(str.upper, first)), list(map(str.upper, second))
    assert edit_distance(*words) == brute_force(first, second)


@pytest.mark.parametrize("length", [63, 64, 65, 131])
def test_edit_distance_of_sequences_longer_than_a_machine_word(length):
    random = np.random.default_rng(length)
    first, second = random.integers(5, size=length), random.integers(5, size=101)
    assert edit_distance(first.tolist(), second.tolist()) == brute_force(first, second)


def nearest(name, hypotheses, references):
    """Edits and lengths of the nearest references, by trying all."""
    split = list if name == "character_error_rate" else str.split
    edits = length = 0
    for hypothesis, accepted in zip(hypotheses, references, strict=True):
        distances = [brute_force(split(hypothesis), split(x)) for x in accepted]
        edits += min(distances)
        length += max(
            len(split(x))
            for x, distance in zip(accepted, distances, strict=True)
            if distance == min(distances)
        )
    return edits, length


@pytest.mark.parametrize("name", ERROR_RATES)
def test_error_rates_match_brute_force(name):
    edits, length = nearest(name, HYPOTHESES, REFERENCES)
    score = METRICS[name].function(HYPOTHESES, REFERENCES)
    assert score.value == pytest.approx(100 * edits / length)
    edits, length = nearest(name, HYPOTHESES, [[x] for x in FIRST])
    score = METRICS[name].function(HYPOTHESES, FIRST)
    assert score.value == pytest.approx(100 * edits / length)


def test_error_rates_by_hand():
    # 1 edit of 3 words; 2 of 4, nearer than 3 of 5 would be.
    hypotheses = ["a b c", "a b c d"]
    references = [["a x c"], ["x y z d e", "a b x y"]]
    assert evaluation.word_error_rate(hypotheses, references).value == 100 * 3 / 7
    # Blanks are characters, and a word may be longer than one.
    assert evaluation.character_error_rate(["ab c"], ["abcd"]).value == 50.0
    assert evaluation.phone_error_rate(["HH AH0"], ["HH EH0 L"]).value == 100 * 2 / 3


@pytest.mark.parametrize("name", ERROR_RATES)
def test_empty_references(name):
    assert METRICS[name].function(["", ""], ["", ""]).value == 0.0
    assert METRICS[name].function(["a b", ""], ["", ""]).value == 100.0
    assert METRICS[name].function(["", ""], ["a", "b b"]).value == 100.0
