"""Searches against exhaustive search and plain NumPy loops, on whatever backend."""

import itertools
import types

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kseq2seq.decoding import (
    Hypotheses,
    beam_search,
    force,
    greedy_search,
    relative_lengths,
    sample,
)
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow only")

# Batch, source length, vocabulary, trace: all different.
B, S, V, D = 3, 5, 7, 2
FORBIDDEN = (PAD_ID, BOS_ID)


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

    def score(self, row, ids, length_penalty=0.0, coverage_penalty=0.0):
        """Wu et al. 2016, eq. 14."""
        log_prob, alignments = self.follow(row, ids)
        covered = 0.0
        for i in np.flatnonzero(self.mask[row]):
            covered += np.log(min(sum(a[i] for a in alignments), 1.0))
        length = (5 + len(ids)) ** length_penalty / (5 + 1) ** length_penalty
        return log_prob / length + coverage_penalty * covered


def exhaustive(model, row, max_length, min_length=0, forbidden=FORBIDDEN, **penalties):
    """All hypotheses that there are, best first, as (score, ids)."""
    words = [i for i in range(V) if i != EOS_ID and i not in forbidden]
    found = []
    for length in range(max_length):
        for ids in itertools.product(words, repeat=length):
            if length + 1 >= min_length:
                found.append((*ids, EOS_ID))
    found += list(itertools.product(words, repeat=max_length))
    scored = [(model.score(row, ids, **penalties), ids) for ids in found]
    return sorted(scored, reverse=True)


def one_pool(model, row, beam, max_length, min_length=0, forbidden=FORBIDDEN, **kw):
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
                if token not in forbidden and not early:
                    candidates.append((*ids, token))
        scored = [(model.score(row, ids, **kw), ids) for ids in candidates]
        pool = [ids for _, ids in sorted(scored, reverse=True)[:beam]]
    return [(model.score(row, ids, **kw), ids) for ids in pool]


def as_numpy(hypotheses):
    return Hypotheses(
        *(None if x is None else ops.convert_to_numpy(x) for x in hypotheses)
    )


def found_ids(hypotheses, row):
    """The ids of one row as tuples, without padding."""
    lengths = hypotheses.lengths[row]
    return [
        tuple(ids[:n].tolist())
        for ids, n in zip(hypotheses.ids[row], lengths, strict=True)
    ]


def assert_consistent(model, hypotheses, **penalties):
    """Every field, re-computed from the ids alone."""
    for row, n in np.ndindex(hypotheses.lengths.shape):
        ids = found_ids(hypotheses, row)[n]
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


