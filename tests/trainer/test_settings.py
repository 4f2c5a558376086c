"""Settings: of recipes, of older versions, and those that cannot be."""

import dataclasses

import pytest

from kseq2seq import trainer
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import read_settings

DATES = trainer.find_recipe("dates")


@pytest.mark.parametrize("name", trainer.recipe_names())
def test_recipes_are_in_order(name):
    read_settings(trainer.find_recipe(name))


def test_settings_are_frozen():
    read = read_settings(DATES)
    with pytest.raises(dataclasses.FrozenInstanceError):
        read.training.epochs = 7
    assert read.to_dict()["data"]["columns"] == [0, 1]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("epochs=3", "--set must be section.name=value. Received: 'epochs=3'"),
        ("training.epochs", "--set must be section.name=value"),
        ("train.epochs=3", r"\[train\] is no section: there are data, .*\[train\]"),
        ("training.epoch=3", r"`training\.epoch` is no setting: \[training\] has ep"),
        ("training.epochs=0", "integer of at least 1. Received: training.epochs=0"),
        ("training.epochs=2.5", "epochs` must be an integer .*epochs=2.5"),
        ("training.epochs=true", "epochs` must be an integer .*epochs=True"),
        ("training.patience=-1", "patience` must be an integer of at least 0"),
        ("training.steps_per_execution=0", "execution` must be an integer of at lea"),
        ("training.jit_compile=1", "jit_compile` must be True or False. Received: .*1"),
        ("training.precision=half", "one of float32, .*precision='half'"),
        ("training.metrics=[]", "metrics` must be at least one of bleu, "),
        ("training.metrics=blue", "one of bleu, .*Received: .*'blue'"),
        ("optimizer.learning_rate=nan", "learning_rate` must be a finite number above"),
        ("optimizer.learning_rate=inf", "learning_rate` must be a finite number above"),
        ("optimizer.schedule=cosin", "one of constant, cosine, .*'cosin'"),
        ("optimizer.weight_decay=-1", "weight_decay` must be a finite number of at le"),
        ("optimizer.accumulation_steps=0", "steps` must be an integer of at least 1"),
        (
            "optimizer.plateau_factor=1",
            "factor` must be .* less than 1. .*=1",
        ),
        ("training.ema=1.0", "ema` must be a finite number .* less than 1"),
        ("training.average_best=1", "at least 2. Received: .*=1; 0 is for none"),
        ("training.average_best=true", "average_best` must be an integer .*True"),
        ("training.validation_search=beam", "one of greedy, search. .*'beam'"),
        ("optimizer.decay=true", "`optimizer.decay` must be .* without .*schedule"),
        ("data.train=[3]", r"train` must be a string or a list of .*Received: \[3\]"),
        ("data.train=[a.tsv]", r"--set 'data.train=\[.*Received: '\[a.tsv\]'"),
        ("data.columns=[en,fr]", r"`data.columns` must be a list of TOML, with its"),
        ("data.columns=[0, -1]", "columns` must be a list of 2 integers of at least 0"),
        ("data.format=3", "format` must be one of parallel, .*Received: .*3"),
        (
            "data.format=csv",
            "parallel, tsv, jsonl, tfds, dates. .*'csv'; CSV is",
        ),
        ("data.context_turns=0", "context_turns` must be an integer of at least 1"),
        ("data.replies=third", "replies` must be one of all, second. .*'third'"),
        ("data.held_out=0.7", "a share of less than 0.5. Received: 0.7"),
        ("tokenizer.kind=[3, 4]", "kind` must be one of unigram, .*=3"),
        ('tokenizer.kind=["bpe"]', "kind` must be one value, or a list of two"),
        ("tokenizer.vocabulary_size=4", "vocabulary_size` must be .*at least 5"),
        ("tokenizer.split_digits=1", "split_digits` must be True or False.*=1"),
        ("training.num_sampled=7", r"label_smoothing to 0\. Received: 0\.1"),
        ("model.copying=1", "`copying` must be True or False.*=1"),
        ("model.output_probability_fn=max", "softmax, sparsemax, entmax15.*'max'"),
        ("search.beam=3", r"`search\.beam` is no setting: \[search\] has beam_size"),
        ("search.beam_size=0", r"\[search\] `beam_size` must be an integer"),
        ("model.unit=3", r"`model\.unit` is no setting: \[model\] has"),
        ("model.units=7", r"\[model\] .*must be even"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(change, match):
    with pytest.raises(SettingsError, match=match) as error:
        read_settings(DATES, [change])
    assert len(error.value.messages) == 1


def test_all_errors_are_told_at_once():
    changes = ["training.epochs=0", "model.unit=3", "search.beam_size=0", "a.b=3"]
    changes += ["data.train=3", "epochs", "optimizer.decay=3"]
    with pytest.raises(SettingsError) as error:
        read_settings(DATES, changes)
    assert len(error.value.messages) == len(changes)


def test_a_seed_is_one_that_keras_takes():
    with pytest.raises(SettingsError, match="`training.seed` must be .* to 4294967295"):
        read_settings(DATES, ["training.seed=4294967296"])


@pytest.mark.parametrize("size", ["600", "[0, 513]"])
def test_segmentations_are_no_more_than_sentencepiece_has(size):
    with pytest.raises(SettingsError, match="nbest_size` must be .* from -1 to 512"):
        read_settings(DATES, [f"batches.sampling_nbest_size={size}"])


def test_a_plateau_has_no_warm_up():
    changes = ["optimizer.schedule=plateau", "optimizer.warmup_steps=7"]
    with pytest.raises(SettingsError, match="warmup_steps must be 0 .* Received: 7"):
        read_settings(DATES, changes)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("epochs = 3", r"must stand in a \[section\]. Received: 'epochs'"),
        ("[training", "not a TOML file"),
        ("[sweep]\nseeds = [1]", r"has a table \[sweep\]: run 'kseq2seq sweep "),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, text, match):
    path = tmp_path / "own.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=rf"own\.toml: .*{match}"):
        read_settings(path)


def test_a_string_stands_for_a_list_of_one():
    changes = ["data.train=own.tsv", "data.format=tsv", "training.metrics=chrf"]
    read = read_settings(DATES, changes)
    assert read.data.train == ("own.tsv",) and read.training.metrics == ("chrf",)
    assert read_settings(DATES, ["data.train=['a', 'b']"]).data.train == ("a", "b")


@pytest.mark.parametrize(
    ("decay", "schedule"), [("true", "cosine"), ("false", "constant")]
)
def test_settings_of_the_first_release_are_read(tmp_path, decay, schedule):
    path = tmp_path / "own.toml"
    path.write_text(f"[optimizer]\nwarmup_steps = 7\ndecay = {decay}\n")
    read = read_settings(path).optimizer
    assert (read.schedule, read.warmup_steps) == (schedule, 7)
    path.write_text("[optimizer]\ndecay = 3\n")
    with pytest.raises(SettingsError, match="`optimizer.decay` must be true or false"):
        read_settings(path)
