"""Constraints of a search: which it takes, and their states."""

from functools import partial

import numpy as np
import pytest
from keras import ops

from constraint_rules import FORCED
from constraints import (
    ForcedPrefix,
    NoDouble,
    NoSeenBigram,
)
from kseq2seq.decoding import (
    Constraint,
    ForcedPhrases,
    GuidingConstraint,
    Step,
    beam_search,
    greedy_search,
)
from kseq2seq.utils import EOS_ID
from search_oracles import (
    SEARCHES,
    Tables,
    V,
    as_numpy,
    on_tensorflow,
)


def test_a_search_has_one_guide():
    model = Tables(44)
    several = [ForcedPhrases(FORCED), ForcedPhrases(FORCED)]
    with pytest.raises(ValueError, match="at most one `GuidingConstraint`.*2 of them"):
        beam_search(
            model.step,
            model.initial_state(),
            beam_size=2,
            max_length=5,
            constraints=several,
        )
    guide = GuidingConstraint()
    for call in (guide.wanted, guide.max_progress, partial(guide.progress, None)):
        with pytest.raises(TypeError, match="must override `wanted`, `progress` and"):
            call(None)


def test_a_guide_without_progress_is_refused():
    class OnlyWanted(GuidingConstraint):
        def wanted(self, state):
            return ops.zeros((1, 1, 1), "int32")

    guide = OnlyWanted()
    with pytest.raises(TypeError, match="OnlyWanted, which does not .* `progress`"):
        guide.progress(None, None)
    with pytest.raises(TypeError, match="does not override `max_progress`"):
        guide.max_progress(None)


@on_tensorflow
@pytest.mark.parametrize("search", ["greedy", "beam", "groups"])
def test_states_stay_with_their_rows_when_others_leave_the_batch(search):
    import tensorflow as tf

    rng = np.random.default_rng(3)
    table = rng.normal(size=(V, V)).astype("float32")
    table[:, EOS_ID] -= 2.0  # most rows end at their limit
    sizes = []

    def function(tokens, state, memory):
        tf.py_function(lambda rows: sizes.append(int(rows)), [tf.shape(tokens)[0]], [])
        return ops.take(table, tokens, axis=0) * memory[:, None, None], state, {}

    def find(sharpness, limits, prefixes, may_shrink):
        step = Step(function, sharpness, gives_logits=True, may_shrink=may_shrink)
        return SEARCHES[search](
            step,
            ops.zeros_like(sharpness),
            max_length=limits,
            constraints=[ForcedPrefix(prefixes), NoSeenBigram(V), NoDouble(1)],
        )

    signature = [
        tf.TensorSpec([None]),
        tf.TensorSpec([None], tf.int32),
        tf.TensorSpec([None, None], tf.int32),
    ]
    results = {}
    sharpness = rng.uniform(0.5, 2.0, 8).astype("float32")
    limits = np.array([3, 20, 5, 4, 11, 2, 7, 20], "int32")
    prefixes = rng.choice([4, 5, 6], (8, 3)).astype("int32")
    prefixes[:, 1] = prefixes[:, 0] % 3 + 4  # no doubles
    prefixes[:, 2] = 0
    for may_shrink in (True, False):
        graph = tf.function(
            lambda *arguments, may_shrink=may_shrink: find(*arguments, may_shrink),
            input_signature=signature,
            autograph=False,
        )
        sizes.clear()
        results[may_shrink] = as_numpy(graph(sharpness, limits, prefixes))
        assert (len(set(sizes)) > 1) == may_shrink
    for shrunk, whole in zip(*(results[key][:4] for key in (True, False)), strict=True):
        np.testing.assert_allclose(shrunk, whole, atol=1e-5)
    assert (results[True].ids[:, 0, :2] == prefixes[:, :2]).all()


@on_tensorflow
def test_built_in_constraints_take_no_pass_over_the_vocabulary():
    import tensorflow as tf

    vocabulary = 1009

    def masks(**options):
        """Booleans of the size of the vocabulary in the graph of a search."""

        def find(state):
            def step(tokens, state):
                return ops.zeros((*ops.shape(tokens), vocabulary)), state, {}

            return beam_search(
                step, state, beam_size=3, max_length=5, min_length=2, **options
            )[:4]

        graph = tf.function(find, autograph=False).get_concrete_function(
            tf.TensorSpec([None, 1])
        )
        written = graph.graph.as_graph_def(add_shapes=True)
        return [
            node.name
            for library in written.library.function
            for node in library.node_def
            if any(
                shape.dim and shape.dim[-1].size == vocabulary
                for shape in node.attr["_output_shapes"].list.shape
            )
            and node.op in ("NotEqual", "Equal", "LogicalAnd", "LogicalOr", "All")
        ]

    assert masks(constraints=[NoDouble(None)])
    assert not masks()
    assert not masks(constraints=[NoDouble(1)])


class WithoutAllowed(Constraint):
    pass


class OtherState(NoDouble):
    def next_state(self, tokens, state):
        return {"last": tokens}


class LargerState(NoDouble):
    def next_state(self, tokens, state):
        return ops.stack([tokens, tokens], axis=-1)


class OtherRows(NoDouble):
    def initial_state(self, batch_size):
        return ops.zeros((batch_size + 1,), "int32")


@pytest.mark.parametrize(
    ("constraints", "kind", "message"),
    [
        (NoDouble(1), ValueError, "must be a list of instances.*NoDouble"),
        ([NoDouble], ValueError, "instances of `kseq2seq.decoding.Constraint`.*NoDou"),
        ([lambda tokens: tokens], ValueError, "`constraints` must.*lambda"),
        ([WithoutAllowed()], TypeError, "override `allowed`. Received: WithoutAllowed"),
        ([OtherState(1)], ValueError, "`next_state` of OtherState must return"),
        ([LargerState(1)], ValueError, r"LargerState.*\(3, 1\).*\(3, 1, 2\)"),
        ([OtherRows(1)], ValueError, r"OtherRows.*shape=\(3,\).*shape=\(4,\)"),
    ],
)
def test_bad_constraints(constraints, kind, message):
    model = Tables(38)
    with pytest.raises(kind, match=message):
        greedy_search(
            model.step, model.initial_state(), max_length=5, constraints=constraints
        )
