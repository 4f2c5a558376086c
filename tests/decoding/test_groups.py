"""Diverse beam search against a plain loop, and what it refuses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from constraints import NoDouble, no_double
from kseq2seq.decoding import ForcedPhrases, beam_search
from kseq2seq.utils import EOS_ID
from search_oracles import (
    BACKEND,
    FORBIDDEN,
    Tables,
    V,
    anything,
    as_numpy,
    assert_consistent,
    ids_of,
)

PENALTIES = {"length_penalty": 1.3, "coverage_penalty": 0.2}


def groups_in_turn(
    model, row, beam, groups, diversity, max_length, allowed=anything, **penalties
):
    """Algorithm 1 as a loop over lists, which never stops early."""
    pools = [[()] for _ in range(groups)]
    for position in range(max_length):
        written = []
        for group, pool in enumerate(pools):
            ranked = []
            for ids in pool:
                if ids and ids[-1] == EOS_ID:
                    ranked.append((model.score(row, ids, **penalties), ids))
                    continue
                for token in range(V):
                    if token in FORBIDDEN or not allowed(row, ids, token):
                        continue
                    new = (*ids, token)
                    divisor = ((5 + len(new)) / 6) ** penalties.get("length_penalty", 0)
                    penalty = diversity * written.count(token) / divisor
                    ranked.append((model.score(row, new, **penalties) - penalty, new))
            pools[group] = [
                ids for _, ids in sorted(ranked, reverse=True)[: beam // groups]
            ]
            written += [ids[-1] for ids in pools[group] if len(ids) == position + 1]
    scored = [
        sorted(
            [(model.score(row, ids, **penalties), ids) for ids in pool], reverse=True
        )
        for pool in pools
    ]
    # The best of each group come first, then the second ones, as far as there are any.
    tiers = [
        sorted([pool[rank] for pool in scored if rank < len(pool)], reverse=True)
        for rank in range(beam // groups)
    ]
    return [ids for tier in tiers for _, ids in tier]


@settings(max_examples=3 if BACKEND == "jax" else 8, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    sizes=st.sampled_from([(2, 2), (6, 2), (6, 3), (5, 5), (9, 3), (4, 1)]),
    diversity=st.sampled_from([0.3, 1.7, 40.0]),
    max_length=st.integers(1, 8),
    penalties=st.sampled_from([{}, PENALTIES]),
    eos_bonus=st.sampled_from([0.0, 2.0]),
    rule=st.sampled_from([((), anything), ((NoDouble(1),), no_double)]),
    data=st.data(),
)
def test_groups_are_those_of_the_plain_loop(
    seed, sizes, diversity, max_length, penalties, eos_bonus, rule, data
):
    model = Tables(seed, batch=2, eos_bonus=eos_bonus)
    (beam, groups), (constraints, allowed) = sizes, rule
    count = data.draw(st.integers(1, beam))
    result = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=beam,
            num_groups=groups,
            diversity=diversity,
            num_hypotheses=count,
            max_length=max_length,
            source_mask=model.mask,
            constraints=constraints,
            **penalties,
        )
    )
    assert_consistent(model, result, **penalties)
    for row in range(2):
        arguments = (model, row, beam, groups, diversity, max_length, allowed)
        expected = groups_in_turn(*arguments, **penalties)
        assert ids_of(result, row) == expected[:count]
    assert (result.scores[:, :1] >= result.scores).all()


def test_the_first_group_is_a_beam_search_of_its_size():
    model = Tables(3, eos_bonus=1.0)

    def search(beam_size, num_groups):
        return as_numpy(
            beam_search(
                model.step,
                model.initial_state(),
                beam_size=beam_size,
                num_groups=num_groups,
                num_hypotheses=num_groups,
                diversity=40.0,
                max_length=6,
            )
        )

    plain, diverse = search(2, 1), search(6, 3)
    for (best,), others in zip(plain.ids.tolist(), diverse.ids.tolist(), strict=True):
        assert best in others


def test_groups_share_fewer_tokens():
    model = Tables(3, sharpness=2.0)

    def first_tokens(**options):
        best = beam_search(
            model.step,
            model.initial_state(),
            beam_size=4,
            num_hypotheses=4,
            max_length=5,
            **options,
        )
        return [len(set(row)) for row in as_numpy(best).ids[:, :, 0].tolist()]

    diverse = first_tokens(num_groups=4, diversity=50.0)
    assert diverse == [4, 4, 4]
    assert sum(first_tokens()) < 12


def test_what_makes_no_sense_is_refused():
    model = Tables(0)

    def search(**options):
        beam_search(model.step, model.initial_state(), max_length=3, **options)

    with pytest.raises(ValueError, match=r"multiple of.*beam_size=4, num_groups=3$"):
        search(beam_size=4, num_groups=3)
    with pytest.raises(ValueError, match=r"multiple of.*beam_size=1, num_groups=2$"):
        search(beam_size=1, num_groups=2)
    for wrong in ({"num_groups": 0}, {"num_groups": 2, "diversity": 0.0}):
        with pytest.raises(ValueError, match="`(num_groups|diversity)` must be a"):
            search(beam_size=4, **wrong)
    with pytest.raises(ValueError, match="must be 1 beside a constraint that guides"):
        phrases = np.array([[[4]], [[5]], [[6]]])
        search(beam_size=4, num_groups=2, constraints=[ForcedPhrases(phrases)])
