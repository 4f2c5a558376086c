"""Small models of every kind of decoder, and calls of their halves."""

import functools

import numpy as np
import tensorflow as tf

from kseq2seq import Adam
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.losses import MaskedCrossentropy
from kseq2seq.models import build_model, make_room
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID
from reference import randomize

# All different, so that a swapped axis cannot pass. V is the target's vocabulary.
B, K, S, T, V, SOURCE_V, E = 2, 3, 7, 5, 13, 17, 11
SIZES = {
    "source_vocabulary_size": SOURCE_V,
    "target_vocabulary_size": V,
    "embedding_size": E,
    "units": 6,
    "dropout": 0.0,
}
FEED = {"input_feeding": True}
PREVIOUS = {"attention_query": "previous"}
ONE_WAY = {"bidirectional": False}
DEEP = {"encoder_layers": 2, "decoder_layers": 2}
RESIDUAL = {**DEEP, "residual": True}
JOINED = {"encoder_units": 8, "bridge": "dense", "attentional_units": 5}
ZEROS = {"encoder_units": 8, "bridge": "zeros"}
GRU = {"cell": "gru"}
ZONEOUT = {"zoneout": 0.2}
LAYER_NORM = {"cell": "layer_norm_lstm"}
TIED = {"tie_embeddings": True}
COPYING = {"copying": True}
HARD = "hard_attention"
# For each source id a target id: some are another's too, some UNK, some of none.
COPIED_IDS = [0, 1, 0, 3, 7, 8, 9, 10, 7, 1, 1, 12, 11, 0, 5, 4, 6]
SHALLOW = {"encoder_layers": 2, "decoder_layers": 1}
DEEPER = {"encoder_layers": 1, "decoder_layers": 3}
FIRST = {"query_layer": "first", "context_to_layers": True}
THREE = {"encoder_layers": 3, "decoder_layers": 3}
GNMT = {**THREE, **PREVIOUS, **FIRST, "residual": True, "residual_from": 3}
TRANSFORMER = {"architecture": "transformer", "num_heads": 2, "feed_forward_size": 19}

# Every attention in each of the three decoders, and every other option with each.
KINDS = {
    "none": {"attention": "none"},
    "none_gru_deep": {"attention": "none", **GRU, **RESIDUAL, **ONE_WAY},
    "none_shallow": {"attention": "none", **SHALLOW, **JOINED},
    "bahdanau": {"attention": "bahdanau", **DEEP, **ONE_WAY},
    "bahdanau_feed": {"attention": "bahdanau", **FEED, **GRU, **ZEROS},
    "bahdanau_previous": {"attention": "bahdanau", **PREVIOUS, **DEEPER, **JOINED},
    "normalized": {"attention": "bahdanau_normalized", **GRU, **JOINED, **TIED},
    "normalized_feed": {"attention": "bahdanau_normalized", **FEED, **RESIDUAL},
    "normalized_previous": {"attention": "bahdanau_normalized", **PREVIOUS, **TIED},
    "dot": {"attention": "luong_dot", **RESIDUAL, "bridge": "zeros"},
    "dot_feed": {"attention": "luong_dot", **FEED, **GRU, **TIED, **SHALLOW},
    "dot_previous": {"attention": "luong_dot", **PREVIOUS, **GRU, **DEEP, **ONE_WAY},
    "general": {"attention": "luong_general", **ZEROS, **DEEPER},
    "general_feed": {"attention": "luong_general", **FEED, **JOINED, **DEEP},
    "general_previous": {"attention": "luong_general", **PREVIOUS, **GRU, **RESIDUAL},
    "concat": {"attention": "luong_concat", **GRU, **TIED, "attention_units": 19},
    "concat_feed": {"attention": "luong_concat", **FEED, **ONE_WAY, **DEEPER},
    "concat_previous": {"attention": "luong_concat", **PREVIOUS, **ZEROS, **SHALLOW},
    "scaled": {"attention": "luong_scaled_dot", **GRU, **ONE_WAY, **SHALLOW},
    "scaled_feed": {"attention": "luong_scaled_dot", **FEED, **DEEPER, **GRU},
    "scaled_previous": {"attention": "luong_scaled_dot", **PREVIOUS, **RESIDUAL},
    "scaled_general": {"attention": "luong_scaled_general", **GRU, **JOINED},
    "scaled_general_feed": {"attention": "luong_scaled_general", **FEED, **ZEROS},
    "scaled_general_previous": {"attention": "luong_scaled_general", **PREVIOUS},
    "layer_norm": {"attention": "luong_general", **LAYER_NORM, **RESIDUAL},
    "layer_norm_feed": {"attention": "bahdanau", **LAYER_NORM, **FEED, **ONE_WAY},
    "zoneout": {"attention": "luong_dot", **ZONEOUT, **GRU},
    "zoneout_feed": {"attention": "bahdanau", **ZONEOUT, **FEED, **ONE_WAY},
    "copying": {"attention": "luong_scaled_dot", **COPYING, **TIED},
    "gnmt": {"attention": "bahdanau", **GNMT, "bidirectional_layers": 1},
    "first_query": {"attention": "luong_concat", **FIRST, **RESIDUAL, **GRU},
    "transition": {"attention": "luong_dot", "transition_depth": 3, **GRU, **ZONEOUT},
    "hard": {"attention": "luong_general", HARD: "monotonic_zeroth_order", **GRU},
    "hard_tied": {"attention": "coverage", HARD: "first_order", **TIED, **RESIDUAL},
    "transformer": {**TRANSFORMER, "embedding_size": 6, **TIED},
    "transformer_deep": {**TRANSFORMER, **COPYING, **DEEPER, "encoder_layers": 2},
    "copying_feed": {"attention": "bahdanau", **COPYING, **FEED, **DEEP},
}
for kind in KINDS.values():
    if "tie_embeddings" in kind:
        kind.pop("attentional_units", None)
