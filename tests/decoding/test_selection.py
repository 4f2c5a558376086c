"""Selections of the one best token and of given ones, against plain loops."""

import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import beam_search, force, greedy_search
from kseq2seq.utils import EOS_ID, PAD_ID
from search_oracles import FORBIDDEN, B, Tables, as_numpy, assert_consistent, ids_of


@pytest.mark.parametrize("seed", range(5))
def test_a_beam_of_one_is_greedy(seed):
    model = Tables(seed)
    limits = {"max_length": 7, "min_length": 2}
    greedy = as_numpy(greedy_search(model.step, model.initial_state(), **limits))
    beam = beam_search(model.step, model.initial_state(), beam_size=1, **limits)
    for a, b in zip(greedy, as_numpy(beam), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert_consistent(model, greedy)


def test_greedy_takes_the_best_token_at_each_step():
    model = Tables(2)
    result = as_numpy(greedy_search(model.step, model.initial_state(), max_length=9))
    for row in range(B):
        ids = []
        while len(ids) < 9 and EOS_ID not in ids:
            log_probs, _ = model.next(row, ids)
            log_probs[list(FORBIDDEN)] = -np.inf
            ids.append(int(log_probs.argmax()))
        assert ids_of(result, row) == [tuple(ids)]


def test_forced_hypotheses_are_those_given():
    model = Tables(6, eos_bonus=1.0)
    result = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=5,
            num_hypotheses=5,
            max_length=6,
        )
    )
    for n in range(5):
        ids = result.ids[:, n]
        forced = force(model.step, model.initial_state(), ops.convert_to_tensor(ids))
        forced = as_numpy(forced)
        length = forced.ids.shape[2]
        np.testing.assert_array_equal(forced.ids[:, 0], ids[:, :length])
        assert not ids[:, length:].any()
        np.testing.assert_array_equal(forced.lengths[:, 0], result.lengths[:, n])
        for name in ("log_probs", "scores"):
            got = getattr(forced, name)[:, 0]
            np.testing.assert_allclose(got, result.log_probs[:, n], rtol=1e-5)
        np.testing.assert_allclose(
            forced.alignments[:, 0], result.alignments[:, n, :length], atol=1e-6
        )
    assert len(set(result.lengths.ravel())) > 2
    with pytest.raises(ValueError, match="`ids` must have the expected shape"):
        force(model.step, model.initial_state(), ops.zeros((B + 1, 5), "int32"))
    with pytest.raises(ValueError, match="`ids` must be a tensor.*of type list"):
        force(model.step, model.initial_state(), [[4, EOS_ID]] * B)
    with pytest.raises(ValueError, match="`ids` must be integers.*dtype float32"):
        force(model.step, model.initial_state(), ops.ones((B, 5)))


@pytest.mark.parametrize("unknown", [-1, 6, 7])
def test_a_forced_token_that_the_vocabulary_lacks_has_no_probability(unknown):
    def step(tokens, state):
        return ops.log_softmax(ops.ones((*tokens.shape, 6))), state, {}

    ids = ops.convert_to_tensor([[unknown, EOS_ID], [4, EOS_ID]])
    forced = as_numpy(force(step, ops.zeros((2, 1)), ids))
    assert forced.log_probs[:, 0].tolist() == [
        -np.inf,
        pytest.approx(2 * np.log(1 / 6)),
    ]


def test_the_length_of_what_is_impossible_is_that_of_the_given_tokens():
    def step(tokens, state):  # 4 is impossible
        log_probs = ops.log([0.0, 0.0, 0.0, 0.5, 0.0, 0.5])
        return log_probs + ops.zeros((*tokens.shape, 6)), state, {}

    given = [[4, 5, EOS_ID, PAD_ID], [5, 4, 4, 5], [5, EOS_ID, 4, 5], [4, EOS_ID, 5, 5]]
    forced = as_numpy(force(step, ops.zeros((4, 1)), ops.convert_to_tensor(given)))
    assert np.isneginf(forced.log_probs[:, 0]).tolist() == [True, True, False, True]
    assert forced.lengths[:, 0].tolist() == [3, 4, 2, 2]


def test_forced_tokens_end_with_the_first_eos_and_padding_is_none():
    model = Tables(6)
    ids = ops.convert_to_tensor([[4, EOS_ID, 5], [PAD_ID] * 3, [5, 4, EOS_ID]])
    forced = as_numpy(force(model.step, model.initial_state(), ids))
    expected = [[4, EOS_ID, PAD_ID], [PAD_ID] * 3, [5, 4, EOS_ID]]
    assert forced.ids[:, 0].tolist() == expected
    assert forced.lengths[:, 0].tolist() == [2, 0, 3]
    assert forced.log_probs[1, 0] == forced.scores[1, 0] == 0
    assert not forced.alignments[1].any() and forced.alignments[[0, 2]].any()
    assert (forced.log_probs[[0, 2], 0] < 0).all()
