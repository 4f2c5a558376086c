"""The clients and settings under `examples/`, as their users run them.

The one of gRPC has its tests in `test_serving_grpc.py`.
"""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
)
from google.protobuf.wrappers_pb2 import DESCRIPTOR as WRAPPERS
from tensorflow_serving.config import model_server_config_pb2
from werkzeug.serving import make_server

from kseq2seq import Search, Translator
from kseq2seq.export import warmup
from kseq2seq.serve import create_app
from paths import ROOT
from pretend import Backwards
from translators import tiny_translator

EXAMPLES = ROOT / "examples"
SENTENCES = ["4 March 2017", '犬 "July" \\ 20, 1969 ü', "9. November 1989"]
SCRIPTS = ["translate.sh", "translate_rest.py"]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The model that comes with the repository, or else a tiny one."""
    folder = ROOT / "saved_models" / "dates"
    if not folder.is_dir():
        folder = tmp_path_factory.mktemp("saved_models") / "dates"
        tiny_translator().export(folder, Search(beam_size=3, max_length=11))
    return Translator.load(folder)


@contextlib.contextmanager
def serving(translator):
    """A server of the REST API: its http://HOST:PORT."""
    server = make_server("127.0.0.1", 0, create_app(translator), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def url(python):
    """A model's URL on a server of the REST API."""
    with serving(python) as address:
        yield f"{address}/v1/models/dates"


@pytest.fixture
def nowhere():
    """HOST:PORT where nobody listens."""
    with socket.socket() as bound:  # and does not listen
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def run(name, *arguments, stdin=""):
    command = [sys.executable] if name.endswith(".py") else ["sh"]
    if name == "translate.sh" and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    return subprocess.run(
        [*command, EXAMPLES / name, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )


def run_well(name, *arguments, stdin=""):
    result = run(name, *arguments, stdin=stdin)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return result.stdout


def expected_of(python, signature, texts=SENTENCES, **more):
    texts = np.array([text.encode() for text in texts], object)
    outputs = python.run(signature, {"text": texts, **more})
    return {name: plain(value.tolist()) for name, value in outputs.items()}


def plain(value):
    if isinstance(value, list):
        return [plain(x) for x in value]
    return value.decode() if isinstance(value, bytes) else value


def assert_same(actual, expected):
    assert set(actual) == set(expected)
    for name, value in expected.items():
        if np.array(value).dtype.kind == "f":
            np.testing.assert_allclose(actual[name], value, rtol=1e-5, atol=1e-5)
        else:
            assert actual[name] == value, name


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_tells_how_to_call_it(name):
    text = run_well(name, "--help")
    assert f"{name} " in text and "TensorFlow Serving" in text
    assert ("URL" if name == "translate.sh" else "--signature") in text


def test_the_rest_client_translates(url, python):
    expected = expected_of(python, "serving_default")["translation"]
    assert len(set(expected)) == 3
    assert run_well("translate_rest.py", url, *SENTENCES).splitlines() == expected
    lines = "".join(f"{x}\n" for x in SENTENCES[:2])
    actual = run_well("translate_rest.py", f"{url}/", stdin=lines)
    assert actual.splitlines() == expected[:2]
    assert run_well("translate_rest.py", url) == ""


def test_the_rest_client_sends_many_lines_in_parts():
    # Nothing but "\n" ends a line, whatever else looks like it.
    odd = ["a\u2028b", "c\x85d e", "f\x0bg", "h\x0ci", "j\x1ck", "l\rm", "", " n "]
    lines = [*odd, *(f"{number} o" for number in range(120)), "last"]
    backwards = Backwards()
    with serving(backwards) as address:
        url = f"{address}/v1/models/backwards"
        actual = run_well("translate_rest.py", url, stdin="\r\n".join(lines))
        options = ["--signature", "nbest"]
        nbest = run_well("translate_rest.py", url, *options, stdin="\n".join(lines))
    asked = [[x.decode() for x in inputs["text"]] for _, inputs in backwards.asked]
    assert asked == [lines[:64], lines[64:128], lines[128:]] * 2
    assert len(asked[0]) <= batching().max_batch_size.value
    expected = [" ".join(reversed(line.upper().split())) for line in lines]
    assert actual == "".join(f"{line}\n" for line in expected)
    rows = [row for x in nbest.splitlines() for row in json.loads(x)["translations"]]
    assert [best for best, *_ in rows] == expected


@pytest.mark.parametrize("signature", ["nbest", "translate_align", "encode"])
def test_the_rest_client_prints_other_answers_whole(url, python, signature):
    options = ["--signature", signature]
    actual = run_well("translate_rest.py", url, *options, *SENTENCES)
    assert_same(json.loads(actual), expected_of(python, signature))


def test_the_rest_client_says_what_was_refused(url):
    for options, message in [
        ([url, "--signature", "nothing"], '"nothing" not found'),
        ([url.replace("dates", "other")], "Servable not found for request"),
    ]:
        result = run("translate_rest.py", *options, "a dog")
        assert result.returncode == 1 and result.stdout == ""
        assert "refused (4" in result.stderr and message in result.stderr


def test_a_client_says_that_no_server_answers(nowhere):
    url = f"http://{nowhere}/v1/models/dates"
    result = run("translate_rest.py", url, "a dog")
    assert result.returncode == 1
    assert f"translate_rest.py: no server answers at {url} (" in result.stderr
    assert "start TensorFlow Serving" in result.stderr
    result = run("translate.sh", url)
    assert result.returncode == 2 and f"no server answers at {url}" in result.stderr


def test_the_rest_client_says_that_something_else_answers(url):
    host = url.partition("/v1")[0]
    for other in (host, f"{host}/v1/models", "dates", f"{host}/"):
        result = run("translate_rest.py", other, "a dog")
        assert result.returncode == 1
        assert result.stderr.startswith("translate_rest.py: ")
        assert other.rstrip("/") in result.stderr


def test_the_shell_script_asks_each_signature(url, python):
    text, target = SENTENCES[1], '1969-07-20 "'
    output = run_well("translate.sh", url, text, target)
    *asked, rest = output.split("\n\n")
    assert rest == ""
    pairs = []
    for both in asked:
        request, end = json.JSONDecoder().raw_decode(both)
        pairs.append((request, both[end:].strip()))
    names = [request.get("signature_name", "serving_default") for request, _ in pairs]
    assert sorted(names) == sorted(["serving_default", *python.signatures])
    # Rows, then columns.
    expected = expected_of(python, "serving_default", [text, ""])
    rows = json.loads(pairs[0][1])["predictions"]
    assert_same({x: [row[x] for row in rows] for x in expected}, expected)
    assert_same(json.loads(pairs[1][1])["outputs"], expected)
    more = {"target": np.array([target.encode()], object)}
    answers = dict(zip(names, [answer for _, answer in pairs], strict=True))
    assert_same(
        json.loads(answers["score"])["outputs"],
        expected_of(python, "score", [text], **more),
    )
    assert len(json.loads(answers["sample"])["predictions"]) == 2
    for name in ("nbest", "translate_align", "align", "encode"):
        assert answers[name].startswith('{"outputs": {') or answers[name].startswith(
            '{ "outputs": {'
        )


def test_the_shell_script_goes_on_after_a_refusal(url):
    result = run("translate.sh", url.replace("dates", "other"))
    assert result.returncode == 1
    assert result.stdout.count("Servable not found for request") == 8
    assert run("translate.sh", "--other").returncode == 2
    assert run("translate.sh", url, "a", "b", "c").returncode == 2


# What TensorFlow Serving reads


def test_models_are_configured():
    text = (EXAMPLES / "models.config").read_text(encoding="utf-8")
    server = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = server.model_config_list.config
    assert (model.name, model.model_platform) == ("dates", "tensorflow")
    assert model.base_path == "/models/dates"
    assert model.model_version_policy.WhichOneof("policy_choice") == "latest"
    assert model.model_version_policy.latest.num_versions == 1


def batching_parameters():
    """TensorFlow Serving's message of that name, which no package has."""
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", syntax="proto3", dependency=[WRAPPERS.name]
    )
    message = file.message_type.add(name="BatchingParameters")
    kinds = {
        "max_batch_size": "Int64Value",
        "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value",
        "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue",
        "enable_large_batch_splitting": "BoolValue",
        "max_execution_batch_size": "Int64Value",
    }
    for number, (name, kind) in enumerate(kinds.items(), 1):
        kind = f".google.protobuf.{kind}"
        message.field.add(name=name, number=number, type=11, label=1, type_name=kind)
    message.field.add(name="allowed_batch_sizes", number=98, type=3, label=3)
    message.field.add(name="pad_variable_length_inputs", number=99, type=8, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(WRAPPERS.serialized_pb)
    pool.Add(file)
    actual = pool.FindMessageTypeByName("BatchingParameters")
    return message_factory.GetMessageClass(actual)()


def batching():
    text = (EXAMPLES / "batching_parameters.txt").read_text(encoding="utf-8")
    return text_format.Parse(text, batching_parameters())


def test_batching_fits_what_is_exported():
    parameters = batching()
    # Or a version would be refused for its own warm-up.
    assert parameters.max_batch_size.value >= max(warmup.BATCH_SIZES)
    assert parameters.num_batch_threads.value >= 1
    assert parameters.max_enqueued_batches.value >= 1
    assert parameters.batch_timeout_micros.value <= 10_000
    # Empty batches, and outputs of different widths, would break the server.
    assert not parameters.allowed_batch_sizes
    assert not parameters.enable_large_batch_splitting.value
    with pytest.raises(text_format.ParseError, match="max_batch"):
        text_format.Parse("max_batch { value: 3 }", batching_parameters())
