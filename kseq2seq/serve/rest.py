"""TensorFlow Serving's REST API: calls by their URLs, status, metadata, errors.

`predict.py` has the requests to predict. An error is a `RequestError` with the HTTP
status that TensorFlow Serving answers with; where clients may look for words in its
message, these are the same.

A signature has `inputs` and `outputs`, dicts from names to `tf.TensorSpec`, of which
`dtype.name` and `shape` are read; TensorFlow itself is not needed.

Reference: https://www.tensorflow.org/tfx/serving/api_rest
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kseq2seq.serve.json_codec import (
    RequestError,
    dimensions,
)

PREDICT_METHOD = "tensorflow/serving/predict"

_PATH = re.compile(
    r"/v1/models(?:/(?P<name>[^/:]+)"
    r"(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?"
    r"(?::(?P<verb>predict|classify|regress)|(?P<metadata>/metadata))?)?",
    re.IGNORECASE,
)
_MAX_VERSION = 2**63 - 1
_PROTO_NAMES = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}


class Call(NamedTuple):
    """A call of the API, by its URL.

    Attributes:
        kind: "predict", "classify", "regress", "status" or "metadata".
        name: Name of the model.
        version: Its version, if given.
        label: The label of a version, if given.
    """

    kind: str
    name: str
    version: int | None
    label: str | None


def read_path(method: str, path: str) -> Call:
    """The call of the API that a request's method and path are.

    Args:
        method: Such as "GET".
        path: The path of the URL, decoded.

    Returns:
        A `Call`.

    Raises:
        RequestError: If there is no such call (400).

    Example:

    >>> read_path("POST", "/v1/models/dates/versions/3:predict")
    Call(kind='predict', name='dates', version=3, label=None)
    """
    match = _PATH.fullmatch(path)
    verb = match and match["verb"]
    if not match or method != ("POST" if verb else "GET"):
        raise RequestError(400, f"Malformed request: {method} {path}")
    if match["name"] is None:
        raise RequestError(400, "Missing model name in request.")
    kind = verb.lower() if verb else "metadata" if match["metadata"] else "status"
    version = int(match["version"][:20]) if match["version"] else None
    if version and version > _MAX_VERSION:
        raise RequestError(
            400, f"Failed to convert version: {match['version'][:40]} to numeric."
        )
    return Call(kind, match["name"], version, match["label"])


def check_model(call: Call, name: str, version: int) -> None:
    """Refuses calls of other models than the one served.

    Args:
        call: A `Call`.
        name: Name of the model.
        version: Its version.

    Raises:
        RequestError: If it is for another model or version (404), or by a label
            (400).

    Example:

    >>> try:
    ...     check_model(Call("predict", "half", None, None), "half_plus_three", 123)
    ... except RequestError as error:
    ...     print(error)
    Servable not found for request: Latest(half)
    """
    if call.label is not None:
        raise RequestError(400, f"Unrecognized servable version label: {call.label}")
    if call.name == name and call.version in (None, version):
        return
    if call.kind == "status":
        versions = "any versions" if call.version is None else f"version {call.version}"
        raise RequestError(404, f"Could not find {versions} of model {call.name}")
    wanted = (
        f"Latest({call.name})"
        if call.version is None
        else f"Specific({call.name}, {call.version})"
    )
    raise RequestError(404, f"Servable not found for request: {wanted}")


def write_error(message: str) -> str:
    """The body of an answer that is an error.

    Args:
        message: The reason.

    Example:

    >>> write_error("Servable not found for request: Latest(half)")
    '{"error": "Servable not found for request: Latest(half)"}'
    """
    return json.dumps({"error": message}, ensure_ascii=False)


def model_status(version: int) -> dict[str, Any]:
    """The status of a model that is available.

    Args:
        version: Its version.

    Returns:
        Dict for JSON.

    Example:

    >>> model_status(123)["model_version_status"][0]["state"]
    'AVAILABLE'
    """
    status = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [
            {"version": str(version), "state": "AVAILABLE", "status": status}
        ]
    }


def model_metadata(
    name: str, version: int, signatures: Mapping[str, Any]
) -> dict[str, Any]:
    """The signatures of a model.

    The names that tensors have inside the graph are left empty: calls by the names of a
    signature do not need them.

    Args:
        name: Name of the model.
        version: Its version.
        signatures: Dict from names to signatures.

    Returns:
        Dict for JSON.

    Example:

    >>> model_metadata("dates", 1, {})["model_spec"]
    {'name': 'dates', 'signature_name': '', 'version': '1'}
    """
    infos = {
        key: {
            "inputs": _tensor_infos(signature.inputs),
            "outputs": _tensor_infos(signature.outputs),
            "method_name": PREDICT_METHOD,
        }
        for key, signature in signatures.items()
    }
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version)},
        "metadata": {"signature_def": {"signature_def": infos}},
    }


def _tensor_infos(specs):
    return {name: _tensor_info(spec) for name, spec in specs.items()}


def _tensor_info(spec):
    dtype, shape = spec.dtype.name, dimensions(spec)
    sizes = ["-1" if size is None else str(size) for size in shape or ()]
    return {
        "dtype": f"DT_{_PROTO_NAMES.get(dtype, dtype.upper())}",
        "tensor_shape": {
            "dim": [{"size": size, "name": ""} for size in sizes],
            "unknown_rank": shape is None,
        },
        "name": "",
    }
