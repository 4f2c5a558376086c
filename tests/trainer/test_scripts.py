"""The plain scripts of `training/`, on a few hundred pairs."""

import importlib.util
import itertools
import random

import pytest

from kseq2seq import presets
from paths import ROOT
from translators import TEXTS, tiny_translator

NAMES = ("keras_blog", "keras_blog_attention")


def load(name):
    path = ROOT / "training" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_a_script_trains_and_translates(name, tmp_path, capsys):
    # As in fra.txt, with a column that nobody needs.
    words = ["".join(letters) for letters in itertools.product("abcdefg", repeat=2)] * 6
    random.Random(0).shuffle(words)
    rows = [f"{word}\t{word.upper()}!\tlicence\n" for word in words]
    (tmp_path / "fra.txt").write_text("".join(rows))
    options = ["--pairs", "290", "--epochs", "40", "--units", "48"]
    load(name).main([str(tmp_path / "fra.txt"), *options])
    out = capsys.readouterr().out
    assert out.count("loss:") == 40
    lines = [line.split("\t") for line in out.splitlines()[-10:]]
    assert [text for text, *_ in lines] == words[:10]
    # What is written by steps is right if they are those of the training.
    right = [written == wanted == f"{text.upper()}!" for text, written, wanted in lines]
    assert sum(right) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_a_script_is_short_and_has_help(name, capsys):
    module = load(name)
    with pytest.raises(SystemExit) as error:
        module.main(["--help"])
    assert error.value.code == 0
    assert "--epochs" in capsys.readouterr().out
    text = (ROOT / "training" / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 70


def test_a_preset_is_made_of_a_run_folder(tmp_path, capsys):
    run, folder = tmp_path / "run", tmp_path / "preset"
    tiny_translator().save(run)
    (tmp_path / "texts").write_text("\n".join(filter(None, TEXTS)))
    arguments = [str(run), str(folder), "--texts", str(tmp_path / "texts")]
    for _ in range(2):  # the second time in the place of the first
        load("make_preset").main(arguments)
        presets.check_preset(folder)
        size = sum(path.stat().st_size for path in folder.iterdir())
        wanted = f"{folder}: {size:,} bytes; 0 of 5 texts differ\n"
        assert capsys.readouterr().out == wanted
