"""Requests to predict: the examples of TensorFlow Serving's REST API, and beyond."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kseq2seq.serve import RequestError, predict
from predictions import (
    SIGNATURES,
    as_lists,
    both,
    read,
)

# ---- Requests, as the documentation has them ----


def test_a_list_of_scalars():
    request = read({"instances": ["foo", "bar", "baz"]}, "text")
    assert request.signature == "text" and request.in_rows
    assert as_lists(request) == {"text": [b"foo", b"bar", b"baz"]}
    assert request.inputs["text"].dtype == object


def test_a_list_of_tensors():
    request = read({"instances": [[[1, 2]], [[3, 4]]]}, "ids")
    assert request.inputs["ids"].shape == (2, 1, 2)
    assert request.inputs["ids"].dtype == np.int32
    assert as_lists(request) == {"ids": [[[1, 2]], [[3, 4]]]}


SENSOR_ARRAYS = {
    "tag": [b"foo", b"bar"],
    "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
    "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
}


def test_several_named_inputs_in_rows():
    rows = [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
    ]
    request = read({"instances": rows}, "sensors")
    assert request.in_rows
    assert as_lists(request) == SENSOR_ARRAYS


def test_several_named_inputs_in_columns():
    columns = {**SENSOR_ARRAYS, "tag": ["foo", "bar"]}
    request = read({"inputs": columns}, "sensors")
    assert not request.in_rows
    assert as_lists(request) == SENSOR_ARRAYS


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"instances": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ"}]},
            [b"hello", b"world"],
        ),
        ({"instances": [{"text": "a"}, {"text": {"b64": ""}}]}, [b"a", b""]),
        ({"inputs": ["é", "🌍\0"]}, ["é".encode(), "🌍\0".encode()]),
        ({"inputs": {"text": ["a"]}}, [b"a"]),
        ({"inputs": []}, []),
        ({"inputs": {"text": []}}, []),
        ({"instances": [""]}, [b""]),
        ({"instances": [{"b64": "_w=="}]}, None),
    ],
)
def test_one_named_input_with_and_without_its_name(body, expected):
    if expected is None:
        with pytest.raises(
            RequestError, match=r"Unable to base64 decode .*'text'\[0\]"
        ):
            read(body, "text")
        return
    request = read(body, "text")
    assert as_lists(request) == {"text": expected}
    assert request.inputs["text"].shape == (len(expected),)


def test_base64_of_one_value_is_no_object_of_inputs():
    document = {"inputs": {"image": {"b64": "aGVsbG8="}, "caption": ["a"]}}
    request = read(document, "images")
    assert request.inputs["image"].shape == ()
    assert request.inputs["image"].item() == b"hello"


@pytest.mark.parametrize("name", [None, "", "serving_default"])
def test_the_default_signature(name):
    body = {"instances": [1.5]} | ({} if name is None else {"signature_name": name})
    assert read(body).signature == "serving_default"


# ---- Requests that are refused ----

ROW = {"text": "a", "top_k": 1, "seed": 1, "top_p": 1.0, "greedy": False}

REFUSED = [
    (b"", None, "JSON Parse error: The document is empty"),
    (b"instances = [1, 2]", None, "JSON Parse error: .* at offset: 0"),
    (b'{"instances": [1}', None, "JSON Parse error: .* at offset: 16"),
    (b'{"instances": ["\xff"]}', None, "not UTF-8 at offset: 16.*Base64"),
    (b"[" * 100_000, None, "JSON Parse error: nested too deep"),
    (b'{"instances": [' + b"1" * 5000 + b"]}", None, "JSON Parse error: .*digits"),
    ([1, 2], None, "Is not object"),
    ({"signature_name": 5, "instances": [1]}, None, "must be a string value.*: 5"),
    ({"signature_name": None, "instances": [1]}, None, "must be a string value"),
    ({"instances": [1]}, "no", '"no" not found in signature def. There is: bytes, co'),
    ({}, None, "Missing 'inputs' or 'instances' key"),
    ({"instances": [1], "inputs": [1]}, None, "Not formatted correctly.*only one of"),
    ({"instances": 1}, None, "Expecting 'instances' to be a list. Received: 1"),
    ({"instances": {"x": 1}}, None, "Expecting 'instances' to be a list"),
    ({"instances": []}, None, "No values in 'instances' array"),
    (
        {"instances": ["a"]},
        "score",
        "plain list, but expecting list of objects.*target",
    ),
    ({"instances": [{"b64": ""}]}, "score", "plain list, but expecting list of obj"),
    ({"inputs": ["a"]}, "score", "plain value/list, but expecting an object.*target"),
    ({"inputs": {"text": ["a"]}}, "score", "Missing named input: target in 'inputs'"),
    ({"inputs": {"x": [1], "z": [2]}}, None, "Unknown named input: z .*has: x"),
    (
        {"instances": [{"text": "a"}]},
        "score",
        "element: 0 .*equal to: target,text.*: te",
    ),
    (
        {"instances": [{"x": 1, "z": 2}]},
        None,
        "element: 0 .*equal to: x. Received: x,z",
    ),
    ({"instances": [{"x": 1}, [2]]}, None, "Expecting object but got list at item 1"),
    ({"instances": [[2], {"x": 1}]}, None, "Expecting value/list but got object at i"),
    ({"instances": ["a"]}, None, r"\"a\" at 'x'\[0\] is not of expected type: float32"),
    ({"instances": [None]}, None, "null .* not of expected type: float32"),
    ({"instances": [True]}, None, "true .* not of expected type: float32"),
    (
        {"instances": [[1, 2], ["a", "b"]]},
        "ids",
        r"'ids'\[1\]\[0\] is not of expected t",
    ),
    ({"instances": [1.0]}, "ids", "1.0 .* not of expected type: int32"),
    ({"instances": [2**31]}, "ids", "2147483648 .* not of expected type: int32"),
    ({"instances": [True]}, "ids", "true .* not of expected type: int32"),
    ({"instances": [256]}, "bytes", "256 .* not of expected type: uint8"),
    ({"instances": [-1]}, "bytes", "-1 .* not of expected type: uint8"),
    ({"instances": [5]}, "text", "5 at 'text'.* not of expected type: string"),
    ({"instances": [None]}, "text", "null at 'text'.* not of expected type: string"),
    ({"inputs": [{"b64": 5}]}, "text", "not of expected type: string"),
    ({"inputs": [{"b64": "", "c": ""}]}, "text", "not of expected type: string"),
    ({"instances": ["\ud800"]}, "text", "'text'.0. has half of a surrogate pair"),
    (
        {"instances": [{**ROW, "greedy": 1}]},
        "sample",
        "1 .* not of expected type: bool",
    ),
    ({"instances": [{**ROW, "seed": 2**63}]}, "sample", "not of expected type: int64"),
    ({"instances": [{"b64": "a"}]}, "text", "Unable to base64 decode"),
    ({"instances": [{"b64": "é==="}]}, "text", "Unable to base64 decode"),
    (
        {"instances": [1.7976931348623157e308]},
        None,
        "float32 without loss of precision",
    ),
    (
        {"instances": [16777217]},
        None,
        "16777217 .* to float32 without loss of precision",
    ),
    ({"instances": [9007199254740993]}, "doubles", "float64 without loss of precision"),
    (
        {"instances": [[1, 2], [3, 4], [5, 6, 7]]},
        "ids",
        r"2 values.*'ids'\[2\].*: 3 val",
    ),
    (
        {"instances": [[1, 2], [3, 4], [[5, 6]]]},
        "ids",
        r"2 values.*'ids'\[2\].*: 1 val",
    ),
    ({"instances": [1, [1]]}, "ids", r"\[1\] at 'ids'\[1\] is not of expected type"),
    ({"instances": [[1], 1]}, "ids", r"1 values in a list at 'ids'\[1\].*Received: 1"),
    ({"inputs": "a"}, "text", r"must be of shape \[\?\].*Received: shape \[\]"),
    ({"inputs": [["a"]]}, "text", r"must be of shape \[\?\].*Received: shape \[1, 1\]"),
    ({"instances": [["a"]]}, "text", r"must be of shape \[\?\].*: shape \[1, 1\]"),
]


@pytest.mark.parametrize(
    ("body", "name", "message"), REFUSED, ids=[x[:40] for *_, x in REFUSED]
)
def test_what_is_refused(body, name, message):
    with pytest.raises(RequestError, match=message) as caught:
        read(body, name)
    assert caught.value.status == 400
    assert len(str(caught.value)) < 400


def test_inputs_of_different_numbers_of_rows():
    request = read({"inputs": {"text": ["a", "b"], "target": ["c", "d", "e"]}}, "score")
    with pytest.raises(
        RequestError, match="Received: 2 of text, 3 of target"
    ) as caught:
        predict.check_batch(request.inputs)
    assert caught.value.status == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "x", "b64", "target"]), inner)
    ),
    max_leaves=7,
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.sampled_from([*SIGNATURES, 5]),
        "instances": json_values,
        "inputs": json_values,
    },
).map(lambda x: json.dumps(x).encode())


@given(st.binary() | documents)
@example(b'{"instances": [1e999]}')
@example(b"\xef\xbb\xbf{}")
def test_whatever_comes_is_read_or_refused(body):
    try:
        request = read(body)
    except RequestError as error:
        assert error.status in (400, 501)
    else:
        assert set(request.inputs) == set(SIGNATURES[request.signature].inputs)


# ---- Answers ----


def test_one_output_is_without_its_name():
    array = np.array([[[1, 2], [3, 4], [5, 6]], [[7, 8], [9, 0], [1, 2]]], np.int32)
    assert both({"y": array}) == (array.tolist(), array.tolist())
    assert both({"y": np.arange(1, 6)}) == ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5])


def test_several_outputs_have_their_names():
    outputs = {
        "double_scalar_tensor": np.array([8.0, 9.0]),
        "float_tensor": np.array([[1.0], [2.0]], np.float32),
        "flags": np.array([True, False]),
        "str_tensor": np.array([[b"foo", b"bar"], [b"b\xc3\xa4z", b'"\n']], object),
        "str_tensor_bytes": np.array([[b"hello", b"world"], [b"tf", b"\xff"]], object),
    }
    rows, columns = both(outputs)
    assert rows == [
        {
            "double_scalar_tensor": 8.0,
            "float_tensor": [1.0],
            "flags": True,
            "str_tensor": ["foo", "bar"],
            "str_tensor_bytes": [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}],
        },
        {
            "double_scalar_tensor": 9.0,
            "float_tensor": [2.0],
            "flags": False,
            "str_tensor": ["bäz", '"\n'],
            "str_tensor_bytes": [{"b64": "dGY="}, {"b64": "/w=="}],
        },
    ]
    assert columns == {name: [row[name] for row in rows] for name in outputs}


@pytest.mark.parametrize(
    "other", [np.zeros(3), np.zeros(0), np.zeros(())], ids=["3", "0", "none"]
)
def test_outputs_without_rows_in_common(other):
    outputs = {"y": np.zeros(2), "z": other}
    with pytest.raises(RequestError, match="inconsistent batch size") as caught:
        predict.write_predictions(outputs, in_rows=True)
    assert caught.value.status == 400
    actual = json.loads(predict.write_predictions(outputs, in_rows=False))
    assert actual == {"outputs": {"y": [0.0, 0.0], "z": other.tolist()}}
