"""Warm-up requests; `test_serving_grpc.py` runs those of a whole model."""

import resource

import numpy as np
import pytest
import tensorflow as tf

import grpc_server
from kseq2seq.export import warmup

TEXT = tf.TensorSpec([None], tf.string, "text")
TARGET = tf.TensorSpec([None], tf.string, "target")
SAMPLE = [
    TEXT,
    tf.TensorSpec([None], tf.float32, "temperature"),
    tf.TensorSpec([None], tf.int32, "top_k"),
    tf.TensorSpec([None], tf.float32, "top_p"),
    tf.TensorSpec([None], tf.int64, "seed"),
]
REQUEST = "serving_default", {"text": np.array([b"a dog"], object)}


def test_each_signature_is_asked_with_each_text_and_with_all():
    requests = warmup.warmup_requests(
        {"score": [TEXT, TARGET], "sample": SAMPLE},
        ["犬", b"\xff\0", "go"],
        ["ein", "zwei"],
        batch_sizes=[1, 5],
    )
    assert [name for name, _ in requests] == 4 * ["score"] + 4 * ["sample"]
    texts = ["犬".encode(), b"\xff\0", b"go"]
    for start in (0, 4):
        alone, together = requests[start : start + 3], requests[start + 3][1]
        assert [list(inputs["text"]) for _, inputs in alone] == [[x] for x in texts]
        assert list(together["text"]) == [*texts, *texts[:2]]
    assert list(requests[3][1]["target"]) == [b"ein", b"zwei"] * 2 + [b"ein"]
    for spec in SAMPLE:
        value = requests[7][1][spec.name]
        assert value.dtype == spec.dtype.as_numpy_dtype and value.shape == (5,)
        # The settings vary, or they would not show that rows have their own.
        assert len(set(value.tolist())) > 1


def test_targets_are_other_texts_unless_given():
    requests = warmup.warmup_requests({"align": [TEXT, TARGET]}, "abc", batch_sizes=[3])
    ((name, inputs),) = requests
    assert name == "align"
    assert list(inputs["text"]) == [b"a", b"b", b"c"]
    assert list(inputs["target"]) == [b"c", b"a", b"b"]


def test_by_default_texts_are_short_long_and_empty():
    requests = warmup.warmup_requests({"serving_default": [TEXT]})
    rows = [list(inputs["text"]) for _, inputs in requests]
    assert sorted({len(x) for x in rows}) == [1, 8]
    lengths = [len(text) for text in rows[-1]]
    assert min(lengths) == 0 and max(lengths) > 100
    assert {text for row in rows[:-1] for text in row} == set(rows[-1])


def test_requests_are_read_back_as_they_were(tmp_path):
    requests = warmup.warmup_requests({"sample": SAMPLE}, ["犬", b"\xff\0"])
    path = warmup.write_warmup(tmp_path, requests, "en_de")
    assert path == tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    logs = grpc_server.read_warmup(tmp_path)
    assert len(logs) == len(requests) == 3
    for log, (name, inputs) in zip(logs, requests, strict=True):
        request = log.predict_log.request
        assert request.model_spec.name == "en_de"
        assert request.model_spec.signature_name == name
        assert set(request.inputs) == set(inputs)
        for key, value in inputs.items():
            actual = tf.make_ndarray(request.inputs[key])
            np.testing.assert_array_equal(actual, value)
            assert actual.dtype == value.dtype


def test_the_same_requests_are_the_same_bytes(tmp_path):
    ((name, inputs),) = warmup.warmup_requests({"x": SAMPLE}, batch_sizes=[5])
    turned = dict(reversed(inputs.items()))
    one = warmup.write_warmup(tmp_path / "1", [(name, inputs)], "en_de")
    two = warmup.write_warmup(tmp_path / "2", [(name, turned)], "en_de")
    assert one.read_bytes() == two.read_bytes()


def test_what_no_server_would_take_is_refused(tmp_path):
    with pytest.raises(ValueError, match="1 to 1000.*Received: 0"):
        warmup.write_warmup(tmp_path, [], "en_de")
    with pytest.raises(ValueError, match="1 to 1000.*Received: 1001"):
        warmup.write_warmup(tmp_path, [REQUEST] * 1001, "en_de")
    assert not list(tmp_path.iterdir())
    warmup.write_warmup(tmp_path, [REQUEST] * 1000, "en_de")
    assert len(grpc_server.read_warmup(tmp_path)) == 1000
    unknown = tf.TensorSpec([None], tf.float32, "beam")
    with pytest.raises(ValueError, match=r"'wide' with \['beam'\]; add"):
        warmup.warmup_requests({"wide": [TEXT, unknown]})
    with pytest.raises(ValueError, match=r"at least one text each.*texts=\[\]"):
        warmup.warmup_requests({"score": [TEXT]}, [])


def test_a_full_disk_is_told(tmp_path):
    long = "serving_default", {"text": np.array([b"a" * 20_000], object)}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, limits[1]))
    try:
        with pytest.raises(OSError, match="warm-up requests could not be written"):
            warmup.write_warmup(tmp_path, [long], "en_de")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
