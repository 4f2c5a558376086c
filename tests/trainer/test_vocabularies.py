"""Features of a training, from the settings to a run folder."""

import json

import pytest

from kseq2seq import Translator, runs, trainer
from kseq2seq.trainer import vocabularies
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import DataSettings

ROWS = [
    *[(f"w{n % 7}", f"w{n % 7}{'x' * (n % 3)}", f"N,F{n % 3}") for n in range(29)],
    ("w1", "w1", ""),
]
SETTINGS = """
[data]
format = "tsv"
train = ["train.tsv"]
validation = ["dev.tsv"]
columns = ["lemma", "form"]
features_column = "tags"
features_separator = ","
[tokenizer]
kind = "character"
[model]
features = "gated"
units = 6
embedding_size = 5
[training]
epochs = 1
metrics = ["exact_match"]
[search]
beam_size = 2
max_length = 7
"""


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("data.features_column=1", "must be a number where data.columns are"),
        ("data.columns=[0, 1]", "must be a number where data.columns are"),
        ("data.features_column=-1", "integer of at least 0, .* the name of a column"),
        ("data.columns=[0]", "columns` must be a list of 2 integers of at least 0"),
        ('data.columns=["a", 3]', "columns` must be a list of 2 integers"),
        ("data.features_separator=", "features_separator must hold one character"),
        ("data.format=dates", "features_column is for the formats 'tsv' and 'jsonl'"),
        ('data.features_column=""', r"\[model\] features='gated' needs features"),
        ("model.attention=none", r"\[model\] features='gated' needs attention"),
        ("model.features=mixed", "`features` must be one of joined, gated"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path, change, match):
    (tmp_path / "own.toml").write_text(SETTINGS)
    with pytest.raises(SettingsError, match=match):
        trainer.read_settings(tmp_path / "own.toml", [change])


def test_unknown_features_are_told(caplog):
    settings = DataSettings(format="tsv", features_column=2, features_separator=",")
    caplog.set_level("INFO", "kseq2seq")
    features = vocabularies.make_features(settings, ROWS)
    assert features.symbols == ("F0", "F1", "F2", "N")
    assert "features: 4 symbols; missing in 1 of 30 pairs" in caplog.text
    assert vocabularies.make_features(DataSettings(), ROWS) is None
    caplog.clear()
    rows = [("a", "b", "N,V"), ("a", "b", "V,DU"), ("a", "b", "N")]
    vocabularies.warn_of_unknown_features(features, {"validation": rows, "test": ROWS})
    (message,) = caplog.messages
    assert message == (
        "features of validation that training has not, read as unknown: 2, V (2), "
        "DU (1)"
    )
    many = [("a", "b", ",".join(map(str, range(13))))]
    vocabularies.warn_of_unknown_features(features, {"test": many})
    assert caplog.messages[1].endswith("unknown: 13, " + ", ".join(
        f"{n} (1)" for n in range(10)) + ", ...")  # fmt: skip


def test_a_training_with_features(tmp_path, caplog):
    lines = [f"{a}\t{c}\t{b}\n" for a, b, c in ROWS]
    for name in ("train", "dev"):
        (tmp_path / f"{name}.tsv").write_text("lemma\ttags\tform\n" + "".join(lines))
    (tmp_path / "own.toml").write_text(SETTINGS)
    settings = trainer.read_settings(tmp_path / "own.toml")
    run = tmp_path / "run"
    training = trainer.prepare(settings, run, tmp_path)
    assert training.features.symbols == ("F0", "F1", "F2", "N")
    inputs, _ = next(iter(training.validation_batches))
    first = training.source.vocabulary_size
    assert inputs["source"].numpy().max() == first + 1 + len(training.features.symbols)
    trainer.fit(training)
    trainer.score(training)
    assert json.loads((run / "config.json").read_text())["feature_vocabulary_size"] == 6
    # A source is scored once for each of its features.
    assert len((run / "translations.txt").read_text().splitlines()) == 22
    table = [x.split("\t") for x in (run / "translations.tsv").read_text().splitlines()]
    assert table[0][6] == "features"
    assert {(row[0], row[6]) for row in table[1:]} == {(a, c) for a, _, c in ROWS}
    assert runs.load_features(run) == training.features
    translator = Translator.load(run)
    assert translator.features == training.features
    again = trainer.prepare(settings, run, tmp_path, resume=True)
    assert again.features == training.features
