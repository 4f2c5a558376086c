"""Signatures: their names and inputs, and what is told of others."""

import inspect
from types import SimpleNamespace

import pytest
import tensorflow as tf

from kseq2seq.inference import signatures


class Graphs:
    """Methods of a `TextToText` that tell their name and their inputs."""

    def __init__(self, has_attention, has_features):
        self.has_attention, self.has_features = has_attention, has_features

    def target_texts(self):
        return []

    def translate(self, text, features=None):
        return {"translate": text, "features": features}

    def nbest(self, text, features=None):
        return {"nbest": text, "features": features}

    def score(self, text, target, features=None):
        return {"score": text, "target": target, "features": features}

    def encode(self, text, features=None):
        return {"encode": text, "features": features}

    def sample(self, text, temperature, top_k, top_p, seed, features=None):
        return {"sample": seed, "features": features}

    def align(self, text, target, features=None):
        return {"align": target, "features": features}

    def translate_align(self, text, features=None):
        return {"translate_align": text, "features": features}


INPUTS = {
    "serving_default": ["text"],
    "nbest": ["text"],
    "score": ["text", "target"],
    "encode": ["text"],
    "sample": ["text", "temperature", "top_k", "top_p", "seed"],
    "translate_align": ["text"],
    "align": ["text", "target"],
    "complete": ["text", "prefix"],
    "alternatives": ["text", "prefix"],
}
METHODS = {"serving_default": "translate"}


@pytest.mark.parametrize("has_features", [False, True])
@pytest.mark.parametrize("has_attention", [False, True])
@pytest.mark.parametrize("extra", [(), ["alternatives"], signatures.EXTRA_SIGNATURES])
def test_signatures_have_their_inputs_and_methods(has_attention, has_features, extra):
    graphs = Graphs(has_attention, has_features)
    functions = signatures.signature_functions(graphs, extra)
    left_out = {*signatures.EXTRA_SIGNATURES} - {*extra}
    left_out |= set() if has_attention else {"align", "translate_align"}
    assert {*functions} == {*INPUTS} - left_out
    for name, (function, specs) in functions.items():
        names = INPUTS[name] + ["features"] * has_features
        assert [spec.name for spec in specs] == names
        assert all(spec.shape.as_list() == [None] for spec in specs)
        # By which TensorFlow names the inputs of a graph.
        assert [*inspect.signature(function).parameters] == names
        if name not in signatures.EXTRA_SIGNATURES:
            outputs = function(*names)
            assert METHODS.get(name, name) in outputs
            assert outputs["features"] == ("features" if has_features else None)


def test_a_function_is_traced_for_any_number_of_rows():
    def function(text, seed):
        return {"both": tf.strings.join([text, tf.strings.as_string(seed)])}

    specs = signatures.TEXT, signatures.SAMPLING[-1]
    graph = signatures.SignatureFunction(function, specs).trace()
    for count in (0, 3):
        texts, seeds = tf.fill([count], "a"), tf.range(count, dtype=tf.int64)
        received = graph(texts, seeds)["both"].numpy().tolist()
        assert received == [f"a{n}".encode() for n in range(count)]
    assert [*graph.structured_input_signature[0]] == [*specs]


@pytest.mark.parametrize("has_attention", [False, True])
def test_signatures_of_frames(has_attention):
    frames = tf.TensorSpec([None, None, 7], tf.float32, "frames")
    count = tf.TensorSpec([None], tf.int32, "num_frames")

    def method(name):
        def named(*inputs):
            return name, inputs

        return named

    names = ("transcribe", "nbest", "score", "transcribe_align")
    graphs = SimpleNamespace(
        source_specs=(frames, count),
        has_attention=has_attention,
        **{name: method(name) for name in names},
    )
    functions = signatures.frame_signature_functions(graphs)
    expected = {"serving_default", "nbest", "score"}
    assert {*functions} == expected | ({"transcribe_align"} if has_attention else set())
    for name, (function, specs) in functions.items():
        inputs = ["frames", "num_frames"] + ["target"] * (name == "score")
        assert [spec.name for spec in specs] == inputs
        assert [*inspect.signature(function).parameters] == inputs
        called = "transcribe" if name == "serving_default" else name
        assert function(*inputs) == (called, (*inputs,))


def test_extra_signatures_are_known_and_each_there_once():
    assert signatures.check_extra([]) == []
    assert signatures.check_extra("complete") == ["complete"]
    names = ["alternatives", "complete", "alternatives"]
    assert signatures.check_extra(names) == ["alternatives", "complete"]
    with pytest.raises(
        ValueError, match="`extra_signatures`.*complete, alternatives.*"
    ):
        signatures.check_extra(["complete", "score"])


def test_a_signature_that_is_not_there_is_told_with_those_that_are():
    known = {"score": 3, "encode": 5}
    assert signatures.find_signature(known, "score") == 3
    with pytest.raises(ValueError, match="must be one of encode, score; al.*: 'align'"):
        signatures.find_signature(known, "align")
    with pytest.raises(ValueError, match=r"extra_signatures=\['complete'\], or --sig"):
        signatures.find_signature(known, "complete")


def test_other_inputs_are_told():
    signatures.check_inputs("score", {"text": 1, "target": 2}, ["target", "text"])
    for inputs, received in [
        ({"text": 1}, "text"),
        ({}, "none"),
        ({"text": 1, "target": 2, "a": 3}, "a, target, text"),
    ]:
        message = f"'score' must be target, text. Received: {received}$"
        with pytest.raises(ValueError, match=message):
            signatures.check_inputs("score", inputs, ["target", "text"])
