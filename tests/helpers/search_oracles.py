"""Random models whose searches can be done exhaustively, on whatever backend."""

import itertools
import types

import keras
import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import Hypotheses, beam_search, greedy_search, sample
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow only")

# Batch, source length, vocabulary, trace: all different.
B, S, V, D = 3, 5, 7, 2
FORBIDDEN = (PAD_ID, BOS_ID)


def assert_drawn_from(ids, expected):
    """Nothing outside the support, all that is likely inside it, and chi-square."""
    counts = np.bincount(ids, minlength=len(expected))
    assert not counts[expected == 0].any()
    likely = expected * len(ids) > 20
    assert counts[likely].all()
    wanted = expected[likely] * len(ids)
    statistic = np.sum((counts[likely] - wanted) ** 2 / wanted)
    assert statistic <= len(wanted) + 4 * np.sqrt(2 * len(wanted))


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


class Tables:
    """A model made of random tables, in which the whole history matters.

    The tokens so far are hashed into `hash` and summed up in `trace`; both, and the row
    itself, decide on the next log-probabilities and on the alignment.
    """

    def __init__(self, seed, batch=B, vocabulary=V, eos_bonus=0.0, sharpness=1.0):
        rng = np.random.default_rng(seed)
        self.vocabulary, self.hashes = vocabulary, 11
        shape = (self.hashes, vocabulary, vocabulary)
        self.logits = rng.normal(scale=sharpness, size=shape)
        self.logits[..., EOS_ID] += eos_bonus
        self.attention = rng.normal(size=(self.hashes, S))
        self.mixing = rng.normal(size=(D, vocabulary))
        self.vectors = rng.normal(size=(vocabulary, D))
        self.row_bias = rng.normal(size=(batch, vocabulary))
        self.hash = rng.integers(self.hashes, size=batch)
        self.known = {}
        self.mask = np.arange(S) < 1 + np.arange(batch)[:, None] % S

    def rows(self, rows):
        """The same model for some of the rows."""
        part = types.SimpleNamespace(**vars(self))
        for name in ("row_bias", "hash", "mask"):
            setattr(part, name, getattr(self, name)[rows])
        return Tables.step.__get__(part), Tables.initial_state(part)

    def initial_state(self):
        trace = np.zeros((len(self.hash), D), "float32")
        return {"hash": self.hash.astype("int32"), "trace": [trace]}

    def step(self, tokens, state):
        def table(x):
            return ops.convert_to_tensor(x.astype("float32"))

        hashes = (state["hash"] * 5 + tokens) % self.hashes
        trace = 0.5 * state["trace"][0] + ops.take(table(self.vectors), tokens, axis=0)
        flat = ops.reshape(table(self.logits), (-1, self.vocabulary))
        logits = ops.take(flat, hashes * self.vocabulary + tokens, axis=0)
        logits = logits + ops.matmul(trace, table(self.mixing))
        logits = logits + table(self.row_bias)[:, None]
        energy = ops.take(table(self.attention), hashes, axis=0)
        energy = ops.where(self.mask[:, None], energy, -1e9)
        extras = {"alignment": ops.softmax(energy), "ignored": tokens}
        return (
            ops.log_softmax(logits, axis=-1),
            {"hash": hashes, "trace": [trace]},
            extras,
        )

    def next(self, row, ids):
        """The same by NumPy from the beginning: log-probabilities and alignment."""
        key = (row, *ids)
        if key not in self.known:
            self.known[key] = self.compute_next(row, ids)
        log_probs, alignment = self.known[key]
        return log_probs.copy(), alignment

    def compute_next(self, row, ids):
        hashed, trace = self.hash[row], np.zeros(D)
        for token in (BOS_ID, *ids):
            hashed = (hashed * 5 + token) % self.hashes
            trace = 0.5 * trace + self.vectors[token]
        logits = self.logits[hashed, token] + trace @ self.mixing + self.row_bias[row]
        energy = np.where(self.mask[row], np.exp(self.attention[hashed]), 0.0)
        return log_softmax(logits), energy / energy.sum()

    def follow(self, row, ids):
        """Teacher forcing: log-probability of `ids`, and the alignments on the way."""
        steps = [self.next(row, ids[:n]) for n in range(len(ids))]
        total = sum(log_probs[i] for i, (log_probs, _) in zip(ids, steps, strict=True))
        return total, np.stack([alignment for _, alignment in steps])

    def score(
        self,
        row,
        ids,
        length_penalty=0.0,
        coverage_penalty=0.0,
        length_normalization="wu",
    ):
        """Wu et al. 2016, eq. 14, or a mean over tokens to the power of the same."""
        log_prob, alignments = self.follow(row, ids)
        covered = 0.0
        for i in np.flatnonzero(self.mask[row]):
            covered += np.log(min(sum(a[i] for a in alignments), 1.0))
        length = (5 + len(ids)) ** length_penalty / (5 + 1) ** length_penalty
        if length_normalization == "mean":
            length = len(ids) ** length_penalty
        return log_prob / length + coverage_penalty * covered


