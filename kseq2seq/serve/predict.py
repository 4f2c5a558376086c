"""Requests to predict, of TensorFlow Serving's REST API, and their answers.

A request has its values in rows (`instances`, answered with `predictions`) or in
columns (`inputs`, answered with `outputs`). It is stricter than TensorFlow Serving in
two points: a body must be UTF-8, and a name in `inputs` that the signature does not
have is an error, not ignored.

Reference: https://www.tensorflow.org/tfx/serving/api_rest
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from kseq2seq.serve.json_codec import (
    RequestError,
    is_base64,
    read_array,
    shown,
    written_rows,
)

DEFAULT_SIGNATURE = "serving_default"


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
