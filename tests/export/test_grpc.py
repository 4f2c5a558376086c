"""A SavedModel behind gRPC, asked by clients that were not written here.

The server is that of `grpc_server.py`, which knows of a model no more than TensorFlow
Serving does; the clients are `ovmsclient`, in a process without TensorFlow, and the
stubs of `tensorflow-serving-api`.
"""

import json
import re
import socket
import subprocess
import sys

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

import grpc_server
from kseq2seq import Search, Translator
from kseq2seq.export import warmup
from paths import HELPERS, ROOT
from translators import TEXTS, tiny_translator

SEARCH = Search(beam_size=3, max_length=11)
TEXT_ONLY = {"serving_default", "nbest", "translate_align", "encode"}
SIGNATURES = sorted({*TEXT_ONLY, "align", "score", "sample"})
EXTRA = {"complete", "alternatives"}  # the export was asked for them

# Not valid UTF-8, NULs, characters of two to four bytes: eleven rows in all.
STRANGE = [b"\xff\xfe dog", b"a\0b\0", "犬 sees ü".encode(), b"\xf0\x9f\x90\x95", b"\0"]
ROWS = [*(text.encode() for text in TEXTS), *STRANGE]
INPUTS = {
    "text": np.array(ROWS, object),
    "target": np.array([*ROWS[3:], *ROWS[:3]], object),
    "temperature": np.linspace(0.3, 2.0, 11, dtype=np.float32),
    "top_k": np.arange(11, dtype=np.int32),
    "top_p": np.linspace(1.0, 0.4, 11, dtype=np.float32),
    "seed": np.arange(11, dtype=np.int64) * 2**33 - 7,
}

PARTS = [slice(None), slice(2, 3), slice(0)]


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.fixture(scope="module")
def saved(tiny_saved_model):
    return tiny_saved_model


@pytest.fixture(scope="module")
def python(saved):
    """The same SavedModel as Python loads it: what answers must be equal to."""
    return Translator.load(saved)


@pytest.fixture(scope="module")
def model(saved):
    return grpc_server.SessionModel(saved)


@pytest.fixture(scope="module")
def address(model):
    with grpc_server.serving({"tiny": model}) as address:
        yield address


@pytest.fixture(scope="module")
def stub(address):
    with grpc.insecure_channel(address) as channel:
        yield prediction_service_pb2_grpc.PredictionServiceStub(channel)


def inputs_of(python, signature, rows=slice(None)):
    return {name: INPUTS[name][rows] for name in python.signatures[signature].inputs}


def assert_same(actual, expected):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        assert actual[name].shape == value.shape, name
        if value.dtype.kind == "f":
            np.testing.assert_allclose(
                actual[name], value, rtol=1e-5, atol=1e-5, err_msg=name
            )
        else:
            np.testing.assert_array_equal(actual[name], value, err_msg=name)


# ovmsclient, in a process of its own


