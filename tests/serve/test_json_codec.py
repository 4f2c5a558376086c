"""Values of JSON to arrays and back."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kseq2seq.serve import RequestError, predict, read_array, written_rows
from predictions import (
    TEXT,
    as_lists,
    both,
    read,
)


def test_bytes_in_base64():
    rows = [
        {"image": {"b64": "aW1hZ2UgYnl0ZXM="}, "caption": "seaside"},
        {"image": {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}, "caption": "mountains"},
    ]
    assert as_lists(read({"instances": rows}, "images")) == {
        "image": [b"image bytes", b"awesome image bytes"],
        "caption": [b"seaside", b"mountains"],
    }


def test_numbers_that_json_does_not_have():
    request = read('{"instances": [1.0, -3.14, NaN, Infinity, -Infinity, 5e-1, 2]}')
    expected = np.array([1, -3.14, np.nan, np.inf, -np.inf, 0.5, 2], np.float32)
    np.testing.assert_array_equal(request.inputs["x"], expected)
    assert request.inputs["x"].dtype == np.float32


def test_each_dtype_as_it_is():
    row = {
        "text": "a",
        "top_k": -(2**31),
        "seed": 2**63 - 1,
        "top_p": 1,
        "greedy": True,
    }
    inputs = read({"instances": [row]}, "sample").inputs
    assert {name: x.dtype.name for name, x in inputs.items()} == {
        "text": "object", "top_k": "int32", "seed": "int64", "top_p": "float32",
        "greedy": "bool",
    }  # fmt: skip
    assert inputs["seed"][0] == 2**63 - 1 and inputs["top_k"][0] == -(2**31)


def test_a_dtype_that_json_has_not():
    with pytest.raises(RequestError, match="complex64") as caught:
        read({"instances": [1]}, "complex")
    assert caught.value.status == 501


def test_the_largest_numbers_that_lose_nothing():
    request = read({"instances": [2**24 - 1, 3.4028234663852886e38]})
    assert request.inputs["x"].tolist() == [2**24 - 1, 3.4028234663852886e38]
    request = read({"instances": [2**53 - 1]}, "doubles")
    assert request.inputs["x"].tolist() == [2**53 - 1]


def test_bytes_that_are_not_utf_8_are_replaced():
    assert both({"y": np.array([b"a\xff"], object)})[0] == ["a\ufffd"]


@pytest.mark.parametrize(
    "shape", [(0,), (0, 2), (2, 0), (2, 3, 0), (2, 0, 3), (0, 3, 5)]
)
def test_arrays_of_nothing(shape):
    array = np.zeros(shape, np.float32)
    assert both({"y": array, "z": array}) == (
        [{"y": x, "z": x} for x in array.tolist()],
        {"y": array.tolist(), "z": array.tolist()},
    )
    assert both({"y": array}) == (array.tolist(), array.tolist())


def test_floats_are_written_as_there():
    numbers = [9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5, 3, -0.0, 0.2, 1 / 3]
    numbers += [math.nan, math.inf, -math.inf]
    written = predict.write_predictions({"y": np.array(numbers, np.float32)}, True)
    assert written == (
        '{"predictions": [9e+06, 999999.0, 0.5, 0.0003, 3e-05, 555557.5, 3.0, -0.0, '
        "0.2, 0.333333343, NaN, Infinity, -Infinity]}"
    )
    written = predict.write_predictions({"y": np.array([1 / 3, 0.2])}, False)
    assert written == '{"outputs": [0.33333333333333331, 0.2]}'


@given(
    st.lists(st.floats(width=32)), st.sampled_from([np.float16, np.float32, np.float64])
)
def test_floats_are_read_as_they_were(numbers, dtype):
    with np.errstate(over="ignore"):
        array = np.array(numbers, dtype)
    actual = [json.loads(x) for x in written_rows("y", array)]
    np.testing.assert_array_equal(np.array(actual, dtype), array)
    assert all(isinstance(x, float) for x in actual)


@given(st.lists(st.text(st.characters(codec="utf-8"))))
def test_strings_are_read_as_they_were(texts):
    rows = written_rows("y", np.array([*texts, ""], object))
    array = read_array([json.loads(x) for x in rows], "y", TEXT)
    assert [x.decode() for x in array] == [*texts, ""]
