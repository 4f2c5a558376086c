"""Requests that TensorFlow Serving sends itself before it serves a version.

What TensorFlow does at the first request of a kind, choosing kernels and optimising
graphs, it then has done already. A server reads the requests from a file in the
version's folder, a TFRecord of `PredictionLog` messages, and runs them one after the
other: if one of them fails, it does not serve the version.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import tensorflow as tf

from kseq2seq.utils import PathLike

# The name and the number are TensorFlow Serving's.
WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_REQUESTS = 1000

# The name of a signature, and its inputs by their names.
Request: TypeAlias = tuple[str, dict[str, np.ndarray]]

BATCH_SIZES = (1, 8)
# Short, long and empty; of what language or letters they are makes no difference.
TEXTS = ("a dog", " ".join(["a dog runs over the green field, 12 birds fly."] * 4), "")
# Of a model with features, which are unknown or missing.
FEATURES = ("V;PST;3;SG", "")
# Beginnings of translations, and none.
PREFIXES = ("a", "")

# The values of the inputs that are not text, dealt out to the rows in turn: sampling
# from all tokens, and from few.
SETTINGS = {
    "temperature": (1.0, 0.7),
    "top_k": (0, 5),
    "top_p": (1.0, 0.9),
    "seed": (1, 2, 3),
}


def warmup_requests(
    signatures: Mapping[str, Sequence[tf.TensorSpec]],
    texts: Iterable[str | bytes] = TEXTS,
    targets: Iterable[str | bytes] | None = None,
    batch_sizes: Sequence[int] = BATCH_SIZES,
) -> list[Request]:
    """Requests that run each signature, with little and with much to do.

    For each signature there is one request a text, with that text alone, and one for
    each larger batch size, with all texts mixed.

    Args:
        signatures: Dict, name of a signature -> list of a `tf.TensorSpec` for each of
            its inputs, of shape `(batch,)` and with the input's name: `text`, `target`,
            `features`, `prefix`, or a setting of sampling, `temperature`, `top_k`,
            `top_p` or `seed`.
        texts: `str` or `bytes` to take as sources.
        targets: `str` or `bytes` to take as targets; the last text goes first if it
            is left out.
        batch_sizes: Numbers of rows that a request shall have.

    Returns:
        List of pairs, name of a signature and dict, name of an input -> array of
        shape `(batch,)`, strings as objects of `bytes`.

    Raises:
        ValueError: If an input has another name, or if there are no texts.

    Example:

    >>> import tensorflow as tf
    >>> signatures = {"serving_default": [tf.TensorSpec([None], tf.string, "text")]}
    >>> requests = warmup_requests(signatures, ["a", "a dog"], batch_sizes=[1, 3])
    >>> for name, inputs in requests:
    ...     print(name, inputs["text"])
    serving_default [b'a']
    serving_default [b'a dog']
    serving_default [b'a' b'a dog' b'a']
    """
    texts = list(texts)
    targets = [*texts[-1:], *texts[:-1]] if targets is None else list(targets)
    if not texts or not targets:
        raise ValueError(
            "`texts` and `targets` must hold at least one text each. Received: "
            f"texts={texts}, targets={targets}"
        )
    values: dict[str, Any] = {
        "text": texts,
        "target": targets,
        "features": FEATURES,
        "prefix": PREFIXES,
        **SETTINGS,
    }
    requests = []
    for name, specs in signatures.items():
        for size in batch_sizes:
            # A row alone meets each of the texts; a batch has them all at once.
            for first in range(len(texts) if size == 1 else 1):
                requests.append((name, _inputs(name, specs, values, first, size)))
    return requests


def _inputs(signature, specs, values, first, size):
    unknown = sorted({spec.name for spec in specs} - set(values))
    if unknown:
        raise ValueError(
            f"Inputs of a signature must be among {sorted(values)}, for which there "
            f"are values to warm up with. Received: signature {signature!r} with "
            f"{unknown}; add values for them"
        )
    inputs = {}
    for spec in specs:
        choice = values[spec.name]
        rows = [choice[(first + x) % len(choice)] for x in range(size)]
        if spec.dtype == tf.string:
            rows = [x.encode() if isinstance(x, str) else x for x in rows]
        # For strings the type is `object`.
        inputs[spec.name] = np.array(rows, spec.dtype.as_numpy_dtype)
    return inputs


def write_warmup(path: PathLike, requests: Sequence[Request], model_name: str) -> Path:
    """Writes requests into a version's folder, from where a server reads them.

    Args:
        path: Path of the folder, which holds `saved_model.pb`.
        requests: List of pairs, name of a signature and dict, name of an input ->
            array, as `warmup_requests` makes them; 1 to 1000.
        model_name: Name that a server gives the model. It runs the requests whatever
            name they have, and it tells them apart by that name in its statistics.

    Returns:
        The `Path` of the file.

    Raises:
        ValueError: If there are no requests, or more than TensorFlow Serving takes.
        OSError: If the file cannot be written.

    Example:

    >>> import pathlib, tempfile, numpy as np
    >>> request = ("serving_default", {"text": np.array([b"a dog"], object)})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_warmup(folder, [request], "en_de")
    ...     print(path.relative_to(folder).as_posix(), path.stat().st_size > 0)
    assets.extra/tf_serving_warmup_requests True
    """
    # It brings gRPC along, which nobody else here needs.
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    if not 0 < len(requests) <= MAX_REQUESTS:
        raise ValueError(
            f"`requests` must be 1 to {MAX_REQUESTS}, as many as TensorFlow Serving "
            f"takes. Received: {len(requests)} requests"
        )
    file = Path(path) / WARMUP_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tf.io.TFRecordWriter(str(file)) as writer:
            for signature, inputs in requests:
                request = predict_pb2.PredictRequest()  # pyright: ignore
                request.model_spec.name = model_name
                request.model_spec.signature_name = signature
                for name, value in inputs.items():
                    request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
                log = prediction_log_pb2.PredictionLog()  # pyright: ignore
                log.predict_log.request.CopyFrom(request)
                # The same bytes for the same requests, whatever a dict's order.
                writer.write(log.SerializeToString(deterministic=True))
    except tf.errors.OpError as error:
        raise OSError(
            f"{file}: the warm-up requests could not be written: {error.message}"
        ) from error
    return file
