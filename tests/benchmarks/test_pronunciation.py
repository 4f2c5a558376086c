"""The benchmark of pronunciation, on next to nothing and without its peer."""

import gzip
import importlib
import json
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq import trainer
from paths import BENCHMARKS
from remotes import in_this_process
from translators import tiny_translator

ROWS = ["aba\ta b a", "bab\tb a b", "abb\ta b", "ba\tb a", "a\ta"]


@pytest.fixture(scope="module")
def pronunciation():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("pronunciation")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def data(tmp_path):
    """A folder of data sets with five words in each part."""
    folder = tmp_path / "g2p_sigmorphon2020"
    folder.mkdir()
    for part in ("train", "dev", "test"):
        text = "".join(f"{row}\n" for row in ROWS)
        (folder / f"hun_{part}.tsv.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


class Yoyodyne:
    """In the place of the peer one that has everything right, twice as slowly."""

    def __init__(self, folder, seed, epochs, units, precision):
        self.rows = (folder and ROWS)[:4]
        self.factor = 2 * seed

    def about(self):
        return {"yoyodyne": "0.5.27"}

    def train(self):
        epochs = [self.factor * x for x in (9.0, 1.0, 2.0)]
        return {"parameters": 7, "epochs": epochs, "dev_accuracy": [1.0]}

    def start_decoding(self, words):
        self.words = words

    def decode(self):
        assert self.words == [row.split("\t")[0] for row in self.rows]
        outputs = [row.split("\t")[1] for row in self.rows]
        return {"seconds": float(self.factor), "outputs": outputs}


class Half(Yoyodyne):
    """In the place of ours one that is twice as fast, and has one word wrong."""

    def __init__(self, folder, seed, epochs, units, precision):
        super().__init__(folder, seed, epochs, units, precision)
        self.factor = seed

    def start_decoding(self, words, products="float32"):
        super().start_decoding(words)
        self.factor *= 0.5 if products == "int8" else 1

    def decode(self):
        decoded = super().decode()
        return {**decoded, "outputs": [*decoded["outputs"][:3], "b b"]}


def test_trainings_and_decodings_are_summed_up(
    pronunciation, data, monkeypatch, capsys
):
    monkeypatch.setattr(pronunciation, "Ours", Half)
    monkeypatch.setattr(pronunciation, "Yoyodyne", Yoyodyne)
    remote = in_this_process(pronunciation)
    monkeypatch.setattr(pronunciation.elsewhere, "Remote", remote)
    arguments = ["--data", data, "--output", data, "--yoyodyne-python", "python"]
    arguments += ["--words", 4, "--seeds", 1, 3, "--repeat", 2, "--int8"]
    pronunciation.main([str(x) for x in arguments])
    report = json.loads((data / "pronunciation.json").read_text())
    assert [run["seed"] for run in report["runs"]] == [1, 3]
    assert report["settings"]["words"] == {"train": 4, "dev": 4, "test": 4}
    # Of epochs 9, 1, 2 and thrice as long ones; of decodings 1, 1, 3, 3 for four words.
    assert report["summary"]["ours"] == {
        "parameters": 7,
        "seconds_of_an_epoch": 4.5,
        "words_per_second": 2.0,
        "accuracy": 75.0,
        "phone_error_rate": 10.0,
    }
    assert report["summary"]["yoyodyne"]["accuracy"] == 100.0
    assert report["summary"]["ours_int8"]["words_per_second"] == 4.0
    assert report["summary"]["times_as_fast"] == {
        "training": 2.0,
        "decoding": 2.0,
        "decoding_int8": 4.0,
    }
    shown = capsys.readouterr().out
    assert "| Yoyodyne 0.5.27 | 9.0 | 1 | 100.0 | 0.00 |" in shown
    assert "| ours, products in int8 |  | 4 | 75.0 | 10.00 |" in shown


def test_our_contender_times_the_epochs_of_the_recipe(
    pronunciation, tmp_path, monkeypatch
):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    history = [{"val_exact_match": 25.0}] * 2
    given = []

    def prepare(settings, run, folder, fresh):
        given.append(settings)
        run_folder = SimpleNamespace(history=history)
        return SimpleNamespace(model=model, run_folder=run_folder)

    def fit(training):
        ones = np.ones((3, 1))
        training.model.fit(ones, ones, epochs=2, callbacks=[], verbose=0)

    monkeypatch.setattr(trainer, "prepare", prepare)
    monkeypatch.setattr(trainer, "fit", fit)
    sizes = {"seed": 5, "epochs": 3, "units": 14}
    training = pronunciation.Ours(tmp_path, **sizes, precision="mixed_float16").train()
    assert len(training["epochs"]) == 2 and training["dev_accuracy"] == [25.0, 25.0]
    assert 0 < sum(training["epochs"]) < training["seconds"]
    (settings,) = given
    assert settings.model["units"] == 14 and settings.model["attention"] == "bahdanau"
    assert (settings.training.seed, settings.training.epochs) == (5, 3)
    assert settings.training.precision == "mixed_float16"
    assert settings.model["hard_attention"] == "none"
    assert list(settings.data.train) == ["train.tsv"]


def test_our_contender_decodes_with_a_beam_of_5(pronunciation, tmp_path, monkeypatch):
    translator = tiny_translator()
    given = []

    def load(path, products):
        given.append(products)
        return translator

    monkeypatch.setattr("kseq2seq.Translator.load", load)
    ours = pronunciation.Ours(tmp_path, seed=1, epochs=1, units=2)
    texts = ["a dog", "we run home"]
    ours.start_decoding(texts)
    ours.start_decoding(texts, products="int8")
    assert given == ["float32", "int8"]
    search = kseq2seq.Search(beam_size=5, length_penalty=0.0)
    expected = [row[0].text for row in translator.translate(texts, search)]
    decoded = ours.decode()
    assert decoded["outputs"] == expected and decoded["seconds"] > 0


def test_the_peer_has_the_same_sizes(pronunciation, tmp_path):
    peer = pronunciation.Yoyodyne(tmp_path, 5, 3, 14, "mixed_bfloat16")
    config = peer.config(train="train.tsv")
    assert config["trainer"]["precision"] == "bf16-mixed"
    sizes = config["model"]["init_args"]
    assert sizes["decoder_hidden_size"] == 14
    assert sizes["source_encoder"]["init_args"]["hidden_size"] == 7
    assert config["trainer"]["max_epochs"] == 3 and config["seed_everything"] == 5
    assert config["data"]["train"] == str(tmp_path / "train.tsv")


def test_only_steps_count_in_an_epoch(pronunciation, monkeypatch):
    times = iter([1.0, 3.0, 7.0])  # what follows the last step is validation
    monkeypatch.setattr(pronunciation.time, "perf_counter", lambda: next(times))
    clock = pronunciation.Clock()
    for call in (clock.begin, clock.step, clock.step, clock.end):
        call()
    assert clock.seconds == [6.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--yoyodyne-python", "python"], "--data must name the folder"),
        (["--repeat", "0"], "must be at least 1"),
        (["--units", "7"], "--units must be even"),
    ],
)
def test_what_is_wrong_is_said_at_once(pronunciation, arguments, message, capsys):
    with pytest.raises(SystemExit):
        pronunciation.main(arguments)
    assert message in capsys.readouterr().err


def test_without_a_peer_it_is_said_how_to_get_one(pronunciation, capsys):
    pronunciation.main([])
    assert 'PEER/bin/pip install "yoyodyne==0.5.27"' in capsys.readouterr().out
