"""`--import`: run folders with layers of one's own, from the command."""

import importlib.util
import io
import os
import subprocess
import sys

import pytest

import kseq2seq
from kseq2seq.cli import main
from paths import ROOT

MODULE = """
import keras
import kseq2seq


@keras.saving.register_keras_serializable(package="mine")
class ColdAttention(kseq2seq.layers.BahdanauAttention):
    pass
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run folder, and the module of its attention beside it."""
    folder = tmp_path_factory.mktemp("mine")
    path = folder / "mechanism_of_mine.py"
    path.write_text(MODULE)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    mine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mine)
    pairs = [("ab", "ba"), ("cab", "bac")]
    source, target = kseq2seq.train_tokenizers(pairs, kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        units=6,
        embedding_size=3,
    )
    model = kseq2seq.build_model(config, attention=mine.ColdAttention(7))
    kseq2seq.Translator(model, source, target).save(folder / "run")
    return folder


def command(folder, *arguments, code=0):
    """The command in a process of its own, which knows nothing of the module yet."""
    # As installed: the working directory is on no path.
    start = "import sys; sys.path.remove(''); from kseq2seq import cli; "
    start += "sys.exit(cli.main(sys.argv[1:]))"
    process = subprocess.run(
        [sys.executable, "-c", start, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input="ab\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == code, process.stderr
    return process


def test_the_module_is_found_in_the_working_directory(folder):
    arguments = "translate", "run", "--max-length=7", "--import", "mechanism_of_mine"
    translated = command(folder, *arguments)
    assert translated.stdout.count("\n") == 1 and not translated.stderr


def test_without_it_the_class_is_named_and_the_remedy(folder):
    error = command(folder, "translate", "run", code=2).stderr
    assert error.startswith("kseq2seq translate: run: its model has a layer of class ")
    assert "ColdAttention" in error and "--import MODULE" in error
    assert error.count("\n") == 1


def test_a_module_that_is_not_there_is_named(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ab\n")))
    assert main(["translate", str(folder / "run"), "--import", "mine.py"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("kseq2seq translate: --import mine.py: No module named")
    assert error.count("\n") == 1
