"""Prefixes, their open ends, and what holds behind them."""

import numpy as np
import pytest
from keras import ops

from constraint_rules import PHRASES, anything, no_phrase
from constraints import assert_exhaustive
from kseq2seq.decoding import (
    AfterPrefix,
    ForbiddenPhrases,
    ForcedPhrases,
    ForcedPrefix,
    NoRepeatedNgram,
    OpenEnd,
    RepetitionPenalty,
    Step,
    beam_search,
)
from search_oracles import V, on_tensorflow


@on_tensorflow
def test_rows_keep_their_constraints_when_others_leave_the_batch():
    import tensorflow as tf

    rng = np.random.default_rng(5)
    table = rng.normal(size=(V, V), scale=2.0).astype("float32")

    def function(tokens, state, memory):
        return ops.take(table, tokens, axis=0) * memory[:, None, None], state, {}

    def find(sharpness, limits, prefixes, may_shrink):
        step = Step(function, sharpness, gives_logits=True, may_shrink=may_shrink)
        return beam_search(
            step,
            ops.zeros_like(sharpness),
            beam_size=3,
            num_hypotheses=2,
            max_length=limits,
            constraints=[
                ForcedPrefix(prefixes),
                AfterPrefix(NoRepeatedNgram(2), prefixes),
                AfterPrefix(ForbiddenPhrases(PHRASES), prefixes),
                RepetitionPenalty(1.3),
            ],
        )[:4]

    signature = [
        tf.TensorSpec([None]),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, None], tf.int32),
    ]
    sharpness = rng.uniform(0.5, 2.0, 7).astype("float32")
    limits = np.array([3, 20, 5, 4, 11, 2, 20], "int32")
    prefixes = rng.choice([4, 5, 6], (7, 5)).astype("int32")
    prefixes[::2, 1:] = 0
    results = []
    for may_shrink in (True, False):
        graph = tf.function(
            lambda *arguments, may_shrink=may_shrink: find(*arguments, may_shrink),
            input_signature=signature,
            autograph=False,
        )
        results.append([x.numpy() for x in graph(sharpness, limits, prefixes)])
    for shrunk, whole in zip(*results, strict=True):
        np.testing.assert_allclose(shrunk, whole, atol=1e-5)
    for row, ids in enumerate(results[0][0]):
        count = min(limits[row], np.count_nonzero(prefixes[row]))
        assert (ids[0, :count] == prefixes[row, :count]).all()


def one_of(*beginnings):
    """The rule of hypotheses that begin with one of these."""
    return lambda ids: any(ids[: len(x)] == x for x in beginnings)


def test_a_prefix_with_an_open_end_is_one_of_texts():
    # Texts: 1 "a", 5 "b", 6 "ba", 4 "bab". Prefixes: "abab", read as 1, 6, 5, whose
    # last word "bab" is a token as well; "b"; none.
    ids = np.array([[1, 6, 5], [5, 0, 0], [0, 0, 0]], "int32")
    end = OpenEnd(
        order=np.array([-1, 0, -1, -1, 3, 1, 2], "int32"),
        word_start=np.array([1, 0, 0], "int32"),
        word_range=np.array([[3, 4], [1, 4], [0, 0]], "int32"),
        token_range=np.array([[1, 4], [1, 4], [0, 0]], "int32"),
    )
    rules = [
        one_of((1, 6, 5), (1, 6, 6), (1, 6, 4), (1, 4)),
        one_of((5,), (6,), (4,)),
        one_of(()),
    ]
    for other, rule in ([], anything), ([ForbiddenPhrases(PHRASES)], no_phrase):
        assert_exhaustive(
            [ForcedPrefix(ids, end), *other],
            keeps=lambda row, ids, rule=rule: rules[row](ids) and rule(row, ids),
        )


def test_a_constraint_after_a_prefix_keeps_its_room_and_guides_no_beam():
    class Roomy(NoRepeatedNgram):
        least_room = 13

    ids = np.array([[4, 5, 0]], "int32")
    assert AfterPrefix(Roomy(2), ids).least_room == 13
    guide = ForcedPhrases(np.array([[[4, 5]]], "int32"))
    with pytest.raises(ValueError, match="does not guide the beam.*Received: constr"):
        AfterPrefix(guide, ids)
