"""Scores of hypotheses, against the formulas of Wu et al. (2016), number by number."""

import math

import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding.slots import (
    LEAST_COVERAGE,
    Rules,
    Slots,
    length_penalty,
    prefix_of,
    score,
)
from kseq2seq.utils import BOS_ID, EOS_ID

BATCH, BEAM, COUNT, SOURCE = 2, 3, 5, 7
LIMITS = [11, 13]


def rules_of(**settings):
    limits = ops.convert_to_tensor(LIMITS)
    return Rules(limits, 13, EOS_ID, BOS_ID, EOS_ID, **settings)


def slots_of(lengths, coverage=None, ids=None):
    leaves = dict.fromkeys(Slots._fields)
    coverage = () if coverage is None else (ops.convert_to_tensor(coverage),)
    lengths = ops.convert_to_tensor(lengths, "int32")
    return Slots(**{**leaves, "lengths": lengths, "coverage": coverage, "ids": ids})


@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.7])
def test_divisors(exponent):
    lengths = [[0, 1, 2], [7, 1, 19]]
    kinds = {
        "wu": lambda n: ((5 + n) / 6) ** exponent,
        "mean": lambda n: max(n, 1) ** exponent,
    }
    for kind, divisor in kinds.items():
        rules = rules_of(length_penalty=exponent, length_normalization=kind)
        received = length_penalty(ops.convert_to_tensor(lengths), rules)
        expected = [[divisor(n) for n in row] for row in lengths]
        np.testing.assert_allclose(received, expected, rtol=1e-5)


@pytest.mark.parametrize("has_mask", [False, True])
def test_scores(has_mask):
    rng = np.random.default_rng(3)
    log_probs = -rng.random((BATCH, BEAM, COUNT)).astype("float32")
    lengths = rng.integers(1, 11, (BATCH, BEAM))
    # Less than nothing, much and more than all.
    coverage = (rng.random((BATCH, BEAM, SOURCE)) * 1.5).astype("float32")
    coverage[0, 0, 0], coverage[1, 2, 6] = 0.0, 2.5
    mask = np.arange(SOURCE) < np.array([[5], [7]])
    rules = rules_of(
        length_penalty=0.7,
        coverage_penalty=0.3,
        source_mask=ops.convert_to_tensor(mask) if has_mask else None,
    )
    received = ops.convert_to_numpy(
        score(log_probs, slots_of(lengths, coverage), rules)
    )
    for b, k, c in np.ndindex(*log_probs.shape):
        expected = log_probs[b, k, c] / ((5 + lengths[b, k]) / 6) ** 0.7
        for s in range(SOURCE):
            if mask[b, s] or not has_mask:
                covered = min(max(coverage[b, k, s], LEAST_COVERAGE), 1.0)
                expected += 0.3 * math.log(covered)
        assert received[b, k, c] == pytest.approx(expected, rel=1e-4)


def test_without_penalties_scores_are_log_probabilities():
    log_probs = -np.random.default_rng(5).random((BATCH, BEAM, COUNT))
    log_probs = ops.convert_to_tensor(log_probs.astype("float32"))
    received = score(log_probs, slots_of([[1, 2, 3], [5, 7, 11]]), rules_of())
    np.testing.assert_array_equal(received, log_probs)


def test_constraints_see_ids_and_limits_of_rows():
    ids = np.random.default_rng(7).integers(4, 9, (BATCH, BEAM, 13))
    prefix = prefix_of(slots_of([[2] * BEAM] * BATCH, ids=ids), rules_of(), 2)
    assert prefix.ids is ids and prefix.position == 2 and prefix.eos_id == EOS_ID
    np.testing.assert_array_equal(prefix.max_length, np.array(LIMITS)[:, None])
