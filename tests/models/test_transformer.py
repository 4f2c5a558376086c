"""Transformers, against Keras's own layers and against a search without caches."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from kseq2seq import Seq2SeqConfig, decoding
from kseq2seq.layers import (
    BahdanauAttention,
)
from kseq2seq.models import (
    build_model,
    encode_and_step,
    final_states,
    start_decoding,
    start_search,
)
from kseq2seq.utils import PAD_ID
from reference import randomize
from small_models import (
    SOURCE,
    K,
    T,
    V,
    make_model,
    random_ids,
    random_model,
)

HEADS, UNITS = 3, 33
MAX_LENGTH = 7


def waves(length, size):
    """Vaswani et al. 2017, section 3.5, a number at a time."""
    table = np.zeros((length, size))
    for t in range(length):
        for place in range(size):
            angle = t / 10000 ** (2 * (place // 2) / size)
            table[t, place] = np.sin(angle) if place % 2 == 0 else np.cos(angle)
    return table.astype("float32")


def attend_by_keras(block, query, value, mask):
    layer = keras.layers.MultiHeadAttention(HEADS, UNITS // HEADS, use_bias=False)
    layer.build(query.shape, value.shape)
    heads = block.heads
    kernels = [heads.query_kernel, heads.key_kernel, heads.value_kernel]
    split = [ops.reshape(x, (UNITS, HEADS, UNITS // HEADS)) for x in kernels]
    joined = ops.reshape(block.output_layer.kernel, (HEADS, UNITS // HEADS, UNITS))
    layer.set_weights([*split, joined])
    return layer(query, value, attention_mask=mask, return_attention_scores=True)


def normalize_by_keras(norm, inputs):
    layer = keras.layers.LayerNormalization(epsilon=1e-6)
    layer.build(inputs.shape)
    layer.set_weights([norm.gamma, norm.beta])
    return layer(inputs)


def feed_forward(block, inputs):
    inner, outer = block.inner, block.outer
    hidden = normalize_by_keras(block.norm, inputs) @ inner.kernel + inner.bias
    return inputs + tf.nn.relu(hidden) @ outer.kernel + outer.bias


def logits_by_keras(model, config, source, target):
    """The logits, and the alignment of the last layer, by Keras's own layers."""
    get = model.get_layer
    real = source != PAD_ID
    values = ops.take(get("source_embedding").embeddings, source, axis=0)
    values = values @ get("encoder_input").kernel + waves(source.shape[1], UNITS)
    for level in range(config.encoder_layers):
        layer = get(f"encoder_{level}")
        block = layer.self_attention
        normed = normalize_by_keras(block.norm, values)
        values = values + attend_by_keras(block, normed, normed, real[:, None])[0]
        values = feed_forward(layer.feed_forward, values)
    memory = normalize_by_keras(get("encoder_norm"), values)
    outputs = ops.take(get("target_embedding").embeddings, target, axis=0)
    outputs = outputs @ get("decoder_input").kernel + waves(target.shape[1], UNITS)
    past = np.tril(np.ones((1, target.shape[1], target.shape[1]), bool))
    for level in range(config.decoder_layers):
        layer = get(f"decoder_{level}")
        block = layer.self_attention
        normed = normalize_by_keras(block.norm, outputs)
        outputs = outputs + attend_by_keras(block, normed, normed, past)[0]
        block = layer.cross_attention
        normed = normalize_by_keras(block.norm, outputs)
        read, scores = attend_by_keras(block, normed, memory, real[:, None])
        outputs = feed_forward(layer.feed_forward, outputs + read)
    outputs = normalize_by_keras(get("decoder_norm"), outputs)
    projection = get("projection")
    logits = outputs @ projection.kernel + projection.bias
    return logits, ops.mean(scores, axis=1)


