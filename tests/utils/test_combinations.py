"""Settings of a model that have to fit together."""

import pytest

from kseq2seq.config import Seq2SeqConfig

SIZES = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}


def config(**values):
    return Seq2SeqConfig(**{**SIZES, **values})


GNMT = {
    "encoder_layers": 3,
    "decoder_layers": 3,
    "bidirectional_layers": 1,
    "residual": True,
    "residual_from": 3,
    "attention_query": "previous",
    "query_layer": "first",
    "context_to_layers": True,
}
GATED = {"feature_vocabulary_size": 7, "features": "gated"}
TRANSFORMER = {"architecture": "transformer"}
FRAMES = {"source_vocabulary_size": 0, "source_frame_size": 7}


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"source_frame_size": 7}, "ids, .* or frames.*7, source_vocabulary_size=11"),
        ({**FRAMES, "feature_vocabulary_size": 3}, "feature_vocabulary_size=3"),
        ({**FRAMES, "copying": True}, "copying=True$"),
        ({"convolutions": 1}, "Received: source_frame_size=0, convolutions=1"),
        ({"pyramidal_layers": 1}, "pyramidal_layers=1, spec_augment={}$"),
        ({"spec_augment": {"seed": 1}}, "spec_augment={'seed': 1}$"),
        ({**FRAMES, "pyramidal_layers": 2}, "upper ones. Received: .*encoder_layers=1"),
    ],
)
def test_frames_and_what_needs_them(values, match):
    with pytest.raises(ValueError, match=match):
        config(**values)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({}, "needs features: .* Received: feature_vocabulary_size=0"),
        ({"feature_vocabulary_size": 7, "attention": "none"}, "needs attention, with"),
    ],
)
def test_a_gate_needs_two_contexts(values, match):
    with pytest.raises(ValueError, match=match):
        config(features="gated", **values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"units": 7}, "must be even. Received: units=7, encoder_units=None"),
        (
            {"encoder_units": 7, "bridge": "dense"},
            "must be even. Received: units=512, encoder_units=7",
        ),
        ({"encoder_units": 6}, "bridge='dense' joins.*units=512, encoder_units=6"),
        (
            {"encoder_units": 6, "bridge": "dense", "attention": "luong_dot"},
            "luong_dot.*'luong_scaled_general' compares.*units=512, encoder_units=6",
        ),
        (
            {"encoder_units": 6, "bridge": "zeros", "attention": "luong_scaled_dot"},
            "luong_scaled_dot.*'luong_scaled_general' compares.*encoder_units=6",
        ),
        (
            {"tie_embeddings": True, "attentional_units": 6},
            "set attentional_units.*embedding_size=256, attentional_units=6, units=512",
        ),
        (
            {"tie_embeddings": True, "attention": "none"},
            "or units with attention='none'.*embedding_size=256.*units=512",
        ),
        (
            {"attention": "none", "bridge": "zeros"},
            "without any view.*attention='none', bridge='zeros'",
        ),
        (
            {"attention": "none", "input_feeding": True},
            "no context.*input_feeding=True, attention_query='current'",
        ),
        (
            {"attention": "none", "attention_query": "previous"},
            "no context.*input_feeding=False, attention_query='previous'",
        ),
        (
            {"input_feeding": True, "attention_query": "previous"},
            "leave input_feeding out.*input_feeding=True, attention_query='previous'",
        ),
        (
            {"bidirectional_layers": 2},
            "at most all.*bidirectional_layers=2, bidirectional=True, encoder_layers=1",
        ),
        (
            {"bidirectional_layers": 1, "bidirectional": False},
            "bidirectional=True; leave .*Received: .*bidirectional=False",
        ),
        (
            {"residual_from": 1, "residual": True},
            "number of a higher layer.*residual_from=1, residual=True",
        ),
        ({"residual_from": 3, "decoder_layers": 3}, "residual_from=3, residual=False"),
        (
            {"residual_from": 4, "residual": True, "decoder_layers": 3},
            "residual_from=4, residual=True, encoder_layers=1, decoder_layers=3",
        ),
        ({"query_layer": "first"}, "at least 2.*query_layer='first'.*decoder_layers=1"),
        (
            {"context_to_layers": True, "attention": "none", "decoder_layers": 2},
            "need attention.*context_to_layers=True, attention='none'",
        ),
        (
            {"context_to_layers": True, "decoder_layers": 2},
            "query_layer='first' or .*'last', attention_query='current'",
        ),
        (
            {"hard_attention": "first_order", **GNMT},
            "leave attention_query, context_to_layers as .*context_to_layers=True",
        ),
        (
            {"hard_attention": "first_order", "input_feeding": True, "copying": True},
            "leave input_feeding, copying as .*: input_feeding=True, copying=True",
        ),
        (
            {"hard_attention": "zeroth_order", "attention": "none"},
            "leave attention as .*Received: attention='none'",
        ),
        (
            {"hard_attention": "zeroth_order", **GATED},
            "neither gated features nor .*leave features as .*: features='gated'$",
        ),
        ({"num_heads": 4}, "'rnn' has no such .*leave out num_heads, .*num_heads=4$"),
        (
            {**TRANSFORMER, "cell": "gru", "input_feeding": True},
            "'transformer' has no such .*Received: cell='gru', input_feeding=True$",
        ),
        (
            {**TRANSFORMER, **FRAMES, "pyramidal_layers": 1},
            "no such settings.*pyramidal_layers=1$",
        ),
        ({**TRANSFORMER, "units": 12}, "divide `units`.*units=12, num_heads=8"),
        (
            {**TRANSFORMER, "tie_embeddings": True},
            "units of `embedding_size`.*units=512, embedding_size=256",
        ),
        ({"copying": True, "attention": "none"}, "points at.*attention='none'"),
        (
            {"copying": True, "output_probability_fn": "sparsemax"},
            "softmax.*output_probability_fn='sparsemax'",
        ),
    ],
)
def test_combinations_that_cannot_be(values, message):
    with pytest.raises(ValueError, match=message):
        config(**values)


@pytest.mark.parametrize(
    "values",
    [
        {"units": 7, "bidirectional": False},
        {"encoder_units": 6, "bridge": "dense"},
        {"encoder_units": 6, "bridge": "zeros"},
        {"tie_embeddings": True},
        {"tie_embeddings": True, "attention": "none", "units": 256},
        {"attention": "none", "bridge": "dense"},
        {"input_feeding": True},
        {"attention_query": "previous"},
        GNMT,
        {"hard_attention": "zeroth_order", **GATED, "features": "joined"},
        {**TRANSFORMER, "units": 21, "num_heads": 7, "copying": True},
    ],
)
def test_combinations_that_may_be(values):
    for name, value in values.items():
        assert getattr(config(**values), name) == value
