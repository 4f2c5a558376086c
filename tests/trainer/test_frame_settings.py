"""Trainings on recordings and on files of frames, from their settings."""

import json
import re

import numpy as np
import pytest

from kseq2seq import Transcriber, cli, data, runs, trainer
from waves import write_recordings

TEXTS = ["ab", "bca", "cab", "aabc", "bb", "cc", "abcabc" * 5, "ac", "ba", "cb", "a"]
SETTINGS = """
[data]
format = "wav"
train = "speech/all.tsv"
validation = "speech/all.tsv"
test = "speech/all.tsv"

[log_mel]
num_bands = 11

[tokenizer]
kind = "character"

[batches]
batch_size = 4
buckets = [8]
frame_buckets = [32]

[model]
embedding_size = 5
units = 8
convolutions = 1
encoder_layers = 1
pyramidal_layers = 1
attention = "bahdanau"
spec_augment = {frequency_width = 2, time_width = 3}

[training]
epochs = 1
metrics = ["word_error_rate", "exact_match"]

[search]
beam_size = 1
max_length = 7
"""


@pytest.fixture(scope="module", name="folder")
def folder_(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_recordings(folder / "speech", TEXTS)
    (folder / "speech.toml").write_text(SETTINGS)
    return folder


@pytest.fixture(scope="module", name="run")
def run_(folder):
    """A run folder of a training of one epoch."""
    run = folder / "run"
    arguments = ["train", str(folder / "speech.toml"), "--data", str(folder)]
    assert cli.main([*arguments, "--run", str(run)]) == 0
    return run


def test_a_run_folder_of_recordings(run):
    epochs = runs.read_history(run)
    assert {"val_loss", "val_word_error_rate", "val_alignment"} <= {*epochs}
    assert (run / "alignment.png").read_bytes().startswith(b"\x89PNG")
    assert (run / "curves.png").is_file() and not (run / "source.model").exists()
    scores = json.loads((run / "scores.json").read_text())
    assert scores["sentences"] == len(TEXTS) and "word_error_rate" in scores["scores"]
    assert json.loads((run / "config.json").read_text())["source_frame_size"] == 11
    assert len((run / "translations.txt").read_text().splitlines()) == len(TEXTS)
    log_mel = Transcriber.load(run).log_mel
    assert log_mel.sample_rate == 8000 and log_mel.num_bands == 11


def prepare(folder, name, *changes, **options):
    settings = trainer.read_settings(folder / "speech.toml", changes)
    return trainer.prepare(settings, folder / name, folder, **options)


def test_a_training_of_recordings_is_resumed(run, folder):
    change = "training.epochs=2"
    training = prepare(folder, "run", change, resume=True)
    # One of 11 is too long.
    assert training.progress.step == training.batches.steps_per_epoch == 3
    assert training.source.log_mel.get_config()["sample_rate"] == 8000
    loaded = Transcriber.load(run)
    assert training.target.model == loaded.tokenizer.model
    frames, _ = training.validation[0]
    expected = loaded.frames(folder / "speech" / "0.wav")
    np.testing.assert_allclose(frames, expected, atol=1e-5)
    inputs, labels = next(iter(training.batches.dataset(start=7)))
    assert inputs["frames"].shape[1:] == (32, 11) and labels.shape[1] == 8


def test_files_of_frames_stay_on_the_disk(folder, caplog):
    (folder / "frames").mkdir()
    rng = np.random.default_rng(0)
    for number, text in enumerate(TEXTS):
        np.save(folder / "frames" / f"{number}.npy", rng.normal(size=(len(text), 7)))
    rows = [f"{number}.npy\t{text}\n" for number, text in enumerate(TEXTS)]
    (folder / "frames" / "all.tsv").write_text("".join(rows))
    changes = [
        "data.format=frames",
        "data.train=frames/all.tsv",
        "data.validation=[]",
        "data.test=frames/all.tsv",
        "data.held_out=2",
        "log_mel.num_bands=80",
    ]
    training = prepare(folder, "of_frames", *changes)
    assert training.source.frame_size == 7 and training.source.log_mel is None
    assert len(training.validation) == 2
    assert all(isinstance(frames, data.FrameFile) for frames, _ in training.validation)
    assert "1 of " in caplog.text and "longer than the last bucket, 32" in caplog.text
    # A file that is damaged meanwhile is named, without TensorFlow's words around it.
    for number, text in enumerate(TEXTS):
        path = folder / "frames" / f"{number}.npy"
        np.save(path, np.full((len(text), 7), np.nan))
    with pytest.raises(data.DataError, match=r"^\S*\d.npy: must hold finite numbers"):
        trainer.fit(training)
    for number, text in enumerate(TEXTS):
        path = folder / "frames" / f"{number}.npy"
        np.save(path, np.full((len(text), 7), 1e300))
    training = prepare(folder, "of_large_frames", *changes)
    with pytest.raises(data.DataError, match=r"^\S*\d.npy: .*too large for float32"):
        trainer.fit(training)
    (folder / "frames" / "other.tsv").write_text("../other.npy\tab\n")
    np.save(folder / "other.npy", np.zeros((3, 5)))
    changes[2] = "data.validation=frames/other.tsv"
    with pytest.raises(data.DataError, match=r"other.npy: must have frames of size 7"):
        prepare(folder, "of_frames", *changes, fresh=True)


def test_recordings_of_another_rate_are_told(folder):
    write_recordings(folder / "fast", ["ab"], rate=16000)
    change = "data.validation=fast/all.tsv"
    match = r"0.wav: .*must have 8000 samples a second"
    with pytest.raises(data.DataError, match=match):
        prepare(folder, "other_rate", change)
    change = 'data.train=["speech/all.tsv", "fast/all.tsv"]'
    with pytest.raises(data.DataError, match=r"fast/all.tsv:1: .*must have 8000"):
        prepare(folder, "other_rate", change)
    with pytest.raises(ValueError, match=r"\[log_mel\] does not fit .* 8000 samples"):
        prepare(folder, "other_rate", "log_mel.max_frequency=5000")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("tokenizer.shared=true", "tokenizer.shared needs texts on both sides"),
        ('tokenizer.kind=["word", "word"]', "tokenizer.kind must be one value"),
        ("embeddings.source=a.vec", "embeddings.source needs texts on both sides"),
        ("batches.source_mask=0.1", "batches.source_mask must be left out"),
        ("batches.batch_tokens=99", "batches.batch_tokens must be left out"),
        ("data.stream=true", "data.stream needs one of the formats"),
        ("data.features_column=2", "data.features_column is for the formats"),
        ("model.copying=true", "copying.* leave the others out"),
        ("model.source_frame_size=7", "comes from the data.*Received: .*=7"),
        ("model.spec_augment={a = 1}", "model.spec_augment must be arguments of"),
        ("data.format=frames", r"\[log_mel\] makes frames of WAV files"),
        ("data.format=tsv", "batches.frame_buckets are lengths of sources of the"),
    ],
)
def test_what_does_not_go_together_is_refused(folder, change, match):
    with pytest.raises(ValueError, match=match) as error:
        trainer.read_settings(folder / "speech.toml", [change])
    assert re.search("Received: ", str(error.value))


