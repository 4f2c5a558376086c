"""Arrays as the JSON of TensorFlow Serving's REST API, in both directions.

A value is a number, `true` or `false`, a string, or bytes in Base64 under the key
`b64`; lists of values of equal lengths are arrays of more dimensions. The dtype and
shape of an array are those of a spec, such as a `tf.TensorSpec`, of which `dtype.name`
and `shape` are read.

Reference: https://www.tensorflow.org/tfx/serving/api_rest, "JSON mapping" and on.
"""

import base64
import json
from typing import Any

import numpy as np

BASE64_KEY = "b64"
# Strings under such names are bytes, which JSON can hold only in Base64.
BYTES_SUFFIX = "_bytes"

_NUMERIC = [
    "bool",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
]
_DTYPES = {"string": np.dtype(object), **{name: np.dtype(name) for name in _NUMERIC}}
MAX_SHOWN = 80


class RequestError(ValueError):
    """A request that cannot be answered.

    Args:
        status: HTTP status.
        message: The `error` in the body of the answer.

    Example:

    >>> RequestError(404, "There is nothing here.").status
    404
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def dimensions(spec: Any) -> list[int | None] | None:
    """Sizes of a spec's dimensions.

    Args:
        spec: A `tf.TensorSpec`, or an object with a `shape`.

    Returns:
        List of sizes, `None` for a dimension of any size; `None` instead of the list
        if the number of dimensions is not known.

    Example:

    >>> from types import SimpleNamespace
    >>> dimensions(SimpleNamespace(shape=(None, 3)))
    [None, 3]
    """
    shape = spec.shape
    if shape is None or getattr(shape, "rank", 0) is None:
        return None
    return list(shape)


def shown(value: Any) -> str:
    """A JSON value for a message, cut if it is long.

    Args:
        value: A value as of `json.loads`.

    Example:

    >>> shown(["a", None])
    '["a", null]'
    """
    text = json.dumps(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def is_base64(value: Any) -> bool:
    """Whether a JSON value is bytes in Base64.

    Args:
        value: A value as of `json.loads`.

    Example:

    >>> is_base64({"b64": "/w=="})
    True
    """
    return (
        isinstance(value, dict)
        and set(value) == {BASE64_KEY}
        and isinstance(value[BASE64_KEY], str)
    )


def read_array(value: Any, name: str, spec: Any) -> np.ndarray:
    """The array that a JSON value is.

    Args:
        value: A value as of `json.loads`.
        name: Name of the input, for messages.
        spec: The dtype and shape that the array must have.

    Returns:
        Array of the spec's dtype; of strings, an array of objects, `bytes`.

    Raises:
        RequestError: If the value is not of the spec's shape and dtype (400), or
            the dtype is one that the API does not have (501).

    Example:

    >>> from types import SimpleNamespace
    >>> dtype = SimpleNamespace(name="float32")
    >>> read_array([[1, 2.5]], "x", SimpleNamespace(dtype=dtype, shape=(None, 2)))
    array([[1. , 2.5]], dtype=float32)
    """
    dtype = spec.dtype.name
    if dtype not in _DTYPES:
        raise RequestError(501, f"Input '{name}' is of a type without JSON: {dtype}")
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        first = first[0] if first else None
    expected = dimensions(spec)
    if expected is not None and not _fits(shape, expected):
        wanted = ", ".join("?" if size is None else str(size) for size in expected)
        raise RequestError(
            400,
            f"Input '{name}' must be of shape [{wanted}], the batch first. Received: "
            f"shape {shape}",
        )
    values: list[Any] = []
    _collect(value, shape, f"'{name}'", dtype, values)
    # Made before the values are put in: NumPy would take bytes for strings of its own.
    array = np.empty(len(values), _DTYPES[dtype])
    array[:] = values
    return array.reshape(shape)


def _fits(shape, expected):
    return len(shape) == len(expected) and all(
        wanted in (None, size) for size, wanted in zip(shape, expected, strict=True)
    )


def _collect(value, shape, place, dtype, values):
    """Appends all values under a JSON value, whose lists must fit a shape."""
    if not shape:
        values.append(_converted(value, place, dtype))
    elif isinstance(value, list) and len(value) == shape[0]:
        for number, part in enumerate(value):
            _collect(part, shape[1:], f"{place}[{number}]", dtype, values)
    else:
        got = f"{len(value)} values" if isinstance(value, list) else shown(value)
        raise RequestError(
            400,
            f"Expecting {shape[0]} values in a list at {place}, as many as in the "
            f"first one there. Received: {got}",
        )


def _converted(value, place, dtype):
    """One value as Python has it, or an error if that would change it."""
    kind = _DTYPES[dtype].kind
    if kind == "O" and is_base64(value):
        return _from_base64(value[BASE64_KEY], place)
    if kind == "O" and isinstance(value, str):
        try:
            return value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise RequestError(
                400, f"JSON value at {place} has half of a surrogate pair alone."
            ) from error
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "f" and is_number:
        return _as_float(value, place, dtype)
    if kind == "b" and isinstance(value, bool):
        return value
    if kind in "iu" and is_number and isinstance(value, int):
        limits = np.iinfo(dtype)
        if limits.min <= value <= limits.max:
            return value
    raise RequestError(
        400, f"JSON value {shown(value)} at {place} is not of expected type: {dtype}"
    )


def _as_float(value, place, dtype):
    limits = np.finfo(dtype)
    if isinstance(value, int) and abs(value) < 2**64:
        # A mantissa of so many bits holds each whole number below this one.
        lossless = abs(value) < 2 ** (limits.nmant + 1)
    else:  # what is not finite in JSON already stays so
        lossless = not float(limits.max) < abs(value) < float("inf")
    if not lossless:
        raise RequestError(
            400,
            f"Cannot convert JSON value {shown(value)} at {place} to {dtype} without "
            "loss of precision.",
        )
    return float(value)


def _from_base64(text, place):
    text = "".join(text.split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError as error:
        raise RequestError(
            400, f"Unable to base64 decode the value at {place}: {error}"
        ) from error


def written_rows(name: str, array: np.ndarray) -> list[str]:
    """JSON of each row of an array.

    Args:
        name: Name of the output.
        array: Array of shape (batch, ...); strings are objects of `bytes`, or `str`.

    Returns:
        A list as long as the batch; see `predict.write_predictions`.

    Example:

    >>> written_rows("x", np.array([[0.1, 3], [np.nan, -np.inf]], np.float32))
    ['[0.1, 3.0]', '[NaN, -Infinity]']
    """
    parts = _values(name, np.ravel(array))
    for axis in reversed(range(1, array.ndim)):
        size = array.shape[axis]
        firsts = range(0, size * int(np.prod(array.shape[:axis])), size or 1)
        if not size:
            parts = ["[]"] * int(np.prod(array.shape[:axis]))
        else:
            parts = [f"[{', '.join(parts[i : i + size])}]" for i in firsts]
    return parts


def _values(name, flat):
    """JSON of each value of an array of one dimension."""
    if flat.dtype.kind == "f":
        return [_float(value) for value in flat]
    if flat.dtype.kind == "b":
        return ["true" if value else "false" for value in flat]
    if flat.dtype.kind in "iu":
        return [str(value) for value in flat.tolist()]
    strings = [
        value.encode("utf-8") if isinstance(value, str) else bytes(value)
        for value in flat
    ]
    if name.endswith(BYTES_SUFFIX):
        encoded = (base64.b64encode(text).decode("ascii") for text in strings)
        return [json.dumps({BASE64_KEY: text}) for text in encoded]
    return [
        json.dumps(text.decode("utf-8", "replace"), ensure_ascii=False)
        for text in strings
    ]


def _float(value):
    """JSON of a float as TensorFlow Serving writes it: six digits if they suffice."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = f"{value:g}"
    if type(value)(text) != value:
        text = f"{value:.{17 if value.dtype.itemsize > 4 else 9}g}"
    return text if "." in text or "e" in text else f"{text}.0"
