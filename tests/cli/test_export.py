"""`kseq2seq export`: a subcommand for each format, or none."""

import json
from pathlib import Path

import numpy as np
import pytest

import kseq2seq
from commands import assert_refused
from kseq2seq.cli import export
from kseq2seq.models import build_language_model


def test_several_runs_are_exported_as_one(call, run, tmp_path, export_only):
    export_only("serving_default", "encode", "nbest", "translate_align")
    arguments = ["--ensemble", run, "--weights", "int8", "--n-best", "2"]
    arguments += ["--ensemble-weights", "2", "1"]
    limits = ["--max-bytes", "9", "--max-tokens", "7"]
    size = kseq2seq.Tokenizer.load(run / "target.model").vocabulary_size
    model = build_language_model(size, embedding_size=3, units=5)
    model.save(tmp_path / "language_model.keras")
    limits += ["--language-model", tmp_path / "language_model.keras"]
    limits += ["--language-model-weight", "0.25"]
    call("export", run, tmp_path / "two", *arguments, *limits)
    saved = tmp_path / "two" / "1"
    about = json.loads((saved / "assets.extra" / "kseq2seq.json").read_text())
    assert about["weights"] == "int8" and about["search"]["num_hypotheses"] == 2
    assert about["limits"] == {"max_bytes": 9, "max_tokens": 7}
    assert about["language_model_weight"] == 0.25
    card = json.loads((saved / "model_card.json").read_text())
    assert len(card["trainings"]) == 2
    assert about["ensemble_weights"] == card["ensemble_weights"] == [2.0, 1.0]
    readme = (saved / "README.md").read_text()
    assert "an ensemble of 2 models, which count 2 : 1." in readme
    size = len(kseq2seq.Translator.load(run).encode(["ja"])[0].state)
    assert len(kseq2seq.Translator.load(saved).encode(["ja"])[0].state) == 2 * size
    actual = json.loads(call("translate", saved, "--alignments", stdin="ja").out)
    (best,) = actual["translations"]
    assert actual["source_tokens"] == ["j", "a", "</s>"] and best["log_prob"] is None
    assert np.shape(best["alignment"]) == (len(best["tokens"]), 3)
    n_best = call("translate", saved, "--n-best", "2", stdin="ja").out
    assert [line[:2] for line in n_best.splitlines()] == ["1\t", "1\t"]
    result = call("translate", saved, "--n-best", "3", stdin="ja")
    assert_refused(result, "from 1 to 2, as many as were asked for at the export")
    result = call("export", run, tmp_path / "two", "--ensemble", tmp_path)
    assert_refused(result, "holds no model: give a run folder")
    result = call("export", run, tmp_path / "two", "--ensemble-weights", "2", "1")
    assert_refused(result, "a number for each of its 1 models. Received: .2.0, 1.0.")
    result = call("export", run, tmp_path / "two", "--max-bytes", "3")
    assert_refused(result, "`max_bytes` must be an integer of at least 4")


def test_a_run_is_exported_and_the_export_translates_alike(
    call, run, tmp_path, monkeypatch, export_only
):
    export_only("serving_default")
    monkeypatch.chdir(tmp_path)
    result = call("export", run)
    assert result.out == str(Path("saved_models", "small", "1")) + "\n"
    stdin = "ja\n\nnein\n"
    by_run = call("translate", run, stdin=stdin).out
    assert call("translate", "saved_models/small", stdin=stdin).out == by_run


@pytest.mark.parametrize("name", [None, *(x.name for x in export.FORMATS)])
def test_each_format_has_help_with_an_example(call, name):
    words = ["export"] if name is None else ["export", name]
    result = call(*words, "--help")
    assert result.code == 0
    assert f"kseq2seq export {name or 'saved-model'} runs/dates" in result.out


@pytest.fixture
def written(monkeypatch):
    """Options and folders that formats were asked to write; nothing is."""
    calls = []

    def write(options, folder):
        calls.append((options, folder))
        return folder / "7"

    formats = [x._replace(write=write) for x in export.FORMATS]
    monkeypatch.setattr(export, "FORMATS", formats)
    return calls


@pytest.mark.parametrize(
    ("arguments", "name", "folder_"),
    [
        (["RUN"], "saved-model", "saved_models/run"),
        (["RUN", "there"], "saved-model", "there"),
        (["saved-model", "RUN"], "saved-model", "saved_models/run"),
        (["--weights", "int8", "RUN"], "saved-model", "saved_models/run"),
        (["RUN", "--format", "saved_model"], "saved-model", "saved_models/run"),
        (["RUN", "--format=onnx", "there"], "onnx", "there"),
        (["--format", "litert", "RUN"], "litert", "litert_models/run"),
        (["litert", "RUN", "--source-length", "9"], "litert", "litert_models/run"),
    ],
)
def test_a_format_is_named_by_a_subcommand_or_as_of_old(
    call, folder, written, arguments, name, folder_
):
    arguments = [folder if x == "RUN" else x for x in arguments]
    result = call("export", *arguments)
    assert (result.code, result.err) == (0, "")
    ((options, where),) = written
    assert (options.format, where) == (name, Path(folder_))
    assert result.out == f"{where / '7'}\n"


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ([], "export: the following arguments are required: FORMAT"),
        (["onnx"], "export onnx: the following arguments are required: PATH"),
        (["RUN", "--format", "tflite"], "invalid choice: 'tflite' .*saved-model.*onnx"),
        (["onnx", "RUN", "--shortlist"], "onnx: unrecognized .*--shortlist"),
        (["onnx", "RUN", "--weights", "int8"], "onnx: unrecognized .*--weights int8"),
        (["litert", "RUN", "--beam", "2"], "litert: unrecognized arguments: --beam 2"),
        (["RUN", "--source-length", "9"], "saved-model: unrecognized .*--source-l"),
        (["litert", "RUN", "--weights", "int4"], "invalid choice: 'int4'"),
        (["onnx", "absent"], "kseq2seq export: absent is no folder"),
    ],
)
def test_what_a_format_does_not_take_is_refused(
    call, folder, written, arguments, match
):
    arguments = [folder if x == "RUN" else x for x in arguments]
    assert_refused(call("export", *arguments), match)
    assert written == []


def test_a_format_from_outside_is_one_entry(call, folder, monkeypatch):
    mine = export.Format(
        "names",
        "name_models",
        "Write the names of a run's files.",
        "One a line.",
        lambda parser: parser.add_argument("--upper", action="store_true"),
        lambda options, folder: folder / ("RUN" if options.upper else "run"),
    )
    monkeypatch.setattr(export, "FORMATS", (*export.FORMATS, mine))
    assert "write the names of a run's files" in call("export", "--help").out
    result = call("export", "names", folder, "--upper")
    assert result.out == str(Path("name_models", "run", "RUN")) + "\n"