PENALTIES = {
    "none": {},
    "length": {"length_penalty": 0.9},
    "coverage": {"coverage_penalty": 0.7},
    "both": {"length_penalty": 1.3, "coverage_penalty": 0.2},
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
        assert found_ids(hypotheses, row) == [ids for _, ids in expected]
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
    """The loop never stops early: stopping early must not change what is found."""
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
        assert found_ids(hypotheses, row) == [ids for _, ids in expected[:count]]
    assert (np.diff(hypotheses.scores, axis=1) <= 0).all()


def counted(step):
    """`step`, and a list that grows with each of its calls."""
    calls = []

    def counting(tokens, state):
        calls.append(tuple(tokens.shape))
        return step(tokens, state)

    return counting, calls


def end_or_go_on(end, length):
    """EOS at once, with probability `end`, or `length` times 4 and then EOS.

    Each token looks mostly at its own source position.
    """
    log_probs = np.full((length + 1, V), -np.inf, "float32")
    log_probs[0, [EOS_ID, 4]] = np.log([end, 1 - end])
    log_probs[1:length, 4] = log_probs[length, EOS_ID] = 0.0
    alignment = np.full((length + 1, length + 1), 0.1 / length, "float32")
    np.fill_diagonal(alignment, 0.9)

    def step(tokens, count):
        rows = ops.minimum(count, length)
        extras = {"alignment": ops.take(ops.convert_to_tensor(alignment), rows, 0)}
        return ops.take(ops.convert_to_tensor(log_probs), rows, 0), count + 1, extras

    return step, np.zeros(2, "int32")


@pytest.mark.skipif(BACKEND == "jax", reason="jax traces the loop's body only once")
def test_stops_when_no_hypothesis_can_win():
    step, state = end_or_go_on(0.9, length=30)
    step, calls = counted(step)
    options = {"beam_size": 3, "max_length": 50}
    # log(0.1) is as good as log(0.9) when divided by 22, and by 9 it is not.
    beam_search(step, state, length_penalty=1.0, **options)
    assert calls == [(2, 1)]
    calls.clear()
    beam_search(step, state, length_penalty=1.5, **options)
    assert calls == [(2, 1)] + 30 * [(2, 3)]
    calls.clear()
    beam_search(step, state, num_hypotheses=2, length_penalty=1.0, **options)
    assert calls == [(2, 1)] + 30 * [(2, 3)]


@pytest.mark.parametrize(
    "penalties", [{"length_penalty": 1.0}, {"coverage_penalty": 0.3}], ids=str
)
def test_a_long_hypothesis_overtakes_a_finished_one(penalties):
    step, state = end_or_go_on(0.6, length=7)
    options = {"beam_size": 2, "num_hypotheses": 2, "max_length": 11}
    plain = as_numpy(beam_search(step, state, **options))
    assert plain.lengths.tolist() == [[1, 8], [1, 8]]
    options["num_hypotheses"] = 1
    found = as_numpy(beam_search(step, state, **options, **penalties))
    assert found.lengths.tolist() == [[8], [8]]


@pytest.mark.skipif(BACKEND == "jax", reason="jax traces the loop's body only once")
def test_greedy_stops_when_all_rows_have_ended():
    model = Tables(1, eos_bonus=4.0)
    step, calls = counted(model.step)
    found = as_numpy(greedy_search(step, model.initial_state(), max_length=50))
    assert len(calls) == found.lengths.max() < 50


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
    found = as_numpy(greedy_search(model.step, model.initial_state(), max_length=9))
    for row in range(B):
        ids = []
        while len(ids) < 9 and EOS_ID not in ids:
            log_probs, _ = model.next(row, ids)
            log_probs[list(FORBIDDEN)] = -np.inf
            ids.append(int(log_probs.argmax()))
        assert found_ids(found, row) == [tuple(ids)]


def searches():
    return {
        "greedy": greedy_search,
        "beam": lambda *args, **kw: beam_search(
            *args, beam_size=5, num_hypotheses=2, length_penalty=0.6, **kw
        ),
        "sample": lambda *args, **kw: sample(*args, seed=1, num_samples=2, **kw),
    }


@pytest.mark.parametrize("search", searches().values(), ids=searches())
def test_each_row_has_its_own_limits(search):
    model = Tables(3)
    found = as_numpy(
        search(
            model.step,
            model.initial_state(),
            max_length=np.array([2, 7, 0]),  # 0 counts as 1
            min_length=np.array([2, 5, 9]),  # beyond the maximum, which wins
        )
    )
    assert found.ids.shape[-1] == 7
    assert (found.lengths[0] == 2).all()
    assert (found.lengths[1] >= 5).all()
    assert (found.lengths[2] == 1).all()


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_rows_are_independent(search):
    search = searches()[search]
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


def only(allowed, vocabulary=V):
    """A step function under which the ids of `allowed` are equally probable."""
    log_probs = np.full(vocabulary, -np.inf, "float32")
    log_probs[list(allowed)] = -np.log(len(allowed))

    def step(tokens, state):
        # As an embedding, which no id beyond the vocabulary may reach.
        zeros = ops.take(ops.zeros((vocabulary, 1)), tokens, axis=0)
        return zeros + log_probs, state, {"alignment": ops.zeros((*tokens.shape, S))}

    return step, np.zeros((2, 1), "float32")


@pytest.mark.parametrize("vocabulary", [7, 4099])
def test_fewer_hypotheses_than_slots(vocabulary):
    # Large enough for the search in pieces, and no multiple of their size.
    found = as_numpy(
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
        assert set(found_ids(found, row)[:3]) == {(3,), (4, 3), (4, 4)}
    assert (found.lengths[:, 3:] == 0).all() and not found.ids[:, 3:].any()
    assert (found.scores[:, 3:] == -np.inf).all()
    assert np.isfinite(found.scores[:, :3]).all()


def test_only_ids_of_the_vocabulary_are_fed():
    """Also where the only possible one shares its piece with padding."""
    step, state = only([4098], 4099)
    found = beam_search(step, state, beam_size=5, num_hypotheses=5, max_length=3)
    for row in range(2):
        assert found_ids(as_numpy(found), row) == [(4098, 4098, 4098), (), (), (), ()]


@pytest.mark.parametrize("search", searches().values(), ids=searches())
def test_nothing_possible_is_an_empty_hypothesis(search):
    found = as_numpy(search(*only([PAD_ID]), max_length=3))
    assert not found.ids.any() and not found.lengths.any()
    assert (found.log_probs == -np.inf).all() and (found.scores == -np.inf).all()


def test_a_beam_wider_than_the_vocabulary():
    model = Tables(6)
    found = beam_search(model.step, model.initial_state(), beam_size=17, max_length=2)
    assert_consistent(model, as_numpy(found))


@pytest.mark.parametrize("vocabulary", [521, 1024, 4099])
def test_large_vocabularies(vocabulary):
    """They are searched in pieces, of which the last may not be full."""
    log_probs = np.random.default_rng(7).normal(size=(B, vocabulary)) - 9.0
    log_probs[0, [-1, EOS_ID, 70, 71, 0]] = [0.9, 0.8, 0.7, 0.6, 5.0]

    def step(tokens, state):
        zeros = ops.zeros((*tokens.shape, vocabulary))
        return zeros + log_probs[:, None].astype("float32"), state, {}

    state = np.zeros((B, 1))
    found = as_numpy(
        beam_search(step, state, beam_size=3, num_hypotheses=3, max_length=1)
    )
    greedy = as_numpy(greedy_search(step, state, max_length=1))
    log_probs[:, FORBIDDEN] = -np.inf
    expected = np.argsort(-log_probs)[:, :3]
    np.testing.assert_array_equal(found.ids[..., 0], expected)
    np.testing.assert_allclose(
        found.log_probs, np.take_along_axis(log_probs, expected, 1), atol=1e-5
    )
    np.testing.assert_array_equal(greedy.ids[:, 0], expected[:, :1])


def test_half_precision_steps_are_summed_in_float32():
    model = Tables(8)

    def step(tokens, state):
        log_probs, state, extras = model.step(tokens, state)
        trace = [ops.cast(state["trace"][0], "float16")]
        log_probs = ops.cast(log_probs, "float16")
        return log_probs, {"hash": state["hash"], "trace": trace}, extras

    found = beam_search(step, model.initial_state(), beam_size=3, max_length=9)
    assert keras.backend.standardize_dtype(found.scores.dtype) == "float32"
    assert keras.backend.standardize_dtype(found.ids.dtype) == "int32"
    assert keras.backend.standardize_dtype(found.lengths.dtype) == "int32"


# Sampling.


def distribution(model, row):
    log_probs, _ = model.next(row, ())
    probabilities = np.exp(log_probs)
    probabilities[list(FORBIDDEN)] = 0.0
    return probabilities / probabilities.sum()


def restricted(p, temperature=1.0, top_k=None, top_p=None):
    """What is left of the distribution, written as the definitions go."""
    p = p ** (1.0 / temperature)
    order = np.argsort(-p)[:top_k]
    kept = np.zeros_like(p)
    total = p[order].sum()
    for i in order:
        if top_p is None or kept.sum() < top_p * total:
            kept[i] = p[i]
    return kept / kept.sum()


def assert_drawn_from(ids, expected):
    """Nothing outside the support, all that is likely inside it, and chi-square."""
    counts = np.bincount(ids, minlength=len(expected))
    assert not counts[expected == 0].any()
    likely = expected * len(ids) > 20
    assert counts[likely].all()
    wanted = expected[likely] * len(ids)
    statistic = np.sum((counts[likely] - wanted) ** 2 / wanted)
    assert statistic <= len(wanted) + 4 * np.sqrt(2 * len(wanted))


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
    found = as_numpy(
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
        assert_drawn_from(found.ids[row, :, 0], expected)
        log_probs, _ = model.next(row, ())  # whatever the options
        ids = found.ids[row, :, 0]
        np.testing.assert_allclose(found.scores[row], log_probs[ids], atol=1e-5)


def test_later_samples_follow_their_history():
    model = Tables(10)
    found = as_numpy(
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
            ids = found.ids[row, found.ids[row, :, 0] == first, 1]
            assert_drawn_from(ids, restricted(np.exp(log_probs)))


def test_samples_are_consistent():
    model = Tables(11)
    found = sample(
        model.step, model.initial_state(), seed=3, num_samples=17, max_length=7
    )
    assert_consistent(model, as_numpy(found))


def test_seeds_are_reproducible():
    model = Tables(12)

    def ids(seed):
        found = sample(
            model.step, model.initial_state(), seed=seed, num_samples=5, max_length=7
        )
        return ops.convert_to_numpy(found.ids)

    np.testing.assert_array_equal(ids(1), ids(1))
    assert (ids(1) != ids(2)).any()
    generator = keras.random.SeedGenerator(1)
    assert (ids(generator) != ids(generator)).any()


@pytest.mark.parametrize("options", [{"temperature": 1e-6}, {"top_k": 1}], ids=str)
def test_the_limit_of_sampling_is_greedy(options):
    model = Tables(13)
    greedy = as_numpy(greedy_search(model.step, model.initial_state(), max_length=7))
    found = as_numpy(
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
        np.testing.assert_array_equal(found.ids[:, n], greedy.ids[:, 0])


# tensorflow_addons.


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
        seed=ops.convert_to_tensor(numbers),
        num_samples=11,
        max_length=5,
        **tensors,
    )
    for row in range(B):
        step, state = model.rows([row])
        alone = sample(
            step,
            state,
            seed=ops.convert_to_tensor(numbers[:, [row]]),
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
    found = sample(step, ops.zeros((1, 1)), seed=numbers, num_samples=2, max_length=7)
    assert as_numpy(found).lengths.tolist() == [[7, 1]]


def test_forced_hypotheses_are_those_given():
    model = Tables(6, eos_bonus=1.0)
    found = as_numpy(
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=5,
            num_hypotheses=5,
            max_length=6,
        )
    )
    for n in range(5):
        ids = found.ids[:, n]
        forced = force(model.step, model.initial_state(), ops.convert_to_tensor(ids))
        forced = as_numpy(forced)
        length = forced.ids.shape[2]
        np.testing.assert_array_equal(forced.ids[:, 0], ids[:, :length])
        assert not ids[:, length:].any()
        np.testing.assert_array_equal(forced.lengths[:, 0], found.lengths[:, n])
        for name in ("log_probs", "scores"):
            got = getattr(forced, name)[:, 0]
            np.testing.assert_allclose(got, found.log_probs[:, n], rtol=1e-5)
        np.testing.assert_allclose(
            forced.alignments[:, 0], found.alignments[:, n, :length], atol=1e-6
        )
    assert len(set(found.lengths.ravel())) > 2
    with pytest.raises(ValueError, match="`ids` must have the expected shape"):
        force(model.step, model.initial_state(), ops.zeros((B + 1, 5), "int32"))


def wrapped_cell(golden):
    """The step function of the goldens' attention wrapper around an LSTM cell."""
    g = {name: golden[name] for name in golden.files}
    mask = g["mask"]
    values = (g["memory"] * mask[..., None]).astype("float32")
    keys = values @ g["memory_kernel"]

    def step(tokens, state):
        h, c, attention = state
        embedded = ops.take(ops.convert_to_tensor(g["embedding"]), tokens, axis=0)
        x = ops.concatenate([embedded, attention], -1)
        z = ops.matmul(x, g["lstm_kernel"]) + ops.matmul(h, g["lstm_recurrent_kernel"])
        i, f, new, o = ops.split(z + g["lstm_bias"], 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(new)
        h = ops.sigmoid(o) * ops.tanh(c)
        if "query_kernel" in g:
            query = ops.matmul(h, g["query_kernel"])[:, :, None]
            energy = ops.tanh(query + keys[:, None])
            scores = ops.einsum("bksu,u->bks", energy, g["attention_v"])
        else:
            scores = ops.einsum("bku,bsu->bks", h, keys)
        alignment = ops.softmax(ops.where(mask[:, None], scores, -1e30))
        context = ops.einsum("bks,bsm->bkm", alignment, values)
        attention = ops.concatenate([h, context], -1)
        attention = ops.matmul(attention, g["attention_layer_kernel"])
        logits = ops.matmul(attention, g["output_kernel"]) + g["output_bias"]
        extras = {"alignment": alignment}
        return ops.log_softmax(logits, axis=-1), (h, c, attention), extras

    zeros = np.zeros((len(mask), g["attention_layer_kernel"].shape[1]), "float32")
    return step, (g["initial_h"], g["initial_c"], zeros)


@pytest.fixture(params=["decode_bahdanau", "decode_luong"])
def golden(request, goldens_root):
    return np.load(goldens_root / f"{request.param}.npz")


TFA = {"max_length": 8, "bos_id": 1, "eos_id": 2, "forbidden_ids": ()}


def test_greedy_search_is_that_of_tensorflow_addons(golden):
    found = as_numpy(greedy_search(*wrapped_cell(golden), **TFA))
    ids = golden["greedy_sample_ids_imputed"]
    np.testing.assert_array_equal(found.ids[:, 0, : ids.shape[1]], ids)
    np.testing.assert_array_equal(found.lengths[:, 0], golden["greedy_lengths"])
    log_probs = log_softmax(golden["greedy_logits"].astype("float64"))
    for row, length in enumerate(golden["greedy_lengths"]):
        total = sum(log_probs[row, t, ids[row, t]] for t in range(length))
        np.testing.assert_allclose(found.scores[row, 0], total, atol=1e-5)


def test_beam_search_is_that_of_tensorflow_addons(golden):
    found = as_numpy(
        beam_search(*wrapped_cell(golden), beam_size=4, num_hypotheses=4, **TFA)
    )
    g = {name: golden[f"beam_lp0_{name}"] for name in ("lengths", "log_probs")}
    np.testing.assert_array_equal(found.lengths, g["lengths"])
    np.testing.assert_allclose(found.log_probs, g["log_probs"], atol=1e-5)
    np.testing.assert_allclose(
        found.scores, golden["beam_lp0_scores"][:, -1], atol=1e-5
    )
    for row, slot in np.ndindex(found.lengths.shape):
        length = g["lengths"][row, slot]
        ids = golden["beam_lp0_predicted_ids"][row, :length, slot]
        np.testing.assert_array_equal(found.ids[row, slot, :length], ids)


def test_alignments_are_those_of_tensorflow_addons(golden):
    """Stored for another length penalty, whose hypotheses are partly the same."""
    found = as_numpy(
        beam_search(*wrapped_cell(golden), beam_size=4, num_hypotheses=4, **TFA)
    )
    parents, lengths = golden["beam_parent_ids"], golden["beam_lengths"]
    compared = 0
    for row, slot in np.ndindex(lengths.shape):
        ids = tuple(golden["beam_predicted_ids"][row, : lengths[row, slot], slot])
        if ids not in found_ids(found, row):
            continue
        n = found_ids(found, row).index(ids)
        path = slot
        for t in reversed(range(parents.shape[1])):
            path = parents[row, t, path]
            if t < len(ids):
                expected = golden["beam_step_alignments"][row, t, path]
                actual = found.alignments[row, n, t]
                np.testing.assert_allclose(actual, expected, atol=1e-5)
                compared += 1
    assert compared > 20


# What is left: graphs, and errors.


@pytest.mark.skipif(BACKEND != "jax", reason="jax only")
@pytest.mark.parametrize("search", searches().values(), ids=searches())
def test_jax_jit(search):
    import jax

    model = Tables(14)
    found = jax.jit(lambda state: search(model.step, state, max_length=7))(
        model.initial_state()
    )
    eager = search(model.step, model.initial_state(), max_length=7)
    for a, b in zip(as_numpy(found), as_numpy(eager), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def recurrent_model():
    """A Keras model of one step: `(batch * beam,)` tokens, a state of 13 numbers."""
    tokens, state = keras.Input((), dtype="int32"), keras.Input((13,))
    embedded = keras.layers.Embedding(V, 11, "random_normal")(tokens)
    _, new_state = keras.layers.SimpleRNN(13, return_state=True)(
        embedded[:, None], initial_state=[state]
    )
    logits = keras.layers.Dense(V, kernel_initializer="random_normal")(new_state)
    return keras.Model([tokens, state], [logits, new_state])


def model_search(search, **options):
    """A function of padded source ids, around a Keras model."""
    model = recurrent_model()
    encoder = keras.layers.Embedding(17, 13, "random_normal")
    encoder.build(())

    def find(source):
        mask = ops.not_equal(source, PAD_ID)  # (B, S)
        memory = encoder(source) * ops.cast(mask, "float32")[..., None]

        def step(tokens, state):
            shape = ops.shape(tokens)
            flat = ops.reshape(state, (shape[0] * shape[1], 13))
            logits, new = model([ops.reshape(tokens, (-1,)), flat])
            new = ops.reshape(new, (*shape, 13))
            energy = ops.where(
                mask[:, None], ops.einsum("bkd,bsd->bks", new, memory), -1e9
            )
            log_probs = ops.log_softmax(ops.reshape(logits, (*shape, V)))
            return log_probs, new, {"alignment": ops.softmax(energy)}

        found = search(
            step,
            ops.sum(memory, axis=1),
            max_length=options.get("max_length", relative_lengths(mask, 2, 1)),
            min_length=relative_lengths(mask),
        )
        return found._asdict()

    return model, encoder, find


SOURCE = np.array([[5, 9, 4, 7, 3], [6, 3, 0, 0, 0], [8, 4, 3, 0, 0]], "int32")


@on_tensorflow
@pytest.mark.parametrize("search", searches().values(), ids=searches())
def test_graphs_of_unknown_size(search):
    import tensorflow as tf

    *_, find = model_search(search)
    signature = [tf.TensorSpec([None, None], tf.int32)]
    graph = tf.function(find, input_signature=signature, autograph=False)
    for source in (SOURCE, SOURCE[1:, :3]):
        expected, actual = find(ops.convert_to_tensor(source)), graph(source)
        for name in expected:
            np.testing.assert_allclose(actual[name], expected[name], atol=1e-5)
    for empty in (graph(SOURCE[:0]), find(tf.constant(SOURCE[:0]))):
        assert empty["ids"].shape[0] == 0 and empty["scores"].shape[0] == 0


@on_tensorflow
@pytest.mark.parametrize("search", ["beam", "sample"])
def test_saved_model(search, tmp_path):
    import tensorflow as tf

    model, encoder, find = model_search(searches()[search])
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(encoder)
    signature = [tf.TensorSpec([None, None], tf.int32, name="source")]
    archive.add_endpoint("serve", find, input_signature=signature)
    archive.write_out(tmp_path / "model", verbose=False)
    restored = tf.saved_model.load(tmp_path / "model")
    expected, actual = find(tf.constant(SOURCE)), restored.serve(SOURCE)
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], atol=1e-5)


@on_tensorflow
def test_xla():
    import tensorflow as tf

    *_, find = model_search(searches()["beam"], max_length=7)
    compiled = tf.function(find, jit_compile=True)(tf.constant(SOURCE))
    expected = find(tf.constant(SOURCE))
    for name in expected:
        np.testing.assert_allclose(compiled[name], expected[name], atol=1e-5)


ERRORS = [
    (beam_search, {"beam_size": 0}, "`beam_size` .* of at least 1.*beam_size=0"),
    (beam_search, {"beam_size": 2.5}, "beam_size=2.5"),
    (beam_search, {"beam_size": True}, "beam_size=True"),
    (beam_search, {"num_hypotheses": 0}, "`num_hypotheses`.*num_hypotheses=0"),
    (
        beam_search,
        {"num_hypotheses": 4},
        "at most `beam_size`; raise.*num_hypotheses=4, beam_size=3",
    ),
    (beam_search, {"length_penalty": -0.5}, "at least 0.*length_penalty=-0.5"),
    (beam_search, {"length_penalty": "0"}, "length_penalty='0'"),
    (beam_search, {"coverage_penalty": -1}, "at least 0.*coverage_penalty=-1"),
    (beam_search, {"coverage_penalty": float("nan")}, "coverage_penalty=nan"),
    (sample, {"num_samples": 0}, "`num_samples`.*num_samples=0"),
    (sample, {"seed": None}, "`seed` must be.*seed=None"),
    (sample, {"temperature": 0.0}, "number above 0.*temperature=0.0"),
    (sample, {"temperature": float("inf")}, "finite number above 0.*temperature=inf"),
    (sample, {"top_k": 0}, "`top_k`.*top_k=0"),
    (sample, {"top_p": 0.0}, "above 0 and at most 1.*top_p=0.0"),
    (sample, {"top_p": 1.5}, "above 0 and at most 1.*top_p=1.5"),
    (greedy_search, {"max_length": 0}, "`max_length`.*at least 1.*max_length=0"),
    (greedy_search, {"max_length": 2.0}, "`max_length`.*or an integer tensor.*=2.0"),
    (
        greedy_search,
        {"max_length": np.ones((B, 1), int)},
        r"\(3,\).*\(3, 1\)",
    ),
    (greedy_search, {"max_length": np.ones(B)}, "an integer tensor.*max_length"),
    (greedy_search, {"max_length": np.ones(2, int)}, r"`max_length`.*\(3,\).*\(2,\)"),
    (greedy_search, {"min_length": -1}, "`min_length`.*at least 0.*min_length=-1"),
    (greedy_search, {"min_length": 9}, "min_length=9, max_length=5"),
    (greedy_search, {"eos_id": -1}, "`eos_id`.*eos_id=-1"),
    (greedy_search, {"bos_id": None}, "`bos_id`.*bos_id=None"),
    (greedy_search, {"forbidden_ids": (0, "a")}, "`forbidden_ids`.*='a'"),
    (greedy_search, {"forbidden_ids": 2}, "`forbidden_ids`.*forbidden_ids=2"),
    (greedy_search, {"forbidden_ids": (7,)}, "ids of the vocabulary.*id=7.*gives 7"),
    (greedy_search, {"initial_state": ()}, "one or more tensors.*initial_state=.."),
]


@pytest.mark.parametrize("search, options, message", ERRORS)
def test_bad_arguments(search, options, message):
    model = Tables(15)
    defaults = {"initial_state": model.initial_state(), "max_length": 5}
    defaults |= {beam_search: {"beam_size": 3}, sample: {"seed": 0}}.get(search, {})
    with pytest.raises(ValueError, match=message):
        search(model.step, **(defaults | options))


def bad_step(change):
    model = Tables(16)

    def step(tokens, state):
        return change(*model.step(tokens, state))

    return step, model.initial_state()


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p, s, e: (p, s), "must return a tuple (.|\n)*Received: .*"),
        (lambda p, s, e: p, "must return a tuple"),
        (lambda p, s, e: (p[:, 0], s, e), r"`log_probs`.*\(3, 1, None\).*\(3, 7\)"),
        (lambda p, s, e: (p, s["hash"], e), "state of the structure that it was"),
        (
            lambda p, s, e: (p, {**s, "trace": [s["trace"][0][..., :1]]}, e),
            r"the state of.*\(3, 1, 2\).*\(3, 1, 1\)",
        ),
        (lambda p, s, e: (p, s, None), "`extras` of `step` must be a dict.*None"),
        (lambda p, s, e: (p, s, {}), "`coverage_penalty` above 0 needs alignments"),
        (
            lambda p, s, e: (p, s, {"alignment": p[:, 0]}),
            r"`alignment`.*\(3, 1, None\).*\(3, 7\)",
        ),
    ],
)
def test_bad_steps(change, message):
    with pytest.raises(ValueError, match=message):
        beam_search(*bad_step(change), beam_size=2, max_length=5, coverage_penalty=0.1)


def test_the_source_mask_must_fit():
    model = Tables(17)
    with pytest.raises(ValueError, match=r"`source_mask`.*Received.*\(3, 4\)"):
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=2,
            max_length=5,
            coverage_penalty=0.1,
            source_mask=model.mask[:, :4],
        )
