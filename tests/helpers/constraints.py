"""Constraints from outside the package, each with the same rule in plain Python."""

import itertools
from functools import partial

import numpy as np
from keras import ops

from kseq2seq.decoding import Constraint, beam_search
from kseq2seq.utils import EOS_ID
from search_oracles import Tables, anything, as_numpy, exhaustive, ids_of


class NoRepeatedBigram(Constraint):
    """No pair of neighbouring tokens occurs twice; read from the prefix."""

    def allowed(self, tokens, prefix, state):
        length = prefix.ids.shape[2] or ops.shape(prefix.ids)[2]
        places = ops.arange(length, dtype="int32")
        is_last = ops.equal(places, prefix.position - 1)
        last = ops.sum(ops.where(is_last, prefix.ids, 0), axis=2, keepdims=True)
        firsts, seconds = prefix.ids[:, :, :-1], prefix.ids[:, :, 1:]
        follows = ops.logical_and(
            ops.equal(firsts, last), places[1:] < prefix.position
        )  # (B, K, L - 1)
        repeated = ops.logical_and(
            ops.equal(seconds[..., None], tokens[:, :, None]), follows[..., None]
        )  # (B, K, L - 1, V)
        return ops.logical_not(ops.any(repeated, axis=2))


class NoSeenBigram(Constraint):
    """The same from a state: the last token, and a table of the pairs so far."""

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary

    def initial_state(self, batch_size):
        return {
            "last": ops.zeros((batch_size,), "int32"),
            "seen": ops.zeros((batch_size, self.vocabulary, self.vocabulary), "bool"),
        }

    def allowed(self, tokens, prefix, state):
        last = ops.one_hot(state["last"], self.vocabulary, dtype="bool")
        seen = ops.logical_and(last[..., None], state["seen"])
        return ops.logical_not(ops.any(seen, axis=2))

    def next_state(self, tokens, state):
        last = ops.one_hot(state["last"], self.vocabulary, dtype="bool")
        new = ops.one_hot(tokens, self.vocabulary, dtype="bool")
        pair = ops.logical_and(last[..., None], new[:, :, None])
        # Of the first token there is no pair.
        pair = ops.logical_and(pair, (state["last"] > 0)[..., None, None])
        return {"last": tokens, "seen": ops.logical_or(state["seen"], pair)}


def no_repeated_bigram(row, ids, token):
    pairs = list(itertools.pairwise(ids))
    return not ids or (ids[-1], token) not in pairs


class NoDouble(Constraint):
    """No token twice in a row, which forbids one token at a time."""

    def __init__(self, max_forbidden):
        self.max_forbidden = max_forbidden

    def initial_state(self, batch_size):
        return ops.zeros((batch_size,), "int32")

    def allowed(self, tokens, prefix, state):
        return ops.not_equal(tokens, state[..., None])

    def next_state(self, tokens, state):
        return tokens


def no_double(row, ids, token):
    return not ids or ids[-1] != token


class ForcedPrefix(Constraint):
    """Each row begins with tokens of its own; 0 stands for the end of them."""

    def __init__(self, prefixes):
        self.prefixes = prefixes

    def initial_state(self, batch_size):
        return ops.cast(self.prefixes, "int32")

    def allowed(self, tokens, prefix, state):
        free = ops.equal(state[..., :1], 0)
        return ops.logical_or(free, ops.equal(tokens, state[..., :1]))

    def next_state(self, tokens, state):
        return ops.concatenate([state[..., 1:], state[..., :1] * 0], axis=-1)


class NoWayBack(Constraint):
    """Only larger tokens may follow, or EOS; nothing at all may follow the largest."""

    def allowed(self, tokens, prefix, state):
        largest = ops.max(prefix.ids, axis=2, keepdims=True)
        is_end = ops.logical_and(ops.equal(tokens, EOS_ID), largest < 6)
        return ops.logical_or(tokens > largest, is_end)


def no_way_back(row, ids, token):
    largest = max(ids, default=0)
    return token > largest or (token == EOS_ID and largest < 6)


class Penalised(Tables):
    """Tables whose tokens cost more once they have been written."""

    penalty = 1.0

    def follow(self, row, ids):
        _, alignments = super().follow(row, ids)
        total = 0.0
        for n, token in enumerate(ids):
            log_prob = self.next(row, ids[:n])[0][token]
            total += log_prob * (self.penalty if token in ids[:n] else 1.0)
        return total, alignments


def assert_exhaustive(
    constraint,
    rule=anything,
    max_length=4,
    count=13,
    penalty=1.0,
    beam_size=401,
    keeps=None,
    compiled_by=None,
    **penalties,
):
    """A beam that holds everything gives what exhaustive search does.

    `rule` tells of each token whether it may come, `keeps` of whole hypotheses.
    `compiled_by` makes another function of the search.
    """
    model = Penalised(31)
    model.penalty = penalty
    constraints = constraint if isinstance(constraint, list) else [constraint]
    search = partial(
        beam_search,
        model.step,
        beam_size=beam_size,
        num_hypotheses=count,
        max_length=max_length,
        source_mask=model.mask,
        constraints=constraints,
        **penalties,
    )
    search = search if compiled_by is None else compiled_by(search)
    result = as_numpy(search(model.initial_state()))
    for row in range(len(result.ids)):
        expected = exhaustive(model, row, max_length, allowed=rule, **penalties)
        if keeps is not None:
            expected = [pair for pair in expected if keeps(row, pair[1])]
        expected = expected[:count]
        ids = [list(own) for own in ids_of(result, row)]
        assert ids == [list(ids) for _, ids in expected] + [[]] * (
            count - len(expected)
        )
        np.testing.assert_allclose(
            result.scores[row][: len(expected)],
            [score for score, _ in expected],
            atol=1e-5,
        )
