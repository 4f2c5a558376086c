"""The manifest: what it lists, and what is refused before anything is loaded."""

import json
import subprocess

import pytest

from kseq2seq.presets import check_preset, read_manifest, write_preset
from preset_files import CONTENTS, LOADED, save

DIGEST = "0" * 64
ENTRY = {"bytes": 3, "sha256": DIGEST}


def manifest(entries=None, **changes):
    files = {**dict.fromkeys(LOADED, ENTRY), **(entries or {})}
    return json.dumps({"format": 1, "files": files, **changes}).encode()


def test_sizes_and_checksums_are_those_of_other_tools(preset):
    files = json.loads((preset / "preset.json").read_text())["files"]
    assert [*files] == LOADED  # the card may be edited
    for name, entry in files.items():
        command = ["sha256sum", preset / name]
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        assert entry["sha256"] == told.stdout.split()[0]
        assert entry["bytes"] == len(CONTENTS[name])


def test_records_of_the_run_are_copied_and_others_are_not(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    for name in ("settings.json", "scores.json", "translations.txt", "preset.json"):
        (run / name).write_text("{}")
    preset = write_preset(tmp_path / "preset", save, run)
    files = json.loads((preset / "preset.json").read_text())["files"]
    assert [*files] == [*LOADED, "settings.json", "scores.json"]
    assert {x.name for x in preset.iterdir()} == {*files, "README.md", "preset.json"}
    check_preset(preset)


def test_a_preset_is_written_whole_or_not_at_all(tmp_path):
    def fail(folder):
        save(folder)
        raise RuntimeError("full")

    with pytest.raises(RuntimeError, match="full"):
        write_preset(tmp_path / "new" / "preset", fail)
    assert [*(tmp_path / "new").iterdir()] == []
    (tmp_path / "empty").mkdir()
    check_preset(write_preset(tmp_path / "empty", save))
    with pytest.raises(FileExistsError, match="empty must not exist yet.*with files"):
        write_preset(tmp_path / "empty", save)


def test_a_file_that_no_preset_has_is_not_written(tmp_path):
    def save_more(folder):
        save(folder)
        (folder / "code.py").touch()

    with pytest.raises(ValueError, match="no files but those.*Received: code.py"):
        write_preset(tmp_path / "preset", save_more)
    assert [*tmp_path.iterdir()] == []


def test_a_changed_card_and_other_files_change_nothing(preset):
    (preset / "README.md").write_text("# Mine")
    (preset / "code.py").write_text("raise SystemExit")
    check_preset(preset)


@pytest.mark.parametrize("name", LOADED)
def test_a_changed_file_is_refused(preset, name):
    content = bytearray((preset / name).read_bytes())
    content[-1] ^= 1
    (preset / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is damaged or was changed. Exp") as e:
        check_preset(preset, "hf://a/b")
    assert str(e.value).startswith("hf://a/b: ") and "download" in str(e.value)
    (preset / name).write_bytes(content[:-1])
    with pytest.raises(ValueError, match=rf"Received: {len(content) - 1:,} bytes"):
        check_preset(preset)
    (preset / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"{name} is missing.*anew"):
        check_preset(preset)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\xff", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "JSON of type list"),
        (b"{}", "a format of None"),
        (manifest(format=0), "a format of 0"),
        (manifest(format=2), "format 2.*reads format 1: run 'pip install --upgrade"),
        (manifest(format=2, files=None), "run 'pip install --upgrade kseq2seq'"),
        (manifest(files=[]), "no such files"),
        (manifest(files={"model.keras": ENTRY}), "none of source.model"),
        (manifest({"code.py": ENTRY}), "Received: 'code.py'"),
        (manifest({"../model.keras": ENTRY}), r"Received: '\.\./model\.keras'"),
        (manifest({"/etc/passwd": ENTRY}), "Received: '/etc/passwd'"),
        (manifest({"model.pkl": ENTRY}), "Received: 'model.pkl'"),
        (manifest({"model.keras": None}), "bytes=None of model.keras"),
        (manifest({"model.keras": {**ENTRY, "bytes": -1}}), "bytes=-1"),
        (manifest({"model.keras": {**ENTRY, "bytes": True}}), "bytes=True"),
        (manifest({"model.keras": {**ENTRY, "sha256": "0"}}), "sha256='0'"),
        (manifest({"model.keras": {**ENTRY, "sha256": None}}), "sha256=None"),
        (
            manifest({"model.keras": {**ENTRY, "bytes": 10**10}}),
            "at most 4,294,967",
        ),
    ],
)
def test_what_is_no_manifest_is_refused_with_the_remedy(content, match):
    with pytest.raises(ValueError, match=f"(?s)^given.*{match}") as raised:
        read_manifest(content, "given")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("file", "match"),
    [
        ("model.keras", r"Received: a run folder\. Load it by `Translator\.load`"),
        ("saved_model.pb", r"Received: a SavedModel\. Load it by `Translator\.load`"),
        ("7/saved_model.pb", "Received: a SavedModel"),
        ("notes.txt", "as `Translator.save_to_preset` writes it"),
    ],
)
def test_a_folder_that_is_no_preset_is_told_by_what_it_is(tmp_path, file, match):
    path = tmp_path / "folder" / file
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(FileNotFoundError, match=f"no preset, which has a .*{match}"):
        check_preset(tmp_path / "folder")
    with pytest.raises(FileNotFoundError, match="nil: there is no such folder"):
        check_preset(tmp_path / "nil")
