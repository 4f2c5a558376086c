"""Beam search against exhaustive search and plain loops."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kseq2seq.decoding import beam_search, relative_lengths
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID
from search_oracles import (
    BACKEND,
    FORBIDDEN,
    SEARCHES,
    B,
    S,
    Tables,
    as_numpy,
    assert_consistent,
    exhaustive,
    ids_of,
    one_pool,
    only,
)

PENALTIES = {
    "none": {},
    "length": {"length_penalty": 0.9},
    "coverage": {"coverage_penalty": 0.7},
    "both": {"length_penalty": 1.3, "coverage_penalty": 0.2},
    "mean": {"length_penalty": 1.0, "length_normalization": "mean"},
    "power": {
        "length_penalty": 0.6,
        "coverage_penalty": 0.2,
        "length_normalization": "mean",
    },
}


@pytest.mark.parametrize("penalties", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("min_length", [0, 3])
@pytest.mark.parametrize("forbidden", [FORBIDDEN, (PAD_ID, BOS_ID, 5)], ids=str)
def test_a_wide_beam_is_exhaustive_search(penalties, min_length, forbidden):
    model = Tables(0)
    hypotheses = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=97,
            num_hypotheses=13,
            max_length=3,
            min_length=min_length,
            forbidden_ids=forbidden,
            source_mask=model.mask,
            **penalties,
        )
    )
    assert_consistent(model, hypotheses, **penalties)
    for row in range(B):
        expected = exhaustive(model, row, 3, min_length, forbidden, **penalties)[:13]
        assert ids_of(hypotheses, row) == [ids for _, ids in expected]
        scores = [score for score, _ in expected]
        np.testing.assert_allclose(hypotheses.scores[row], scores, atol=1e-5)


@settings(max_examples=3 if BACKEND == "jax" else 25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    beam=st.integers(1, 5),
    max_length=st.integers(1, 9),
    min_length=st.integers(0, 4),
    penalties=st.sampled_from(list(PENALTIES.values())),
    eos_bonus=st.sampled_from([0.0, 2.0]),
    sharpness=st.sampled_from([1.0, 4.0]),
    data=st.data(),
)
def test_a_narrow_beam_is_the_plain_loop(
    seed, beam, max_length, min_length, penalties, eos_bonus, sharpness, data
):
    """The loop never stops early: stopping early must not change what is result."""
    model = Tables(seed, batch=2, eos_bonus=eos_bonus, sharpness=sharpness)
    min_length = min(min_length, max_length)
    count = data.draw(st.integers(1, beam))
    hypotheses = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=beam,
            num_hypotheses=count,
            max_length=max_length,
            min_length=min_length,
            source_mask=model.mask,
            **penalties,
        )
    )
    assert_consistent(model, hypotheses, **penalties)
    for row in range(2):
        expected = one_pool(model, row, beam, max_length, min_length, **penalties)
        assert ids_of(hypotheses, row) == [ids for _, ids in expected[:count]]
    assert (np.diff(hypotheses.scores, axis=1) <= 0).all()


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_each_row_has_its_own_limits(search):
    model = Tables(3)
    result = as_numpy(
        search(
            model.step,
            model.initial_state(),
            max_length=np.array([2, 7, 0]),  # 0 counts as 1
            min_length=np.array([2, 5, 9]),  # beyond the maximum, which wins
        )
    )
    assert result.ids.shape[-1] == 7
    assert (result.lengths[0] == 2).all()
    assert (result.lengths[1] >= 5).all()
    assert (result.lengths[2] == 1).all()


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_rows_are_independent(search):
    search = SEARCHES[search]
    model = Tables(4)
    limits = {"max_length": np.array([3, 11, 5]), "min_length": np.array([0, 9, 2])}
    together = as_numpy(search(model.step, model.initial_state(), **limits))
    for row in range(B):
        step, state = model.rows([row])
        own = {name: int(limit[row]) for name, limit in limits.items()}
        alone = as_numpy(search(step, state, **own))
        length = own["max_length"]
        np.testing.assert_array_equal(together.ids[row, :, :length], alone.ids[0])
        np.testing.assert_array_equal(together.lengths[row], alone.lengths[0])
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-6)
        np.testing.assert_allclose(
            together.alignments[row, :, :length], alone.alignments[0], atol=1e-6
        )


def test_relative_lengths():
    mask = np.arange(S) < np.array([[5], [2], [0]])
    limits = relative_lengths(mask, factor=1.9, offset=-2)
    assert ops.convert_to_numpy(limits).tolist() == [8, 2, 1]
    assert keras.backend.standardize_dtype(limits.dtype) == "int32"


def test_alignments_may_be_absent():
    model = Tables(5)

    def step(tokens, state):
        return (*model.step(tokens, state)[:2], {})

    options = {"beam_size": 3, "max_length": 5}
    with_alignments = beam_search(model.step, model.initial_state(), **options)
    without = beam_search(step, model.initial_state(), **options)
    assert without.alignments is None
    for a, b in zip(as_numpy(with_alignments)[:4], as_numpy(without)[:4], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("vocabulary", [7, 4099])
def test_fewer_hypotheses_than_slots(vocabulary):
    # Large enough for the search in pieces, and no multiple of their size.
    result = as_numpy(
        beam_search(
            *only([4, EOS_ID], vocabulary),
            beam_size=11,
            num_hypotheses=11,
            max_length=2,
            length_penalty=0.5,
            coverage_penalty=0.1,
        )
    )
    for row in range(2):
        assert set(ids_of(result, row)[:3]) == {(3,), (4, 3), (4, 4)}
    assert (result.lengths[:, 3:] == 0).all() and not result.ids[:, 3:].any()
    assert (result.scores[:, 3:] == -np.inf).all()
    assert np.isfinite(result.scores[:, :3]).all()


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_nothing_possible_is_an_empty_hypothesis(search):
    result = as_numpy(search(*only([PAD_ID]), max_length=3))
    assert not result.ids.any() and not result.lengths.any()
    assert (result.log_probs == -np.inf).all() and (result.scores == -np.inf).all()


def test_half_precision_steps_are_summed_in_float32():
    model = Tables(8)

    def step(tokens, state):
        log_probs, state, extras = model.step(tokens, state)
        trace = [ops.cast(state["trace"][0], "float16")]
        log_probs = ops.cast(log_probs, "float16")
        return log_probs, {"hash": state["hash"], "trace": trace}, extras

    result = beam_search(step, model.initial_state(), beam_size=3, max_length=9)
    assert keras.backend.standardize_dtype(result.scores.dtype) == "float32"
    assert keras.backend.standardize_dtype(result.ids.dtype) == "int32"
    assert keras.backend.standardize_dtype(result.lengths.dtype) == "int32"
