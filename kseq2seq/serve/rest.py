"""TensorFlow Serving's REST API, as functions from text to arrays and back.

A request to predict has its values in rows (`instances`, answered with
`predictions`) or in columns (`inputs`, answered with `outputs`). What goes wrong is a
`RequestError` with the HTTP status that TensorFlow Serving answers with; where
clients may look for words in its message, these are the same.

It is stricter than TensorFlow Serving in two points: a body must be UTF-8, and a name
in `inputs` that the signature does not have is an error, not ignored.

A signature has `inputs` and `outputs`, dicts from names to `tf.TensorSpec`, of which
`dtype.name` and `shape` are read; TensorFlow itself is not needed.

Reference: https://www.tensorflow.org/tfx/serving/api_rest
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kseq2seq.serve.json_codec import (
    RequestError,
    dimensions,
    is_base64,
    read_array,
    shown,
    written_rows,
)

DEFAULT_SIGNATURE = "serving_default"
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


class PredictRequest(NamedTuple):
    """A request to predict.

    Attributes:
        signature: Name of the signature.
        inputs: Dict from names to arrays; strings are objects of `bytes`.
        in_rows: Whether the values are in rows, and the answer's are to be.
    """

    signature: str
    inputs: dict[str, np.ndarray]
    in_rows: bool


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
    version = match["version"] and int(match["version"][:20])
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


def read_predict(body: bytes, signatures: Mapping[str, Any]) -> PredictRequest:
    r"""The arrays in a request to predict.

    Args:
        body: The request's body.
        signatures: Dict from names to signatures.

    Returns:
        A `PredictRequest`.

    Raises:
        RequestError: If it is not as the API and the signature want it (400), or
            has values of a dtype that JSON has nothing for (501).

    Example:

    >>> from types import SimpleNamespace as Object
    >>> text = Object(dtype=Object(name="string"), shape=(None,))
    >>> signatures = {"serving_default": Object(inputs={"text": text}, outputs={})}
    >>> request = read_predict(b'{"instances": ["a dog", {"b64": "/w=="}]}', signatures)
    >>> request.inputs["text"].tolist(), request.in_rows
    ([b'a dog', b'\xff'], True)
    """
    document = _read_json(body)
    signature = document.get("signature_name", DEFAULT_SIGNATURE)
    if not isinstance(signature, str):
        raise RequestError(
            400,
            "'signature_name' key must be a string value. Received: "
            f"{shown(signature)}",
        )
    signature = signature or DEFAULT_SIGNATURE
    if signature not in signatures:
        raise RequestError(
            400,
            f'Serving signature name: "{signature}" not found in signature def. There '
            f"is: {', '.join(sorted(signatures))}",
        )
    specs = signatures[signature].inputs
    in_rows = "instances" in document
    if in_rows and "inputs" in document:
        raise RequestError(
            400,
            "Not formatted correctly: expecting only one of 'inputs' or 'instances' "
            "keys to exist.",
        )
    if in_rows:
        columns = _columns_of_rows(document["instances"], specs)
    elif "inputs" in document:
        columns = _columns(document["inputs"], specs)
    else:
        raise RequestError(400, "Missing 'inputs' or 'instances' key.")
    inputs = {
        name: read_array(value, name, specs[name]) for name, value in columns.items()
    }
    return PredictRequest(signature, inputs, in_rows)


def _read_json(body):
    if not body:
        raise RequestError(400, "JSON Parse error: The document is empty.")
    try:
        document = json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RequestError(
            400,
            f"JSON Parse error: not UTF-8 at offset: {error.start}. Bytes that are "
            "no text go in Base64, as {'b64': ...}.",
        ) from error
    except json.JSONDecodeError as error:
        raise RequestError(
            400, f"JSON Parse error: {error.msg} at offset: {error.pos}"
        ) from error
    except (ValueError, RecursionError) as error:  # too long a number, too deep
        reason = "nested too deep" if isinstance(error, RecursionError) else error
        raise RequestError(400, f"JSON Parse error: {reason}") from error
    if not isinstance(document, dict):
        raise RequestError(400, f"JSON Value: {shown(document)} Is not object.")
    return document


def _columns_of_rows(rows, specs):
    """Dict from names to the lists of all rows' values."""
    if not isinstance(rows, list):
        raise RequestError(
            400, f"Expecting 'instances' to be a list. Received: {shown(rows)}"
        )
    if not rows:
        raise RequestError(400, "No values in 'instances' array.")
    named = _is_named(rows[0])
    if len(specs) != 1 and not named:
        raise RequestError(
            400,
            "instances is a plain list, but expecting list of objects as multiple "
            f"input tensors required: {', '.join(sorted(specs))}",
        )
    for number, row in enumerate(rows):
        if _is_named(row) != named:
            expected, got = ("object", "list") if named else ("value/list", "object")
            raise RequestError(
                400,
                f"Expecting {expected} but got {got} at item {number} of input list.",
            )
        if named and set(row) != set(specs):
            raise RequestError(
                400,
                f"Failed to process element: {number} of 'instances' list. Its keys "
                f"must be equal to: {','.join(sorted(specs))}. Received: "
                f"{','.join(sorted(row))[:200]}",
            )
    if not named:
        return dict.fromkeys(specs, rows)
    return {name: [row[name] for row in rows] for name in specs}