def anything(row, ids, token):
    """The rule of a search without constraints."""
    return True


def exhaustive(
    model,
    row,
    max_length,
    min_length=0,
    forbidden=FORBIDDEN,
    allowed=anything,
    **penalties,
):
    """All hypotheses that there are, best first, as (score, ids)."""
    words = [i for i in range(V) if i != EOS_ID and i not in forbidden]
    result = []
    for length in range(max_length):
        for ids in itertools.product(words, repeat=length):
            if length + 1 >= min_length:
                result.append((*ids, EOS_ID))
    result += list(itertools.product(words, repeat=max_length))
    scored = [
        (model.score(row, ids, **penalties), ids)
        for ids in result
        if all(allowed(row, ids[:n], token) for n, token in enumerate(ids))
    ]
    return sorted(scored, reverse=True)


def one_pool(
    model,
    row,
    beam,
    max_length,
    min_length=0,
    forbidden=FORBIDDEN,
    allowed=anything,
    **kw,
):
    """The beam rule as a loop over lists, which never stops early."""
    pool = [()]
    for position in range(max_length):
        candidates = []
        for ids in pool:
            if ids and ids[-1] == EOS_ID:
                candidates.append(ids)
                continue
            for token in range(V):
                early = token == EOS_ID and position + 1 < min_length
                if token in forbidden or early:
                    continue
                if allowed(row, ids, token):
                    candidates.append((*ids, token))
        scored = [(model.score(row, ids, **kw), ids) for ids in candidates]
        pool = [ids for _, ids in sorted(scored, reverse=True)[:beam]]
    return [(model.score(row, ids, **kw), ids) for ids in pool]


def as_numpy(hypotheses):
    return Hypotheses(
        *(None if x is None else ops.convert_to_numpy(x) for x in hypotheses)
    )


def ids_of(hypotheses, row):
    """The ids of one row as tuples, without padding."""
    lengths = hypotheses.lengths[row]
    return [
        tuple(ids[:n].tolist())
        for ids, n in zip(hypotheses.ids[row], lengths, strict=True)
    ]


def assert_consistent(model, hypotheses, **penalties):
    """Every field, re-computed from the ids alone."""
    for row, n in np.ndindex(hypotheses.lengths.shape):
        ids = ids_of(hypotheses, row)[n]
        length = len(ids)
        log_prob, alignments = model.follow(row, ids)
        score = model.score(row, ids, **penalties)
        np.testing.assert_allclose(hypotheses.log_probs[row, n], log_prob, atol=1e-5)
        np.testing.assert_allclose(hypotheses.scores[row, n], score, atol=1e-5)
        np.testing.assert_allclose(
            hypotheses.alignments[row, n, :length], alignments, atol=1e-6
        )
        assert not hypotheses.alignments[row, n, length:].any()
        assert (hypotheses.ids[row, n, length:] == PAD_ID).all()
        assert EOS_ID not in ids[:-1]


def only(allowed, vocabulary=V):
    """A step function under which the ids of `allowed` are equally probable."""
    log_probs = np.full(vocabulary, -np.inf, "float32")
    log_probs[list(allowed)] = -np.log(len(allowed))

    def step(tokens, state):
        # As an embedding, which no id beyond the vocabulary may reach.
        zeros = ops.take(ops.zeros((vocabulary, 1)), tokens, axis=0)
        return zeros + log_probs, state, {"alignment": ops.zeros((*tokens.shape, S))}

    return step, np.zeros((2, 1), "float32")


SEARCHES = {
    "greedy": greedy_search,
    "beam": lambda *args, **kw: beam_search(
        *args, beam_size=5, num_hypotheses=2, length_penalty=0.6, **kw
    ),
    "groups": lambda *args, **kw: beam_search(
        *args, beam_size=6, num_groups=3, num_hypotheses=5, **kw
    ),
    "sample": lambda *args, **kw: sample(*args, seed=1, num_samples=2, **kw),
}
