"""Every mechanism and decoder trains under `jit_compile=True`, lengths unknown."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from exhaustive import with_exhaustive
from kseq2seq.layers import MECHANISMS

DEEP = {"decoder_layers": 2}
DECODERS = {
    "at_once": {},
    "previous": {"attention_query": "previous"},
    "input_feeding": {"input_feeding": True},
    "first_query": {"query_layer": "first", "context_to_layers": True, **DEEP},
    "transition": {"transition_depth": 2},
    "gnmt": {
        "attention_query": "previous",
        "query_layer": "first",
        "context_to_layers": True,
        **DEEP,
    },
}
IDS = {"source": [[4, 5, 6], [7, 8, 0]], "target": [[2, 4], [2, 0]]}
LABELS = [[4, 3], [3, 0]]


def batches(source):
    """A data set whose shapes are unknown where the step is traced, as in training."""
    ids = tf.TensorSpec([None, None], tf.int32)
    dataset = tf.data.Dataset.from_generator(
        lambda: iter([({**IDS, "source": source}, LABELS)]),
        output_signature=({"source": ids, "target": ids}, ids),
    )
    # Its thread may keep whoever deletes an iterator waiting for minutes.
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def weights_after_a_step(
    word, decoder, cell, jit_compile, source=IDS["source"], **changes
):
    keras.utils.set_random_seed(7)
    model = kseq2seq.build_model(
        kseq2seq.Seq2SeqConfig(
            **{"source_vocabulary_size": 11, **changes},
            target_vocabulary_size=13,
            embedding_size=3,
            units=4,
            attention=word,
            cell=cell,
            dropout=0.0,
            bidirectional=False,
            **DECODERS[decoder],
        )
    )
    loss = kseq2seq.MaskedCrossentropy()
    # Eagerly where it is not compiled: a single step, which tracing would not pay for.
    model.compile(
        keras.optimizers.SGD(1.0),
        loss,
        jit_compile=jit_compile,
        run_eagerly=not jit_compile,
    )
    model.fit(batches(source), verbose=0)
    return model.get_weights()


# Compiling takes seconds: each class of mechanisms, while decoders and cells take
# turns; those with a way of their own to all queries at once are compiled in a loop as
# well. `tests/layers/attention/test_base.py` compiles all that differs in the scores,
# `test_monotonic.py` beside it monotonic attention in a loop.
CASES = [
    ("none", "transition", "lstm"),
    ("bahdanau", "first_query", "gru"),
    ("luong_dot", "gnmt", "lstm"),
    ("luong_general", "input_feeding", "layer_norm_lstm"),
    ("local_monotonic", "previous", "gru"),
    ("local_predictive", "input_feeding", "gru"),
    ("monotonic_bahdanau", "at_once", "gru"),
    ("chunkwise", "previous", "gru"),
    ("location_sensitive", "at_once", "gru"),
    ("coverage", "previous", "lstm"),
    ("multi_head_dot", "input_feeding", "gru"),
]


# All of them, half an hour on two cores: `make exhaustive`. Without attention there is
# no context that a decoder could feed.
COMBINATIONS = [
    (word, decoder, cell)
    for word in ("none", *MECHANISMS)
    for decoder in DECODERS
    for cell in ("lstm", "gru", "layer_norm_lstm")
    if word != "none" or decoder in ("at_once", "transition")
]


def test_each_class_of_mechanisms_is_compiled():
    compiled = {word for word, _, _ in CASES} - {"none"}
    classes = {word: type(x.factory(4)()) for word, x in MECHANISMS.items()}
    assert {classes[word] for word in compiled} == {*classes.values()}


@pytest.mark.filterwarnings("ignore:.*ran out of data")
@pytest.mark.parametrize(
    ("word", "decoder", "cell"), with_exhaustive(CASES, COMBINATIONS)
)
def test_compiled_training_is_the_same(word, decoder, cell):
    compiled = weights_after_a_step(word, decoder, cell, jit_compile=True)
    plain = weights_after_a_step(word, decoder, cell, jit_compile=False)
    for received, expected in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*ran out of data")
def test_draws_of_recurrent_layers_are_compiled():
    arguments = "luong_dot", "input_feeding", "lstm"
    noise = {"recurrent_dropout": 0.5, "zoneout": 0.5}
    compiled = weights_after_a_step(*arguments, True, **noise)
    plain = weights_after_a_step(*arguments, False)
    assert all(np.isfinite(x).all() for x in compiled)
    assert any(np.abs(x - y).max() > 1e-4 for x, y in zip(compiled, plain, strict=True))


@pytest.mark.filterwarnings("ignore:.*ran out of data")
def test_with_gated_features_compiled_training_is_the_same():
    sizes = {"source_vocabulary_size": 7, "feature_vocabulary_size": 5}
    source = [[4, 5, 3, 7, 11], [6, 3, 9, 0, 0]]
    arguments = "bahdanau", "input_feeding", "lstm"
    compiled, plain = (
        weights_after_a_step(*arguments, jit, source, features="gated", **sizes)
        for jit in (True, False)
    )
    for received, expected in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(received, expected, atol=1e-5)
