"""Samples against the distributions that they are drawn from."""

import keras
import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import greedy_search, sample
from search_oracles import (
    FORBIDDEN,
    B,
    Tables,
    V,
    as_numpy,
    assert_consistent,
    assert_drawn_from,
)


def distribution(model, row):
    log_probs, _ = model.next(row, ())
    probabilities = np.exp(log_probs)
    probabilities[list(FORBIDDEN)] = 0.0
    return probabilities / probabilities.sum()


def restricted(p, temperature=1.0, top_k=None, top_p=None):
    """The restricted distribution, written as the definitions go."""
    p = p ** (1.0 / temperature)
    order = np.argsort(-p)[:top_k]
    kept = np.zeros_like(p)
    total = p[order].sum()
    for i in order:
        if top_p is None or kept.sum() < top_p * total:
            kept[i] = p[i]
    return kept / kept.sum()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 2.0},
        {"temperature": 0.5},
        {"top_k": 3},
        {"top_k": 100},
        {"top_p": 0.6},
        {"top_p": 1.0},
        {"temperature": 1.7, "top_k": 4, "top_p": 0.7},
    ],
    ids=str,
)
def test_samples_follow_the_distribution(options):
    model = Tables(9)
    result = as_numpy(
        sample(
            model.step,
            model.initial_state(),
            seed=5,
            num_samples=10007,
            max_length=1,
            **options,
        )
    )
    for row in range(B):
        expected = restricted(distribution(model, row), **options)
        assert_drawn_from(result.ids[row, :, 0], expected)
        log_probs, _ = model.next(row, ())  # whatever the options
        ids = result.ids[row, :, 0]
        np.testing.assert_allclose(result.scores[row], log_probs[ids], atol=1e-5)


def test_later_samples_follow_their_history():
    model = Tables(10)
    result = as_numpy(
        sample(
            model.step,
            model.initial_state(),
            seed=7,
            num_samples=10007,
            max_length=2,
        )
    )
    for row in range(B):
        for first in (1, 4, 5, 6):
            log_probs, _ = model.next(row, (first,))
            log_probs[list(FORBIDDEN)] = -np.inf
            ids = result.ids[row, result.ids[row, :, 0] == first, 1]
            assert_drawn_from(ids, restricted(np.exp(log_probs)))


def test_samples_are_consistent():
    model = Tables(11)
    result = sample(
        model.step, model.initial_state(), seed=3, num_samples=17, max_length=7
    )
    assert_consistent(model, as_numpy(result))


def test_seeds_are_reproducible():
    model = Tables(12)

    def ids(seed):
        result = sample(
            model.step, model.initial_state(), seed=seed, num_samples=5, max_length=7
        )
        return ops.convert_to_numpy(result.ids)

    np.testing.assert_array_equal(ids(1), ids(1))
    assert (ids(1) != ids(2)).any()
    generator = keras.random.SeedGenerator(1)
    assert (ids(generator) != ids(generator)).any()


@pytest.mark.parametrize("options", [{"temperature": 1e-6}, {"top_k": 1}], ids=str)
def test_the_limit_of_sampling_is_greedy(options):
    model = Tables(13)
    greedy = as_numpy(greedy_search(model.step, model.initial_state(), max_length=7))
    result = as_numpy(
        sample(
            model.step,
            model.initial_state(),
            seed=0,
            num_samples=3,
            max_length=7,
            **options,
        )
    )
    for n in range(3):
        np.testing.assert_array_equal(result.ids[:, n], greedy.ids[:, 0])


def test_settings_of_samples_may_differ_by_row():
    model = Tables(4)
    numbers = np.random.default_rng(5).random((7, B, 11)).astype("float32")
    rows = {
        "temperature": [0.7, 1.0, 1.6],
        "top_k": [3, V, 2],
        "top_p": [1.0, 0.8, 0.9],
    }
    tensors = {
        name: ops.convert_to_tensor(np.array(x, "int32" if "k" in name else "float32"))
        for name, x in rows.items()
    }
    together = sample(
        model.step,
        model.initial_state(),
        uniform=ops.convert_to_tensor(numbers),
        num_samples=11,
        max_length=5,
        **tensors,
    )
    for row in range(B):
        step, state = model.rows([row])
        alone = sample(
            step,
            state,
            uniform=ops.convert_to_tensor(numbers[:, [row]]),
            num_samples=11,
            max_length=5,
            **{name: values[row] for name, values in rows.items()},
        )
        np.testing.assert_array_equal(
            as_numpy(together).ids[row], as_numpy(alone).ids[0]
        )
        assert len({tuple(ids) for ids in as_numpy(alone).ids[0].tolist()}) > 2


def test_a_sample_that_has_ended_does_not_end_the_others():
    # The last sample ends at once, for certain; the first goes on, improbably.
    def step(tokens, state):
        probabilities = [0.0, 0.0, 0.0, 0.9, 0.1]
        first = ops.log(probabilities) + ops.zeros((*tokens.shape, 5))
        return first, state, {}

    numbers = ops.convert_to_tensor(np.tile([[[0.95, 0.1]]], (7, 1, 1)))
    result = sample(
        step, ops.zeros((1, 1)), uniform=numbers, num_samples=2, max_length=7
    )
    assert as_numpy(result).lengths.tolist() == [[7, 1]]


def test_numbers_are_needed_for_each_token():
    model = Tables(4)
    with pytest.raises(ValueError, match=r"at least 5\. Received: shape=\(2, 3,"):
        sample(
            model.step,
            model.initial_state(),
            uniform=ops.ones((2, B, 1)) / 2,
            max_length=5,
        )
