"""A training that begins with another one's weights and tokenizers."""

import json

import numpy as np
import pytest

from kseq2seq import runs, trainer
from kseq2seq.trainer.schema import SettingsError

FILE = """
[data]
format = "tsv"
train = "own.tsv"
validation = "own.tsv"
test = "own.tsv"
[tokenizer]
kind = ["character", "word"]
[batches]
buckets = [10]
[model]
units = 6
embedding_size = 4
[training]
epochs = 1
metrics = "exact_match"
"""
OLD = [("abc", "A B C"), ("ba", "B A"), ("cab", "C A B"), ("bc", "B C"), ("ac", "A C")]
NEW = [*OLD, ("adb", "A D B"), ("dee", "D E E"), ("dab", "D A B"), ("bad", "B A D")]


@pytest.fixture
def prepare(tmp_path):
    """Makes a training ready, from a file of pairs."""

    def ready(name, pairs, *changes, **options):
        rows = ["\t".join(row) + "\n" for row in [*pairs, *pairs]]
        (tmp_path / "own.tsv").write_text("".join(rows))
        (tmp_path / "own.toml").write_text(FILE)
        settings = trainer.read_settings(tmp_path / "own.toml", changes)
        return trainer.prepare(settings, tmp_path / name, tmp_path, **options)

    return ready


@pytest.fixture
def former(prepare, tmp_path):
    """The model of a run that was trained, as it were."""
    training = prepare("former", OLD, "model.dropout=0.5")
    runs.save_model(training.model, tmp_path / "former" / runs.MODEL_FILE)
    return training


def rows(model, name, axis=0):
    layer = model.get_layer(name)
    matrix = layer.kernel if axis else layer.embeddings
    return np.moveaxis(matrix.numpy(), axis, 0)


def test_new_symbols_get_new_rows(former, prepare, tmp_path, caplog):
    caplog.set_level("INFO", "kseq2seq")
    begin = {"from_run": tmp_path / "former"}
    training = prepare("tuned", NEW, "training.frozen=['encoder']", **begin)
    assert "source vocabulary: new symbols, with ids from 7 on: d e" in caplog.text
    assert "target vocabulary: new symbols, with ids from 7 on: ▁D ▁E" in caplog.text
    assert training.source.pieces([7, 8]) == ["d", "e"]
    for name, axis in (("source_embedding", 0), ("target_embedding", 0)):
        ours, theirs = rows(training.model, name, axis), rows(former.model, name, axis)
        assert len(ours) == len(theirs) + 2
        np.testing.assert_array_equal(ours[:-2], theirs)
    ours, theirs = (rows(x.model, "projection", 1) for x in (training, former))
    np.testing.assert_array_equal(ours[:-2], theirs)
    frozen = training.model.get_layer("encoder_0")
    assert not frozen.trainable and training.model.get_layer("attention").trainable
    record = json.loads((tmp_path / "tuned" / runs.RECORD_FILE).read_text())
    assert record["starts"][0]["from"] == {
        "run": "former",
        "new_symbols": {"source": ["d", "e"], "target": ["▁D", "▁E"]},
    }
    config = json.loads((tmp_path / "tuned" / runs.CONFIG_FILE).read_text())
    assert config["source_vocabulary_size"] == 9
    # A training that is resumed does not begin anew.
    trainer.fit(training)
    again = prepare("tuned", NEW, "training.frozen=['encoder']", resume=True, **begin)
    for now, then in zip(again.model.weights, training.model.weights, strict=True):
        np.testing.assert_array_equal(now, then)
    assert not again.model.get_layer("encoder_0").trainable
    with pytest.raises(
        SettingsError, match=r"--from \S*other: it began with .*'former'"
    ):
        other = {"from_run": tmp_path / "other"}
        prepare("tuned", NEW, "training.frozen=['encoder']", resume=True, **other)


