"""Presets on the hub, against a server that speaks its API, and its cache alone."""

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from file_server import running
from hub_server import TOKEN, HubServer
from kseq2seq import Translator
from kseq2seq.presets import find_preset, push_hub, write_preset
from kseq2seq.utils import EXTRAS
from paths import ROOT
from preset_files import CONTENTS, LOADED, save
from translators import tiny_translator

NAME = "hf://someone/names"


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The hub, in the place of the one that huggingface_hub knows."""
    from huggingface_hub import constants

    with running(HubServer()) as server:
        template = f"{server.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


@pytest.fixture
def published(hub, preset):
    """The hub with a preset, and others beside it, whose commit is given."""
    others = {"code.py": b"raise SystemExit", "other/model.keras": b"other"}
    return hub.add("someone/names", {**files_of(preset), **others})


def go_offline(monkeypatch, switch):
    from huggingface_hub import constants

    if switch:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    else:
        monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")


def test_files_that_are_loaded_are_downloaded_and_no_others(published, hub):
    folder = find_preset(NAME)
    assert {x.name for x in folder.iterdir()} == {*LOADED, "preset.json"}
    for name in LOADED:
        assert (folder / name).read_bytes() == CONTENTS[name]
    downloads = [x for x in hub.requests if x[0] == "GET" and "/resolve/" in x[1]]
    assert len(downloads) == 4
    assert find_preset(NAME) == folder
    assert len([x for x in hub.requests if x in downloads]) == 4


def test_a_revision_is_a_branch_or_a_commit(published, hub, preset):
    other = dict(files_of(preset), **{"README.md": b"# Other"})
    hub.add("someone/names", other, branch="v2")
    assert find_preset(f"{NAME}@v2").name != published
    assert find_preset(f"{NAME}@{published}").name == published
    with pytest.raises(FileNotFoundError, match="no revision 'v3'.*leave out @v3"):
        find_preset(f"{NAME}@v3")


@pytest.mark.parametrize("switch", [True, False], ids=["HF_HUB_OFFLINE", "no network"])
def test_offline_the_cache_is_enough_and_it_is_told(
    published, hub, monkeypatch, caplog, switch
):
    folder = find_preset(NAME)
    go_offline(monkeypatch, switch)
    caplog.set_level(logging.WARNING, "kseq2seq")
    assert find_preset(NAME) == folder
    (message,) = [x.getMessage() for x in caplog.records if x.name == "kseq2seq"]
    assert message.startswith(f"{NAME} cannot be reached (")
    assert f"working offline, with the last download, {folder}" in message
    with pytest.raises(ConnectionError, match="no complete download.*Connect to the"):
        find_preset("hf://someone/else")


def test_a_hub_that_is_down_is_as_none(published, hub, caplog):
    folder = find_preset(NAME)
    hub.status = 500
    assert find_preset(NAME) == folder
    assert "working offline" in caplog.text


def test_what_the_hub_does_not_have(hub):
    with pytest.raises(FileNotFoundError) as raised:
        find_preset("hf://nobody/nothing")
    message = str(raised.value)
    assert message.startswith("hf://nobody/nothing: the hub has no such model")
    assert "hf auth login" in message and "\n" not in message
    hub.add("someone/bert", {"config.json": b"{}", "model.safetensors": b"x"})
    with pytest.raises(FileNotFoundError, match=r"bert is no preset.*preset\.json"):
        find_preset("hf://someone/bert")
    assert not [x for x in hub.requests if "/resolve/" in x[1]]


@pytest.mark.parametrize(
    "name",
    [
        "hf://",
        "hf://names",
        "hf://a/b/c",
        "hf://a/b@",
        "hf://a/../b",
        "hf://a/b..c",
        "hf://a b",
    ],
)
def test_other_spellings_are_refused(hub, name):
    with pytest.raises(ValueError, match="must be hf://USER/NAME"):
        find_preset(name)


def test_a_changed_file_is_refused(preset, hub):
    hub.add("someone/names", {**files_of(preset), "source.model": b"changed"})
    with pytest.raises(ValueError, match=f"^{NAME}: source.model is damaged or was"):
        find_preset(NAME)


def test_large_files_are_refused_before_they_are_read(published, hub, monkeypatch):
    from kseq2seq.presets import manifest

    monkeypatch.setattr(manifest, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="model.keras must have at most 1,000 bytes"):
        find_preset(NAME)
    assert not [x for x in hub.requests if "/resolve/" in x[1]]


def test_an_interrupted_download_is_not_used(published, hub, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 1)
    monkeypatch.setattr("time.sleep", lambda _: None)  # between its attempts
    hub.cut["model.keras"] = 1000
    with pytest.raises(ConnectionError, match=f"^{NAME}: the download was interrupted"):
        find_preset(NAME)
    with monkeypatch.context() as patch:
        go_offline(patch, True)
        with pytest.raises(ConnectionError, match="no complete download of it"):
            find_preset(NAME)
    hub.cut.clear()
    assert (find_preset(NAME) / "model.keras").read_bytes() == CONTENTS["model.keras"]


def test_a_preset_is_pushed_with_its_card(hub, caplog):
    def write(folder):
        write_preset(folder, save)

    name = push_hub(NAME, write, private=True)
    commit = hub.models["someone/names"]["branches"]["main"]
    assert name == f"{NAME}@{commit}"
    files = hub.models["someone/names"]["commits"][commit]
    assert {*files} - {".gitattributes"} == {*CONTENTS, "preset.json"}
    assert {x: files[x] for x in CONTENTS} == CONTENTS
    assert hub.private["someone/names"] in (True, "private")
    assert find_preset(name).name == commit
    assert push_hub(NAME, write) == name  # of the same content


def test_a_translator_is_pushed_and_loaded_again(hub):
    translator = tiny_translator()
    name = translator.push(NAME, weights="float16", licence="cc-by-4.0")
    loaded = Translator.from_preset(NAME)
    weights = loaded.model.get_weights()
    for before, after in zip(translator.model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-6)
    assert loaded.run_folder.name == name.partition("@")[2]
    commits = hub.models["someone/names"]["commits"]
    card = commits[name.partition("@")[2]]["README.md"].decode()
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front) == {
        "library_name": "kseq2seq",
        "tags": ["keras", "seq2seq", "attention"],
        "license": "cc-by-4.0",
    }
    assert "# names\n" in text and f'Translator.from_preset("{NAME}")' in text


def test_an_upload_that_the_hub_refuses(hub, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
    with pytest.raises(OSError, match=f"^{NAME}: the hub did not take .*hf auth login"):
        push_hub(NAME, lambda folder: write_preset(folder, save))
    assert hub.models == {}


def test_nothing_is_written_for_another_name(hub):
    def write(folder):
        raise AssertionError

    with pytest.raises(ValueError, match="must be hf://USER/NAME"):
        push_hub("names", write)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(EXTRAS, "hub", ("no_such_module",))
    with pytest.raises(ValueError, match=r'pip install "kseq2seq\[hub\]"'):
        find_preset(NAME)
    with pytest.raises(ValueError, match=r'pip install "kseq2seq\[hub\]"'):
        push_hub(NAME, print)


def test_the_switches_of_the_hub_are_its_own(published, hub, tmp_path):
    """The environment that users set, in a process of its own."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "PYTHONPATH": str(ROOT),
    }
    code = f"from kseq2seq.presets import find_preset; print(find_preset({NAME!r}))"

    def run(**changes):
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**environment, **changes},
            capture_output=True,
            text=True,
            check=False,
        )

    online = run()
    assert online.returncode == 0, online.stderr
    assert online.stdout.startswith(str(tmp_path / "home"))
    offline = run(HF_HUB_OFFLINE="1")
    assert (offline.returncode, offline.stdout) == (0, online.stdout)
    assert "working offline" in offline.stderr
