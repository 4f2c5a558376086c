"""Constraints from outside the package, against searches that filter."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from backends import run_on
from constraints import (
    ForcedPrefix,
    NoDouble,
    NoRepeatedBigram,
    NoSeenBigram,
    NoWayBack,
    assert_exhaustive,
    no_double,
    no_repeated_bigram,
    no_way_back,
)
from kseq2seq.decoding import (
    Constraint,
    ForbiddenTokens,
    MinLength,
    beam_search,
    greedy_search,
    sample,
)
from kseq2seq.utils import EOS_ID, PAD_ID
from search_oracles import (
    BACKEND,
    SEARCHES,
    B,
    Tables,
    V,
    as_numpy,
    ids_of,
    one_pool,
)

RULES = {
    "bigrams of the prefix": (NoRepeatedBigram(), no_repeated_bigram),
    "bigrams of a state": (NoSeenBigram(V), no_repeated_bigram),
    "doubles": (NoDouble(None), no_double),
    "doubles, bounded": (NoDouble(1), no_double),
    "no way back": (NoWayBack(), no_way_back),
}


@pytest.mark.parametrize(
    "penalties", [{}, {"length_penalty": 1.3, "coverage_penalty": 0.2}], ids=str
)
@pytest.mark.parametrize(("constraint", "rule"), RULES.values(), ids=RULES)
def test_a_wide_beam_is_exhaustive_search(constraint, rule, penalties):
    assert_exhaustive(constraint, rule, **penalties)


def test_the_rules_forbid_something():
    model = Tables(31)
    for _, rule in RULES.values():
        free = one_pool(model, 0, 401, 4)
        bound = one_pool(model, 0, 401, 4, allowed=rule)
        assert 0 < len(bound) < len(free)


@settings(max_examples=2 if BACKEND == "jax" else 15, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    beam=st.integers(1, 5),
    max_length=st.integers(1, 8),
    min_length=st.integers(0, 3),
    name=st.sampled_from([name for name in RULES if name != "no way back"]),
    sharpness=st.sampled_from([1.0, 4.0]),
)
def test_a_narrow_beam_is_the_plain_loop(
    seed, beam, max_length, min_length, name, sharpness
):
    constraint, rule = RULES[name]
    model = Tables(seed, batch=2, sharpness=sharpness)
    min_length = min(min_length, max_length)
    result = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=beam,
            num_hypotheses=beam,
            max_length=max_length,
            min_length=min_length,
            constraints=[constraint],
        )
    )
    for row in range(2):
        expected = one_pool(model, row, beam, max_length, min_length, allowed=rule)
        expected = [ids for _, ids in expected]
        assert ids_of(result, row)[: len(expected)] == expected


def test_several_constraints_hold_together():
    model = Tables(32)
    both = [NoDouble(1), NoRepeatedBigram(), ForbiddenTokens([6])]
    result = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=3,
            num_hypotheses=3,
            max_length=9,
            constraints=both,
        )
    )

    def rule(row, ids, token):
        return (
            no_double(row, ids, token)
            and no_repeated_bigram(row, ids, token)
            and token != 6
        )

    for row in range(B):
        expected = one_pool(model, row, 3, 9, allowed=rule)
        assert ids_of(result, row) == [ids for _, ids in expected]


def test_the_arguments_are_constraints_too():
    """`forbidden_ids` and `min_length` do the same as their constraints."""
    model = Tables(33, eos_bonus=2.0)
    least = np.array([2, 5, 1])
    options = {"beam_size": 4, "num_hypotheses": 4, "max_length": 6}
    by_arguments = beam_search(
        model.step,
        model.initial_state(),
        min_length=least,
        forbidden_ids=(0, 2, 5),
        **options,
    )
    by_constraints = beam_search(
        model.step,
        model.initial_state(),
        forbidden_ids=(),
        constraints=[ForbiddenTokens((0, 2, 5)), MinLength(least)],
        **options,
    )
    for one, other in zip(
        as_numpy(by_arguments), as_numpy(by_constraints), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert (as_numpy(by_arguments).lengths >= least[:, None]).all()


def test_greedy_search_takes_the_best_token_allowed():
    model = Tables(34)
    result = as_numpy(
        greedy_search(
            model.step,
            model.initial_state(),
            max_length=9,
            constraints=[NoSeenBigram(V)],
        )
    )
    for row in range(B):
        ids = ()
        while len(ids) < 9 and EOS_ID not in ids:
            log_probs, _ = model.next(row, ids)
            for token in range(V):
                if token in (0, 2) or not no_repeated_bigram(row, ids, token):
                    log_probs[token] = -np.inf
            ids += (int(log_probs.argmax()),)
        assert ids_of(result, row) == [ids]


def test_samples_keep_to_constraints_and_their_probabilities():
    model = Tables(35, batch=1)
    result = as_numpy(
        sample(
            model.step,
            model.initial_state(),
            seed=7,
            num_samples=10007,
            max_length=2,
            constraints=[NoDouble(None)],
        )
    )
    first, second = result.ids[0].T
    assert not (first == second).any()
    after = second[first == 4]
    log_probs, _ = model.next(0, (4,))
    expected = np.exp(log_probs)
    expected[[0, 2, 4]] = 0.0
    expected /= expected.sum()
    shares = np.bincount(after, minlength=V) / len(after)
    np.testing.assert_allclose(shares, expected, atol=5 / np.sqrt(len(after)))


PREFIXES = np.array([[5, 4, 0], [6, 6, 6], [0, 0, 0]], "int32")


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_rows_may_have_constraints_of_their_own(search):
    model = Tables(36)
    result = as_numpy(
        search(
            model.step,
            model.initial_state(),
            max_length=7,
            min_length=3,
            constraints=[ForcedPrefix(PREFIXES)],
        )
    )
    assert (result.ids[0, :, :2] == [5, 4]).all()
    assert (result.ids[1, :, :3] == 6).all()
    free = as_numpy(
        search(model.step, model.initial_state(), max_length=7, min_length=3)
    )
    np.testing.assert_array_equal(result.ids[2], free.ids[2])
    np.testing.assert_allclose(result.scores[2], free.scores[2], atol=1e-6)


class Nothing(Constraint):
    def allowed(self, tokens, prefix, state):
        return ops.equal(tokens, -1)


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_nothing_allowed_is_an_empty_hypothesis(search):
    model = Tables(37)
    result = as_numpy(
        search(model.step, model.initial_state(), max_length=3, constraints=[Nothing()])
    )
    assert not result.ids.any() and not result.lengths.any()
    assert (result.log_probs == -np.inf).all()


@pytest.mark.skipif(BACKEND != "tensorflow", reason="starts the others itself")
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends(backend):
    run_on(
        backend,
        """
        from constraints import *
        from search_oracles import V
        from kseq2seq.decoding import *

        PREFIXES = np.array([[5, 4], [6, 0], [0, 0]], "int32")
        PHRASES = np.array([[[4, 6], [6, 0]], [[1, 0], [0, 0]], [[5, 5], [0, 0]]])

        def begins(row, ids):
            own = tuple(PREFIXES[row][PREFIXES[row] > 0])
            return ids[: len(own)] == own

        def holds(row, ids):
            written = " ".join(map(str, ids))
            phrases = [" ".join(str(x) for x in p if x) for p in PHRASES[row]]
            return all(phrase in written for phrase in phrases)

        assert_exhaustive(NoRepeatedBigram(), no_repeated_bigram)
        assert_exhaustive(NoSeenBigram(V), no_repeated_bigram, length_penalty=0.8)
        assert_exhaustive(NoDouble(1), no_double)
        assert_exhaustive(
            [ForcedPhrases(PHRASES), ForcedPrefix(PREFIXES), RepetitionPenalty(1.7)],
            keeps=lambda row, ids: begins(row, ids) and holds(row, ids),
            penalty=1.7,
        )
        assert_exhaustive(
            [AllowedOutputs([[1, 4], [5], [6, 6, 1]], V), ForbiddenPhrases([[6, 1]])],
            keeps=lambda row, ids: ids in ((1, 4, 3), (5, 3)),
        )
        """,
    )


def test_bad_arguments_of_the_constraints():
    with pytest.raises(ValueError, match="`ids` must be a list of integers.*ids=7"):
        ForbiddenTokens(7)
    for value in (-1, 2.5, "3", None):
        with pytest.raises(ValueError, match=f"`min_length`.*at least 0.*{value!r}"):
            MinLength(value)
    assert keras.backend.standardize_dtype(MinLength(3).min_length.dtype) == "int32"
    assert PAD_ID == 0  # on which the states of these tests rely


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
