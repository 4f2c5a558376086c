"""A SavedModel's answers by each loader: Python's, the C++ session's, the C API.

Each takes the path and requests `(signature, inputs)`, inputs being a dict of arrays,
and gives for each request the outputs, a dict of NumPy arrays.
"""

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf


def strings(texts):
    """Texts, `str` or `bytes`, as an array of objects of one axis."""
    array = np.empty(len(texts), object)
    array[:] = [x.encode() if isinstance(x, str) else x for x in texts]
    return array


def run_python(path, requests):
    """By the object loader."""
    loaded = tf.saved_model.load(str(path))
    results = []
    for name, inputs in requests:
        function = loaded.signatures[name]
        specs = function.structured_input_signature[1]
        tensors = {x: tf.constant(inputs[x], y.dtype) for x, y in specs.items()}
        results.append({x: y.numpy() for x, y in function(**tensors).items()})
    return results


@functools.lru_cache(maxsize=2)
def _session(path):
    """A session and its signatures; each takes seconds to answer the first time."""
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], path)
    return session, meta_graph.signature_def


def run_session(path, requests):
    """By the session loader in C++, with nothing but the graph."""
    session, signatures = _session(str(path))
    results = []
    for name, inputs in requests:
        outputs = {x: y.name for x, y in signatures[name].outputs.items()}
        feed = {signatures[name].inputs[x].name: y for x, y in inputs.items()}
        results.append(session.run(outputs, feed))
    return results


def run_c_api(path, requests):
    """By the C API, in a process without Python's TensorFlow."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the shared libraries have other names here")
    given = [
        [name, {key: _listed(values) for key, values in inputs.items()}]
        for name, inputs in requests
    ]
    result = subprocess.run(
        [sys.executable, Path(__file__).with_name("capi.py"), path],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return [
        {name: _array(*tensor) for name, tensor in outputs.items()}
        for outputs in json.loads(result.stdout)
    ]


def _listed(values):
    if values.dtype == object:
        return ["string", values.shape, [x.hex() for x in values.tolist()]]
    return [values.dtype.name, values.shape, values.ravel().tolist()]


def _array(dtype, shape, values):
    if dtype == "string":
        values, dtype = [bytes.fromhex(x) for x in values], object
    return np.array(values, dtype).reshape(shape)


LOADERS = [run_python, run_session, run_c_api]
