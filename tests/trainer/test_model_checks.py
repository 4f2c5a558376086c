"""Settings that a model must have others with."""

import pytest

from kseq2seq import trainer
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import make_settings, read_settings

DATES = trainer.find_recipe("dates")


def test_no_shortlist_before_there_is_one():
    with pytest.raises(SettingsError, match="search.shortlist must be false in a trai"):
        read_settings(DATES, ["search.shortlist=true"])


def test_no_coverage_without_attention():
    changes = ["search.coverage_penalty=0.1", "model.attention=none"]
    with pytest.raises(SettingsError, match="needs a model with attention"):
        read_settings(DATES, changes)
    changes = ["search.forbid_unknown=false", "search.replace_unknown=true"]
    assert read_settings(DATES, changes).search["replace_unknown"]
    with pytest.raises(SettingsError, match="replace_unknown needs a source of text"):
        read_settings(DATES, [*changes, "model.attention=none"])
    with pytest.raises(SettingsError, match="replace_unknown needs a source of text"):
        read_settings(trainer.find_recipe("spoken_numbers"), changes)


def test_no_sampled_targets_with_hard_attention():
    changes = ["model.hard_attention=first_order", "scheduled_sampling.schedule=linear"]
    with pytest.raises(SettingsError, match="depend on the true tokens.*'linear'"):
        read_settings(DATES, changes)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("model.output_probability_fn=sparsemax", "num_sampled = 7 with 'sparse"),
        ("model.copying=true", "which model.copying mixes.*num_sampled = 7"),
    ],
)
def test_no_sample_of_another_vocabulary(change, match):
    changes = ["training.num_sampled=7", "training.label_smoothing=0.0", change]
    with pytest.raises(SettingsError, match=match):
        read_settings(DATES, changes)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (["training.guided_alignment=0.1"], r"go together.*Received: 0\.1 and ''"),
        (
            ["data.links=a", "data.format=parallel"],
            "go together.*: 0.0 and 'a'",
        ),
        (["LINKED", "data.format=tsv"], "set data.format to 'parallel'.*'tsv', False"),
        (["LINKED", "model.attention=none"], r"with attention\. Received: 0\.1 with"),
        (["LINKED", "batches.source_swap=0.1"], r"source_swap.* to 0\. .*: 0\.1 and 0"),
        (
            ["LINKED", "tokenizer.kind=bpe", "batches.sampling_nbest_size=[0, 5]"],
            r": 0\.0 and \(0, 5",
        ),
    ],
)
def test_no_guided_alignment_without_what_it_needs(changes, match):
    linked = ["data.format=parallel", "data.links=a", "training.guided_alignment=0.1"]
    if changes[0] == "LINKED":
        changes = [*linked, *changes[1:]]
    with pytest.raises(SettingsError, match=match) as error:
        read_settings(DATES, changes)
    assert len(error.value.messages) == 1


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            ["model.dropout=0.0"],
            r"set model\.dropout, .*: training\.consistency = 1\.5",
        ),
        (
            ["model.output_probability_fn=entmax15"],
            r"softmax.*num_sampled = 0, 'entmax",
        ),
        (
            ["training.num_sampled=7", "training.label_smoothing=0.0"],
            r"softmax over the whole vocabulary.*num_sampled = 7, 'softmax'",
        ),
    ],
)
def test_no_consistency_without_what_it_needs(changes, match):
    consistency = "training.consistency=1.5"
    with pytest.raises(SettingsError, match=match) as error:
        read_settings(DATES, [consistency, *changes])
    assert len(error.value.messages) == 1
    other_noise = ["model.dropout=0.0", "model.zoneout=0.1"]
    settings = read_settings(DATES, [consistency, *other_noise])
    assert settings.training.consistency == 1.5
    read_settings(DATES, changes)


@pytest.mark.parametrize("side", ["source", "target", "feature"])
def test_sizes_of_vocabularies_are_refused_before_data_are_read(side):
    errors = []
    make_settings({"model": {f"{side}_vocabulary_size": 50}}, errors)
    assert len(errors) == 1
    assert f"model.{side}_vocabulary_size comes from the data" in errors[0]


@pytest.mark.parametrize(
    ("section", "name", "value", "switch"),
    [
        ("scheduled_sampling", "probability", 0.5, "schedule = 'none'"),
        ("scheduled_sampling", "steps", 100, "schedule = 'linear'"),
        ("optimizer", "plateau_patience", 5, "schedule = 'cosine'"),
        ("batches", "sampling_alpha", 0.3, "sampling_nbest_size = 0"),
        ("data", "columns", ["en", "de"], "format = 'tsv'"),
        ("data", "count", 7, "format = 'dates'"),
    ],
)
def test_a_setting_without_its_switch_is_refused(
    tmp_path, section, name, value, switch
):
    path = tmp_path / "own.toml"
    path.write_text(f"[{section}]\n{name} = {value}\n")
    match = rf"{section}\.{name} has no effect without {section}\.{switch[:6]}"
    with pytest.raises(SettingsError, match=match):
        read_settings(path)
    # It may be switched off, also for a while by --set.
    read_settings(path, [f"{section}.{switch.replace(' = ', '=')}"])
    path.write_text(f"[{section}]\n{switch}\n{name} = {value}\n")
    read_settings(path)


def test_settings_of_former_trainings_are_not_refused():
    errors = []
    make_settings({"scheduled_sampling": {"probability": 0.5}}, errors)
    assert not errors


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kind", '["character", "word"]'),
        ("vocabulary_size", "[70, 80]"),
        ("normalization", '["nfd", "identity"]'),
    ],
)
def test_a_shared_tokenizer_has_one_value(name, value):
    changes = [f"tokenizer.{name}={value}", "tokenizer.normalization=identity"]
    changes = ["tokenizer.shared=true", *changes[:: -1 if name[0] == "n" else 1]]
    with pytest.raises(SettingsError, match=f"tokenizer.{name} must be one value with"):
        read_settings(DATES, changes)
    read_settings(DATES, [*changes, "tokenizer.shared=false"])


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("tokenizer", "split_digits", True),
        ("batches", "sampling_nbest_size", -1),
        ("batches", "sampling_nbest_size", 7),
    ],
)
def test_subwords_alone_are_drawn_and_have_their_digits_split(section, name, value):
    def errors_of(kind, setting):
        errors = []
        given = {"data": {"format": "dates"}, "tokenizer": {"kind": kind}}
        given.setdefault(section, {})[name] = setting
        make_settings(given, errors)
        return errors

    off = type(value)(0)
    for kind, setting in [
        ("unigram", value),
        (["bpe", "unigram"], value),
        (["word", "bpe"], [off, value]),
        (["bpe", "character"], [value, off]),
        ("character", off),
    ]:
        assert not errors_of(kind, setting)
    assert not errors_of(["word", "bpe"], [1, value]) or section == "tokenizer"
    for kind, setting in [
        ("character", value),
        (["bpe", "word"], value),
        (["word", "bpe"], [value, off]),
    ]:
        (error,) = errors_of(kind, setting)
        assert f"{section}.{name} must be" in error
        received = tuple(setting) if isinstance(setting, list) else setting
        known = tuple(kind) if isinstance(kind, list) else kind
        assert error.endswith(f"Received: {received}, kind = {known!r}")
