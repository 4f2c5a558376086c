import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import beam_search, greedy_search
from kseq2seq.utils import EOS_ID
from search_oracles import (
    FORBIDDEN,
    B,
    Tables,
    as_numpy,
    assert_consistent,
    ids_of,
    only,
)


def test_only_ids_of_the_vocabulary_are_fed():
    """Also where the only possible one shares its piece with padding."""
    step, state = only([4098], 4099)
    result = beam_search(step, state, beam_size=5, num_hypotheses=5, max_length=3)
    for row in range(2):
        assert ids_of(as_numpy(result), row) == [(4098, 4098, 4098), (), (), (), ()]


def test_a_beam_wider_than_the_vocabulary():
    model = Tables(6)
    result = beam_search(model.step, model.initial_state(), beam_size=17, max_length=2)
    assert_consistent(model, as_numpy(result))


@pytest.mark.parametrize("vocabulary", [521, 1024, 4099])
def test_large_vocabularies(vocabulary):
    """They are searched in pieces, of which the last may not be full."""
    log_probs = np.random.default_rng(7).normal(size=(B, vocabulary)) - 9.0
    log_probs[0, [-1, EOS_ID, 70, 71, 0]] = [0.9, 0.8, 0.7, 0.6, 5.0]

    def step(tokens, state):
        zeros = ops.zeros((*tokens.shape, vocabulary))
        return zeros + log_probs[:, None].astype("float32"), state, {}

    state = np.zeros((B, 1))
    result = as_numpy(
        beam_search(step, state, beam_size=3, num_hypotheses=3, max_length=1)
    )
    greedy = as_numpy(greedy_search(step, state, max_length=1))
    log_probs[:, FORBIDDEN] = -np.inf
    expected = np.argsort(-log_probs)[:, :3]
    np.testing.assert_array_equal(result.ids[..., 0], expected)
    np.testing.assert_allclose(
        result.log_probs, np.take_along_axis(log_probs, expected, 1), atol=1e-5
    )
    np.testing.assert_array_equal(greedy.ids[:, 0], expected[:, :1])