def test_logits_and_alignments_are_those_of_keras_own_layers():
    config = Seq2SeqConfig(
        architecture="transformer",
        source_vocabulary_size=17,
        target_vocabulary_size=V,
        embedding_size=11,
        units=UNITS,
        num_heads=HEADS,
        feed_forward_size=19,
        encoder_layers=2,
        decoder_layers=3,
    )
    model = build_model(config)
    randomize(model, scale=0.3)
    target = random_ids((T, T), T, V, seed=1)
    logits, alignment = logits_by_keras(model, config, SOURCE, target)
    actual = model({"source": SOURCE, "target": target})
    np.testing.assert_allclose(actual, logits, atol=2e-5)
    assert np.std(logits) > 0.3
    step, state = start_decoding(model)(tf.constant(SOURCE))
    labels = np.concatenate([target[:, 1:], np.full((2, 1), 3)], axis=1)
    target[:, 0] = 2
    _, alignment = logits_by_keras(model, config, SOURCE, target)
    forced = decoding.force(step, state, labels)
    np.testing.assert_allclose(forced.alignments[:, 0], alignment, atol=1e-5)


def test_a_token_changes_nothing_before_it():
    model, target = random_model("transformer_deep"), random_ids((T, T), T, V)
    changed = target.copy()
    changed[:, 3] = 4 + (target[:, 3] - 3) % (V - 4)
    before, after = (model({"source": SOURCE, "target": x}) for x in (target, changed))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before - after)[:, 3:].max(axis=(0, 2)).min() > 1e-4


def search(start, source):
    return decoding.beam_search(
        *start(source), beam_size=K, num_hypotheses=K, max_length=MAX_LENGTH
    )


def test_the_vector_of_a_source_is_the_mean_of_the_memory():
    model = random_model("transformer")
    encode, _ = encode_and_step([model])
    encoded = encode(SOURCE)
    (memory,) = encoded["memory"]
    expected = [
        np.mean(memory["value"][row, :length], axis=0)
        for row, length in enumerate(np.sum(SOURCE != PAD_ID, axis=1))
    ]
    np.testing.assert_allclose(final_states([model], encoded), expected, atol=1e-6)


def test_no_other_attention():
    with pytest.raises(ValueError, match="of its own; leave `attention` out. Received"):
        build_model(make_config(), attention=BahdanauAttention(5))


def make_config():
    return Seq2SeqConfig(
        architecture="transformer",
        source_vocabulary_size=17,
        target_vocabulary_size=V,
        units=6,
        num_heads=2,
    )


@pytest.mark.parametrize(("size", "convolutions"), [(5, 1), (13, 0)])
def test_frames_and_their_padding(size, convolutions):
    config = Seq2SeqConfig(
        architecture="transformer",
        source_frame_size=size,
        target_vocabulary_size=V,
        convolutions=convolutions,
        embedding_size=6,
        units=6,
        num_heads=2,
        tie_embeddings=True,
    )
    model = build_model(config)
    randomize(model)
    frames = np.random.default_rng(7).normal(size=(2, 11, size)).astype("float32")
    mask = np.arange(11) < np.array([[11], [7]])
    together = search(start_decoding(model), {"frames": frames, "frame_mask": mask})
    alone = {"frames": frames[1:, :7], "frame_mask": mask[1:, :7]}
    alone = search(start_decoding(model), alone)
    np.testing.assert_array_equal(together.ids[1:], alone.ids)
    np.testing.assert_allclose(together.scores[1:], alone.scores, atol=1e-5)
    assert together.alignments.shape[3] == (6 if convolutions else 11)
    assert not np.any(together.alignments[1, ..., 4 if convolutions else 7 :])


def test_an_ensemble_with_a_recurrent_model():
    models = [random_model("transformer"), make_model("bahdanau")]
    collected = []
    for chosen in (models, models[:1]):
        halves = encode_and_step(chosen, shares=[3, 1][: len(chosen)])
        collected.append(search(partial(start_search, *halves), SOURCE))
    assert collected[0].alignments.shape == collected[1].alignments.shape
    assert np.abs(collected[0].scores - collected[1].scores).max() > 1e-3
