"""The model's config: what it refuses, what it derives, and its JSON."""

import copy
import dataclasses
import json
import pickle
import re
import typing

import numpy as np
import pytest

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import MECHANISMS

SIZES = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}


def config(**values):
    return Seq2SeqConfig(**{**SIZES, **values})


def fields(*annotations):
    hints = typing.get_type_hints(Seq2SeqConfig)
    return [name for name, hint in hints.items() if hint in annotations]


MAY_BE_0 = (
    "feature_vocabulary_size",
    "source_frame_size",
    "convolutions",
    "pyramidal_layers",
)


@pytest.mark.parametrize("name", [x.name for x in dataclasses.fields(Seq2SeqConfig)])
def test_every_argument_is_checked(name):
    with pytest.raises(ValueError, match=f"`{name}` must be.*Received: {name}=<object"):
        config(**{name: object()})


@pytest.mark.parametrize(
    "name", [x for x in fields(int, int | None) if x not in MAY_BE_0]
)
@pytest.mark.parametrize("value", [0, -1, 2.0, "7", True])
def test_sizes_must_be_positive(name, value):
    least = 5 if "vocabulary" in name else 1
    message = f"`{name}` must be .*an integer of at least {least}. .*{name}={value!r}"
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


@pytest.mark.parametrize("name", MAY_BE_0)
def test_counts_that_may_be_0(name):
    with pytest.raises(ValueError, match=f"integer of at least 0. Received: {name}=-1"):
        config(**{name: -1})


FRAMES = {"source_vocabulary_size": 0, "source_frame_size": 7}


def test_a_source_is_ids_or_frames():
    values = {**FRAMES, "convolutions": 1, "encoder_layers": 3, "pyramidal_layers": 2}
    made = config(**values, spec_augment={"time_masks": 1})
    assert made.time_reduction == 8
    assert Seq2SeqConfig.from_dict(json.loads(made.to_json())) == made
    only_frames = {"source_frame_size": 7, "target_vocabulary_size": 13}
    assert Seq2SeqConfig.from_dict(only_frames).source_vocabulary_size == 0


@pytest.mark.parametrize("value", [-1, 2.0, "7", True])
def test_there_may_be_no_features(value):
    assert config().feature_vocabulary_size == 0
    assert config(feature_vocabulary_size=7, features="gated").features == "gated"
    with pytest.raises(ValueError, match="integer of at least 0. .*feature_vocabulary"):
        config(feature_vocabulary_size=value)


@pytest.mark.parametrize("name", fields(bool))
@pytest.mark.parametrize("value", [0, 1, "true", None])
def test_switches_must_be_true_or_false(name, value):
    message = f"`{name}` must be True or False. Received: {name}={value!r}"
    with pytest.raises(ValueError, match=message):
        config(**{name: value})


@pytest.mark.parametrize("name", fields(str))
@pytest.mark.parametrize("value", ["nothing", 7, None])
def test_words_must_be_known(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be one of.*{name}={value!r}"):
        config(**{name: value})


def test_attention_options_are_a_table():
    for value in (None, ["half_width", 3], "half_width=3"):
        message = "must be a table of names and values.*attention_options="
        with pytest.raises(ValueError, match=message):
            config(attention_options=value)
    with pytest.raises(ValueError, match="no layer to pass options to.*half_width"):
        config(attention="none", attention_options={"half_width": 3})
    first = config(attention_options={"temperature": 0.5})
    assert Seq2SeqConfig.from_dict(json.loads(first.to_json())) == first


def test_attention_options_read_as_a_dict_that_stays_as_it_is():
    values = {"temperature": 0.5}
    made = config(attention_options=values)
    values["temperature"] = 2.0
    options = made.attention_options
    assert options == {"temperature": 0.5} and {**options} == {"temperature": 0.5}
    assert repr(options) == "{'temperature': 0.5}"
    for change in (
        lambda: options.__setitem__("dropout", 0.1),
        lambda: options.__delitem__("temperature"),
        lambda: options.update(dropout=0.1),
        lambda: options.setdefault("dropout", 0.1),
        lambda: options.pop("temperature"),
        options.popitem,
        options.clear,
        lambda: options.__ior__({"dropout": 0.1}),
    ):
        with pytest.raises(TypeError, match="replace.*Received: a change of {'temp"):
            change()
    assert options == {"temperature": 0.5}
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert other == made and hash(other) == hash(made)
    assert dataclasses.asdict(made)["attention_options"] == {"temperature": 0.5}


def test_it_can_be_a_key():
    same = (
        config(attention_options={"temperature": 1}),
        config(attention_options={"temperature": 1.0}),
    )
    assert {same[0]: "found"}[same[1]] == "found"
    listed = config(attention_options={"something": [1, 2]})
    assert {listed: "found"}[dataclasses.replace(listed)] == "found"
    assert len({config(units=6), config(units=8), config(units=6)}) == 2


def test_arguments_have_names():
    with pytest.raises(TypeError, match="positional"):
        Seq2SeqConfig(11, 13)


def test_numbers_of_numpy_become_numbers_of_python():
    made = config(units=np.int64(6), dropout=np.float32(0.5), residual=np.True_)
    assert made == config(units=6, dropout=0.5, residual=True)
    assert Seq2SeqConfig.from_dict(json.loads(made.to_json())) == made


@pytest.mark.parametrize("value", ["0.1", None, True, -0.1, 1, 1.5, float("nan")])
def test_dropout_must_be_a_fraction(value):
    message = f"at least 0 and less than 1. Received: dropout={value!r}"
    with pytest.raises(ValueError, match=message):
        config(dropout=value)


@pytest.mark.parametrize("value", [0, 0.0, 0.99])
def test_dropout_may_be(value):
    assert config(dropout=value).dropout == value


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
    with pytest.raises(ValueError, match="Missing.*: source_voc.*, target_vocab.*: un"):
        Seq2SeqConfig.from_dict({"units": 6})
    message = "Missing.*: target_vocabulary_size. Received: source_vocabulary_size$"
    with pytest.raises(ValueError, match=message):
        Seq2SeqConfig.from_dict({"source_vocabulary_size": 11})
    with pytest.raises(ValueError, match="Received: none$"):
        Seq2SeqConfig.from_dict({})


def test_the_docstring_names_every_mechanism():
    text = Seq2SeqConfig.__doc__.partition("attention: ")[2].partition("_units:")[0]
    assert re.findall(r'`"(\w+)"`', text) == ["none", *MECHANISMS]
