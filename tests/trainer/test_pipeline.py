"""The training script: settings, run folder, and going on after a kill."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq.cli import main
from kseq2seq.runs import from_run
from kseq2seq.trainer import pairs, pipeline, precision, read_history, records, settings
from paths import ROOT

TRAINING = ROOT / "training"
CONFIGS = sorted((TRAINING / "configs").glob("*.toml"))
# Small enough for seconds; an epoch is long enough to be killed in.
SMALL = {
    "data.count": 300,
    "data.held_out": 13,
    "batches.batch_size": 16,
    "model.units": 16,
    "model.embedding_size": 8,
    "training.epochs": 3,
    "search.beam_size": 2,
    "search.max_length": 12,
}
STEPS = -(-(300 - 2 * 13) // 16)


class train:  # noqa: N801
    """What `training/train.py` calls, and what that calls."""

    check = staticmethod(pipeline.check)

    @staticmethod
    def main(arguments):
        return main(["train", *arguments])


@pytest.fixture(name="train", scope="module")
def train_():
    return train


@pytest.fixture(name="settings", scope="module")
def settings_():
    return settings


@pytest.fixture(scope="module")
def scripts():
    return {"pairs": pairs, "precision": precision, "records": records}


def arguments(run, *more, **changes):
    """Command line of a small training on dates."""
    changes = {**SMALL, "batches.buckets": [40], **changes}
    sets = [f"--set={name}={json.dumps(value)}" for name, value in changes.items()]
    config = TRAINING / "configs" / "dates.toml"
    return [str(x) for x in (config, "--run", run, *sets, *more)]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run folder whose training was killed in the middle of its second epoch."""
    run = tmp_path_factory.mktemp("runs") / "dates"
    script = TRAINING / "train.py"
    # What the test run has set would make another process as quiet as this one.
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    process = subprocess.Popen(
        [sys.executable, script, *arguments(run)],
        cwd=run.parent,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while process.poll() is None and not (run / "curves.png").is_file():
            time.sleep(0.01)  # it is written last of all at the epoch's end
        time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        out, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    return run, out, err


def test_a_killed_training_goes_on_and_ends_whole(killed, train, capsys):
    run, out, err = killed
    first = read_history(run)
    assert [len(values) for values in first.values()] == [1] * len(first)
    assert out.startswith("Epoch 1/3\n") and out.count("token_accuracy") == 2
    # Nothing of TensorFlow's, nor a bar that would fill a log file.
    assert err == "pairs for training, validation and test: 274, 13 and 13\n"

    assert train.main(arguments(run)) == 2
    assert "holds a training already: go on with --resume" in capsys.readouterr().err
    assert read_history(run) == first

    assert train.main(arguments(run, "--resume")) == 0
    history = read_history(run)
    assert {name: values[:1] for name, values in history.items()} == first
    assert [len(values) for values in history.values()] == [3] * len(history)
    assert history["loss"][2] < history["loss"][1] < history["loss"][0]
    assert len((run / "history.csv").read_text().splitlines()) == 1 + 3
    assert {path.name for path in run.iterdir()} == {
        *("model.keras", "source.model", "target.model", "config.json"),
        *("settings.json", "checkpoint-3.keras", "history.json", "history.csv"),
        *("curves.png", "scores.json", "translations.txt", "alignment.png"),
        "training.json",
    }
    told = from_run(run)
    assert told["pairs"] == {"training": 274, "validation": 13, "test": 13}
    assert told["epochs"] == 3 and told["licence"] == "none: there are no files"
    config = "python training/train.py training/configs/dates.toml --run dates --set "
    assert told["command"].startswith(config) and str(run) not in told["command"]
    assert told["started"] < told["finished"]
    record = json.loads((run / "training.json").read_text())
    first, second = [start["command"] for start in record["starts"]]
    assert second == f"{first} --resume"
    last = keras.saving.load_model(run / "checkpoint-3.keras")
    assert int(last.optimizer.iterations) == 3 * STEPS
    out = capsys.readouterr().out
    scores = json.loads((run / "scores.json").read_text())
    assert scores["search"]["beam_size"] == 2
    assert scores["sentences"] == 13
    assert scores["scores"]["exact_match"]["line"] == out.splitlines()[-1]
    translations = (run / "translations.txt").read_text().splitlines()
    assert len(translations) == 13
    assert len(kseq2seq.Translator.load(run)(["1. Mai 1999"])) == 1


def test_resuming_under_other_settings(killed, train, capsys):
    run = killed[0]
    before = (run / "settings.json").read_text()
    changes = {"model.units": 18, "training.epochs": 4, "search.beam_size": 3}
    assert train.main(arguments(run, "--resume", **changes)) == 2
    err = capsys.readouterr().err
    assert "model.units was 16, now 18" in err and "beam_size" not in err
    assert "training.epochs was 3, now 4" in err  # the decay ends with epoch 3
    assert (run / "settings.json").read_text() == before


def test_what_may_change_when_resuming(settings):
    now = settings.read_settings(TRAINING / "configs" / "dates.toml")
    former = json.loads(json.dumps(now))
    now["search"] = {"beam_size": 9}
    del former["card"]  # as before there were model cards
    del former["training"]["jit_compile"]  # as before it could be set
    now["training"] |= {"patience": 7, "tensorboard": True}
    settings.check_resumed(former, now)
    now["training"]["epochs"] += 1
    with pytest.raises(settings.SettingsError, match=r"training\.epochs was"):
        settings.check_resumed(former, now)
    for optimizer in (former["optimizer"], now["optimizer"]):
        optimizer["decay"] = False
    settings.check_resumed(former, now)
    now["training"]["steps_per_execution"] = 2
    with pytest.raises(settings.SettingsError, match="execution was 1, now 2"):
        settings.check_resumed(former, now)
    now["training"]["steps_per_execution"] = 1
    del now["model"]["units"]
    with pytest.raises(settings.SettingsError, match=r"model\.units was 128, now None"):
        settings.check_resumed(former, now)


def test_fresh_deletes_a_training_and_nothing_else(train, settings, tmp_path, capsys):
    run = tmp_path / "run"
    (run / "mine").mkdir(parents=True)
    names = ("history.json", "checkpoint-7.keras", "model.keras", "settings.json")
    for name in (*names, "training.json", "notes.txt", "mine/model.keras"):
        (run / name).touch()
    train.clear(run)
    left = {path.relative_to(run).as_posix() for path in run.rglob("*")}
    assert left == {"notes.txt", "mine", "mine/model.keras"}
    train.clear(tmp_path / "absent")


def test_a_model_that_no_training_left_is_not_overwritten(train, tmp_path, capsys):
    (tmp_path / "model.keras").touch()
    for more in ([], ["--resume"], ["--fresh"]):
        assert train.main(arguments(tmp_path, *more)) == 2
        assert "holds a model, but no training" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_divergence_is_told(train, tmp_path, capsys):
    changes = {"optimizer.learning_rate": 1e38, "optimizer.clip_norm": 0.0}
    small = {"data.count": 200, "training.epochs": 2, "model.dropout": 0.0}
    assert train.main(arguments(tmp_path / "run", **changes, **small)) == 1
    err = capsys.readouterr().err
    assert "the loss was no number in epoch 1: lower optimizer.learning_rate" in err
    assert err.endswith("train.py: no epoch gave a model to score.\n")
    assert not (tmp_path / "run" / "history.json").exists()


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_are_in_order(train, settings, path):
    train.check(settings.read_settings(path))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_configs_tell_all_that_a_model_card_says(settings, path):
    card = settings.read_settings(path)["card"]
    assert set(card) == {"source", "target", "data", "licence", "example"} and all(
        card.values()
    )


def test_a_record_names_no_folder_of_the_machine(scripts, train, tmp_path):
    given = [TRAINING / "configs" / "dates.toml", "--data", tmp_path / "the data"]
    given += ["--run", "runs/one", "--set", "search.beam_size=2", "--resume"]
    options = train.parse_arguments([str(x) for x in given])
    assert scripts["records"].command(options) == (
        "python training/train.py training/configs/dates.toml --data 'the data' "
        "--run runs/one --set search.beam_size=2 --resume"
    )


def test_a_training_older_than_its_record_has_a_gap_in_it(scripts, train, tmp_path):
    records = scripts["records"]
    options = train.parse_arguments(["dates.toml", "--run", str(tmp_path), "--resume"])
    parts = {"training": [("a", "b")] * 7, "test": []}
    records.begin(options, parts, resumed=True)
    told = from_run(tmp_path)
    assert told["pairs"] == {"training": 7, "test": 0}
    assert told["started"] is told["command"] is told["finished"] is None
    assert told["versions"]["kseq2seq"] == kseq2seq.__version__
    records.begin(options, parts, resumed=False)
    records.finish(tmp_path)
    told = from_run(tmp_path)
    assert told["started"] <= told["finished"] and "dates.toml" in told["command"]


def test_configs_are_those_that_are_promised():
    assert {path.stem for path in CONFIGS} >= {
        *("dates", "multi30k_en_de", "tatoeba_en_fr", "g2p_cmudict", "ted_pt_en"),
    }


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("epochs=3", "--set wants section.name=value. Received: 'epochs=3'"),
        ("training.epochs", "--set wants section.name=value"),
        ("train.epochs=3", r"unknown section \[train\]; there are data, "),
        ("training.epoch=3", r"unknown setting 'epoch' in \[training\]; there are ep"),
        ("training.epochs=0", "epochs must be an integer above 0. Received: 0"),
        ("training.epochs=2.5", "epochs must be an integer above 0. Received: 2.5"),
        ("training.epochs=true", "epochs must be an integer above 0. Received: True"),
        ("training.patience=-1", "patience must be an integer from 0 on"),
        ("training.steps_per_execution=0", "execution must be an integer above 0"),
        ("training.jit_compile=1", "jit_compile must be true or false. Received: 1"),
        ("training.precision=half", "one of float32, .* Received: 'half'"),
        ("training.metrics=[]", "must name at least one metric"),
        ("training.metrics=bleu", "metrics must be a list of strings. Received: 'bleu"),
        ("optimizer.learning_rate=nan", "learning_rate must be a number above 0"),
        ("optimizer.learning_rate=inf", "learning_rate must be a number above 0"),
        ("optimizer.decay=1", "decay must be true or false. Received: 1"),
        ("data.train=[3]", r"train must be a list of strings. Received: \[3\]"),
        ("data.columns=[0, -1]", "columns must be a list of integers from 0 on"),
        ("data.format=3", "format must be a string. Received: 3"),
        ("tokenizer.kind=[3, 4]", "kind must be a string, or a list of two"),
        ('tokenizer.kind=["bpe"]', "kind must be a string, or a list of two"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(settings, change, match):
    with pytest.raises(settings.SettingsError, match=match):
        settings.read_settings(CONFIGS[0], [change])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("search.beam=3", r"unknown setting in \[search\]: beam; there are beam_size"),
        ("search.beam_size=0", "`beam_size` must be an integer"),
        ("model.unit=3", "Unknown model setting: unit"),
        ("model.units=7", "must be even"),
        ('training.metrics=["blue"]', "one of bleu, "),
    ],
)
def test_errors_of_later_steps_are_found_first(train, settings, change, match):
    path = TRAINING / "configs" / "dates.toml"
    with pytest.raises(ValueError, match=match):
        train.check(settings.read_settings(path, [change]))