def test_a_training_with_new_weights_is_not_resumed_from_a_run(prepare, tmp_path):
    trainer.fit(prepare("new", OLD))
    with pytest.raises(
        SettingsError, match="it began with new weights. Leave out --from"
    ):
        prepare("new", OLD, resume=True, from_run=tmp_path / "other")


def test_a_training_without_a_checkpoint_begins_again_from_its_run(
    former, prepare, tmp_path, caplog
):
    caplog.set_level("INFO", "kseq2seq")
    begin = {"from_run": tmp_path / "former"}
    prepare("tuned", NEW, **begin)
    with pytest.raises(
        SettingsError, match=r"tuned has no checkpoint .* began with the run 'former': "
    ):
        prepare("tuned", NEW, resume=True)
    assert "begins again" not in caplog.text
    again = prepare("tuned", NEW, resume=True, **begin)
    assert "tuned has no checkpoint yet: the training begins again" in caplog.text
    ours, theirs = (rows(x.model, "source_embedding") for x in (again, former))
    np.testing.assert_array_equal(ours[:-2], theirs)
    prepare("tuned", NEW, fresh=True)
    prepare("tuned", NEW, resume=True)
    assert runs.begun_with(tmp_path / "tuned") is None


def test_the_same_symbols_need_no_rows(former, prepare, tmp_path, caplog):
    caplog.set_level("INFO", "kseq2seq")
    training = prepare("tuned", OLD[::-1], from_run=tmp_path / "former")
    assert caplog.text.count("vocabulary: no new symbols") == 2
    for now, then in zip(training.model.weights, former.model.weights, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (["model.units=8"], r"model\.units must be 6\. Received: 8"),
        (["model.attention=none"], r"model\.attention must be 'luong_scaled_general'"),
        (["tokenizer.kind=bpe"], r"tokenizer\.kind must be .*word.* Received: 'bpe'"),
        (["tokenizer.normalization=nfkc"], r"tokenizer\.normalization must be 'id"),
        (
            ["training.frozen=embeddings"],
            "must not hold embeddings where there",
        ),
        # They would take the place of what the run has learnt.
        (
            ["embeddings.target=vectors.txt"],
            r"embeddings\.target must be left out with --from.*: vectors\.txt",
        ),
    ],
)
def test_what_does_not_fit_is_refused(former, prepare, tmp_path, changes, match):
    with pytest.raises(SettingsError, match=match):
        prepare("tuned", NEW, *changes, from_run=tmp_path / "former")
    assert not (tmp_path / "tuned").exists()


def test_digits_are_split_as_in_the_run(former, prepare, tmp_path):
    path = tmp_path / "former" / runs.SETTINGS_FILE
    settings = json.loads(path.read_text())
    settings["tokenizer"]["kind"] = "bpe"
    path.write_text(json.dumps(settings))
    # The same kind, written in another way.
    changes = "tokenizer.kind=['bpe', 'bpe']", "tokenizer.split_digits=true"
    with pytest.raises(SettingsError, match="digits must be False. Rec.*: True") as e:
        prepare("tuned", OLD, *changes, from_run=tmp_path / "former")
    assert len(e.value.messages) == 1


@pytest.mark.parametrize(
    ("kinds", "match"),
    [
        ("['word', 'character']", "kind of the source must be 'character'.* 'word'"),
        ("['character', 'bpe']", r"tokenizer\.kind of the target must be 'word'"),
    ],
)
def test_the_kind_is_that_of_the_tokenizers(former, prepare, tmp_path, kinds, match):
    # As Translator.save leaves it.
    (tmp_path / "former" / runs.SETTINGS_FILE).unlink()
    with pytest.raises(SettingsError, match=match):
        prepare("tuned", NEW, f"tokenizer.kind={kinds}", from_run=tmp_path / "former")


