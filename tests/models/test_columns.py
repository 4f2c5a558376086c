"""Steps that make the logits of some tokens, against those that make all."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import decoding
from kseq2seq.decoding import Columns
from kseq2seq.models import (
    column_product,
    column_step,
    encode_and_step,
    start_column_search,
    start_decoding,
)
from small_models import SOURCE, B, V, make_model, random_model

IDS = tf.constant([0, 1, 2, 3, 5, 8, 12])
# Of the second row one column less than of the first.
ALLOWED = np.array([[True] * 7, [True] * 5 + [False, True]])


def only_allowed(model):
    """The start of a search whose other tokens have the probability 0, by NumPy."""
    step, state = start_decoding(model)(SOURCE)
    mask = np.full((B, V), -np.inf, "float32")
    mask[:, IDS] = np.where(ALLOWED, 0.0, -np.inf)

    def masked(tokens, state):
        log_probs, state, extras = step(tokens, state)
        return keras.ops.log_softmax(log_probs + mask[:, None]), state, extras

    return masked, state


@pytest.mark.parametrize("name", ["none_gru_deep", "general_feed", "concat", "zoneout"])
def test_a_search_among_columns_of_each_row(name):
    """Without attention, with input feeding, with tied embeddings, and plain."""
    model = random_model(name)
    encoded = encode_and_step([model])[0](SOURCE)
    step, state = start_column_search(
        column_step(model),
        encoded,
        Columns(IDS, V),
        tf.constant(ALLOWED),
        column_product(model, IDS),
    )
    options = {"beam_size": 3, "num_hypotheses": 3, "max_length": 6, "min_length": 3}
    actual = decoding.beam_search(step, state, **options)
    expected = decoding.beam_search(*only_allowed(model), **options)
    assert (actual.alignments is None) == (name == "none_gru_deep")
    for a, b in zip(actual, expected, strict=True):
        if b is not None:
            np.testing.assert_allclose(a, b, atol=1e-4)


def test_the_product_of_weights_that_are_given():
    """As those of a SavedModel in fewer bits are."""
    ids = tf.constant([3, 5, 8])
    for name, layer in (("general_feed", "projection"), ("concat", "target_embedding")):
        variable = random_model(name).get_layer(layer).weights[0]
        given = np.random.default_rng(7).normal(size=variable.shape).astype("float32")
        product = column_product(random_model(name), ids, [variable], [given])
        expected = given[:, ids] if name == "general_feed" else given[ids].T
        np.testing.assert_array_equal(product["kernel"], expected)


@pytest.mark.parametrize(
    "name, changes, message",
    [
        ("copying", {}, "a model with copying"),
        ("hard", {}, "a model with marginal"),
        ("general", {"output_probability_fn": "entmax15"}, "fn entmax15"),
    ],
)
def test_models_whose_logits_are_more_than_a_product(name, changes, message):
    model = make_model(name, **changes)
    with pytest.raises(ValueError, match=f"A shortlist needs .* Received: .*{message}"):
        column_step(model)
