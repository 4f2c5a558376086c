"""Samples without replacement against the exact distribution of all hypotheses."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import NoRepeatedNgram, sample_distinct
from kseq2seq.utils import EOS_ID
from search_oracles import as_numpy, assert_drawn_from, log_softmax

V, ROWS, LENGTH = 6, 20011, 2
ALLOWED = (1, EOS_ID, 4, 5)
TABLE = np.random.default_rng(3).normal(size=(V, V)) * 1.3


def step(tokens, state):
    return ops.take(ops.convert_to_tensor(LOG_PROBS), tokens, axis=0), state, {}


LOG_PROBS = log_softmax(TABLE).astype("float32")


def hypotheses(temperature=1.0):
    """A dict from each hypothesis to its log-probability among what is allowed."""
    rows = np.full((V, V), -np.inf)
    rows[:, ALLOWED] = log_softmax(TABLE[:, ALLOWED] / temperature)
    known = {}
    for first in ALLOWED:
        if first == EOS_ID:
            known[first, 0] = rows[2, first]
        else:
            for second in ALLOWED:
                known[first, second] = rows[2, first] + rows[first, second]
    return known


def drawn(rows=ROWS, **options):
    options = {"seed": 7, "max_length": LENGTH, **options}
    return as_numpy(sample_distinct(step, np.zeros((rows, 1), "float32"), **options))


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_the_order_of_samples_has_the_distribution_without_replacement(temperature):
    known = hypotheses(temperature)
    samples = drawn(num_samples=3, temperature=temperature)
    pairs = [*itertools.permutations(known, 2)]
    expected = []
    for one, other in pairs:
        p, q = np.exp(known[one]), np.exp(known[other])
        expected.append(p * q / (1 - p))
    places = {pair: n for n, pair in enumerate(pairs)}
    rows = [[tuple(ids) for ids in row] for row in samples.ids.tolist()]
    assert_drawn_from(
        np.array([places[one, other] for one, other, _ in rows]), np.array(expected)
    )
    assert all(len({*row}) == 3 for row in rows)
    logs = [[known[ids] for ids in row] for row in rows]
    np.testing.assert_allclose(samples.log_probs, logs, atol=1e-4)
    assert (np.diff(samples.scores) <= 0).all()


def test_scores_give_unbiased_estimates():
    """Of an expectation, by the paper's equation 14, and Gumbel's mean."""
    samples = drawn(num_samples=4)
    threshold = samples.scores[:, -1:]
    probability = np.exp(samples.log_probs[:, :-1])
    included = 1 - np.exp(-np.exp(samples.log_probs[:, :-1] - threshold))
    weights = probability / included
    begins = samples.ids[:, :-1, 0] == 4
    truth = sum(np.exp(x) for ids, x in hypotheses().items() if ids[0] == 4)
    for estimates, expected in (
        (weights.sum(axis=1), 1.0),
        ((weights * begins).sum(axis=1), truth),
        (samples.scores[:, 0], np.euler_gamma),
    ):
        error = estimates.std() / np.sqrt(ROWS)
        assert abs(estimates.mean() - expected) < 4 * error


def test_more_samples_than_there_are_hypotheses():
    known = hypotheses()
    samples = drawn(rows=5, num_samples=17)
    for ids, lengths, log_probs in zip(
        samples.ids, samples.lengths, samples.log_probs, strict=True
    ):
        assert (lengths[:13] > 0).all() and not lengths[13:].any()
        rows = [tuple(x) for x in ids[:13].tolist()]
        assert {*rows} == {*known}
        np.testing.assert_allclose(np.exp(log_probs[:13]).sum(), 1.0, atol=1e-5)


def test_what_is_drawn_keeps_to_constraints_and_numbers_that_are_given():
    uniform = np.random.default_rng(5).uniform(size=(4, 7, 3, 6)).astype("float32")
    options = {"max_length": 4, "num_samples": 3, "seed": None}
    together = drawn(7, uniform=uniform, constraints=[NoRepeatedNgram(1)], **options)
    for ids, lengths in zip(together.ids, together.lengths, strict=True):
        for row, length in zip(ids.tolist(), lengths, strict=True):
            assert len({*row[:length]}) == length
    alone = drawn(
        1, uniform=uniform[:, 2:3], constraints=[NoRepeatedNgram(1)], **options
    )
    np.testing.assert_array_equal(alone.ids[0], together.ids[2])


def test_arguments_that_are_refused():
    for options in ({"num_samples": 0}, {"num_samples": 2, "temperature": 0.0}):
        with pytest.raises(ValueError, match="Received"):
            drawn(2, **options)
    temperature = keras.ops.ones((3,))
    with pytest.raises(ValueError, match=r"`temperature` must have.*\(2,\)"):
        drawn(2, num_samples=2, temperature=temperature)