def test_folders_that_cannot_be_begun_with(former, prepare, tmp_path):
    with pytest.raises(SettingsError, match="--from must name a run folder, with"):
        prepare("tuned", OLD, from_run=tmp_path)
    with pytest.raises(SettingsError, match="--from must name another run folder"):
        prepare("former", OLD, from_run=tmp_path / "former", fresh=True)
    assert (tmp_path / "former" / runs.MODEL_FILE).is_file()


def test_a_run_that_has_diverged_is_refused(former, prepare, tmp_path):
    bias = former.model.get_layer("projection").bias
    bias.assign(np.full(bias.shape, np.nan))
    runs.save_model(former.model, tmp_path / "former" / runs.MODEL_FILE)
    with pytest.raises(ValueError, match="weights that are numbers.*1 of .*/bias"):
        prepare("tuned", NEW, from_run=tmp_path / "former")
    assert not (tmp_path / "tuned").exists()


def test_parts_that_the_model_lacks_are_refused_by_name(prepare):
    changes = ["model.attention=none", "training.frozen=attention"]
    with pytest.raises(SettingsError, match=r"training\.frozen: .* 'attention', of"):
        prepare("own", OLD, *changes)
    with pytest.raises(SettingsError, match=r"frozen` must be one of embeddings, "):
        prepare("own", OLD, "training.frozen=encoders")


FEATURES = "data.features_column=2", "data.features_separator=,"


def with_features(pairs, *features):
    count = len(features)
    return [(*pair, features[n % count]) for n, pair in enumerate(pairs)]


@pytest.mark.parametrize("kind", ["joined", "gated"])
def test_features_keep_their_rows_behind_new_symbols(prepare, tmp_path, caplog, kind):
    caplog.set_level("INFO", "kseq2seq")
    changes = *FEATURES, f"model.features={kind}"
    former = prepare("former", with_features(OLD, "V,PL", "N"), *changes)
    runs.save_model(former.model, tmp_path / "former" / runs.MODEL_FILE)
    new = with_features(NEW, "N,DU", "A,V")
    training = prepare("tuned", new, *changes, from_run=tmp_path / "former")
    assert former.features.symbols == ("N", "PL", "V")
    assert training.features.symbols == ("N", "PL", "V", "A", "DU")
    assert "new features: A DU" in caplog.text
    ours, theirs = (rows(x.model, "source_embedding") for x in (training, former))
    # Old symbols, 2 new ones, old features, 2 new ones.
    assert (former.source.vocabulary_size, len(theirs), len(ours)) == (7, 12, 16)
    np.testing.assert_array_equal(ours[:7], theirs[:7])
    np.testing.assert_array_equal(ours[9:14], theirs[7:])
    ids = {"source": np.array([[4, 6, 3, 9, 11]]), "target": np.array([[2, 4]])}
    before = {**ids, "source": np.array([[4, 6, 3, 7, 9]])}
    size = former.target.vocabulary_size
    np.testing.assert_allclose(
        training.model(ids)[..., :size], former.model(before), atol=1e-5
    )
    record = json.loads((tmp_path / "tuned" / runs.RECORD_FILE).read_text())
    assert record["starts"][0]["from"]["new_symbols"]["features"] == ["A", "DU"]


def test_features_must_be_there_as_in_the_run(former, prepare, tmp_path):
    begin = {"from_run": tmp_path / "former"}
    rows = with_features(OLD, "V,PL", "N")
    with pytest.raises(SettingsError, match="features_column must be left out"):
        prepare("tuned", rows, *FEATURES, **begin)
    featured = prepare("featured", rows, *FEATURES)
    runs.save_model(featured.model, tmp_path / "featured" / runs.MODEL_FILE)
    begin = {"from_run": tmp_path / "featured"}
    with pytest.raises(SettingsError, match="features_column must be set"):
        prepare("tuned", OLD, **begin)
    with pytest.raises(SettingsError, match="features_separator must be ','"):
        prepare("tuned", rows, FEATURES[0], "data.features_separator=;", **begin)
