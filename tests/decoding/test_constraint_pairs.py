"""The package's constraints, alone and by twos, against searches that filter.

A rule says of whole hypotheses, a row's own, whether it keeps to the constraint.
"""

import itertools
import re
from functools import partial

import numpy as np
import pytest
from keras import ops

from backends import run_on
from constraint_rules import (
    FORCED,
    IN_ORDER,
    PHRASES,
    anything,
    holds_in_order,
    no_phrase,
)
from constraints import assert_exhaustive
from kseq2seq.decoding import (
    AllowedOutputs,
    ForbiddenPhrases,
    ForbiddenTokens,
    ForcedPhrases,
    ForcedPrefix,
    MinLength,
    NoRepeatedNgram,
    Prefix,
    RepetitionPenalty,
    TransitionTable,
    greedy_search,
)
from kseq2seq.decoding.constraints import allowed_outputs
from kseq2seq.utils import EOS_ID, UNK_ID
from search_oracles import BACKEND, Tables, V, as_numpy, ids_of

LEAST = np.array([1, 3, 2])


def no_repeat(row, ids, size):
    ngrams = [ids[n : n + size] for n in range(len(ids) - size + 1)]
    return len(set(ngrams)) == len(ngrams)


def long_enough(row, ids, max_length=4):
    return len(ids) >= LEAST[row]


def no_unknown(row, ids):
    return UNK_ID not in ids


PREFIXES = np.array([[5, 4], [6, 0], [0, 0]], "int32")


def begins(row, ids):
    own = tuple(PREFIXES[row][PREFIXES[row] > 0])
    return ids[: len(own)] == own


# In pairs of 4 and 5, with 1 anywhere between them, and 6 at the end at most.
TABLE = np.full((4, V), -1)
TABLE[0, [4, 1, 6, EOS_ID]] = 1, 0, 2, 3
TABLE[1, 5] = 0
TABLE[2, EOS_ID] = 3
TABLE[3, 4] = 3  # from where there is no way to the end
TABLE[1, 6] = 3


def of_table(row, ids):
    return ids[-1] == EOS_ID and bool(
        re.fullmatch("(1|45)*6?", "".join(map(str, ids[:-1])))
    )


OUTPUTS = [[1], [1, 4], [1, 4, 6], [5], [6, 6, 6], [6, 5], [4, 4, 4, 4, 4]]


def of_outputs(row, ids):
    return ids[-1] == EOS_ID and list(ids[:-1]) in OUTPUTS


