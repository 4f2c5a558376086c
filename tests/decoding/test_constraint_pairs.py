"""The package's constraints, alone and by twos, against searches that filter.

A rule says of whole hypotheses, a row's own, whether it keeps to the constraint.
"""

import itertools
from functools import partial

import numpy as np
import pytest

from constraints import assert_exhaustive
from kseq2seq.decoding import (
    Constraint,
    ForbiddenPhrases,
    ForbiddenTokens,
    MinLength,
    NoRepeatedNgram,
    RepetitionPenalty,
    greedy_search,
)
from kseq2seq.utils import UNK_ID
from search_oracles import Tables, as_numpy, ids_of

PHRASES = [[5, 4], [6, 1, 6], [1, 1]]
LEAST = np.array([1, 3, 2])


def no_repeat(row, ids, size):
    ngrams = [ids[n : n + size] for n in range(len(ids) - size + 1)]
    return len(set(ngrams)) == len(ngrams)


def no_phrase(row, ids):
    return not any(
        list(ids[n : n + len(phrase)]) == phrase
        for phrase in PHRASES
        for n in range(len(ids))
    )


def long_enough(row, ids, max_length=4):
    return len(ids) >= LEAST[row]


def anything(row, ids):
    return True


def no_unknown(row, ids):
    return UNK_ID not in ids


# Functions that make a constraint, since those of arrays hold tensors, and the rules.
CASES = {
    "unknown": (partial(ForbiddenTokens, [UNK_ID]), no_unknown),
    "least": (partial(MinLength, LEAST), long_enough),
    "unigram": (partial(NoRepeatedNgram, 1), partial(no_repeat, size=1)),
    "bigram": (partial(NoRepeatedNgram, 2), partial(no_repeat, size=2)),
    "trigram": (partial(NoRepeatedNgram, 3), partial(no_repeat, size=3)),
    "phrases": (partial(ForbiddenPhrases, PHRASES), no_phrase),
    "penalty": (partial(RepetitionPenalty, 1.7), anything),
}
PAIRS = list(itertools.combinations_with_replacement(CASES, 2))


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_a_wide_beam_is_exhaustive_search(names):
    names = list(dict.fromkeys(names))
    assert_exhaustive(
        [CASES[name][0]() for name in names],
        keeps=lambda row, ids: all(CASES[name][1](row, ids) for name in names),
        penalty=1.7 if "penalty" in names else 1.0,
        length_penalty=0.7,
    )


def test_each_case_forbids_something_and_not_everything():
    """Among all sequences of three tokens."""
    sequences = list(itertools.product([1, 4, 5, 6], repeat=3))
    for name, (_, rule) in CASES.items():
        kept = [rule(0, ids) for ids in sequences]
        assert any(kept) and (not all(kept) or name in ("penalty", "trigram", "least"))


def test_greedy_search_repeats_no_trigram():
    model = Tables(41, eos_bonus=-9.0, sharpness=9.0)
    options = {"max_length": 23}
    free = as_numpy(greedy_search(model.step, model.initial_state(), **options))
    bound = as_numpy(
        greedy_search(
            model.step,
            model.initial_state(),
            constraints=[NoRepeatedNgram(3)],
            **options,
        )
    )
    repeats = [
        [not no_repeat(row, ids_of(result, row)[0], 3) for row in range(3)]
        for result in (free, bound)
    ]
    assert any(repeats[0]) and not any(repeats[1])


def test_a_base_class_that_changes_scores_allows_everything():
    class Half(Constraint):
        changes_scores = True

        def adjusted(self, log_probs, prefix, state):
            return log_probs * 2.0

    model = Tables(42)
    one = as_numpy(greedy_search(model.step, model.initial_state(), max_length=5))
    other = as_numpy(
        greedy_search(
            model.step, model.initial_state(), max_length=5, constraints=[Half()]
        )
    )
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_allclose(other.log_probs, 2.0 * one.log_probs, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(NoRepeatedNgram, 0), "`size` must be an integer of at least 1"),
        (partial(RepetitionPenalty, 0.5), "`penalty` must be.*at least 1.*0.5"),
        (partial(ForbiddenPhrases, [[4], []]), "`phrases` must be a list of lists"),
        (partial(ForbiddenPhrases, [[4], [-2]]), r"`phrases\[1\]`.*at least 0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
