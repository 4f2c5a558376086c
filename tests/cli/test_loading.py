"""Models that verbs load: layers of one's own by `--import`, and SavedModels."""

import importlib.util
import io
import json
import os
import subprocess
import sys

import pytest

import kseq2seq
from commands import assert_refused
from kseq2seq.cli import loading, main
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


def test_the_module_is_found_in_the_working_directory(folder):
    """In a process that knows nothing of it yet; without it the remedy is named."""
    # As installed: the working directory is on no path.
    program = """if True:
        import io, sys
        sys.path.remove('')
        from kseq2seq import cli
        command, codes = ["translate", "run", "--max-length=7", "--beam=1"], []
        for more in ([], ["--import", "mechanism_of_mine"]):
            sys.stdin = io.TextIOWrapper(io.BytesIO(b"ab\\n"))
            codes.append(cli.main([*command, *more]))
        sys.exit(codes != [2, 0])
    """
    process = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    error = process.stderr
    assert process.returncode == 0, error
    assert process.stdout.count("\n") == 1
    assert error.startswith("kseq2seq translate: run: its model has a layer of class ")
    assert "ColdAttention" in error and "--import MODULE" in error
    assert error.count("\n") == 1


def test_a_training_has_a_mechanism_of_ones_own(folder, tmp_path):
    """Whose word is in the table once the module is imported."""
    table = "kseq2seq.layers.MECHANISMS['cold'] = kseq2seq.layers.Mechanism"
    factory = "lambda units: lambda **options: ColdAttention(units, **options)"
    entry = f"{table}('Cold', {factory})\n"
    (tmp_path / "cold.py").write_text(f"{MODULE}\n{entry}")
    rows = "".join(f"{x}b\tb{x}\n" for x in "abcdefghijklmnopqrstu")
    (tmp_path / "pairs.tsv").write_text(rows)
    settings = '[data]\nformat = "tsv"\ntrain = "pairs.tsv"\n[model]\nunits = 4\n'
    (tmp_path / "own.toml").write_text(f'{settings}attention = "cold"\n')
    command = ["train", "own.toml", "--data", "."]
    command += ["--set=training.epochs=1", "--set=tokenizer.kind=character"]
    command += ["--set=search.beam_size=1"]
    program = """if True:
        import sys
        from kseq2seq import cli
        given, codes = sys.argv[1:], []
        for more in ([], ["--import", "cold"]):
            sys.argv[1:] = [*given, *more]
            codes.append(cli.main())
        sys.exit(codes != [2, 0])
    """
    process = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr.count("`attention` must be one of") == 1
    record = json.loads((tmp_path / "runs" / "own" / "training.json").read_text())
    assert record["starts"][0]["command"].endswith("--import cold")


def test_a_module_that_is_not_there_is_named(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"ab\n")))
    assert main(["translate", str(folder / "run"), "--import", "mine.py"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("kseq2seq translate: --import mine.py: No module named")
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", ["", "./mine.py", ".mine", "two words"])
def test_what_is_no_name_of_a_module_is_refused(name):
    with pytest.raises(ValueError, match="is no name of a module. Name a module as in"):
        loading.load_translator("run", [name])


@pytest.mark.parametrize("version", [".", "12"])
def test_a_saved_model_is_asked_for_no_more_than_it_gives(
    call, tmp_path, reverser, version
):
    saved = tmp_path / "saved"
    (saved / version).mkdir(parents=True)
    (saved / version / "saved_model.pb").touch()
    assert call("translate", saved, stdin="ab").out == "ba\n"
    assert reverser.searches == [None]
    for arguments in (
        ["translate", saved, "--beam", "3"],
        ["translate", saved, "--alignments", "--n-best", "2"],
        ["translate", saved, "--max-length-offset", "1"],
        ["evaluate", saved, "--tsv", "x", "--length-penalty", "1"],
    ):
        assert_refused(call(*arguments), "is a SavedModel, which searches as it was")
    assert_refused(call("export", saved), "is a SavedModel: give the run folder")
    actual = call("translate", saved, "--n-best", "2", stdin="ab").out
    assert actual == "1\t0.0000\tba\n1\t-0.1250\tba'\n"
    assert call("score", saved, stdin="ab\tc").out == "-2.000000\t1\n"
    plot = ["plot", saved, "--history", "--output", "x.png"]
    assert_refused(call(*plot), "is a SavedModel: give the run folder")
