"""`kseq2seq transcribe`, and the other verbs with a model of recordings."""

import json

import numpy as np
import pytest

import kseq2seq
from commands import assert_refused
from kseq2seq import Search, Transcriber, layers
from kseq2seq.tokenizers import train_tokenizer
from reference import randomize
from waves import write_recordings

TEXTS = ["ab", "c", "bca"]
SEARCH = {"beam_size": 2, "max_length": 5}


def make(frame_size, log_mel=None):
    tokenizer = train_tokenizer(["abc"], kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_frame_size=frame_size,
        target_vocabulary_size=tokenizer.vocabulary_size,
        units=6,
        embedding_size=5,
        convolutions=1,
    )
    model = kseq2seq.build_model(config)
    randomize(model, seed=5)
    return Transcriber(model, tokenizer, log_mel)


@pytest.fixture(scope="module", name="transcriber")
def transcriber_():
    return make(11, layers.LogMel(11, 8000))


@pytest.fixture(scope="module", name="speech")
def speech_(transcriber, tmp_path_factory):
    """A folder with recordings, their table and a run."""
    folder = tmp_path_factory.mktemp("speech")
    write_recordings(folder, TEXTS)
    transcriber.save(folder / "run")
    settings = {"search": SEARCH, "training": {"metrics": ["word_error_rate"]}}
    (folder / "run" / "settings.json").write_text(json.dumps(settings))
    return folder


@pytest.fixture(scope="module", name="expected")
def expected_(speech, transcriber):
    paths = [speech / f"{n}.wav" for n in range(3)]
    search = Search(num_hypotheses=2, **SEARCH)
    return transcriber.transcribe(paths, search, alignments=False)


@pytest.fixture(name="traced")
def traced_(transcriber, monkeypatch):
    """Has the run loaded, with the graphs of searches that were made before."""
    monkeypatch.setattr(Transcriber, "load", lambda path: transcriber)
    return transcriber


def test_help_offers_no_presets_which_read_texts(call):
    assert "preset" not in call("transcribe", "--help").out


def test_files_are_written_down(call, speech, traced, expected, tmp_path):
    run, paths = speech / "run", [speech / f"{n}.wav" for n in (2, 0)]
    texts = [best.text for best, *_ in expected]
    assert call("transcribe", run, *paths).out == f"{texts[2]}\n{texts[0]}\n"
    table, output = speech / "all.tsv", tmp_path / "out"
    for before in ([], paths[:1]):  # files stand behind options, too
        behind = paths[len(before) :]
        assert call("transcribe", run, *before, "--output", output, *behind).code == 0
        assert output.read_text() == f"{texts[2]}\n{texts[0]}\n"
    options = ["--n-best", 2, "--output", output]
    assert call("transcribe", run, "--input", table, *options).code == 0
    lines = [line.split("\t") for line in output.read_text().splitlines()]
    assert [(name, text) for name, _, text in lines] == [
        (f"{n}.wav", row.text) for n, rows in enumerate(expected) for row in rows
    ]
    table = tmp_path / "named.csv"
    table.write_text(f'id,path\n1,"{paths[1]}"\n2,{paths[0]}\n')
    result = call("transcribe", run, "--input", table, "--column", "path")
    assert result.out == f"{texts[0]}\n{texts[2]}\n"
    plain = tmp_path / "plain.csv"
    plain.write_text(f'"{paths[1]}",one\n{paths[0]},"two, too"\n')
    result = call("transcribe", run, "--input", plain)
    assert result.out == f"{texts[0]}\n{texts[2]}\n"
    (tmp_path / "empty.tsv").write_text("\n")
    refused = call("transcribe", run, "--input", tmp_path / "empty.tsv")
    assert_refused(refused, "empty.tsv: no files to transcribe")
    result = call("transcribe", run, "--input", table, "--column", 1)
    assert_refused(
        result, "path: there is no such file. Expected paths from .* of the table"
    )
    result = call("transcribe", run, "--alignments", stdin=f"{paths[0]}\n\n")
    content = json.loads(result.out)
    ((best,),) = traced.transcribe([paths[0]], Search(**SEARCH))
    (row,) = content["transcriptions"]
    assert content["file"] == str(paths[0])
    assert (row["text"], row["times"]) == (best.text, best.times)
    np.testing.assert_allclose(row["alignment"], best.alignment, atol=1e-5)


