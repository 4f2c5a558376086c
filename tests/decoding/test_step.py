"""Searches that look inside a `Step`: the same hypotheses for less work."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import (
    Columns,
    ForcedPhrases,
    NoRepeatedNgram,
    RepetitionPenalty,
    Step,
    beam_search,
    greedy_search,
    sample,
)
from kseq2seq.utils import EOS_ID
from search_oracles import Tables, log_softmax

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


def past_of_each(table, rooms):
    """A step whose state keeps every token, and whose logits depend on all of them."""
    import tensorflow as tf

    def make_room(states, length):
        tf.py_function(lambda n: rooms.append(int(n)), [length], [])
        batch, _, size = ops.shape(states["past"])
        room = ops.zeros((batch, length, size), "float32")
        return {**states, "past": ops.concatenate([states["past"], room], axis=1)}

    def function(tokens, state, memory):
        place, past = state["place"], state["past"]
        here = ops.arange(ops.shape(past)[2], dtype="int32") == place  # (B, K, L)
        past = ops.where(here[..., None], ops.one_hot(tokens, V)[:, :, None], past)
        weights = memory[:, None] ** ops.cast(place, "float32")
        logits = ops.matmul(ops.sum(past, axis=2), table) * weights
        return logits, {"place": place + 1, "past": past}, {}

    return Step(function, (), True, may_shrink=True, make_room=make_room)


@on_tensorflow
@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_room_grows_with_the_steps(search):
    import tensorflow as tf

    rng = np.random.default_rng(7)
    table = rng.normal(size=(V, V)).astype("float32")
    table[:, EOS_ID] -= 4.0  # most rows end at their limit
    options = {"beam_size": 3, "num_hypotheses": 2} if search == "beam" else {}
    decode = beam_search if search == "beam" else greedy_search
    rooms = []

    def find(sharpness, limits):
        batch = ops.shape(sharpness)[0]
        none = 0 * ops.shape(limits)[0]
        places = ops.zeros((batch, 1), "int32")
        state = {"place": places, "past": ops.zeros((batch, none, V))}
        step = past_of_each(table, rooms)._replace(memory=sharpness)
        return decode(step, state, max_length=limits, **options)

    signature = [tf.TensorSpec([None, 1]), tf.TensorSpec([None], tf.int32)]
    graph = tf.function(find, input_signature=signature, autograph=False)
    sharpness = rng.uniform(0.9, 1.1, (5, 1)).astype("float32")
    limits = np.array([37, 11, 35, 36, 37], "int32")
    expected = as_numpy(find(tf.constant(sharpness), tf.constant(limits)))
    assert rooms == [37]  # all at once, where sizes are known
    rooms.clear()
    actual = as_numpy(graph(sharpness, limits))
    assert expected[1].max() > 32  # lengths
    for a, b in zip(actual[:4], expected[:4], strict=True):  # without alignments
        np.testing.assert_allclose(a, b, atol=1e-3)
    # A look at whether it can grow, the first room, as much again, and the rest.
    assert [room for room in rooms if room] == [1, 16, 16, 5]


@on_tensorflow
def test_a_limit_of_known_size_keeps_the_rows():
    """A batch of unknown size, but a limit of each row of a known one."""
    import tensorflow as tf

    table = ops.convert_to_tensor(np.eye(V, dtype="float32"))

    def function(tokens, state, memory):
        return ops.take(table, tokens, axis=0), state, {}

    @tf.function(input_signature=[tf.TensorSpec([None, 1])], autograph=False)
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
        (
            lambda p, s, e: (keras.KerasTensor((*p.shape[:2], None)), s, e),
            r"vocabulary size that is known statically.*Received: shape=\(3, 1, None\)",
        ),
        (lambda p, s, e: (p, s["hash"], e), "state of the structure that it was"),
        (
            lambda p, s, e: (p, {**s, "trace": [s["trace"][0][..., :1]]}, e),
            r"the state of.*\(3, 1, 2\).*\(3, 1, 1\)",
        ),
        (lambda p, s, e: (p, s, None), "`extras` of `step` must be a dict.*None"),
        (lambda p, s, e: (p, s, {}), "`coverage_penalty` above 0 needs alignments"),
        (
            lambda p, s, e: (p, s, {"alignment": None}),
            "`alignment` of `step` must be a tensor.*Received: None of type NoneType",
        ),
        (
            lambda p, s, e: ([0.5, 0.5], s, e),
            r"`log_probs` of `step` must be a tensor.*\[0.5, 0.5\] of type list",
        ),
        (
            lambda p, s, e: (p, s, {"alignment": p[:, 0]}),
            r"`alignment`.*\(3, 1, None\).*\(3, 7\)",
        ),
    ],
)
def test_bad_steps(change, message):
    with pytest.raises(ValueError, match=message):
        beam_search(*bad_step(change), beam_size=2, max_length=5, coverage_penalty=0.1)


COLUMNS = np.array([0, 1, 3, 4, 6], "int32")  # two of the seven ids have none
NGRAM, FORCED = NoRepeatedNgram(2), ForcedPhrases(np.array([[[6, 4]]] * 3, "int32"))
COLUMN_SEARCHES = {
    "greedy": greedy_search,
    "beam": partial(beam_search, beam_size=3, num_hypotheses=3, min_length=2),
    # Wider than there are columns.
    "wide": partial(beam_search, beam_size=9, num_hypotheses=9, length_penalty=0.6),
    "groups": partial(beam_search, beam_size=4, num_hypotheses=4, num_groups=2),
    "unbounded": partial(beam_search, beam_size=3, constraints=[NGRAM]),
    "penalty": partial(greedy_search, constraints=[RepetitionPenalty(1.7)]),
    "forced": partial(beam_search, beam_size=4, constraints=[FORCED]),
    "sample": partial(sample, seed=1, num_samples=2),
}


def columns_alone(table, ids, size):
    """The step over some columns of a table of logits, and one over all by NumPy."""
    part = ops.convert_to_tensor(table[:, ids])
    full = np.full(table.shape, -np.inf, "float32")
    full[:, ids] = log_softmax(table[:, ids])
    full = ops.convert_to_tensor(full)

    def function(tokens, state, memory):
        return ops.take(part, tokens, axis=0), state, {}

    def plain(tokens, state):
        return ops.take(full, tokens, axis=0), state, {}

    columns = Columns(ops.convert_to_tensor(ids), size)
    return Step(function, gives_logits=True, columns=columns), plain


@pytest.mark.parametrize("search", COLUMN_SEARCHES.values(), ids=COLUMN_SEARCHES)
def test_columns_are_a_vocabulary_without_the_others(search):
    table = np.random.default_rng(11).normal(size=(V, V)).astype("float32") * 2
    step, plain = columns_alone(table, COLUMNS, V)
    state = ops.zeros((3, 1))
    for each in (step, step.__call__):
        actual = as_numpy(search(each, state, max_length=6)[:4])
        expected = as_numpy(search(plain, state, max_length=6)[:4])
        for a, b in zip(actual, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-5)


@on_tensorflow
def test_columns_of_a_number_that_no_graph_knows():
    import tensorflow as tf

    size, rng = 1031, np.random.default_rng(13)
    table = rng.normal(size=(size, size)).astype("float32") * 3
    search = partial(beam_search, beam_size=3, num_hypotheses=3, max_length=5)

    def run(ids):
        def function(tokens, state, memory):
            rows = ops.take(ops.convert_to_tensor(table), tokens, axis=0)
            return ops.take(rows, ids, axis=-1), state, {}

        step = Step(function, gives_logits=True, columns=Columns(ids, size))
        return search(step, ops.zeros((2, 1)))[:4]

    graph = tf.function(
        run, input_signature=[tf.TensorSpec([None], tf.int32)], autograph=False
    )
    for count in (4, 73, 700):
        others = rng.choice(np.arange(4, size), count - 3, replace=False)
        ids = np.sort(np.append(others, [0, 1, EOS_ID])).astype("int32")
        _, plain = columns_alone(table, ids, size)
        expected = as_numpy(search(plain, ops.zeros((2, 1)))[:4])
        for a, b in zip(as_numpy(graph(ids)), expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
