"""`--import`: run folders with layers of one's own, from the command."""

import os
import subprocess
import sys

import pytest

from paths import ROOT

MODULE = """
import keras
import kseq2seq


@keras.saving.register_keras_serializable(package="mine")
class ColdAttention(kseq2seq.layers.BahdanauAttention):
    pass
"""
SAVE = """
import kseq2seq
import mechanism_of_mine

pairs = [("ab", "ba"), ("cab", "bac")]
source, target = kseq2seq.train_tokenizers(pairs, kind="character")
config = kseq2seq.Seq2SeqConfig(
    source_vocabulary_size=source.vocabulary_size,
    target_vocabulary_size=target.vocabulary_size,
    units=6,
    embedding_size=3,
)
attention = mechanism_of_mine.ColdAttention(7)
model = kseq2seq.build_model(config, attention=attention)
kseq2seq.Translator(model, source, target).save("run")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mine")
    (folder / "mechanism_of_mine.py").write_text(MODULE)
    run(folder, "-c", SAVE)
    return folder


def run(folder, *arguments, code=0):
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input="ab\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == code, process.stderr
    return process


def command(folder, *arguments, code=0):
    # As installed: the working directory is on no path.
    start = "import sys; sys.path.remove(''); from kseq2seq import cli; "
    start += "sys.exit(cli.main(sys.argv[1:]))"
    return run(folder, "-c", start, *arguments, code=code)


def test_the_module_is_found_in_the_working_directory(folder):
    arguments = "translate", "run", "--max-length=7", "--import", "mechanism_of_mine"
    translated = command(folder, *arguments)
    assert translated.stdout.count("\n") == 1 and not translated.stderr


def test_without_it_the_class_is_named_and_the_remedy(folder):
    error = command(folder, "translate", "run", code=2).stderr
    assert error.startswith("kseq2seq translate: run: its model has a layer of class ")
    assert "ColdAttention" in error and "--import MODULE" in error
    assert error.count("\n") == 1


def test_a_module_that_is_not_there_is_named(folder):
    error = command(folder, "translate", "run", "--import", "mine.py", code=2).stderr
    assert error.startswith("kseq2seq translate: --import mine.py: No module named")
    assert error.count("\n") == 1
