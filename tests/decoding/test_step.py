"""Searches that look inside a `Step`: the same hypotheses for less work."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import Step, beam_search, greedy_search, sample
from kseq2seq.utils import EOS_ID
from search_oracles import Tables

BACKEND = keras.backend.backend()
on_tensorflow = pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow only")

V = 7
SEARCHES = {
    "greedy": greedy_search,
    "beam": partial(beam_search, beam_size=5, num_hypotheses=2, length_penalty=0.6),
    "sample": partial(sample, seed=1, num_samples=2),
}


def as_numpy(hypotheses):
    return [ops.convert_to_numpy(x) for x in hypotheses]


def rows_of_all_lengths(logits_table):
    """A `Step` over a table of logits by last token, whose memory every row needs."""

    def function(tokens, state, memory):
        logits = ops.take(logits_table, tokens, axis=0) * memory["sharpness"][:, None]
        source = memory["source"][:, None] * state  # (B, K, S)
        return logits, state + 1.0, {"alignment": ops.softmax(source)}

    return function


@on_tensorflow
@pytest.mark.parametrize(
    "options", [{}, {"length_penalty": 0.9}, {"coverage_penalty": 0.7}], ids=str
)
@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_rows_that_are_done_leave_the_batch(search, options):
    import tensorflow as tf

    rng = np.random.default_rng(3)
    table = rng.normal(size=(V, V)).astype("float32")
    table[:, EOS_ID] -= 2.0  # most rows end at their limit
    function = rows_of_all_lengths(table)
    sizes = []
    decode = greedy_search if search == "greedy" else beam_search

    def find(sharpness, source, limits, plain):
        memory = {"sharpness": sharpness, "source": source}
        step = Step(function, memory, gives_logits=True, may_shrink=True)
        arguments = {"max_length": limits, "min_length": 2}
        if search == "beam":
            arguments |= {"beam_size": 3, "num_hypotheses": 2, **options}

        def counted(tokens, state, memory):
            size = ops.shape(tokens)[0]
            tf.py_function(lambda n: sizes.append(int(n)), [size], [])
            return function(tokens, state, memory)

        step = step.__call__ if plain else step._replace(function=counted)
        return decode(step, sharpness, **arguments)

    signature = [
        tf.TensorSpec([None, 1], tf.float32),
        tf.TensorSpec([None, None], tf.float32),
        tf.TensorSpec([None], tf.int32),
    ]
    inputs = [
        rng.uniform(0.5, 3.0, (23, 1)).astype("float32"),
        rng.normal(size=(23, 4)).astype("float32"),
        rng.integers(1, 15, 23).astype("int32"),
    ]
    graphs = [
        tf.function(partial(find, plain=x), input_signature=signature, autograph=False)
        for x in (True, False)
    ]
    expected, actual = (as_numpy(graph(*inputs)) for graph in graphs)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    # Steps of 23 rows at first, of few at last.
    assert sizes[0] == 23 and sizes == sorted(sizes, reverse=True) and sizes[-1] < 10
    none = graphs[1](*(x[:0] for x in inputs))
    assert none.ids.shape[0] == 0


@on_tensorflow
def test_a_limit_of_known_size_keeps_the_rows():
    """A batch of unknown size, but a limit of each row of a known one."""
    import tensorflow as tf

    table = ops.convert_to_tensor(np.eye(V, dtype="float32"))

    def function(tokens, state, memory):
        return ops.take(table, tokens, axis=0), state, {}

    @tf.function(input_signature=[tf.TensorSpec([None, 1])])
    def run(state):
        step = Step(function, gives_logits=True, may_shrink=True)
        limits = tf.constant([3, 4, 5])
        return greedy_search(step, state, max_length=limits).lengths

    assert run(tf.zeros((3, 1))).numpy().tolist() == [[3], [4], [5]]


@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_logits_in_the_place_of_log_probabilities(search):
    rng = np.random.default_rng(5)
    table = ops.convert_to_tensor(rng.normal(size=(V, V)).astype("float32") * 4 + 7)

    def function(tokens, state, memory):
        return ops.take(table, tokens, axis=0), state, {}

    step = Step(function, gives_logits=True)
    state = ops.zeros((3, 1))
    expected = search(step.__call__, state, max_length=6)
    actual = search(step, state, max_length=6)
    np.testing.assert_array_equal(
        *map(ops.convert_to_numpy, (actual.ids, expected.ids))
    )
    for name in ("ids", "scores", "log_probs"):
        both = [ops.convert_to_numpy(getattr(x, name)) for x in (actual, expected)]
        np.testing.assert_allclose(*both, atol=1e-5)


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
