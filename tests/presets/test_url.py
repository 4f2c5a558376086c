"""Presets by URL: what is downloaded, kept, and refused."""

import json
import logging
import socket
import sys
import urllib.request
from pathlib import Path

import pytest

from file_server import FileServer, running
from kseq2seq.presets import cache_folder, find_preset, write_preset
from kseq2seq.presets import url as url_module
from preset_files import CONTENTS, LOADED, save

FOLDER = "/models/names"


def publish(server, folder):
    """Puts the files of a preset, and others beside them, on the server."""
    for path in folder.iterdir():
        server.files[f"{FOLDER}/{path.name}"] = path.read_bytes()
    server.files[f"{FOLDER}/code.py"] = b"raise SystemExit"


@pytest.fixture
def server(preset):
    with running(FileServer()) as server:
        publish(server, preset)
        yield server


@pytest.fixture
def url(server):
    return server.url + FOLDER


@pytest.fixture
def warnings(caplog):
    """Function that gives the warnings since its last call."""

    def take():
        messages = [x.getMessage() for x in caplog.records if x.name == "kseq2seq"]
        caplog.clear()
        return messages

    caplog.set_level(logging.INFO, "kseq2seq")
    return take


def edit(server, change):
    """Changes the manifest on the server."""
    path = f"{FOLDER}/preset.json"
    manifest = json.loads(server.files[path])
    change(manifest)
    server.files[path] = json.dumps(manifest).encode()


def test_files_are_downloaded_once_and_no_others(server, url, cache, warnings):
    folder = find_preset(url)
    assert folder.is_relative_to(cache)
    assert {x.name for x in folder.iterdir()} == {*LOADED, "preset.json"}
    for name in LOADED:
        assert (folder / name).read_bytes() == CONTENTS[name]
    assert len(server.requests) == 4
    assert find_preset(f"{url}/") == folder
    assert server.requests[4:] == [f"{FOLDER}/preset.json"]
    assert warnings() == []


def test_a_new_version_is_downloaded_beside_the_old_one(server, url, tmp_path):
    old = find_preset(url)

    def save_other(folder):
        save(folder)
        (folder / "source.model").write_bytes(b"others")

    publish(server, write_preset(tmp_path / "other", save_other))
    new = find_preset(url)
    assert new != old and (new / "source.model").read_bytes() == b"others"
    assert (old / "source.model").read_bytes() == CONTENTS["source.model"]


def test_a_damaged_download_is_made_anew(server, url):
    old = find_preset(url)
    (old / "source.model").write_bytes(b"damaged")
    new = find_preset(url)
    assert new != old
    assert (new / "source.model").read_bytes() == CONTENTS["source.model"]


def test_offline_the_last_download_is_taken_and_told(preset, cache, warnings):
    with running(FileServer()) as server:
        publish(server, preset)
        url = server.url + FOLDER
        folder = find_preset(url)
        server.statuses[f"{FOLDER}/preset.json"] = 503
        assert find_preset(url) == folder
        (message,) = warnings()
        assert message.startswith(f"{url} cannot be reached (503 ")
    # Nobody listens there any more.
    assert find_preset(url) == folder
    (message,) = warnings()
    assert "Connection refused): working offline, with the last download" in message
    (folder / "source.model").write_bytes(b"damaged")
    with pytest.raises(ValueError, match=f"{url}: source.model is damaged"):
        find_preset(url)


