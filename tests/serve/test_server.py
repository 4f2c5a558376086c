"""The server: sockets, requests that are none, and the command."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from types import SimpleNamespace

import numpy as np
import pytest

import kseq2seq
from kseq2seq import cli
from kseq2seq.cli import loading
from kseq2seq.serve import app, server
from paths import ROOT
from pretend import Backwards
from translators import TEXTS


@pytest.fixture(scope="module", params=["127.0.0.1"])
def address(request):
    """Of a server that runs in this process, in the way that `serve` runs it."""
    with server.listen(request.param, port=0) as opened:
        made = server.create_server(Backwards(), opened)
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield opened.getsockname()
        made.shutdown()
        thread.join()


def said(address, *parts):
    with socket.create_connection(address, timeout=20) as connection:
        for part in parts:
            connection.sendall(part)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.decode(), json.loads(body)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NO HTTP AT ALL\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.0\r\n\r\n", 403),
    ],
    ids=["no HTTP", "no length", "too large", "no host"],
)
def test_what_is_hardly_a_request(address, request_bytes, status):
    head, body = said(address, request_bytes)
    assert head.startswith(("HTTP/1.1 ", "HTTP/1.0 ")) and f" {status} " in head
    assert "Content-Type: application/json" in head
    assert "Server: kseq2seq" in head and "Python" not in head
    assert list(body) == ["error"] and body["error"]


@pytest.mark.skipif(sys.platform != "linux", reason="it has no such address")
@pytest.mark.parametrize("address", ["127.0.0.2"], indirect=True)
def test_it_answers_to_the_address_that_it_listens_on(address):
    path, port = "/v1/models/backwards", address[1]
    for host, status in {
        f"127.0.0.2:{port}": 200,
        f"localhost:{port}": 200,
        f"127.0.0.3:{port}": 403,
        "evil.example": 403,
    }.items():
        head, _ = said(address, f"GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
        assert head.startswith(f"HTTP/1.1 {status} "), host


def test_a_port_that_is_taken():
    with server.listen(port=0) as opened:
        port = opened.getsockname()[1]
        message = (
            f"127.0.0.1:{port} cannot be listened on: Address already in use.*--port"
        )
        with pytest.raises(ValueError, match=message):
            server.listen(port=port)


def test_a_host_that_is_none():
    with pytest.raises(
        ValueError, match="no.such.host.invalid:0 cannot be listened on"
    ):
        server.listen("no.such.host.invalid", 0)


def test_a_port_is_free_again_at_once():
    with server.listen(port=0) as opened:
        port = opened.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            connection, _ = opened.accept()
            connection.close()  # by the server first: the port has to wait
    server.listen(port=port).close()


# ---- The command ----


@pytest.fixture
def no_model(monkeypatch):
    """Makes it an error to load a model."""

    def load(*_):
        raise AssertionError("loaded too early")

    monkeypatch.setattr(loading, "load_translator", load)


def refused(capsys, *arguments):
    assert cli.main(["serve", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_the_command_refuses_what_is_no_saved_model(tmp_path, capsys, no_model):
    assert "holds no model" in refused(capsys, tmp_path)
    message = refused(capsys, tmp_path / "nothing")
    assert "is no folder: give a SavedModel, in which is saved_model.pb" in message
    (tmp_path / "model.keras").touch()
    message = refused(capsys, tmp_path)
    assert "is a run folder: give the SavedModel that 'kseq2seq export" in message


def test_the_command_looks_for_its_port_first(tmp_path, capsys, no_model):
    (tmp_path / "saved_model.pb").touch()
    with server.listen(port=0) as opened:
        port = opened.getsockname()[1]
        assert "already in use" in refused(capsys, tmp_path, "--port", port)


@pytest.mark.parametrize("port", ["-1", "65536", "http", "８0x"])
def test_the_command_refuses_what_is_no_port(capsys, port):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["serve", "models", f"--port={port}"])
    assert "must be an integer from 0 to 65535" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_the_command_with_a_model(tmp_path):
    path = tmp_path / "tiny model" / "1"
    shutil.copytree(ROOT / "saved_models" / "dates" / "1", path)
    expected = kseq2seq.Translator.load(path)
    command = [
        sys.executable,
        "-m",
        "kseq2seq",
        "serve",
        path.parent,
        "--port=0",
    ]
    # A shell lets what it starts in the background ignore Ctrl-C, and so its children.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, ignored)
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines[0] == "tiny model, version 1. Ctrl-C stops it.\n"
        page = re.fullmatch(r"page: +(http://127\.0\.0\.1:\d+/)\n", lines[1])[1]
        url = re.fullmatch(r"REST API: (http://\S+:predict)\n", lines[2])[1]
        assert url == f"{page}v1/models/tiny%20model:predict"
        inputs = {"text": np.array([x.encode() for x in TEXTS], object)}
        for name in ("serving_default", "translate_align"):
            body = json.dumps({"signature_name": name, "inputs": {"text": TEXTS}})
            with urllib.request.urlopen(url, body.encode(), timeout=60) as response:
                actual = json.load(response)["outputs"]
            for key, array in expected.run(name, inputs).items():
                if array.dtype == object:
                    given = np.array(actual[key], object)
                    texts = [x.decode() for x in array.ravel()]
                    assert given.shape == array.shape and list(given.ravel()) == texts
                else:
                    np.testing.assert_allclose(actual[key], array, 1e-5, 1e-6)
        with urllib.request.urlopen(page, timeout=20) as response:
            assert b'data-model="tiny model"' in response.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize("has_features", [False, True])
def test_the_signatures_of_a_text_are_called_ahead(has_features):
    keys = ["text", "features"] if has_features else ["text"]
    signatures = {
        name: SimpleNamespace(inputs=dict.fromkeys([*keys, *others]))
        for name, others in (
            ("serving_default", []),
            ("translate_align", []),
            ("score", ["target"]),
            ("complete", ["prefix"]),
        )
    }
    called = {}
    server.warm_up(SimpleNamespace(signatures=signatures, run=called.__setitem__))
    assert set(called) == {"serving_default", "translate_align"}
    for inputs in called.values():
        assert [*inputs] == keys and inputs["text"].tolist() == [b"a"]


def test_what_is_no_saved_model_is_refused():
    with pytest.raises(ValueError, match="load the export.*Received: <object object"):
        app.create_app(object())