def test_a_run_of_recordings_is_tuned(run, folder):
    write_recordings(folder / "more", ["ad", "dd", "b"])
    change = "data.train=more/all.tsv"
    training = prepare(folder, "tuned", change, from_run=run)
    former = Transcriber.load(run)
    new, old = training.target.vocabulary_size, former.tokenizer.vocabulary_size
    assert new == old + 1 and training.target.pieces([old]) == ["d"]
    ours, theirs = (
        model.get_layer("projection").kernel for model in (training.model, former.model)
    )
    np.testing.assert_array_equal(ours[:, :old], theirs)
    record = json.loads((folder / "tuned" / "training.json").read_text())
    assert record["starts"][0]["from"]["new_symbols"] == {"target": ["d"]}
    with pytest.raises(ValueError, match=r"as in this run.*'num_bands': 11.*: 13"):
        prepare(folder, "other", change, "log_mel.num_bands=13", from_run=run)
    with pytest.raises(ValueError, match=r"as in this run, model.units must be 8"):
        prepare(folder, "other", change, "model.units=6", from_run=run)


def test_recordings_do_not_begin_with_texts(folder):
    (folder / "texts").mkdir()
    for name in ("model.keras", "source.model", "target.model"):
        (folder / "texts" / name).touch()
    with pytest.raises(ValueError, match=r"sources are recordings or.*Received: .*wav"):
        prepare(folder, "other", from_run=folder / "texts")