def test_no_coverage_without_attention(train, settings):
    changes = ["search.coverage_penalty=0.1", "model.attention=none"]
    read = settings.read_settings(TRAINING / "configs" / "dates.toml", changes)
    with pytest.raises(settings.SettingsError, match="needs a model with attention"):
        train.check(read)


def test_tensorboard_is_asked_for_first(train, settings, monkeypatch):
    read = settings.read_settings(CONFIGS[0], ["training.tensorboard=true"])
    monkeypatch.setattr(train.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(settings.SettingsError, match="pip install tensorboard"):
        train.check(read)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("epochs = 3", "'epochs' must stand in a [section]"),
        ("[training", "not a TOML file"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_bad_file_of_settings_is_one_line_and_exit_code_2(
    train, tmp_path, capsys, text, match
):
    path = tmp_path / "config.toml"
    if text is not None:
        path.write_text(text)
    assert train.main([str(path), "--run", str(tmp_path / "run")]) == 2
    err = capsys.readouterr().err
    assert match in err and err.count("\n") == 1 and err.startswith("train.py: ")
    assert not (tmp_path / "run").exists()


def test_a_missing_data_file_is_one_line_and_leaves_no_run(train, tmp_path, capsys):
    run = tmp_path / "run"
    config = TRAINING / "configs" / "multi30k_en_de.toml"
    assert train.main([str(config), "--run", str(run), "--data", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "train.en.gz: no such file" in err and err.count("\n") == 1
    assert not run.exists()


@pytest.fixture
def read_parts(scripts, settings, tmp_path):
    """Reads the parts of a data set whose rows are given."""

    def read(rows=(), **data):
        (tmp_path / "rows.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in rows))
        data = {"format": "tsv", "train": ["rows.tsv"], "held_out": 7, **data}
        return scripts["pairs"].read_parts(
            {**settings.DEFAULTS["data"], **data}, tmp_path
        )

    return read


ROWS = [(f"source {n % 101}", f"target {n}") for n in range(211)]


def test_no_source_is_in_two_parts(read_parts):
    parts = read_parts(ROWS)
    sources = [{source for source, _ in part} for part in parts]
    assert [len(x) for x in sources] == [87, 7, 7]
    assert len(set.union(*sources)) == 101
    assert sorted(pair for part in parts for pair in part) == sorted(ROWS)


def test_parts_that_are_given_are_taken_as_they_are(read_parts):
    train, _, test = read_parts(ROWS, test=["rows.tsv", "rows.tsv"])
    assert test == ROWS + ROWS
    assert len({source for source, _ in train}) == 94
    assert read_parts(ROWS, validation=["rows.tsv"]) == [ROWS, ROWS, []]


def test_limit_draws_sources_with_all_their_targets(read_parts):
    train, validation, test = read_parts(ROWS, limit=5)
    assert [len({x for x, _ in part}) for part in (train, validation, test)] == [5] * 3
    for source in {source for source, _ in train}:
        assert [x for x in train if x[0] == source] == [
            x for x in ROWS if x[0] == source
        ]
    assert train == sorted(train, key=ROWS.index)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ({"format": "csv"}, "must be one of parallel, tsv, tfds, dates. .* 'csv'"),
        ({"train": []}, "data.train must name what to train on"),
        ({"held_out": 30}, "takes 30 of 101 sources 2 times"),
        ({"format": "dates"}, "'dates' reads no files"),
        ({"format": "parallel"}, "two files, source and target"),
        ({"train": ["absent"]}, "absent: no such file"),
        ({"columns": [0, 2]}, "column 2"),
    ],
)
def test_errors_of_data(read_parts, data, match):
    with pytest.raises(ValueError, match=match):
        read_parts(ROWS, **data)


def test_default_buckets_are_those_of_batches(settings):
    parameters = inspect.signature(kseq2seq.data.batches).parameters
    for name in ("batch_size", "buckets"):
        default = settings.DEFAULTS["batches"][name]
        assert parameters[name].default == (
            tuple(default) if isinstance(default, list) else default
        )


def test_a_model_is_compiled_as_the_settings_say(train, settings, tmp_path):
    changes = ["training.jit_compile=true", "training.steps_per_execution=3"]
    config = TRAINING / "configs" / "dates.toml"
    tokenizer = kseq2seq.tokenizers.train_tokenizer(["abc"], kind="character")
    for given, expected in ((changes, (True, 3)), ([], (False, 1))):
        read = settings.read_settings(config, given)
        model = train.make_model(read, tokenizer, tokenizer, 7, tmp_path)
        assert (model.jit_compile, model.steps_per_execution) == expected
        assert type(model.loss) is kseq2seq.MaskedCrossentropy
    changes = ["training.num_sampled=7", "training.label_smoothing=0.0"]
    read = settings.read_settings(config, changes)
    model = train.make_model(read, tokenizer, tokenizer, 7, tmp_path)
    assert type(model.loss) is kseq2seq.SampledCrossentropy
    # Else a checkpoint could not be loaded in a process that has not made it.
    known = kseq2seq.trainer._IN_CHECKPOINTS
    assert {type(model.loss), type(model.optimizer)} <= set(known)
    assert model.loss.num_sampled == 7
    with pytest.raises(settings.SettingsError, match=r"label_smoothing to 0. .*: 0\.1"):
        settings.read_settings(config, changes[:1])


@pytest.mark.parametrize(
    ("half", "said"), [(200.0, None), (99.0, "bfloat16 .*99 GFLOP/s .* 150 in float32")]
)
def test_a_slow_precision_is_told(scripts, monkeypatch, half, said):
    precision = scripts["precision"]
    rates = {"bfloat16": half, "float32": 150.0}
    monkeypatch.setattr(precision, "product_rate", rates.__getitem__)
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    found = precision.advice("mixed_bfloat16")
    assert found is None if said is None else re.search(said, found)
    assert precision.advice("float32") is None
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [kind])
    assert precision.advice("mixed_bfloat16") is None


def test_rates_of_products(scripts, monkeypatch):
    """One that is possible, of as many operations as there are."""
    precision = scripts["precision"]
    monkeypatch.setattr(precision, "SIZE", 512)
    start = time.perf_counter()
    rate = precision.product_rate("float32")
    seconds = time.perf_counter() - start
    assert rate * seconds * 1e9 >= (1 + precision.REPEATS) * 2 * 512**3
    assert 0.1 < rate < 1e6


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_the_first_step_is_traced_once(train, settings, tmp_path, precision):
    changes = [f"training.precision={precision}", "model.units=6"]
    read = settings.read_settings(TRAINING / "configs" / "dates.toml", changes)
    tokenizer = kseq2seq.tokenizers.train_tokenizer(["abc"], kind="character")
    try:
        model = train.make_model(read, tokenizer, tokenizer, 7, tmp_path)
    finally:
        keras.config.set_dtype_policy("float32")
    traces, plain = [], model.train_step
    model.train_step = lambda data: traces.append(1) or plain(data)
    batch = {"source": np.full((2, 3), 4), "target": np.full((2, 5), 4)}
    model.fit(batch, np.full((2, 5), 4), verbose=0)
    assert traces == [1]


@pytest.mark.parametrize(
    ("warmup", "decay", "expected"),
    [
        (0, False, {0: 0.3, 9: 0.3}),
        (4, False, {0: 0.0, 1: 0.075, 4: 0.3, 20: 0.3}),
        (0, True, {0: 0.3, 10: 0.15, 20: 0.0}),
        (4, True, {0: 0.0, 2: 0.15, 4: 0.3, 12: 0.15, 20: 0.0}),
    ],
)
def test_learning_rate(train, warmup, decay, expected):
    settings = {"learning_rate": 0.3, "warmup_steps": warmup, "decay": decay}
    rate = train.learning_rate(settings, 20)
    at = rate if callable(rate) else lambda step: rate
    for step, value in expected.items():
        np.testing.assert_allclose(at(step), value, atol=1e-7)


def test_word_vectors_start_the_embeddings(train, tmp_path, capsys):
    pairs = [("a dog", "un chien"), ("the dog", "le chien")]
    source, target = kseq2seq.train_tokenizers(pairs, kind="word")
    model = kseq2seq.build_model(
        kseq2seq.Seq2SeqConfig(
            source_vocabulary_size=source.vocabulary_size,
            target_vocabulary_size=target.vocabulary_size,
            embedding_size=3,
            units=4,
        )
    )
    (tmp_path / "vectors.txt").write_text("chien 5 6 7\nle 1 2 3\n")
    files = {"source": "", "target": "vectors.txt"}
    train.start_embeddings(files, model, source, target, tmp_path)
    row = next(i for i in range(4, 9) if target.pieces([i])[0].endswith("chien"))
    matrix = keras.ops.convert_to_numpy(model.get_layer("target_embedding").embeddings)
    np.testing.assert_array_equal(matrix[row], [5, 6, 7])
    assert "target embeddings: 2 of 3 pieces" in capsys.readouterr().err


def test_a_test_set_of_sentences_is_scored_line_by_line(train, monkeypatch, tmp_path):
    asked = []

    class Parrot:
        def translate(self, texts, search, progress):
            asked.append(texts)
            return [[] for _ in texts]

    monkeypatch.setattr(kseq2seq.Translator, "load", lambda run: Parrot())
    pairs = [("a", "x"), ("b", "y"), ("a", "z")]
    for kind in ("parallel", "tfds", "tsv", "dates"):
        settings = {"data": {"format": kind}, "search": {}}
        settings["training"] = {"metrics": ["exact_match"]}
        train.score(settings, tmp_path, pairs)
    assert asked == [["a", "b", "a"], ["a", "b", "a"], ["a", "b"], ["a", "b"]]
    assert re.search("nrefs:var", (tmp_path / "scores.json").read_text())
    assert not (tmp_path / "alignment.png").exists()
