"""Names of presets: which of them comes first, and what is said of no name."""

import shutil
import zipfile

import pytest

from kseq2seq.presets import (
    check_preset,
    find_preset,
    is_preset_name,
    preset_label,
    shipped_presets,
)


@pytest.mark.parametrize("name", shipped_presets())
def test_presets_that_come_along_are_whole_and_small(name):
    folder = find_preset(name)
    check_preset(folder)
    assert sum(x.stat().st_size for x in folder.iterdir()) <= 1_500_000
    assert f'from_preset("{name}")' in (folder / "README.md").read_text("utf-8")


def test_a_folder_of_the_name_comes_first(preset, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_preset_name("dates")
    shutil.copytree(preset, "dates")
    assert not is_preset_name("dates")
    assert find_preset("dates").resolve() == tmp_path / "dates"
    assert find_preset(tmp_path / "dates") == tmp_path / "dates"
    (tmp_path / "dates" / "source.model").write_text("other")
    with pytest.raises(ValueError, match="dates: source.model is damaged"):
        find_preset("dates")


@pytest.mark.parametrize("name", ["nothing", "no/such/folder"])
def test_an_unknown_name_lists_the_names_and_other_spellings(name):
    with pytest.raises(FileNotFoundError) as raised:
        find_preset(name)
    message = str(raised.value)
    assert repr(name) in message
    for spelling in (*shipped_presets(), "hf://USER/NAME", "https URL", "path"):
        assert spelling in message


def test_labels_are_the_last_part():
    assert preset_label("https://example.org/models/names/") == "names"
    assert preset_label("hf://a/names@v1.0") == "names"
    assert preset_label("runs/names") == preset_label("names") == "names"


def test_older_keras_can_read_what_comes_along():
    """Keras 3.12, the last one for Python 3.10, refuses settings that it lacks."""
    with zipfile.ZipFile(find_preset("dates") / "model.keras") as archive:
        config = archive.read("config.json").decode()
    assert '"class_name": "Embedding"' in config
    for name in ("quantization_config", "input_axes", "output_axes"):
        assert f'"{name}": null' not in config
