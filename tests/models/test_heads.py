"""Heads of a decoder's step, against NumPy."""

import keras
import numpy as np
import pytest

from kseq2seq import decoding
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import (
    MECHANISMS,
    Logits,
    VocabularyEmbedding,
    VocabularyProjection,
)
from kseq2seq.models import build_model, encoder_model, heads, start_decoding
from kseq2seq.utils import PAD_ID
from reference import randomize
from small_models import COPIED_IDS, SIZES, SOURCE, training_batch

B, K, V, E, S = 2, 3, 11, 7, 5
HEADS = {
    "copying": {"copying": True},
    "zeroth_order": {"hard_attention": "zeroth_order"},
    "monotonic": {"hard_attention": "monotonic_first_order"},
}
RNG = np.random.default_rng(3)
FEATURES = RNG.normal(size=(B, K, E)).astype("float32")
ALIGNMENT = RNG.random((B, K, S)).astype("float32")


def outputs_of(alignment=(ALIGNMENT,)):
    tokens = np.full((B, K), 5, "int32")
    embedded = np.zeros((B, K, E), "float32")
    return heads.StepOutputs(tokens, embedded, FEATURES, [*alignment])


def make_layers(probability_fn="softmax"):
    projection = VocabularyProjection(V)
    projection.build((None, None, E))
    randomize(projection)
    return {"projection": projection, "logits": Logits(probability_fn)}


def test_logits_are_the_product_of_the_features():
    layers = make_layers()
    logits, states, alignment = heads.step_head(layers, outputs_of(), [], {})
    kernel, bias = layers["projection"].get_weights()
    np.testing.assert_allclose(logits, FEATURES @ kernel + bias, atol=1e-5)
    assert states == [] and alignment[0] is ALIGNMENT
    _, _, alignment = heads.step_head(layers, outputs_of(()), [], {})
    assert alignment == []


def test_tied_logits_are_those_of_the_embeddings():
    embedding = VocabularyEmbedding(V, E)
    embedding.build()
    randomize(embedding)
    layers = {"target_embedding": embedding, "logits": Logits()}
    logits, *_ = heads.step_head(layers, outputs_of(), [], {})
    matrix = keras.ops.convert_to_numpy(embedding.embeddings)
    np.testing.assert_allclose(logits, FEATURES @ matrix.T, atol=1e-5)


def test_pairs_are_made_of_no_padding(recwarn):
    config = Seq2SeqConfig(**SIZES, hard_attention="zeroth_order")
    model = build_model(config)
    randomize(model)
    outputs = encoder_model(model)(SOURCE)["memory"][heads.ENCODED]
    np.testing.assert_array_equal(outputs[SOURCE == PAD_ID], 0)
    assert np.abs(outputs[SOURCE != PAD_ID]).min() > 0
    # A mask of Keras on it, which no step could pass on, would be told of in each.
    step, states = start_decoding(model)(SOURCE)
    decoding.greedy_search(step, states, max_length=3)
    assert not [x for x in recwarn if "mask" in str(x.message)]


def sparsemax(scores):
    """Martins & Astudillo 2016, algorithm 1, of one row."""
    falling = np.sort(scores)[::-1]
    sums = np.cumsum(falling)
    counts = np.arange(1, len(scores) + 1)
    count = counts[1 + counts * falling > sums][-1]
    return np.maximum(scores - (sums[count - 1] - 1) / count, 0)


def test_sparse_probabilities_become_logarithms():
    layers = make_layers("sparsemax")
    logits, *_ = heads.step_head(layers, outputs_of(), [], {})
    kernel, bias = layers["projection"].get_weights()
    received = np.exp(keras.ops.convert_to_numpy(logits))
    for b, k in np.ndindex(B, K):
        expected = sparsemax(FEATURES[b, k] @ kernel + bias)
        np.testing.assert_allclose(received[b, k], expected, atol=1e-5)
    assert (received == 0).any()


def test_what_copies_reads_the_ids_of_the_source():
    calls = []

    def copying(*arguments):
        calls.append(arguments)
        return "mixed"

    layers = {**make_layers(), "copying": copying}
    outputs = outputs_of()
    logits, *_ = heads.step_head(layers, outputs, [], {heads.COPIED: "ids"})
    ((plain, features, embedded, alignment, ids),) = calls
    assert logits == "mixed" and ids == "ids" and plain.shape == (B, K, V)
    assert features is FEATURES and embedded is outputs.embedded
    assert alignment is ALIGNMENT


def test_memory_and_states_are_those_that_the_layers_need():
    assert heads.head_memory({}) == {} and heads.head_states({}, {}) == []
    copied = keras.layers.Embedding(V, 1, name="copied_ids")
    expected = copied(keras.Input((S,)))
    layers = {"copying": None, "copied_ids": copied}
    assert heads.head_memory(layers)[heads.COPIED] is expected

    class Marginal:
        def initial_state(self, mask, vocabulary_size):
            return [mask, vocabulary_size]

    embedding = keras.layers.Embedding(V, E)
    layers = {"marginal": Marginal(), "target_embedding": embedding}
    assert heads.head_states(layers, {"mask": "mask"}) == ["mask", V]


@pytest.mark.parametrize("attention", MECHANISMS)
@pytest.mark.parametrize("head", HEADS)
def test_with_every_mechanism_a_search_scores_as_the_model_does(head, attention):
    # The four heads of attention must divide the units.
    values = {**SIZES, "units": 8, "attention": attention, **HEADS[head]}
    ids = COPIED_IDS if head == "copying" else None
    model = build_model(Seq2SeqConfig(**values), copied_ids=ids)
    randomize(model, scale=0.4)
    inputs, labels = training_batch()
    logits = keras.ops.convert_to_numpy(model(inputs)).astype("float64")
    log_probs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    log_probs = np.take_along_axis(log_probs, labels[..., None], axis=-1)[..., 0]
    expected = np.where(labels == PAD_ID, 0, log_probs).sum(axis=1)
    step, state = start_decoding(model)(inputs["source"])
    forced = decoding.force(step, state, keras.ops.convert_to_tensor(labels))
    np.testing.assert_allclose(forced.log_probs[:, 0], expected, atol=1e-4)
