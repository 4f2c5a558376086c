"""Requests to predict for signatures of many kinds, and their answers."""

import json

import tensorflow as tf

from kseq2seq.serve import predict
from pretend import signature

FLOAT, INT, STRING = (tf.TensorSpec(None, x) for x in ("float32", "int32", "string"))
TEXT = tf.TensorSpec([None], tf.string)
SENSORS = {"tag": STRING, "signal": INT, "sensor": INT}
SIGNATURES = {
    "serving_default": signature({"x": FLOAT}, {"y": FLOAT}),
    "ids": signature({"ids": INT}, {"y": FLOAT}),
    "sensors": signature(SENSORS, {"y": FLOAT}),
    "images": signature({"image": STRING, "caption": STRING}, {"y": FLOAT}),
    "text": signature({"text": TEXT}, {"translation": TEXT}),
    "score": signature({"text": TEXT, "target": TEXT}, {"log_prob": FLOAT}),
    "sample": signature(
        {
            "text": TEXT,
            "top_k": tf.TensorSpec([None], tf.int32),
            "seed": tf.TensorSpec([None], tf.int64),
            "top_p": tf.TensorSpec([None], tf.float32),
            "greedy": tf.TensorSpec([None], tf.bool),
        },
        {"translation": TEXT},
    ),
    "doubles": signature({"x": tf.TensorSpec(None, tf.float64)}, {"y": FLOAT}),
    "bytes": signature({"x": tf.TensorSpec(None, tf.uint8)}, {"y": FLOAT}),
    "complex": signature({"x": tf.TensorSpec(None, tf.complex64)}, {"y": FLOAT}),
}


def read(body, name=None):
    if not isinstance(body, (str, bytes)):
        body = json.dumps(body if name is None else {"signature_name": name, **body})
    return predict.read_predict(
        body.encode() if isinstance(body, str) else body, SIGNATURES
    )


def as_lists(request):
    return {name: array.tolist() for name, array in request.inputs.items()}


def both(outputs):
    rows = json.loads(predict.write_predictions(outputs, in_rows=True))
    columns = json.loads(predict.write_predictions(outputs, in_rows=False))
    assert list(rows) == ["predictions"] and list(columns) == ["outputs"]
    return rows["predictions"], columns["outputs"]