def test_offline_without_a_download(cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/names"
        with pytest.raises(ConnectionError) as raised:
            find_preset(url)
    message = str(raised.value)
    assert message.startswith(f"{url} cannot be reached (") and "\n" not in message
    assert f"no earlier download in {cache}. Connect to the network" in message
    assert not cache.exists()


@pytest.mark.parametrize("file", ["preset.json", "model.keras"])
@pytest.mark.parametrize("status", [404, 401, 403])
def test_what_the_server_does_not_have(server, url, cache, file, status):
    server.statuses[f"{FOLDER}/{file}"] = status
    with pytest.raises(FileNotFoundError) as raised:
        find_preset(url)
    message = str(raised.value)
    assert message.startswith(f"{url}/{file}: the server has no such file")
    assert str(status) in message and "holds preset.json" in message
    assert [x for x in cache.rglob("*") if x.is_file()] == []


@pytest.mark.parametrize("cut", [0, 100_000])
def test_an_interrupted_download_is_not_used(server, url, cache, cut):
    server.cut[f"{FOLDER}/model.keras"] = cut
    with pytest.raises(ConnectionError) as raised:
        find_preset(url)
    message = str(raised.value)
    assert message.startswith(f"{url}: the download of model.keras was interrupted")
    assert f"({cut:,} of 179,200 bytes)" in message and "Try again" in message
    assert [x for x in cache.rglob("*") if x.is_file()] == []
    server.cut.clear()
    assert (find_preset(url) / "model.keras").read_bytes() == CONTENTS["model.keras"]


def test_a_failing_server_interrupts(server, url):
    server.statuses[f"{FOLDER}/target.model"] = 500
    with pytest.raises(ConnectionError, match=r"target.model was interrupted \(500 "):
        find_preset(url)


def test_an_interrupted_manifest_is_no_preset(server, url):
    server.cut[f"{FOLDER}/preset.json"] = 10
    with pytest.raises(ValueError, match="its preset.json must be .*no JSON"):
        find_preset(url)


@pytest.mark.parametrize("content", [b"x" * 179_200, b"longer" * 10**6])
def test_a_file_with_another_checksum_is_refused(server, url, cache, content):
    server.files[f"{FOLDER}/model.keras"] = content
    with pytest.raises(ValueError, match=f"{url}: model.keras is damaged or was ch"):
        find_preset(url)
    assert [x for x in cache.rglob("*") if x.is_file()] == []


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda x: x.update(format=2), "format 2.*pip install --upgrade"),
        (lambda x: x["files"].update({"../../x": x["files"].pop("model.keras")}),
         r"Received: '\.\./\.\./x'"),
        (lambda x: x["files"].update({"code.py": x["files"]["model.keras"]}),
         "Received: 'code.py'"),
        (lambda x: x["files"]["model.keras"].update(bytes=10**13), "must have at most"),
    ],
)  # fmt: skip
def test_manifests_are_refused_before_a_file_is_read(server, url, change, match):
    edit(server, change)
    with pytest.raises(ValueError, match=match):
        find_preset(url)
    assert server.requests == [f"{FOLDER}/preset.json"]


def test_a_manifest_has_a_size(server, url):
    server.files[f"{FOLDER}/preset.json"] = b" " * 100_001
    with pytest.raises(ValueError, match="at most 100,000 bytes"):
        find_preset(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/names",
        "ftp://example.org/names",
        "file:///names",
        "https://example.org/names?token=1",
        "https://example.org/names#1",
        "https://example.org/größe",
        "https://example.org/two words",
    ],
)
def test_other_urls_are_refused(url):
    with pytest.raises(ValueError, match="must be https://HOST/FOLDER") as raised:
        find_preset(url)
    assert repr(url) in str(raised.value)


def test_redirects_are_followed_only_to_where_a_request_may_go(server, url):
    server.redirects["/old/preset.json"] = f"{url}/preset.json"
    for name in LOADED:
        server.redirects[f"/old/{name}"] = f"{url}/{name}?signed=1"
        server.files[f"{FOLDER}/{name}?signed=1"] = CONTENTS[name]
    assert (find_preset(f"{server.url}/old") / "model.keras").is_file()
    server.redirects["/bad/preset.json"] = "http://example.org/names/preset.json"
    with pytest.raises(ValueError, match=r"Received: 'http://example\.org/names/pre"):
        find_preset(f"{server.url}/bad")
    # What is elsewhere may not lead to a server on this machine.
    (handler,) = (x for x in vars(url_module).values() if is_redirect_handler(x))
    request = urllib.request.Request("https://example.org/names/preset.json")
    with pytest.raises(ValueError, match="must lead to https. Received: 'http://local"):
        handler().redirect_request(request, None, 302, "", {}, "http://localhost/x")


def is_redirect_handler(value):
    redirects = urllib.request.HTTPRedirectHandler
    return isinstance(value, type) and issubclass(value, redirects)


def test_the_cache_is_in_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("KSEQ2SEQ_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder() == tmp_path / ".cache" / "kseq2seq"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own" / "kseq2seq"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder() == Path(tmp_path, "Library", "Caches", "kseq2seq")
