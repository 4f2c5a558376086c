"""Steps of a transformer and their caches, against a search without any."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kseq2seq import decoding
from kseq2seq.models import encoder_model, start_decoding, step_model
from small_models import SOURCE, K, S, V, random_model, run_step

MAX_LENGTH = 7


def search(start, source):
    return decoding.beam_search(
        *start(source), beam_size=K, num_hypotheses=K, max_length=MAX_LENGTH
    )


def start_without_caches(model):
    """A step that reads the whole target so far again, by the whole model."""

    def start(source):
        def step(tokens, state):
            places = np.arange(MAX_LENGTH)
            here = ops.equal(places, state["position"])  # (B, K, L)
            ids = ops.where(here, tokens[..., None], state["ids"])
            rows = int(np.prod(tokens.shape))
            logits = model(
                {
                    "source": ops.repeat(source, tokens.shape[1], axis=0),
                    "target": ops.reshape(ids, (rows, MAX_LENGTH)),
                }
            )
            logits = ops.reshape(logits, (*tokens.shape, MAX_LENGTH, V))
            logits = ops.sum(ops.where(here[..., None], logits, 0.0), axis=2)
            state = {"ids": ids, "position": state["position"] + 1}
            return ops.log_softmax(logits), state, {}

        batch = len(source)
        ids = ops.full((batch, MAX_LENGTH), 5, "int32")
        return step, {"ids": ids, "position": ops.zeros((batch, 1), "int32")}

    return start


def in_graph(function):
    ids = tf.TensorSpec([None, None], tf.int32)
    return tf.function(function, input_signature=[ids], autograph=False)


def by_xla(function):
    return tf.function(function, jit_compile=True, autograph=False)


@pytest.mark.parametrize(
    ("name", "ways"),
    [("transformer", [in_graph, by_xla]), ("transformer_deep", [lambda run: run])],
)
def test_a_search_with_caches_is_one_without(name, ways):
    model = random_model(name)
    expected = search(start_without_caches(model), SOURCE)
    # What is kept changes its place, or the caches would not have to.
    assert len({tuple(ids[:2]) for ids in np.asarray(expected.ids[0])}) > 1

    def run(source):
        return search(start_decoding(model), source)

    for way in ways:
        actual = way(run)(tf.constant(SOURCE))
        np.testing.assert_array_equal(actual.ids, expected.ids)
        np.testing.assert_allclose(actual.scores, expected.scores, atol=1e-5)
        assert actual.alignments.shape == (2, K, MAX_LENGTH, S)


def test_a_step_needs_room():
    model = random_model("transformer")
    encoded = encoder_model(model)(SOURCE)
    states = [x[:, None] for x in encoded["states"]]
    with pytest.raises(ValueError, match=r"make_room.*cache of shape \(2, 1, 0, 6\)"):
        run_step(step_model(model), np.full((2, 1), 2), states, encoded["memory"])
