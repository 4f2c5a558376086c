"""Paths of verbs: folders, and presets by their names."""

import shutil
from pathlib import Path

import pytest

from commands import assert_refused
from file_server import FileServer, running
from kseq2seq import Translator, presets
from kseq2seq.cli import export, loading
from preset_files import save


@pytest.fixture
def loaded(reverser, monkeypatch):
    """The paths that translators were loaded from; none is."""
    paths = []

    def load(path, modules=(), products=None):
        paths.append(path)
        return reverser

    monkeypatch.setattr(loading, "load_translator", load)
    return paths


@pytest.mark.parametrize("verb", ["translate", "score", "evaluate", "plot", "export"])
def test_help_names_presets(call, verb):
    words = [verb, "onnx"] if verb == "export" else [verb]
    text = " ".join(call(*words, "--help").out.split())
    assert "name of a preset: dates, hf://USER/NAME, or the https URL" in text


def test_a_preset_is_translated_with_its_own_search(call):
    translator = Translator.from_preset("dates")
    texts = ["4 mai 1989", "March 4, 2017"]
    out = call("translate", "dates", "--beam", "1", stdin="\n".join(texts)).out
    assert out.splitlines() == translator(texts, beam=1)


def test_a_folder_of_the_name_comes_first(call, folder, loaded, monkeypatch):
    monkeypatch.chdir(folder.parent)
    shipped = presets.find_preset("dates")
    assert call("translate", "dates", stdin="ab").out == "ba\n"
    shutil.copytree(folder, "dates")
    assert call("translate", "dates", stdin="ab").out == "ba\n"
    assert loaded == [shipped, Path("dates")]


def test_a_url_is_downloaded_for_every_verb(call, tmp_path, loaded, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KSEQ2SEQ_CACHE", str(tmp_path / "cache"))
    preset = presets.write_preset(tmp_path / "preset", save)
    written = []
    formats = [x._replace(write=lambda *x: written.append(x)) for x in export.FORMATS]
    monkeypatch.setattr(export, "FORMATS", formats)
    with running(FileServer()) as server:
        for path in preset.iterdir():
            server.files[f"/names/{path.name}"] = path.read_bytes()
        url = f"{server.url}/names"
        assert call("translate", url, stdin="ab").out == "ba\n"
        assert call("score", url, stdin="ab\tc").out == "-2.000000\t1\n"
        (tmp_path / "pairs.tsv").write_text("ab\tba\n")
        assert call("evaluate", url, "--tsv", "pairs.tsv").code == 0
        assert call("plot", url, "--text", "a", "--output", "a.png").code == 0
        assert {*loaded} == {presets.find_preset(url)}
        call("export", url)
        call("export", "onnx", "dates")
    assert [str(x[1]) for x in written] == ["saved_models/names", "onnx_models/dates"]
    assert call("translate", url, stdin="ab").out == "ba\n"  # nobody listens there
    shutil.rmtree(tmp_path / "cache")
    result = call("translate", url)
    assert_refused(
        result, rf"translate: {url} cannot be reached \(.*Connect to the net"
    )


def test_what_is_no_model_names_presets(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(call("translate", "nothing"), "or a preset, dates or hf://U")
    assert_refused(call("translate", "hf://nothing"), "must be hf://USER/NAME")
    assert_refused(call("serve", "dates"), "is a preset: .* 'kseq2seq export dates'")