def narrow_outputs(most):
    """With no node, or some, in a table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allowed_outputs, "MAX_TABLE", 0)
        patch.setattr(allowed_outputs, "MOST_CHILDREN", most)
        return AllowedOutputs(OUTPUTS, V)


def holds_all(row, ids):
    """Which phrases may overlap."""
    written = " ".join(map(str, ids))
    phrases = [[id_ for id_ in phrase if id_] for phrase in FORCED[row]]
    return all(" ".join(map(str, phrase)) in written for phrase in phrases)


# Functions that make a constraint, since those of arrays hold tensors, and the rules.
CASES = {
    "unknown": (partial(ForbiddenTokens, [UNK_ID]), no_unknown),
    "least": (partial(MinLength, LEAST), long_enough),
    "unigram": (partial(NoRepeatedNgram, 1), partial(no_repeat, size=1)),
    "bigram": (partial(NoRepeatedNgram, 2), partial(no_repeat, size=2)),
    "trigram": (partial(NoRepeatedNgram, 3), partial(no_repeat, size=3)),
    "phrases": (partial(ForbiddenPhrases, PHRASES), no_phrase),
    "prefix": (partial(ForcedPrefix, PREFIXES), begins),
    "table": (partial(TransitionTable, TABLE), of_table),
    "outputs": (partial(AllowedOutputs, OUTPUTS, V), of_outputs),
    "narrow outputs": (partial(narrow_outputs, 9), of_outputs),
    "some narrow outputs": (partial(narrow_outputs, 2), of_outputs),
    "forced": (partial(ForcedPhrases, FORCED), holds_all),
    "penalty": (partial(RepetitionPenalty, 1.7), anything),
    "in order": (partial(ForcedPhrases, IN_ORDER, in_order=True), holds_in_order),
}
# Of the kinds of outputs and of forced phrases, one stands for all beside others.
ALONE = {"narrow outputs", "some narrow outputs", "in order"}
PAIRS = [
    names
    for names in itertools.combinations_with_replacement(CASES, 2)
    if names[0] == names[1] or not ALONE & {*names}
]
PAIRS += [("prefix", "in order"), ("penalty", "in order")]


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
def test_a_wide_beam_is_exhaustive_search(names):
    names = list(dict.fromkeys(names))
    assert_exhaustive(
        [CASES[name][0]() for name in names],
        keeps=lambda row, ids: all(CASES[name][1](row, ids) for name in names),
        penalty=1.7 if "penalty" in names else 1.0,
        length_penalty=0.7,
    )


@pytest.mark.skipif(BACKEND != "tensorflow", reason="starts the other itself")
def test_constraints_under_jax_jit():
    run_on(
        "jax",
        """
        import jax
        from constraints import assert_exhaustive
        from tests.decoding.test_constraint_pairs import CASES

        for names in (
            ("prefix", "bigram", "phrases", "penalty"),
            ("table", "least"),
            ("some narrow outputs", "unknown"),
            ("in order", "penalty"),
        ):
            assert_exhaustive(
                [CASES[name][0]() for name in names],
                keeps=lambda row, ids: all(CASES[name][1](row, ids) for name in names),
                penalty=1.7 if "penalty" in names else 1.0,
                compiled_by=jax.jit,
            )
        """,
    )


def test_each_case_forbids_something_and_not_everything():
    for name, (_, rule) in CASES.items():
        ends = [(*ids, EOS_ID) for ids in itertools.product([1, 4, 5, 6], repeat=2)]
        longer = list(itertools.product([1, 4, 5, 6], repeat=4))
        kept = [rule(1, ids) for ids in [(EOS_ID,), *ends, *longer]]
        assert any(kept) and (name == "penalty" or not all(kept))


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(NoRepeatedNgram, 0), "`size` must be an integer of at least 1"),
        (partial(RepetitionPenalty, 0.5), "`penalty` must be.*at least 1.*0.5"),
        (partial(ForbiddenPhrases, [[4], []]), "`phrases` must be a list of lists"),
        (partial(ForbiddenPhrases, [[4], [-2]]), r"`phrases\[1\]`.*at least 0"),
        (partial(TransitionTable, np.zeros(3)), "`table` must be an array of integers"),
        (partial(TransitionTable, np.full((2, 5), -1)), "a way from its start to EOS"),
        (partial(TransitionTable, TABLE, 4), "`start` must be.*from 0 to 3"),
        (partial(ForcedPhrases, FORCED, 1), "`in_order` must be True or False.*1"),
        (partial(AllowedOutputs, [], V), "`sequences` must be a list of lists"),
        (partial(AllowedOutputs, [[4, 7]], V), "`sequences` must hold ids below 7"),
        (partial(AllowedOutputs, [[4, 3]], V), "`sequences` must.*without EOS, 3"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("position", [0, 1, 4])
def test_a_penalty_is_of_the_tokens_that_are_written_alone(position):
    """Not of PAD, which is what stands in the buffer behind them."""
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 11, size=(2, 3, 7)).astype("int32")
    ids[..., position:] = 0
    log_probs = -rng.random((2, 3, 11)).astype("float32")
    expected = log_probs.copy()
    for b, k in np.ndindex(2, 3):
        for token in {*ids[b, k, :position].tolist()}:
            expected[b, k, token] *= 1.75
    limit = ops.full((2, 1), 7, "int32")
    prefix = Prefix(
        ops.convert_to_tensor(ids), ops.convert_to_tensor(position), limit, EOS_ID
    )
    received = RepetitionPenalty(1.75).adjusted(
        ops.convert_to_tensor(log_probs), prefix, ()
    )
    np.testing.assert_allclose(received, expected, rtol=1e-6)