# One for each way in which a decoder is built, for what takes long.
FEW = ("none_gru_deep", "normalized", "general_feed", "bahdanau_previous")


def make_model(name, **values):
    config = Seq2SeqConfig(**{**SIZES, **KINDS[name], **values})
    return build_model(config, copied_ids=COPIED_IDS if config.copying else None)


@functools.cache
def random_model(name):
    """A model with random weights, made once and never trained."""
    model = make_model(name)
    randomize(model, scale=0.4)
    return model


def random_ids(lengths, width, vocabulary, first=4, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(first, vocabulary, size=(len(lengths), width)).astype("int32")
    ids[np.arange(width) >= np.array(lengths)[:, None]] = PAD_ID
    return ids


SOURCE = random_ids((S, 3), S, SOURCE_V)


def run_step(step, tokens, states, memory):
    """One call of a step model; Keras takes no arrays among tensors."""
    states = [tf.convert_to_tensor(state) for state in states]
    tokens = tf.constant(tokens, "int32")
    return step({"tokens": tokens, "states": states, "memory": memory})


def run_halves(encoder, step, source):
    """Memory and states of the encoder, and what the first step makes of them."""
    encoded = encoder(source)
    states = [state[:, None] for state in make_room(encoded["states"], 1)]
    tokens = np.full((len(source), 1), BOS_ID)
    return encoded, run_step(step, tokens, states, encoded["memory"])


def training_batch():
    """Seven pairs that no rule of the ids explains."""
    source = random_ids((1, 2, 3, 4, 5, 6, 7), 7, SOURCE_V, seed=5)
    labels = random_ids((5, 1, 4, 2, 3, 5, 2), 6, V, seed=6)
    ends = np.sum(labels != PAD_ID, axis=1)
    labels[np.arange(7), ends] = EOS_ID
    target = np.concatenate([np.full((7, 1), BOS_ID), labels[:, :-1]], axis=1)
    return {"source": source, "target": target.astype("int32")}, labels


def train(model, steps, learning_rate=0.01, jit_compile=False):
    """Trains; the last loss. A step or two would not pay for tracing a graph."""
    inputs, labels = training_batch()
    model.compile(
        Adam(learning_rate),
        MaskedCrossentropy(),
        jit_compile=jit_compile,
        run_eagerly=steps < 3 and not jit_compile,
    )
    batches = tf.data.Dataset.from_tensors((inputs, labels)).repeat(steps)
    return model.fit(batches, shuffle=False, verbose=0).history["loss"][-1]
