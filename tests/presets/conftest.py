"""A preset, and an empty cache of downloads."""

import pytest

from kseq2seq.presets import write_preset
from preset_files import save


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "preset", save)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KSEQ2SEQ_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
