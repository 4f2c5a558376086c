"""The model's config: what it refuses, what it derives, and its JSON."""

import dataclasses
import json
import typing

import pytest

from kseq2seq.config import KINDS, Seq2SeqConfig

SIZES = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}


def config(**values):
    return Seq2SeqConfig(**{**SIZES, **values})


def fields(*annotations):
    hints = typing.get_type_hints(Seq2SeqConfig)
    return [name for name, hint in hints.items() if hint in annotations]


def test_all_fields_are_of_a_kind_that_is_checked():
    checked = fields(int, int | None, *KINDS)
    assert checked == [field.name for field in dataclasses.fields(Seq2SeqConfig)]


@pytest.mark.parametrize("name", fields(int, int | None))
@pytest.mark.parametrize("value", [0, -1, 2.0, "7", True])
def test_sizes_must_be_positive(name, value):
    least = 5 if "vocabulary" in name else 1
    message = f"`{name}` must be an integer of at least {least}. .*{name}={value!r}"
    with pytest.raises(ValueError, match=message):
        config(**{name: value})


@pytest.mark.parametrize("name", fields(int))
def test_sizes_must_be_given(name):
    with pytest.raises(ValueError, match=f"`{name}` must be an integer.*{name}=None"):
        config(**{name: None})


@pytest.mark.parametrize("name", SIZES)
def test_a_vocabulary_holds_more_than_the_special_ids(name):
    with pytest.raises(ValueError, match=f"at least 5. Received: {name}=4"):
        config(**{name: 4})
    assert getattr(config(**{name: 5}), name) == 5


@pytest.mark.parametrize("name", fields(bool))
@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_switches_must_be_true_or_false(name, value):
    message = f"`{name}` must be true or false. Received: {name}={value!r}"
    with pytest.raises(ValueError, match=message):
        config(**{name: value})


@pytest.mark.parametrize("name", fields(str))
def test_words_must_be_known(name):
    with pytest.raises(ValueError, match=f"`{name}` must be one of.*{name}='nothing'"):
        config(**{name: "nothing"})
    with pytest.raises(ValueError, match=f"`{name}` must be a string.*{name}=7"):
        config(**{name: 7})


def test_attention_options_are_a_table():
    for value in (None, ["half_width", 3], "half_width=3"):
        message = "must be a table of names and values.*attention_options="
        with pytest.raises(ValueError, match=message):
            config(attention_options=value)
    with pytest.raises(ValueError, match="no layer to pass options to.*half_width"):
        config(attention="none", attention_options={"half_width": 3})
    first = config(attention_options={"temperature": 0.5})
    assert Seq2SeqConfig.from_dict(json.loads(first.to_json())) == first
    # No two configs share the table that is there by default.
    assert config().attention_options is not config().attention_options


@pytest.mark.parametrize("value", ["0.1", None, True])
def test_dropout_must_be_a_number(value):
    with pytest.raises(ValueError, match=f"must be a number.*dropout={value!r}"):
        config(dropout=value)


@pytest.mark.parametrize("value", [-0.1, 1, 1.5, float("nan")])
def test_dropout_must_be_a_fraction(value):
    with pytest.raises(ValueError, match=f"less than 1. Received: dropout={value}"):
        config(dropout=value)


@pytest.mark.parametrize("value", [0, 0.0, 0.99])
def test_dropout_may_be(value):
    assert config(dropout=value).dropout == value


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
    ],
)
def test_combinations_that_may_be(values):
    for name, value in values.items():
        assert getattr(config(**values), name) == value


def test_derived_sizes():
    assert config(units=6).memory_size == 6
    assert config(units=6, encoder_units=8, bridge="dense").memory_size == 8
    assert config(units=6).output_size == 6
    assert config(units=6, attentional_units=7).output_size == 7
    assert config(units=6, embedding_size=5, tie_embeddings=True).output_size == 5
    values = {"units": 6, "attention": "none", "attentional_units": 7}
    assert config(**values).output_size == 6


def test_is_frozen_and_compared_by_value():
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().units = 7
    assert config(units=6) == config(units=6) != config(units=8)


def test_json_round_trip():
    values = {
        "embedding_size": 5,
        "units": 7,
        "encoder_units": 12,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "cell": "gru",
        "residual": True,
        "bridge": "dense",
        "attention": "bahdanau_normalized",
        "attention_units": 17,
        "attention_query": "previous",
        "attentional_units": None,
        "tie_embeddings": True,
        "dropout": 0.3,
    }
    made = config(**values)
    text = made.to_json()
    assert text.endswith("}\n") and len(text.splitlines()) > len(values)
    assert Seq2SeqConfig.from_dict(json.loads(text)) == made
    assert json.loads(text)["cell"] == "gru"
    assert Seq2SeqConfig.from_dict(json.loads(config().to_json())) == config()


def test_unknown_settings_are_named():
    message = "Unknown model setting: layers, unit. Known settings: source_vocab.*unit"
    with pytest.raises(ValueError, match=message):
        Seq2SeqConfig.from_dict({**SIZES, "unit": 7, "layers": 2})


def test_missing_settings_are_named():
    with pytest.raises(ValueError, match="Missing.*: source_voc.*, target_vocab"):
        Seq2SeqConfig.from_dict({"units": 6})
    with pytest.raises(ValueError, match="Missing.*: target_vocabulary_size.$"):
        Seq2SeqConfig.from_dict({"source_vocabulary_size": 11})
