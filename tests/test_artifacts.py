"""Files that earlier versions wrote are loaded, and answer as they did then.

Each folder in `artifacts/` was written by the version of its name; `make.py` there
tells how. Texts, tokens and ids must be the same, numbers nearly: another processor, or
another order of sums, rounds differently.
"""

import functools
import json
from pathlib import Path

import keras
import numpy as np
import pytest

import kseq2seq
from loaders import run_session, strings

ARTIFACTS = Path(__file__).resolve().parent / "artifacts"
VERSIONS = sorted(path.parent for path in ARTIFACTS.glob("*/expected.json"))

# A model that was saved before its first step has no moments, of which Keras warns.
pytestmark = pytest.mark.filterwarnings("ignore:Skipping variable loading")


def near(expected):
    return pytest.approx(expected, rel=1e-5, abs=1e-5)


@functools.cache
def expected_of(folder):
    return json.loads((folder / "expected.json").read_text(encoding="utf-8"))


@functools.cache
def arrays_of(folder):
    with np.load(folder / "expected.npz") as arrays:
        return dict(arrays)


def load(loader, path):
    """Loads a file; skips the test where a newer Keras wrote the file."""
    try:
        return loader(path)
    except ValueError as error:
        if "needs that version or a later one" not in str(error):
            raise
        pytest.skip(str(error))


@functools.cache
def translator_of(folder, name):
    return load(kseq2seq.Translator.load, folder / name)


def each(kind, prefix=""):
    """A test for each artifact: `folder`, and `name`, the path in it."""
    actual = [
        pytest.param(folder, name, id=f"{folder.name}-{name}")
        for folder in VERSIONS
        for name in expected_of(folder)[kind]
        if name.startswith(prefix)
    ]
    return pytest.mark.parametrize(("folder", "name"), actual)


def compare_arrays(folder, prefix, received):
    """Compares a dict of arrays with all those of a prefix."""
    expected = {x: y for x, y in arrays_of(folder).items() if x.startswith(prefix)}
    assert received.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(received[key], value, 1e-5, 1e-5, err_msg=key)


@each("translators")
def test_translations_are_the_same(folder, name):
    translator = translator_of(folder, name)
    expected = expected_of(folder)["translators"][name]
    search = kseq2seq.Search(**{"forbid_unknown": False, **expected["search"]})
    actual = translator.translate(expected["texts"], search)
    assert [[x.text for x in best] for best in actual] == [
        [text for text, _ in best] for best in expected["translations"]
    ]
    assert [x.score for best in actual for x in best] == near(
        [score for best in expected["translations"] for _, score in best]
    )
    if "greedy" in expected:  # not in a SavedModel, which has one search
        assert translator(expected["texts"], beam=1) == expected["greedy"]
        tokens = [[[x.source_tokens, x.target_tokens] for x in best] for best in actual]
        assert tokens == expected["tokens"]
        assert [x.log_prob for best in actual for x in best] == near(
            [log_prob for best in expected["log_probs"] for log_prob in best]
        )


@each("translators")
def test_scores_of_pairs_are_the_same(folder, name):
    expected = expected_of(folder)["translators"][name]
    actual = translator_of(folder, name).score(expected["pairs"])
    assert [count for _, count in actual] == [n for _, n in expected["scored"]]
    assert [x for x, _ in actual] == near([x for x, _ in expected["scored"]])


@each("translators")
def test_samples_of_a_seed_are_the_same(folder, name):
    expected = expected_of(folder)["translators"][name]
    actual = translator_of(folder, name).sample(expected["texts"], seed=5)
    assert [x.text for x in actual] == [text for text, _ in expected["sampled"]]
    assert [x.log_prob for x in actual] == near([x for _, x in expected["sampled"]])


@each("translators")
def test_alignments_are_the_same(folder, name):
    translator = translator_of(folder, name)
    expected = expected_of(folder)["translators"][name]
    if "aligned" not in expected:
        with pytest.raises(ValueError, match="for models with attention alone"):
            translator.align(expected["pairs"])
        return
    actual = [x._asdict() for x in translator.align(expected["pairs"])]
    weights = {f"{name}/align/{n}": x.pop("weights") for n, x in enumerate(actual)}
    # Tuples of a pair of numbers, which JSON has as lists.
    assert json.loads(json.dumps(actual)) == expected["aligned"]
    compare_arrays(folder, f"{name}/align/", weights)


@each("translators")
def test_encodings_are_the_same(folder, name):
    texts = expected_of(folder)["translators"][name]["texts"]
    actual = translator_of(folder, name).encode(texts)
    states = {f"{name}/state/{n}": x.state for n, x in enumerate(actual)}
    memories = {f"{name}/memory/{n}": x.memory for n, x in enumerate(actual)}
    compare_arrays(folder, f"{name}/state/", states)
    memories = {key: x for key, x in memories.items() if x is not None}
    compare_arrays(folder, f"{name}/memory/", memories)


