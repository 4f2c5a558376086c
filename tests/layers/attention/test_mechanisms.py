"""Every mechanism in the decoder: whole targets, single steps, beams, saved models."""

import functools
import itertools
import re

import keras
import numpy as np
import pytest

from kseq2seq import decoding, layers
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import Attention
from kseq2seq.models import build_model, encoder_model, start_decoding, step_model
from kseq2seq.utils import BOS_ID, PAD_ID
from mechanisms import MECHANISMS
from paths import DOCS
from reference import randomize

# All different; the units are such that the heads of the tests divide them.
B, K, T, S, V, UNITS = 2, 3, 5, 7, 11, 26
LENGTHS = (7, 4)
WORDS = [*layers.MECHANISMS]


def config(**settings):
    sizes = {"embedding_size": 6, "units": UNITS, "dropout": 0.0}
    return Seq2SeqConfig(
        source_vocabulary_size=V, target_vocabulary_size=V + 2, **{**sizes, **settings}
    )


def ids():
    rng = np.random.default_rng(0)
    source = rng.integers(4, V, size=(B, S)).astype("int32")
    source[np.arange(S) >= np.array(LENGTHS)[:, None]] = 0
    return source, rng.integers(4, V, size=(B, T)).astype("int32")


def made(name, scale=0.3, **settings):
    model = build_model(config(**settings), attention=MECHANISMS[name]())
    randomize(model, scale=scale)
    return model


def logits_by_steps(model, source, target):
    """Of K hypotheses, of which all but the last are other targets."""
    encoded, step = encoder_model(model)(source), step_model(model)
    states = [keras.ops.repeat(x[:, None], K, axis=1) for x in encoded["states"]]
    others = np.random.default_rng(1).integers(4, V, size=(B, K - 1, T))
    tokens = np.concatenate([others, target[:, None]], axis=1)
    tokens = keras.ops.convert_to_tensor(tokens, "int32")
    collected = []
    for t in range(T):
        outputs = step(
            {"tokens": tokens[:, :, t], "states": states, "memory": encoded["memory"]}
        )
        states = outputs["states"]
        collected.append(outputs["logits"][:, -1])
    return np.stack(collected, axis=1)


DECODERS = {
    "at_once": {},
    "input_feeding": {"input_feeding": True},
    "previous": {"attention_query": "previous"},
}
# The decoders take turns: that all ways to ask a layer agree is shown of each layer.
IN_A_DECODER = [*zip(MECHANISMS, itertools.cycle(DECODERS), strict=False)]


@pytest.mark.parametrize(("name", "kind"), IN_A_DECODER)
def test_steps_give_what_the_whole_target_gives(name, kind):
    model = made(name, **DECODERS[kind])
    source, target = ids()
    expected = model({"source": source, "target": target})
    np.testing.assert_allclose(
        logits_by_steps(model, source, target), expected, atol=2e-5
    )
    # And a row alone, without its padding, gives what it gives in the batch.
    row = {"source": source[1:, : LENGTHS[1]], "target": target[1:]}
    np.testing.assert_allclose(model(row), expected[1:], atol=2e-5)


# One of each class whose hypotheses have pasts of their own, and one that has none.
WITH_A_PAST = ["location_cumulative", "coverage_fertility"]
WITH_A_PAST += ["monotonic_parallel", "chunkwise_soft"]


@pytest.mark.parametrize("name", ["luong_general", *WITH_A_PAST])
def test_a_beam_carries_the_past_of_each_hypothesis(name):
    """A hypothesis that beam search found scores what the model gives it."""
    # Large weights, so that another's past would tell.
    model = made(name, scale=0.7)
    source, _ = ids()
    step, state = start_decoding(model)(source)
    actual = decoding.beam_search(
        step, state, beam_size=K, max_length=T, num_hypotheses=K, length_penalty=0.0
    )
    hypotheses = np.reshape(actual.ids, (B * K, T))  # PAD behind EOS
    target = np.pad(hypotheses[:, :-1], ((0, 0), (1, 0)), constant_values=BOS_ID)
    logits = model({"source": np.repeat(source, K, axis=0), "target": target})
    log_probs = np.asarray(keras.ops.log_softmax(logits))
    picked = np.take_along_axis(log_probs, hypotheses[..., None], axis=2)[..., 0]
    totals = np.where(hypotheses != PAD_ID, picked, 0).sum(axis=1)
    np.testing.assert_allclose(np.ravel(actual.scores), totals, atol=1e-4)


