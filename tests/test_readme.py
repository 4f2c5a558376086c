"""The README's Python runs as it stands, from top to bottom."""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from kseq2seq import cli
from paths import ROOT

README = ROOT / "README.md"


def blocks(language):
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, README.read_text(encoding="utf-8"), re.M | re.S)


def test_python_blocks_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    committed = Path("saved_models", "dates")
    shutil.copytree(README.parent / committed, committed)
    found = blocks("python")
    assert len(found) >= 3
    namespace = {}
    for block in found:
        exec(compile(block, "README.md", "exec"), namespace)
    assert namespace["alignment_model"].output_shape == (None, None, None)
    assert (tmp_path / "saved_models" / "my_dates" / "1" / "saved_model.pb").is_file()
    assert "['1969-07-20']\n" in capsys.readouterr().out


def commands():
    """The words of every call of `kseq2seq`, without what the shell does."""
    text = "\n".join(blocks("console")).replace("\\\n", " ")
    for call in re.findall(r"\bkseq2seq ([^<|>\n]*)", text):
        yield shlex.split(call)


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_commands_are_known(words):
    options = cli.make_parser().parse_args(words)
    assert options.verb == words[0]


def test_files_named_in_the_layout_exist():
    layout = README.read_text(encoding="utf-8").partition("## How the code")[2]
    names = re.findall(r"`([a-z_0-9/]+(?:\.py|/))`", layout)
    assert len(names) > 20
    root = README.parent
    folders = [root, *(root / name for name in ("kseq2seq", "training", "tests"))]
    folders.append(root / "kseq2seq/layers")
    for name in names:
        assert any((folder / name).exists() for folder in folders), name