@each("translators", "saved_models/")
def test_saved_models_answer_alike_in_the_session_loader(folder, name):
    expected = expected_of(folder)["translators"][name]
    sources, targets = zip(*expected["pairs"], strict=True)
    texts = {"text": strings(expected["texts"])}
    pairs = {"text": strings(sources), "target": strings(targets)}
    best, several, scored, aligned = run_session(
        folder / name / "1",
        [
            ("serving_default", texts),
            ("nbest", texts),
            ("score", pairs),
            ("align", pairs),
        ],
    )
    first = [actual[0] for actual in expected["translations"]]
    assert [x.decode() for x in best["translation"]] == [x for x, _ in first]
    assert best["score"].tolist() == near([x for _, x in first])
    for row, actual in enumerate(expected["translations"]):
        count = len(actual)
        written = [x.decode() for x in several["translations"][row, :count]]
        assert written == [text for text, _ in actual]
        assert several["scores"][row, :count].tolist() == near([x for _, x in actual])
    assert scored["num_tokens"].tolist() == [n for _, n in expected["scored"]]
    assert scored["log_prob"].tolist() == near([x for x, _ in expected["scored"]])
    for row, actual in enumerate(expected["aligned"]):
        links = aligned["links"][row]
        assert links[links >= 0].tolist() == actual["links"]


def inputs_of(folder, model):
    arrays = arrays_of(folder)
    if isinstance(model.input, dict):
        return {name: arrays[name] for name in ("source", "target")}
    return [arrays["source"], arrays["target"]]


def logits_of(folder, model):
    return keras.ops.convert_to_numpy(model(inputs_of(folder, model)))[:5]


def compare_evaluation(folder, model, expected):
    labels = arrays_of(folder)["labels"]
    actual = model.evaluate(
        inputs_of(folder, model), labels, return_dict=True, verbose=0
    )
    assert actual.keys() == expected.keys()
    if isinstance(model.loss, kseq2seq.SampledCrossentropy):
        # Which samples are drawn is nobody's business.
        assert actual.pop("loss") == pytest.approx(expected["loss"], rel=0.1)
    assert actual == near({name: expected[name] for name in actual})


@each("models")
def test_logits_losses_and_metrics_are_the_same(folder, name):
    expected = expected_of(folder)["models"][name]
    model = load(kseq2seq.load_model, folder / name)
    compare_arrays(
        folder, f"{name}/logits", {f"{name}/logits": logits_of(folder, model)}
    )
    compare_evaluation(folder, model, expected["evaluated"])


@each("models")
def test_training_goes_on_from_the_state_of_the_optimizer(folder, name):
    expected = expected_of(folder)["models"][name]
    model = load(kseq2seq.load_model, folder / name)
    assert type(model.optimizer) is kseq2seq.Adam
    assert model.optimizer.global_clipnorm == 5.0
    state = [float(np.abs(x).sum()) for x in model.optimizer.variables]
    assert state == pytest.approx(expected["optimizer"], rel=1e-5, abs=0.0)
    if "evaluated_after_a_step" in expected:
        labels = arrays_of(folder)["labels"]
        model.train_on_batch(inputs_of(folder, model), labels)
        compare_evaluation(folder, model, expected["evaluated_after_a_step"])


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda x: x.name)
def test_the_config_of_a_run_builds_the_model_of_its_weights(folder):
    run = folder / "runs" / "dates"
    values = json.loads((run / "config.json").read_text(encoding="utf-8"))
    model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig.from_dict(values))
    model.load_weights(run / "model.keras")
    key = "runs/dates/model.keras/logits"
    compare_arrays(folder, key, {key: logits_of(folder, model)})


@pytest.mark.parametrize("folder", VERSIONS, ids=lambda x: x.name)
def test_an_export_of_a_run_answers_alike_and_tells_of_its_training(folder, tmp_path):
    name = "runs/dates"
    expected = expected_of(folder)["translators"][name]
    search = kseq2seq.Search(**{"forbid_unknown": False, **expected["search"]})
    path = translator_of(folder, name).export(tmp_path / "dates", search)
    actual = kseq2seq.Translator.load(path).translate(expected["texts"])
    assert [[x.text for x in best] for best in actual] == [
        [text for text, _ in best] for best in expected["translations"]
    ]
    cards = [
        json.loads((x / "model_card.json").read_text(encoding="utf-8"))
        for x in (path, folder / "saved_models" / "dates" / "1")
    ]
    assert cards[0]["trainings"] == cards[1]["trainings"]
    assert cards[0]["tokenizers"] == cards[1]["tokenizers"]