def run(*arguments, stdin=""):
    return subprocess.run(
        [sys.executable, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def call_of(signature, inputs, **more):
    sent = {}
    for name, value in inputs.items():
        strings = value.dtype == object
        values = [x.hex() for x in value] if strings else value.tolist()
        dtype = "string" if strings else tf.as_dtype(value.dtype).name
        # TensorFlow Serving's names of types are shorter than NumPy's.
        dtype = {"float32": "float"}.get(dtype, dtype)
        sent[name] = {"dtype": dtype, "values": values}
    return {"signature": signature, "inputs": sent, **more}


def ask_ovmsclient(address, calls):
    result = run(HELPERS / "ovms.py", address, "tiny", stdin=json.dumps(calls))
    assert result.returncode == 0, result.stderr[-2000:]
    return json.loads(result.stdout)


def array_of(output, expected):
    """An output of `ovms.py` as an array of the type that is expected."""
    values = output["values"]
    if expected.dtype == object:
        values = [bytes.fromhex(value) for value in values]
    return np.array(values, expected.dtype).reshape(output["shape"])


@pytest.fixture(scope="module")
def answers(address, python):
    """By signature: answers to all rows at once, to the third alone, and to none."""
    calls = [
        call_of(name, inputs_of(python, name, part))
        for name in SIGNATURES
        for part in PARTS
    ]
    actual = iter(ask_ovmsclient(address, calls))
    return {name: {str(part): next(actual) for part in PARTS} for name in SIGNATURES}


@pytest.mark.parametrize("signature", SIGNATURES)
@pytest.mark.parametrize("rows", PARTS, ids=["all", "one", "none"])
def test_an_independent_client_gets_the_right_answers(answers, python, signature, rows):
    expected = python.run(signature, inputs_of(python, signature, rows))
    actual = answers[signature][str(rows)]
    assert "error" not in actual, actual
    assert_same(
        {name: array_of(value, expected[name]) for name, value in actual.items()},
        expected,
    )
    assert all(len(value) == len(ROWS[rows]) for value in expected.values())


def test_all_signatures_are_served(model, python):
    expected = {*SIGNATURES, *EXTRA}
    assert {*model.signatures} == {*expected, "__saved_model_init_op"}
    assert {*python.signatures} == expected


def test_translations_are_those_of_the_model(answers, translator):
    everything = str(PARTS[0])
    best = [x for x, *_ in translator.translate(TEXTS, SEARCH)]
    texts = [x.text.encode().hex() for x in best]
    assert len(set(texts)) == 5
    for name in ("serving_default", "translate_align"):
        actual = answers[name][everything]
        assert actual["translation"]["values"][:6] == texts
        np.testing.assert_allclose(
            actual["score"]["values"][:6], [x.score for x in best], rtol=1e-5, atol=1e-5
        )
    actual = answers["nbest"][everything]["translations"]
    assert actual["values"][:: actual["shape"][1]][:6] == texts


def test_ovmsclient_by_its_own_predict(address, python):
    inputs = inputs_of(python, "serving_default", slice(6))
    call = call_of("by predict", inputs)
    no_model = {**call, "model": "other"}
    wrong_type = call_of("by predict", {"text": INPUTS["top_k"]})
    actual, *errors = ask_ovmsclient(address, [call, no_model, wrong_type])
    expected = python.run("serving_default", inputs)
    assert actual["translation"] == [x.hex() for x in expected["translation"]]
    assert [x["error"] for x in errors] == ["ModelNotFoundError", "InvalidInputError"]
    assert "Specific(other, 1)" in errors[0]["message"]


# The stubs of tensorflow-serving-api


def request_of(inputs, signature="", model="tiny"):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def read(response):
    return {name: tf.make_ndarray(value) for name, value in response.outputs.items()}


def test_the_plain_stubs_get_the_right_answers(stub, python):
    inputs = inputs_of(python, "serving_default")
    response = stub.Predict(request_of(inputs))
    assert response.model_spec.signature_name == "serving_default"
    assert response.model_spec.version.value == 1
    assert_same(read(response), python.run("serving_default", inputs))
    # All that there is in one request, but only a part of the outputs.
    inputs = inputs_of(python, "align")
    request = request_of(inputs, "align")
    request.output_filter.extend(["links", "source_tokens"])
    expected = python.run("align", inputs)
    assert_same(
        read(stub.Predict(request)), {x: expected[x] for x in request.output_filter}
    )


def test_metadata_and_status_tell_what_is_served(stub, address, python):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "tiny"
    request.metadata_field.append("signature_def")
    response = stub.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    for name, signature in python.signatures.items():
        sent = signatures.signature_def[name]
        for specs, infos in [
            (signature.inputs, sent.inputs),
            (signature.outputs, sent.outputs),
        ]:
            assert set(specs) == set(infos)
            assert {x: specs[x].dtype for x in specs} == {
                x: tf.as_dtype(infos[x].dtype) for x in infos
            }
        for info in sent.inputs.values():
            assert [dim.size for dim in info.tensor_shape.dim] == [-1]
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "tiny"
    with grpc.insecure_channel(address) as channel:
        status = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus
        (version,) = status(request).model_version_status
        assert version.version == 1
        assert version.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
        request.model_spec.name = "other"
        with pytest.raises(grpc.RpcError) as caught:
            status(request)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


TWO = {"text": INPUTS["text"][:2]}
UNEQUAL = ("tiny", "INVALID_ARGUMENT", "must have as many rows as `text`")


@pytest.mark.parametrize(
    ("inputs", "signature", "name", "code", "message"),
    [
        (TWO, "", "other", "NOT_FOUND", r"Latest\(other\)"),
        (TWO, "", "", "INVALID_ARGUMENT", "no name"),
        (TWO, "nothing", "tiny", "FAILED_PRECONDITION", '"nothing" not found'),
        ({}, "", "tiny", "INVALID_ARGUMENT", "Missing but required: {text}"),
        (TWO, "score", "tiny", "INVALID_ARGUMENT", "Missing but required: {target}"),
        ({**TWO, "x": 1}, "", "tiny", "INVALID_ARGUMENT", "Sent extra: {x}"),
        ({"x": TWO["text"]}, "", "tiny", "INVALID_ARGUMENT", "text not found"),
        ({"text": [1, 2]}, "", "tiny", "INVALID_ARGUMENT", "int32.*string"),
        *(
            ({**TWO, "target": INPUTS["target"][:count]}, signature, *UNEQUAL)
            for signature, count in (("score", 3), ("align", 1))
        ),
        (
            {
                **{x: y[:2] for x, y in INPUTS.items() if x != "target"},
                "temperature": np.ones(1, "float32"),
            },
            *("sample", *UNEQUAL),
        ),
    ],
    ids=[
        "model",
        "no model",
        "signature",
        "no inputs",
        "a missing input",
        "one too many",
        "another name",
        "type",
        "score",
        "align",
        "sample",
    ],
)
def test_what_cannot_be_answered_is_refused(
    stub, inputs, signature, name, code, message
):
    with pytest.raises(grpc.RpcError, match=message) as caught:
        stub.Predict(request_of(inputs, signature, name), timeout=60)
    assert caught.value.code().name == code
    # And the server goes on.
    assert len(read(stub.Predict(request_of(TWO)))["translation"]) == 2


@pytest.mark.parametrize("text", [b"a dog", [[b"a"], [b"dog"]]], ids=["none", "two"])
@pytest.mark.parametrize("signature", sorted(TEXT_ONLY))
def test_texts_of_other_axes_break_nothing(stub, signature, text):
    # TensorFlow Serving does not compare shapes with the signature's.
    try:
        stub.Predict(
            request_of({"text": np.array(text, object)}, signature), timeout=60
        )
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert len(read(stub.Predict(request_of(TWO)))["translation"]) == 2


@pytest.mark.parametrize("signature", SIGNATURES)
def test_requests_put_into_one_batch_get_the_same_answers(model, python, signature):
    # As TensorFlow Serving's batching does it: inputs are joined, outputs are split.
    parts = [slice(0, 2), slice(2, 2), slice(2, 7)]
    requests = [inputs_of(python, signature, part) for part in parts]
    together = model.run(signature, grpc_server.merged(requests))
    for part, request in zip(parts, requests, strict=True):
        alone = model.run(signature, request)
        assert set(alone) == set(together)
        for name, value in alone.items():
            own = together[name][part]
            # Longer texts of others make for padding, at the end of each axis.
            kept = tuple(slice(size) for size in value.shape)
            expected = {name: value}
            assert_same({name: own[kept]}, expected)


# The example


EXAMPLE = ROOT / "examples" / "translate_grpc.py"


def run_examples(*calls):
    """For each call, arguments and standard input: code, output and error."""
    result = run(HELPERS / "several_calls.py", EXAMPLE, stdin=json.dumps(calls))
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def plain(value):
    if isinstance(value, list):
        return [plain(x) for x in value]
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def test_the_example_translates(address, translator):
    expected = [best.text for best, *_ in translator.translate(TEXTS, SEARCH)]
    result = run(EXAMPLE, address, "tiny", *TEXTS)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == expected
    lines = "the birds see the cat\na dog\n"
    given, empty = run_examples([[address, "tiny"], lines], [[address, "tiny"], ""])
    assert given == [0, f"{expected[2]}\n{expected[0]}\n", ""]
    assert empty == [0, "", ""]


def test_the_example_sends_many_lines_in_parts(model, python):
    # Nothing but "\n" ends a line, whatever else looks like it.
    odd = ["a\u2028b", "c\x85d", "e\x0bf", "g\x0ch", "i\x1cj", "k\rl", "", " m "]
    lines = [*odd, *TEXTS * 10, "go home"]
    asked = []

    class Listening:
        version, signatures = model.version, model.signatures

        def predict(self, request):
            texts = tf.make_ndarray(request.inputs["text"])
            asked.append([text.decode() for text in texts])
            return model.predict(request)

    with grpc_server.serving({"tiny": Listening()}) as address:
        best, nbest = run_examples(
            [[address, "tiny"], "\r\n".join(lines)],
            [[address, "tiny", "--signature", "nbest"], "\n".join(lines)],
        )
    assert (best[0], best[2]) == (nbest[0], nbest[2]) == (0, "")
    assert asked == [lines[:64], lines[64:]] * 2 and len(lines) == 69
    outputs = python.run("nbest", {"text": np.array([x.encode() for x in lines])})
    expected = plain(outputs["translations"].tolist())
    assert best[1] == "".join(f"{x}\n" for x, *_ in expected)
    rows = [row for x in nbest[1].splitlines() for row in json.loads(x)["translations"]]
    assert rows == expected


def test_the_example_prints_other_answers_whole(address, python):
    signatures = sorted(TEXT_ONLY - {"serving_default"})
    texts = np.array([b"a dog", '犬 "ü"'.encode()], object)
    given = [address, "tiny", *(x.decode() for x in texts), "--signature"]
    results = run_examples(*([[*given, name], ""] for name in signatures))
    for signature, (code, out, err) in zip(signatures, results, strict=True):
        assert (code, err) == (0, "")
        expected = python.run(signature, {"text": texts})
        actual = json.loads(out)
        assert set(actual) == set(expected)
        for name, value in expected.items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(actual[name], value, rtol=1e-5, atol=1e-5)
            else:
                assert actual[name] == plain(value.tolist()), name


def test_the_example_says_what_went_wrong(address):
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{bound.getsockname()[1]}"
        refused = run(EXAMPLE, nowhere, "tiny", "a dog")
    message = f"no server answers at {nowhere} .*start TensorFlow"
    assert refused.returncode == 1 and refused.stdout == ""
    assert re.fullmatch(f"translate_grpc.py: .*{message}.*\n", refused.stderr)
    cases = [
        ([address, "other"], r"refused \(NOT_FOUND\): .*Latest\(other\)"),
        ([address, "tiny", "--signature", "x"], 'refused .*"x" not found'),
        (["nonsense://", "tiny"], "."),
    ]
    calls = [[[*arguments, "a dog"], ""] for arguments, _ in cases]
    *results, (code, help_text, _) = run_examples(*calls, [["--help"], ""])
    for (_, message), (failed, out, err) in zip(cases, results, strict=True):
        assert failed == 1 and out == ""
        (line,) = err.splitlines()
        assert re.match(f"translate_grpc.py: .*{message}", line)
    assert code == 0 and "pip install ovmsclient" in help_text


# Warm-up


def test_each_signature_is_warmed_up(saved, model, python):
    logs = grpc_server.read_warmup(saved)
    assert model.num_warmed_up == len(logs) <= 1000
    rows = {name: set() for name in python.signatures}
    for log in logs:
        request = log.predict_log.request
        assert request.model_spec.name == saved.parent.name
        inputs = read_inputs(request)
        specs = python.signatures[request.model_spec.signature_name].inputs
        assert {x: tf.as_dtype(inputs[x].dtype) for x in inputs} == {
            x: specs[x].dtype for x in specs
        }
        rows[request.model_spec.signature_name].add(len(inputs["text"]))
    assert set(map(frozenset, rows.values())) == {frozenset([1, 8])}


def read_inputs(request):
    return {name: tf.make_ndarray(value) for name, value in request.inputs.items()}


class Echo(tf.Module):
    """One signature of texts; what refuses other inputs knows no more of a model."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def answer(self, text):
        return {"translation": text}


def test_a_version_that_cannot_be_warmed_up_is_not_served(tmp_path):
    path, echo = tmp_path / "2", Echo()
    tf.saved_model.save(echo, path, {"serving_default": echo.answer})
    request = "serving_default", {"text": np.array([3], np.int32)}
    warmup.write_warmup(path, [request], "tiny")
    with pytest.raises(grpc_server.ServingError, match="int32"):
        grpc_server.SessionModel(path)
    (path / warmup.WARMUP_FILE).unlink()
    assert grpc_server.SessionModel(path).num_warmed_up == 0