def test_frames_are_written_down(call, tmp_path):
    transcriber, path = make(3), tmp_path / "a.npy"
    np.save(path, np.random.default_rng(0).normal(size=(7, 3)))
    transcriber.save(tmp_path / "run")
    (tmp_path / "a.tsv").write_text("a.npy\tab\n")
    ((best,),) = transcriber.transcribe([path], Search(beam_size=1, max_length=5))
    options = ["--beam", 1, "--max-length", 5]
    assert call("transcribe", tmp_path / "run", path, *options).out == f"{best.text}\n"
    ((log_prob, _),) = transcriber.score([(path, "ab")])
    result = call("score", tmp_path / "run", "--input", tmp_path / "a.tsv")
    assert float(result.out.split("\t")[0]) == pytest.approx(log_prob, abs=1e-4)
    assert result.err.endswith("in 1 lines)\n")
    table, frames = tmp_path / "table.tsv", tmp_path / "a.tsv"
    call("evaluate", tmp_path / "run", "--tsv", frames, *options, "--table", table)
    row = table.read_text(encoding="utf-8").splitlines()[1].split("\t")
    assert row[:3] == [str(path), "ab", best.text]


def test_other_verbs_take_tables_and_recordings(
    call, speech, traced, expected, tmp_path, monkeypatch
):
    run, table, output = speech / "run", speech / "all.tsv", tmp_path / "texts"
    result = call("evaluate", run, "--tsv", table, "--output", output)
    assert result.code == 0 and result.out.startswith("word_error_rate|")
    assert output.read_text().splitlines() == [best.text for best, *_ in expected]
    picture = tmp_path / "a.png"
    options = ["--recording", speech / "0.wav", "--output", picture]
    assert call("plot", run, *options).code == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    asked = []
    monkeypatch.setattr(Transcriber, "export", lambda _, *x, **y: asked.append((x, y)))
    call("export", run, tmp_path / "saved", "--weights", "int8", "--beam", 3)
    search = Search(**{**SEARCH, "beam_size": 3})
    assert asked == [((tmp_path / "saved", search), {"weights": "int8"})]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["transcribe", "RUN", "no.wav", "no2.wav"], "no.wav, and 1 more: there is no"),
        (["transcribe", "RUN", "--what", "a"], "unrecognized arguments: --what"),
        (["transcribe", "RUN", "a", "--input", "a"], "Give FILE, or --input, not both"),
        (["transcribe", "RUN", "WAV", "--column", 1], "name it by --input. Received:"),
        (["transcribe", "RUN", "WAV", "--shortlist"], "leave out --shortlist, for"),
        (["transcribe", "RUN"], "standard input: no files to transcribe. Expected the"),
        (["translate", "RUN"], "reads recordings or frames, not texts: use 'kseq2seq"),
        (["export", "onnx", "RUN", "OUT"], "reads recordings or frames, not texts"),
        (["score", "RUN"], "name a table of paths and texts by --input"),
        (["score", "RUN", "--input", "a", "--workers", 2], "leave out --workers, for"),
        (["evaluate", "RUN", "--source", "a"], "leave out --source, for models of"),
        (["evaluate", "RUN", "--tsv", "a", "--features", 0], "leave out --features, f"),
        (
            ["evaluate", "RUN", "--tsv", "a", "--header", "true"],
            "leave out --header, f",
        ),
        (["evaluate", "RUN", "--tsv", "a", "--quoting", "false"], "out --quoting, for"),
        (["export", "RUN", "OUT", "--max-bytes", 7], "leave out --max-bytes, for"),
        (["export", "RUN", "OUT", "--ensemble-weights", 2], "out --ensemble-weights,"),
        (
            ["plot", "RUN", "--recording", "no.wav", "--output", "a.png"],
            "no such file. Exp",
        ),
    ],
)
def test_what_a_model_of_recordings_refuses(call, speech, tmp_path, arguments, match):
    names = {"RUN": speech / "run", "WAV": speech / "0.wav", "OUT": tmp_path / "out"}
    result = call(*(names.get(x, x) for x in arguments))
    assert_refused(result, match)


def test_a_model_of_texts_refuses_recordings(call, run, speech):
    result = call("transcribe", run, speech / "0.wav")
    assert_refused(result, "reads texts, not recordings: use 'kseq2seq translate'")