# A plain one, two that nest others, and one of heads.
@pytest.mark.parametrize(
    "word", ["bahdanau", "local_predictive", "chunkwise", "multi_head_dot"]
)
def test_a_word_of_the_config_is_a_layer_that_trains(word, tmp_path):
    units = 24  # which four heads divide
    model = build_model(config(attention=word, units=units, input_feeding=True))
    source, target = ids()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    # As graphs they are trained where it is seen what they learn.
    model.compile("adam", loss, run_eagerly=True)
    before = [x.numpy() for x in model.trainable_weights]
    inputs = {"source": source, "target": target}
    model.fit(inputs, target, epochs=2, verbose=0)
    for x, y in zip(before, model.trainable_weights, strict=True):
        assert np.isfinite(y).all()
        # A bias ahead of softmax has no gradient but for rounding.
        assert np.any(x != y.numpy()) or "bias" in y.path, y.path
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    step, state = start_decoding(loaded)(source)
    tokens = keras.ops.convert_to_tensor(target[:, :1])
    state = keras.tree.map_structure(lambda x: x[:, None], state)
    assert "alignment" in step(tokens, state)[2]


# What a run folder of version 0.1.0 may name, with the layer that it was.
LAYERS_OF_WORDS = {
    "bahdanau": layers.BahdanauAttention(UNITS),
    "bahdanau_normalized": layers.BahdanauAttention(UNITS, normalize=True),
    "luong_dot": layers.LuongAttention("dot"),
    "luong_general": layers.LuongAttention("general"),
    "luong_concat": layers.LuongAttention("concat", UNITS),
    "luong_scaled_dot": layers.LuongAttention("scaled_dot"),
    "luong_scaled_general": layers.LuongAttention("scaled_general"),
    "local_monotonic": layers.LocalMonotonicAttention(layers.LuongAttention()),
    "local_predictive": layers.LocalPredictiveAttention(
        layers.LuongAttention(), units=UNITS
    ),
    "monotonic_bahdanau": layers.MonotonicAttention(layers.BahdanauAttention(UNITS)),
    "monotonic_luong": layers.MonotonicAttention(layers.LuongAttention()),
    "chunkwise": layers.ChunkwiseAttention(
        layers.BahdanauAttention(UNITS), layers.BahdanauAttention(UNITS), 3
    ),
    "location_sensitive": layers.LocationSensitiveAttention(UNITS),
    "coverage": layers.CoverageAttention(UNITS),
    "multi_head_additive": layers.MultiHeadAttention(4, 24),
    "multi_head_dot": layers.MultiHeadAttention(4, 24, "dot"),
}


def without_names(config):
    if isinstance(config, dict):
        return {x: without_names(y) for x, y in config.items() if x != "name"}
    return config


def test_words_stand_for_these_layers():
    assert [*LAYERS_OF_WORDS] == WORDS
    for word, expected in LAYERS_OF_WORDS.items():
        mechanism = layers.MECHANISMS[word]
        layer = mechanism.factory(24 if "head" in word else UNITS)()
        assert type(layer) is type(expected)
        assert without_names(layer.get_config()) == without_names(expected.get_config())
        assert mechanism.needs_equal_sizes == word.endswith("dot") * (
            word != "multi_head_dot"
        )


def test_a_word_of_ones_own(monkeypatch):
    """From outside the package: a layer, and an entry."""

    class Own(layers.BahdanauAttention):
        pass

    own = layers.Mechanism("Mine", lambda units: functools.partial(Own, units=units))
    monkeypatch.setitem(layers.MECHANISMS, "mine", own)
    options = {"temperature": 0.5}
    model = build_model(config(attention="mine", attention_options=options))
    (layer,) = [x for x in model.layers if isinstance(x, Attention)]
    assert type(layer) is Own
    assert (layer.units, layer.temperature) == (UNITS, 0.5)


def test_options_of_a_word_reach_the_layer():
    options = {"half_width": 3}
    model = build_model(config(attention="local_monotonic", attention_options=options))
    (layer,) = [x for x in model.layers if isinstance(x, Attention)]
    assert layer.half_width == 3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"half_width": 0}, "half_width=0"),
        ({"width": 3}, "LocalMonotonicAttention.*width"),
        ({"name": "mine"}, "name"),
    ],
)
def test_options_that_do_not_fit(options, match):
    settings = config(attention="local_monotonic", attention_options=options)
    with pytest.raises(ValueError, match=f"attention='local_monotonic'.*{match}"):
        build_model(settings)


def test_a_layer_of_ones_own_needs_a_word_all_the_same():
    with pytest.raises(ValueError, match="closest built-in name.*attention=<Bahd"):
        build_model(config(attention="none"), attention=MECHANISMS["bahdanau"]())


def test_the_page_lists_all_words():
    """Each word of a config stands beside its layer, once."""
    words = {}
    for line in (DOCS / "mechanisms.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| `"):
            classes, listed, _ = line.strip("| ").split(" | ")
            for word in re.findall(r"`(\w+)`", listed):
                assert word not in words
                words[word] = re.findall(r"`(\w+)`", classes)
    assert words.keys() == layers.MECHANISMS.keys()
    for word, mechanism in layers.MECHANISMS.items():
        assert type(mechanism.factory(28)()).__name__ in words[word], word
