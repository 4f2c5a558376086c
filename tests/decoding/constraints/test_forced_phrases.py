"""Phrases that a narrow beam has to come to."""

import numpy as np
import pytest

from constraint_rules import holds_in_order
from kseq2seq.decoding import (
    ForcedPhrases,
    beam_search,
)
from search_oracles import Tables, as_numpy, ids_of


@pytest.mark.parametrize(
    ("beam", "in_order"), [(1, False), (2, False), (5, False), (1, True), (3, True)]
)
def test_a_narrow_beam_comes_to_all_forced_phrases(beam, in_order):
    """Though the model has never a mind to."""
    model = Tables(43, eos_bonus=3.0, sharpness=3.0)
    model.logits[..., 6] -= 12.0
    forced = np.array(
        [
            [[6, 5, 4, 6], [6, 6, 0, 0], [5, 0, 0, 0]],
            [[6, 5, 0, 0], [6, 5, 6, 0], [0, 0, 0, 0]],
            [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        ],
        "int32",
    )
    result = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=beam,
            num_hypotheses=beam,
            max_length=np.array([8, 6, 6]),
            length_penalty=1.0,
            constraints=[ForcedPhrases(forced, in_order)],
        )
    )
    for row in range(3):
        for ids in ids_of(result, row):
            written = " ".join(map(str, ids))
            phrases = [[id_ for id_ in phrase if id_] for phrase in forced[row]]
            held = [" ".join(map(str, phrase)) in written for phrase in phrases]
            assert all(held) or not ids
            assert not in_order or not ids or holds_in_order(row, ids, forced)
        assert result.lengths[row, 0] > 0
    free = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=beam,
            num_hypotheses=beam,
            max_length=6,
            length_penalty=1.0,
        )
    )
    np.testing.assert_array_equal(result.ids[2, :, :6], free.ids[2])
