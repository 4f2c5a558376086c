"""Statistics of alignments, beside loops over their definitions."""

import math

import numpy as np
import pytest

from kseq2seq.evaluation import alignment_statistics


def loops(alignment):
    """Information, sharpness, coverage and monotonicity of one text."""
    target, source = alignment.shape
    joint = {
        (t, s): alignment[t, s] / alignment[t].sum() / target
        for t in range(target)
        for s in range(source)
    }
    of_target = [sum(joint[t, s] for s in range(source)) for t in range(target)]
    of_source = [sum(joint[t, s] for t in range(target)) for s in range(source)]
    information = sum(
        p * math.log(p / (of_target[t] * of_source[s]))
        for (t, s), p in joint.items()
        if p > 0
    )
    conditional = -sum(
        p * math.log(p / of_target[t]) for (t, _), p in joint.items() if p > 0
    )
    marginal = -sum(p * math.log(p) for p in of_source if p > 0)
    mean_t = sum(p * t for (t, _), p in joint.items())
    mean_s = sum(p * s for (_, s), p in joint.items())
    covariance = sum(p * (t - mean_t) * (s - mean_s) for (t, s), p in joint.items())
    variances = [
        sum(p * (place[i] - mean) ** 2 for place, p in joint.items())
        for i, mean in enumerate((mean_t, mean_s))
    ]
    return (
        information / math.log(min(target, source)),
        1 - conditional / math.log(source),
        marginal / math.log(source),
        covariance / math.sqrt(variances[0] * variances[1]),
    )


def test_statistics_are_those_of_their_definitions():
    rng = np.random.default_rng(0)
    alignments = [
        rng.dirichlet([0.3] * s, size=t) for t, s in ((5, 7), (11, 3), (2, 2))
    ]
    alignments[0][2, 3] = 0.0
    expected = np.mean([loops(x) for x in alignments], axis=0)
    # Of float16, of rows that do not sum to 1, and with rows that have no sum.
    given = [np.float32(alignments[0] * 0.5), *alignments[1:]]
    np.testing.assert_allclose(alignment_statistics(given), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("alignment", "expected"),
    [
        (np.eye(5), (1, 1, 1, 1)),
        (np.eye(5)[::-1], (1, 1, 1, -1)),
        (np.full((3, 7), 1 / 7), (0, 0, 1, 0)),
        (np.eye(7)[[4, 4, 4]], (0, 1, 0, 0)),
        (np.array([[0.7, 0.2, 0.1]] * 5), (0, None, None, 0)),
    ],
    ids=["each", "reversed", "uniform", "constant", "same"],
)
def test_what_alignments_come_to(alignment, expected):
    for value, wanted in zip(alignment_statistics([alignment]), expected, strict=True):
        assert wanted is None or value == pytest.approx(wanted, abs=1e-9)


def test_a_step_without_attention_counts_nothing():
    with_zeros = np.insert(np.eye(5), 3, 0.0, axis=0)
    told = alignment_statistics([with_zeros])
    assert told[:3] == pytest.approx((1, 1, 1))
    assert 0.9 < told.monotonicity < 1


def test_texts_of_one_token_are_left_out():
    short = [np.ones((5, 1)), np.full((1, 5), 0.2), np.zeros((3, 3)), np.zeros((0, 5))]
    assert all(math.isnan(value) for value in alignment_statistics(short))
    both = alignment_statistics([*short, np.eye(3)])
    assert both == pytest.approx((1, 1, 1, 1))