def _columns(inputs, specs):
    """Dict from names to what is given for each."""
    if not _is_named(inputs):
        if len(specs) != 1:
            raise RequestError(
                400,
                "inputs is a plain value/list, but expecting an object as multiple "
                f"input tensors required: {', '.join(sorted(specs))}",
            )
        return dict.fromkeys(specs, inputs)
    for name in specs:
        if name not in inputs:
            raise RequestError(400, f"Missing named input: {name} in 'inputs' object.")
    unknown = sorted(set(inputs) - set(specs))
    if unknown:
        raise RequestError(
            400,
            f"Unknown named input: {', '.join(unknown)[:200]} in 'inputs' object; the "
            f"signature has: {', '.join(sorted(specs))}",
        )
    return inputs


def _is_named(value):
    """Whether a JSON value is an object of named inputs, and not bytes in Base64."""
    return isinstance(value, dict) and not is_base64(value)


def check_batch(inputs: Mapping[str, np.ndarray]) -> int:
    """Refuses inputs with different numbers of rows.

    Args:
        inputs: Dict from names to arrays of shape (batch, ...).

    Returns:
        The number of rows.

    Raises:
        RequestError: If they differ (400).

    Example:

    >>> import numpy as np
    >>> check_batch({"text": np.zeros(2), "target": np.zeros(2)})
    2
    """
    sizes = {name: len(array) for name, array in inputs.items()}
    if len(set(sizes.values())) > 1:
        received = ", ".join(f"{size} of {name}" for name, size in sizes.items())
        raise RequestError(
            400, f"All inputs must have the same number of rows. Received: {received}"
        )
    return next(iter(sizes.values()))


def write_predictions(outputs: Mapping[str, np.ndarray], in_rows: bool) -> str:
    """The body of the answer to a request to predict.

    A single output goes without its name. Bytes that are not UTF-8 become U+FFFD,
    but for outputs whose names end in `_bytes`: these are in Base64. Floats have the
    digits that they need and no more, and may be `NaN`, `Infinity` or `-Infinity`,
    which Python's `json` reads but JavaScript's does not.

    Args:
        outputs: Dict from names to arrays; strings are objects of `bytes`.
        in_rows: Whether the request had its values in rows.

    Returns:
        JSON.

    Raises:
        RequestError: If the outputs have no rows in common (400).

    Example:

    >>> import numpy as np
    >>> half_plus_three = np.array([3.5, 4.0, 5.5], np.float32)
    >>> write_predictions({"y": half_plus_three}, in_rows=True)
    '{"predictions": [3.5, 4.0, 5.5]}'
    """
    if not in_rows:
        # An array is the one row of a batch of it.
        columns = {
            name: written_rows(name, array[None])[0] for name, array in outputs.items()
        }
        return f'{{"outputs": {_object(columns)}}}'
    sizes = {name: array.shape[:1] for name, array in outputs.items()}
    if len(set(sizes.values())) != 1 or () in sizes.values():
        received = ", ".join(f"{list(size)} of {name}" for name, size in sizes.items())
        raise RequestError(
            400,
            "Outputs have inconsistent batch size, so that they cannot be given in "
            f"rows: ask with 'inputs' instead of 'instances'. Received: {received}",
        )
    columns = [written_rows(name, array) for name, array in outputs.items()]
    rows = [
        _object(dict(zip(outputs, row, strict=True)))
        for row in zip(*columns, strict=True)
    ]
    return f'{{"predictions": [{", ".join(rows)}]}}'


def _object(written):
    """JSON of an object whose values are JSON already; a single one is without name."""
    if len(written) == 1:
        return next(iter(written.values()))
    inside = ", ".join(
        f"{json.dumps(name)}: {value}" for name, value in written.items()
    )
    return f"{{{inside}}}"


def write_error(message: str) -> str:
    """The body of an answer that is an error.

    Args:
        message: What went wrong.

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
