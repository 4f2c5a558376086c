"""The benchmark of joined sentences: its pairs, its figure, and a run of it."""

import json
import random
import shutil
import sys

import keras
import pytest

import kseq2seq
from paths import BENCHMARKS

PAIRS = [(f"a{n} b{n}", f"c{n}") for n in range(11)]


@pytest.fixture(scope="module")
def script():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import long_sentences
    finally:
        sys.path.remove(str(BENCHMARKS))
    return long_sentences


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with sets of English and German, of little sense."""
    folder, rng = tmp_path_factory.mktemp("data") / "multi30k", random.Random(0)
    folder.mkdir()
    for name, count in (("train", 61), ("test_2016_flickr", 13)):
        for side, words in (("en", "a dog sees the cat"), ("de", "ein Hund sieht")):
            sizes = [rng.randint(5, 9) for _ in range(count)]
            lines = [" ".join(rng.choices(words.split(), k=size)) for size in sizes]
            (folder / f"{name}.{side}").write_text("\n".join(lines))
    return folder.parent


def test_every_sentence_is_joined_once_a_pass(script):
    joined = script.join_at_random(PAIRS, 4, seed=1)
    assert " ".join(x for x, _ in joined) == " ".join(x for x, _ in PAIRS)
    assert " ".join(y for _, y in joined) == " ".join(y for _, y in PAIRS)
    # Of a group each source has twice as many words as its target; the last is a rest.
    counts = [len(y.split()) for _, y in joined]
    assert all(2 <= count <= 4 for count in counts[:-1]) and len({*counts}) > 1
    assert [len(x.split()) for x, _ in joined] == [2 * count for count in counts]
    assert script.join_at_random(PAIRS, 4, seed=2) != joined
    assert script.join_at_random(PAIRS, 1, seed=2) == []


def test_what_is_scored_is_joined_within_its_set(script):
    scored = script.scored_pairs({"one": PAIRS[:5], "two": PAIRS[5:]}, most=3)
    expected = []
    for pairs in (PAIRS[:5], PAIRS[5:]):
        expected += pairs
        for count in (2, 3):
            for group in range(len(pairs) // count):
                rows = pairs[count * group : count * group + count]
                source = " ".join(x for x, _ in rows)
                expected.append((source, " ".join(y for _, y in rows)))
    assert scored == expected


def test_the_settings_can_be_built(script):
    options = script.parse_arguments(["--data", "data", "--units", "8"])
    rates = set()
    for name in script.MODELS:
        settings = script.settings_of(name, 3, options)
        sizes = {"source_vocabulary_size": 9, "target_vocabulary_size": 9}
        config = kseq2seq.Seq2SeqConfig(**sizes, **settings["model"])
        units = 16 if name == "plain" else 8
        assert (config.units, settings["seed"], settings["most"]) == (units, 3, 8)
        rates.add(settings["learning_rate"])
        # No translation of a source in the buckets is cut.
        longest = settings["batches"]["buckets"][-1]
        assert kseq2seq.Search(**settings["search"]).max_length > longest
    assert len(rates) == 2 and script.SETTINGS["model"]["units"] > 8


def test_the_precision_is_that_of_the_training_alone(script, tmp_path, monkeypatch):
    options = ["--data", "data", "--quick", "--precision", "mixed_bfloat16"]
    settings = script.settings_of("plain", 1, script.parse_arguments(options))
    built = kseq2seq.build_model
    policies = []
    monkeypatch.setattr(
        kseq2seq,
        "build_model",
        lambda config: (
            policies.append(keras.config.dtype_policy().name) or built(config)
        ),
    )
    script.source_length.train_model(settings, PAIRS * 2, tmp_path)
    assert policies == ["mixed_bfloat16"]
    assert keras.config.dtype_policy().name == "float32"


def result():
    runs = [{"bins": [30.0, None, 12.0]}, {"bins": [34.0, None, 10.5]}]
    plain = {"bins": [{"mean": 20.0, "low": 20.0, "high": 20.0}, None, None]}
    return runs, {
        "bins": ["1–2", "3–4", "≥5"],
        "train_pairs": [7, 5, 3],
        "scored_pairs": [1100, 0, 2],
        "models": {"plain": plain, "luong": {"bins": None}},
    }


def test_seeds_make_a_mean_in_a_band(script):
    runs, drawn = result()
    drawn["models"]["luong"]["bins"] = bins = script.summarize(runs)
    first = {"mean": 32.0, "low": 30.0, "high": 34.0}
    assert bins == [first, None, {"mean": 11.25, "low": 10.5, "high": 12.0}]
    assert script.table(drawn).splitlines()[2:] == [
        "| 1–2 | 1100 | 7 | 20.0 | 32.0 (30.0 to 34.0) |",
        "| 3–4 | 0 | 5 | – | – |",
        "| ≥5 | 2 | 3 | – | 11.2 (10.5 to 12.0) |",
    ]
    (axes,) = script.draw(drawn).axes
    _, luong = axes.lines
    assert [*luong.get_xdata()] == [0, 2] and [*luong.get_ydata()] == [32.0, 11.25]
    band = axes.collections[1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (10.5, 34.0)
    assert axes.get_xticklabels()[0].get_text() == "1–2\nn=1,100"


def test_the_script_trains_scores_and_goes_on(script, data, capsys):
    output = data / "results"
    arguments = ["--data", data, "--output", output, "--quick", "--models", "plain"]
    arguments = [str(x) for x in arguments]
    assert script.main(arguments) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == ["plain, seed 1: training", "plain, seed 1: scores"]
    assert told.out.splitlines()[-9].startswith("| 1–10 | ")
    report = json.loads((output / "long_sentences.json").read_text())
    assert sum(report["scored_pairs"]) == 13 + 6 + 4
    assert sum(report["train_pairs"][:1]) == 60 < sum(report["train_pairs"]) < 91
    (run,) = report["models"]["plain"]["runs"]
    assert (run["seed"], len(run["bins"]), len(run["loss"])) == (1, 9, 1)
    assert (output / "long_sentences.png").read_bytes()[:4] == b"\x89PNG"

    path, folder = output / "long_sentences.json", output / "long_sentences_runs"
    model = folder / "plain_1" / "model.keras"
    before = model.stat().st_mtime_ns
    path.unlink()
    model.with_name("scores.json").unlink()
    assert script.main([*arguments, "--reuse"]) == 0
    assert capsys.readouterr().err == "plain, seed 1: scores\n"
    assert model.stat().st_mtime_ns == before
    # What the report has is in the next one, of these settings alone.
    shutil.rmtree(model.parent)
    assert script.main([*arguments, "--reuse", "--seeds", "2"]) == 0
    told = capsys.readouterr()
    assert told.err.splitlines() == ["plain, seed 2: training", "plain, seed 2: scores"]
    report = json.loads(path.read_text())
    assert [x["seed"] for x in report["models"]["plain"]["runs"]] == [1, 2]
    others = script.parse_arguments([*arguments, "--reuse"])
    others.units = 9
    assert not any(script.earlier_runs(others).values())

    scores = folder / "plain_2" / "scores.json"
    held = json.loads(scores.read_text())
    held["settings"]["most"] = 7
    scores.write_text(json.dumps(held))
    path.unlink()
    assert script.main([*arguments, "--reuse", "--seeds", "2"]) == 2
    assert "scores.json is of other settings: leave out" in capsys.readouterr().err


def test_options_that_cannot_be_are_refused(script, capsys):
    with pytest.raises(SystemExit):
        script.parse_arguments(["--data", "data", "--most", "0"])
    assert "--most must be at least 1. Received: 0" in capsys.readouterr().err
