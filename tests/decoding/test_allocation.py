"""The places of a beam, shared out among banks, against a loop over candidates."""

import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding.allocation import allocate


def shared_out(scores, banks, width, ended):
    """The chosen candidates of one row, best first.

    Banks come in turn, those that have come furthest first, until all places are given;
    what banks leave goes to the best of all.
    """
    order = sorted(range(len(scores)), key=lambda n: -scores[n])
    possible = [n for n in order if scores[n] > -np.inf]
    used = sorted({banks[n] for n in possible}, reverse=True)
    ends = [n for n in possible if ended[n]]
    chosen = set(ends[:1]) if width > len(used) else set()
    share = dict.fromkeys(used, 0)
    for place in range(width - len(chosen)):
        if used:
            share[used[place % len(used)]] += 1
    for bank in used:
        chosen.update([n for n in possible if banks[n] == bank][: share[bank]])
    others = [n for n in order if n not in chosen]
    chosen.update(others[: max(0, width - len(chosen))])
    return [n for n in order if n in chosen]


@pytest.mark.parametrize("width", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("last", [0, 2, 4])
def test_places_are_shared_as_by_the_loop(width, last):
    rng = np.random.default_rng(width + 11 * last)
    shape = (31, 13)
    scores = rng.normal(size=shape).astype("float32")
    scores[rng.random(shape) < 0.3] = -np.inf
    banks = rng.integers(0, last + 1, shape).astype("int32")
    ended = rng.random(shape) < 0.2
    tensors = map(ops.convert_to_tensor, (scores, banks))
    received = allocate(*tensors, last, width, ops.convert_to_tensor(ended))
    received = ops.convert_to_numpy(received)
    assert received.dtype == "int32"
    for row in range(shape[0]):
        expected = shared_out(scores[row], banks[row], width, ended[row])
        count = np.isfinite(scores[row][expected]).sum()  # the others are all alike
        assert received[row, :count].tolist() == expected[:count]
        assert len({*received[row].tolist()}) == width


def test_a_bank_that_has_come_further_gets_the_odd_place():
    scores = ops.convert_to_tensor([[-1.0, -2.0, -3.0, -7.0, -8.0, -9.0]])
    banks = ops.convert_to_tensor([[0, 0, 0, 1, 1, 1]])
    ended = ops.zeros((1, 6), "bool")
    received = allocate(scores, banks, 1, 5, ended)
    assert ops.convert_to_numpy(received).tolist() == [[0, 1, 3, 4, 5]]


def test_the_best_that_ended_keeps_a_place():
    scores = ops.convert_to_tensor([[-1.0, -2.0, -8.0, -3.0, -9.0]])
    banks = ops.convert_to_tensor([[0, 0, 1, 0, 1]])
    ended = ops.convert_to_tensor([[False, False, False, True, True]])
    received = allocate(scores, banks, 1, 3, ended)
    assert ops.convert_to_numpy(received).tolist() == [[0, 3, 2]]
    # But for one of each bank there is no room beside it.
    received = allocate(scores, banks, 1, 2, ended)
    assert ops.convert_to_numpy(received).tolist() == [[0, 2]]
