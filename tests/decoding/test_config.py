"""`Search`: what it does not ask for adds nothing to a graph."""

import dataclasses

import pytest
from keras import ops

from kseq2seq.decoding import (
    ForcedPhrases,
    ForcedPrefix,
    NoRepeatedNgram,
    Search,
    beam_search,
    length_limits,
    search_ids,
)
from search_oracles import B, S, Tables, on_tensorflow

PLAIN = Search(beam_size=6, forbid_unknown=False, max_length=7)
MODEL = Tables(3)
BEGINNINGS = [[4, 5]] * B
FEATURES = {
    "forbid_unknown": True,
    "no_repeat_ngram": 2,
    "repetition_penalty": 1.5,
    "coverage_penalty": 0.2,
    "num_groups": 3,
    "min_length": 2,
}


def operations(search):
    """The sorted names of all operations in a graph, those in the loop included."""
    import tensorflow as tf

    graph = tf.function(
        lambda source: search(source)[:4],
        input_signature=[tf.TensorSpec([B, S], tf.int32)],
        autograph=False,
    )
    written = graph.get_concrete_function().graph.as_graph_def()
    nodes = list(written.node)
    for function in written.library.function:
        nodes += function.node_def
    return sorted(node.op for node in nodes)


def start(source):
    return MODEL.step, MODEL.initial_state()


def bare(source, **options):
    """Beam search with nothing but the least arguments of one with limits."""
    return beam_search(
        *start(source),
        beam_size=6,
        length_penalty=1.0,
        source_mask=ops.not_equal(source, 0),
        **{**length_limits(source, PLAIN), **options},
    )


def test_blanks_around_forbidden_words_do_not_count():
    """With them a word would have to stand between two blanks more."""
    search = Search(forbidden_words=[" very", "quite ", "New York"])
    assert search.forbidden_words == ("very", "quite", "New York")
    assert search == Search(forbidden_words=["very", "quite", "New York"])


@pytest.fixture(scope="module")
def plain():
    return operations(lambda source: search_ids(start, source, PLAIN))


@on_tensorflow
def test_a_search_without_features_is_the_bare_one(plain):
    assert plain == operations(bare)
    defaults = {
        "constraints": [],
        "coverage_penalty": 0.0,
        "length_normalization": "wu",
        "num_groups": 1,
        "diversity": 7.0,
    }
    assert plain == operations(lambda source: bare(source, **defaults))


@on_tensorflow
@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_that_is_asked_for_is_in_the_graph(plain, name):
    search = dataclasses.replace(PLAIN, **{name: FEATURES[name]})
    assert len(operations(lambda x: search_ids(start, x, search))) > len(plain)


@on_tensorflow
def test_arguments_that_are_given_are_in_the_graph(plain):
    mean = dataclasses.replace(PLAIN, length_normalization="mean")
    assert operations(lambda x: search_ids(start, x, mean)) != plain
    for options in (
        {"prefix": ForcedPrefix(ops.convert_to_tensor(BEGINNINGS))},
        {"constraints": [NoRepeatedNgram(3)]},
    ):
        result = operations(lambda x, own=options: search_ids(start, x, PLAIN, **own))
        assert len(result) > len(plain)


@pytest.mark.parametrize(
    ("search", "longest", "least"),
    [
        (Search(max_length_factor=2, max_length_offset=1, min_length=11), 11, 11),
        (Search(max_length_factor=1, max_length_offset=0, min_length_factor=3), 9, 9),
        (Search(max_length=5, min_length_factor=3), 5, 5),
        (Search(max_length_factor=2, max_length_offset=1, min_length=5), 7, 5),
    ],
)
def test_a_minimum_leaves_room_for_itself(search, longest, least):
    """Else no position may hold EOS, and outputs are cut off short of the minimum."""
    limits = length_limits(ops.convert_to_tensor([[4, 5, 3, 0]]), search)
    assert [int(limits[x][0]) for x in ("max_length", "min_length")] == [longest, least]


def test_behind_a_prefix_there_is_room_for_words():
    search = Search(beam_size=8, max_length_factor=1, max_length_offset=0)
    source = ops.convert_to_tensor([[4, 5, 3, 0, 0]] * B)
    prefix = ForcedPrefix(ops.convert_to_tensor([[4] * 7] * B))
    phrases = ForcedPhrases(ops.convert_to_tensor([[[5] * 5]] * B))
    limits = length_limits(source, search, [prefix, phrases])
    assert ops.convert_to_numpy(limits["max_length"]).tolist() == [7 + 5 + 1] * B
    best = search_ids(start, source, search, constraints=[phrases], prefix=prefix)
    for ids in ops.convert_to_numpy(best.ids)[:, 0, :12].tolist():
        assert ids == [4] * 7 + [5] * 5
