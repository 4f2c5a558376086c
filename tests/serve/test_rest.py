"""Paths, status and metadata of TensorFlow Serving's REST API."""

import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from kseq2seq.serve import RequestError, rest
from pretend import signature


@pytest.mark.parametrize(
    ("request_line", "call"),
    [
        ("GET /v1/models/half_plus_three", ("status", "half_plus_three", None, None)),
        ("GET /V1/Models/a/versions/23", ("status", "a", 23, None)),
        ("GET /v1/models/a/metadata", ("metadata", "a", None, None)),
        ("GET /v1/models/a/versions/0/metadata", ("metadata", "a", 0, None)),
        ("POST /v1/models/a:predict", ("predict", "a", None, None)),
        ("POST /v1/models/a b/versions/5:PREDICT", ("predict", "a b", 5, None)),
        ("POST /v1/models/a/labels/new:classify", ("classify", "a", None, "new")),
        ("POST /v1/models/a:regress", ("regress", "a", None, None)),
    ],
)
def test_paths(request_line, call):
    assert rest.read_path(*request_line.split(" ", 1)) == call


@pytest.mark.parametrize(
    ("request_line", "message"),
    [
        ("GET /v1/foo", "Malformed request: GET /v1/foo"),
        ("POST /v1/foo", "Malformed request: POST /v1/foo"),
        ("POST /v1/models", "Malformed request: POST /v1/models"),
        ("GET /v1/models/foo:predict", "Malformed request: GET /v1/models/foo:predict"),
        ("POST /v1/models/foo/version/50:predict", "Malformed request"),
        ("POST /v1/models/foo/versions/HELLO:predict", "Malformed request"),
        ("POST /v1/models/foo/versions/٣:predict", "Malformed request"),
        ("POST /v1/models/foo", "Malformed request"),
        ("POST /v1/models/foo/metadata", "Malformed request"),
        ("PUT /v1/models/foo:predict", "Malformed request: PUT"),
        ("GET /v1/models", "Missing model name in request"),
        (f"POST /v1/models/foo/versions/{2**64}:predict", "Failed to convert version"),
        (f"GET /v1/models/foo/versions/{'9' * 5000}", "Failed to convert version"),
    ],
)
def test_paths_that_are_refused(request_line, message):
    with pytest.raises(RequestError, match=message) as caught:
        rest.read_path(*request_line.split(" ", 1))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("kind", "name", "version", "label", "status", "message"),
    [
        ("predict", "half", None, None, 404, r"request: Latest\(half\)"),
        ("metadata", "half", None, None, 404, r"request: Latest\(half\)"),
        ("predict", "half", 5, None, 404, r"request: Specific\(half, 5\)"),
        ("predict", "half_plus_three", 5, None, 404, r"Specific\(half_plus_three, 5\)"),
        ("status", "half", None, None, 404, "not find any versions of model half"),
        (
            "status",
            "half_plus_three",
            5,
            None,
            404,
            "not find version 5 of model half_",
        ),
        ("predict", "half_plus_three", None, "x", 400, "Unrecognized .* label: x"),
        ("predict", "half_plus_three", None, None, None, None),
        ("status", "half_plus_three", 123, None, None, None),
    ],
)
def test_the_one_model_there_is(kind, name, version, label, status, message):
    call = rest.Call(kind, name, version, label)
    if status is None:
        assert rest.check_model(call, "half_plus_three", 123) is None
        return
    with pytest.raises(RequestError, match=message) as caught:
        rest.check_model(call, "half_plus_three", 123)
    assert caught.value.status == status


def test_status_is_the_message_of_the_grpc_api():
    told = rest.model_status(123)
    assert told == {
        "model_version_status": [
            {
                "version": "123",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    message = json_format.ParseDict(told, get_model_status_pb2.GetModelStatusResponse())
    (version,) = message.model_version_status
    assert (version.version, version.state) == (123, version.AVAILABLE)


def test_metadata_is_the_message_of_the_grpc_api():
    specs = {"a": tf.TensorSpec([None, 3], tf.string), "b": tf.TensorSpec(None, "bool")}
    dtypes = (tf.float32, tf.float64, tf.int64, tf.uint8, tf.half)
    outputs = {x.name: tf.TensorSpec([], x) for x in dtypes}
    told = rest.model_metadata("m", 5, {"s": signature(specs, outputs)})
    assert told["model_spec"] == {"name": "m", "signature_name": "", "version": "5"}
    message = json_format.ParseDict(
        told["metadata"]["signature_def"], get_model_metadata_pb2.SignatureDefMap()
    ).signature_def["s"]
    assert message.method_name == "tensorflow/serving/predict"
    for infos, wanted in ((message.inputs, specs), (message.outputs, outputs)):
        actual = {
            name: tf.TensorSpec(info.tensor_shape, info.dtype)
            for name, info in infos.items()
        }
        assert actual == wanted
