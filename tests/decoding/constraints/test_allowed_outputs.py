"""Lists of outputs, against a look through the list at each step."""

import itertools

import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import AllowedOutputs, Prefix
from kseq2seq.decoding.constraints import allowed_outputs
from kseq2seq.utils import EOS_ID

VOCABULARY = 11
OUTPUTS = [[5], [5, 7], [5, 7, 10], [6, 6, 6], [6, 5], [4, 4, 4, 4, 4], [10], []]


def walk(constraint, ids, max_length):
    """The tokens that may come behind each beginning of some ids."""
    state = constraint.initial_state(1)[:, None]
    limit = ops.full((1, 1), max_length, "int32")
    allowed = []
    for position in range(len(ids) + 1):
        prefix = Prefix(None, position, limit, EOS_ID)
        tokens = constraint.allowed(None, prefix, state)
        allowed.append(np.flatnonzero(ops.convert_to_numpy(tokens)[0, 0]).tolist())
        if position < len(ids):
            token = ops.full((1, 1), ids[position], "int32")
            state = constraint.next_state(token, state)
    return allowed


def listed(ids, max_length):
    """The tokens with which an output that is short enough goes on."""
    count = len(ids)
    fitting = [x for x in OUTPUTS if x[:count] == ids and len(x) + 1 <= max_length]
    return sorted({[*x, EOS_ID][count] for x in fitting})


# Of all nodes a row of the table, of the root alone, and of none.
@pytest.mark.parametrize(("table", "children"), [(2**20, 32), (0, 3), (0, 9)])
@pytest.mark.parametrize("max_length", [1, 3, 7])
def test_what_may_come_is_what_the_list_has(monkeypatch, table, children, max_length):
    monkeypatch.setattr(allowed_outputs, "MAX_TABLE", table)
    monkeypatch.setattr(allowed_outputs, "MOST_CHILDREN", children)
    constraint = AllowedOutputs(OUTPUTS, VOCABULARY)
    assert constraint.least_room == 6
    for ids in OUTPUTS:
        expected = [listed(ids[:n], max_length) for n in range(len(ids) + 1)]
        assert walk(constraint, ids, max_length) == expected


def test_hypotheses_are_at_nodes_of_their_own():
    constraint = AllowedOutputs(OUTPUTS, VOCABULARY)
    beginnings = [*itertools.product([5, 6, 4], [7, 6, 5, 4])]
    kept = [list(x) for x in beginnings if any(y[:2] == list(x) for y in OUTPUTS)]
    state = ops.repeat(constraint.initial_state(1)[:, None], len(kept), axis=1)
    for tokens in zip(*kept, strict=True):
        state = constraint.next_state(ops.convert_to_tensor([tokens]), state)
    prefix = Prefix(None, 2, ops.full((1, 1), 7, "int32"), EOS_ID)
    allowed = ops.convert_to_numpy(constraint.allowed(None, prefix, state))[0]
    assert [np.flatnonzero(x).tolist() for x in allowed] == [listed(x, 7) for x in kept]


@pytest.mark.parametrize(
    ("sequences", "size", "message"),
    [
        ("45", 7, "`sequences` must be a list of lists.*Received: sequences='45'"),
        ([[4], 5], 7, r"`sequences\[1\]` must be a list of integers.*=5"),
        ([[4], [4, 11]], 11, r"ids below 11.*Received: sequences\[1\]=\[4, 11\]"),
        ([[4]], 0, "`vocabulary_size` must be .*at least 1.*vocabulary_size=0"),
    ],
)
def test_a_list_that_cannot_be_is_refused(sequences, size, message):
    with pytest.raises(ValueError, match=message):
        AllowedOutputs(sequences, size)
