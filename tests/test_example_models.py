"""The models and the local client under `examples/`, on small sizes."""

import importlib.util
import re
import shutil
import subprocess
import sys
import sysconfig
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq import data, trainer
from kseq2seq.trainer.pairs import read_parts
from paths import ROOT

EXAMPLES = ROOT / "examples"
SAVED_MODEL = ROOT / "saved_models" / "dates" / "1"


def load(name):
    path = EXAMPLES / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_forecast_beats_what_needs_no_model(tmp_path, capsys):
    picture = tmp_path / "alignment.png"
    options = ["--series", "2000", "--epochs", "6", "--alignment", str(picture)]
    load("forecast").main(options)
    errors = {}
    for line in capsys.readouterr().out.splitlines():
        name, _, number = line.rpartition("  ")
        errors[name.strip()] = number
    # The noise alone has a mean absolute error of 0.5 * sqrt(2 / pi) = 0.399.
    attention = float(errors["with attention"])
    assert 0.39 < attention < float(errors["mean of four days"])
    assert attention < float(errors["as yesterday"])
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def values(tmp_path):
    """A file of a series with a season of 6, which drifts."""
    generator, times = np.random.default_rng(0), np.arange(150)
    series = np.sin(2 * np.pi * times / 6) + np.cumsum(generator.normal(0.1, 0.1, 150))
    path = tmp_path / "values.txt"
    np.savetxt(path, series)
    return path


def test_quantiles_of_a_series_are_forecast_and_drawn(values, tmp_path, capsys):
    picture = tmp_path / "forecast.png"
    options = ["--season", "6", "--horizon", "3", "--units", "8", "--epochs", "2"]
    load("forecasting_quantiles").main([str(values), *options, "--plot", str(picture)])
    out = capsys.readouterr().out
    errors = dict(re.findall(r"^(\w+): mean absolute error ([\d.]+)$", out, re.M))
    # Drift alone makes the naive forecast err by 6 * 0.1.
    assert float(errors["naive"]) == pytest.approx(0.6, abs=0.2)
    assert float(errors["median"]) < float(errors["naive"])
    assert re.findall(r"^(\d+)% interval: holds [\d.]+%$", out, re.M) == [
        "90", "80", "50",
    ]  # fmt: skip
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_forecast_knows_nothing_of_what_it_is_to_tell():
    module = load("forecasting_quantiles")
    series = np.random.default_rng(0).normal(size=40)
    inputs, targets, *_ = module.make_windows(series, 5, 3)
    assert inputs["past"].shape == (28, 10, 3) and inputs["future"].shape == (28, 3, 5)
    for window in (0, 27):
        first = 10 + window
        past = series[first - 10 : first]
        expected = (series[first : first + 3] - past.mean()) / past.std()
        np.testing.assert_allclose(targets[window], expected, rtol=1e-4)
        last = (series[first - 1] - past.mean()) / past.std()
        np.testing.assert_allclose(inputs["future"][window, :, 2], last, rtol=1e-4)
    # Another future changes no input of the last window.
    series[-3:] += 1.0
    changed, *_ = module.make_windows(series, 5, 3)
    for name, array in inputs.items():
        np.testing.assert_array_equal(changed[name][-1], array[-1])


@pytest.mark.parametrize(
    "options", [[], ["--season", "6"], ["--season", "6", "--horizon", "7"],
                ["--season", "16", "--horizon", "3"]]
)  # fmt: skip
def test_a_series_that_cannot_be_forecast_is_refused(values, options, capsys):
    with pytest.raises(SystemExit):
        load("forecasting_quantiles").main([str(values), *options])
    assert "needs 0 < --horizon <= --season, and 10 seasons" in capsys.readouterr().err


@pytest.fixture
def few_digits(monkeypatch):
    """scikit-learn's digits in small: noise, of which each is of another number."""
    digits = np.random.default_rng(0).uniform(1, 16, size=(20, 64)).round()
    load_digits = lambda **_: (digits, np.arange(20) % 10)  # noqa: E731
    datasets = types.SimpleNamespace(load_digits=load_digits)
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, datasets)
    return digits.reshape(-1, 8, 8) / 16


def test_rows_of_digits_are_read_and_drawn(few_digits, tmp_path, capsys):
    picture = tmp_path / "words.png"
    options = ["--rows", "40", "--tests", "3", "--epochs", "1", "--units", "5"]
    load("read_digits").main([*options, "--plot", str(picture)])
    out = capsys.readouterr().out
    shares = re.findall(r"^(rows|words) .*: ([\d.]+)%$", out, re.M)
    assert [name for name, _ in shares] == ["rows", "words"]
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_rows_of_digits_hold_what_their_words_say(few_digits):
    module = load("read_digits")
    generator = np.random.default_rng(0)
    rows = module.make_rows(few_digits, np.arange(20) % 10, 30, generator)
    lengths = set()
    for picture, text, lefts in zip(*rows, strict=True):
        words = text.split()
        lengths.add(len(words))
        assert len(lefts) == len(words) and np.all(np.diff(lefts) >= 8)
        for word, left in zip(words, lefts, strict=True):
            column = picture[:, left : left + 8, 0]
            top = np.flatnonzero(column.any(axis=1))[0]
            (number,) = (
                number
                for number, digit in enumerate(few_digits)
                if np.allclose(column[top : top + 8], digit, atol=1e-6)
            )
            assert module.NAMES[number % 10] == word
    assert lengths == {3, 4, 5, 6, 7}


def test_a_picture_is_searched_as_its_reader_trains():
    module = load("read_digits")
    keras.utils.set_random_seed(0)
    reader = module.Reader(13, 5)
    pictures = np.random.default_rng(0).uniform(size=(2, 12, 72, 1)).astype("float32")
    # So that what was written before matters.
    reader.embedding.embeddings.assign(9 * reader.embedding.embeddings)
    ids, alignments = reader.search(pictures, beam_size=1)
    target = np.pad(np.array(ids)[:, :-1], [(0, 0), (1, 0)], constant_values=2)
    logits = np.array(reader.model({"picture": pictures, "target": target}))
    ended = np.cumsum(np.array(ids) == 3, axis=1) > 0
    assert not ended[:, :2].any()
    # PAD and BOS are never written.
    logits[..., [0, 2]] = -np.inf
    np.testing.assert_array_equal(np.argmax(logits, -1)[~ended], np.array(ids)[~ended])
    np.testing.assert_allclose(alignments[~ended].sum(-1), 1, rtol=1e-5)


def test_the_tutorial_of_tensorflow_trains_and_exports(tmp_path, capsys):
    # As in spa.txt: the target first.
    pairs = kseq2seq.data.dates(300, locales=("es", "en"))
    rows = [f"{target}\t{source}\tlicence\n" for source, target in pairs]
    (tmp_path / "spa.txt").write_text("".join(rows), encoding="utf-8")
    module, folder = load("nmt_with_attention"), tmp_path / "es_en" / "1"
    options = ["--units", "8", "--vocabulary", "60", "--epochs", "2"]
    module.main([str(tmp_path / "spa.txt"), *options, "--export", str(folder)])
    out = capsys.readouterr().out
    assert out.count("token_accuracy") == 4 and "chrF2" in out
    printed = [line.split("\t") for line in out.splitlines() if "\t" in line]
    assert len(printed) == 10
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    (outputs,) = served(tf.constant([text for text, _ in printed])).values()
    assert [x.decode() for x in outputs.numpy()] == [x for _, x in printed]


def test_the_tutorial_of_tensorflow_searches_as_it_trains():
    pairs = [("ab", "ba"), ("abc", "cba"), ("c", "c")]
    tokenizers = kseq2seq.train_tokenizers(pairs, kind="character")
    seq2seq = load("nmt_with_attention").Seq2Seq(*tokenizers, 7)
    sources = tokenizers[0].tokenize(["abc", "c"]).to_tensor()
    # So that what was written before matters.
    seq2seq.embedding.embeddings.assign(3 * seq2seq.embedding.embeddings)
    translations, alignments = seq2seq.search(["abc", "c"], beam_size=1)
    written = tokenizers[1].tokenize(translations).to_tensor()
    given = tf.concat([tf.fill([2, 1], 2), written[:, :-1]], axis=1)
    _, expected = seq2seq.attention(
        seq2seq.decoder(seq2seq.embedding(given)),
        seq2seq.encoder(sources),
        value_mask=sources != 0,
        return_attention_scores=True,
    )
    length = int(tf.reduce_min(tf.reduce_sum(tf.cast(written != 0, tf.int32), axis=1)))
    assert length > 2
    np.testing.assert_allclose(
        alignments[:, : length - 1], expected[:, : length - 1], atol=1e-5
    )


def test_a_saved_model_is_loaded_without_this_package():
    program = (
        "import sys\nsys.modules.update(dict.fromkeys(['kseq2seq', 'sentencepiece']))\n"
        "import runpy\nsys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    script = str(EXAMPLES / "translate_saved_model.py")
    command = [sys.executable, "-c", program, script, str(SAVED_MODEL)]
    result = subprocess.run(
        command,
        input="4 March 2017\n9. November 1989\n",
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == ["2017-03-04", "1989-11-09"]


def test_a_saved_model_needs_tensorflow_text():
    program = f"import tensorflow as tf; tf.saved_model.load({str(SAVED_MODEL)!r})"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    # As the script's comment and the page say.
    assert result.returncode == 1
    assert "Op type not registered 'Sentencepiece" in result.stderr


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name
)
def test_examples_are_short_and_listed(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 130
    page = (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    assert f"(../examples/{path.name})" in page


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
def test_spoken_numbers_are_a_data_set(tmp_path, capsys):
    sizes = {"train": 3, "validation": 1, "test": 2}
    options = [word for name, n in sizes.items() for word in (f"--{name}", str(n))]
    load("spoken_numbers").main([str(tmp_path), *options])
    recipe = trainer.read_settings(trainer.find_recipe("spoken_numbers"))
    parts = read_parts(recipe.data, tmp_path)
    assert [len(part) for part in parts] == [3, 1, 2]
    for part in parts:
        for path, number in part:
            assert number.isdecimal() and data.wav_sample_rate(path) == 22050
    voices = {
        name: {row[2].partition("+")[2] for row in read_rows(tmp_path / f"{name}.tsv")}
        for name in sizes
    }
    assert not voices["test"] & (voices["train"] | voices["validation"])
    told = capsys.readouterr().out
    assert "train: 3 numbers in" in told and "test: 2 numbers in 12 voices" in told


MODULES = {
    "shapes.py": '''"""Draw shapes on a canvas.

Each shape
has a\\tcolour, and a place of its own on the canvas.
"""

if True:

    class Circle:
        """A circle with a radius.

        The radius is the distance from its middle to any of its points.
        """

        def area(self):
            """Return the area of
            the circle.

            This summary has two lines, and so it is none at all.
            """

        async def grow(self):
            """Too few.

            This summary has two words, and so it is none at all.
            """
''',
    "tools/__init__.py": '''
try:
    import absent
except ImportError:

    def cut():
        """Cut paper by hand.

        The radius is the distance from its middle to any of its points.
        """

    def glue():
        """Glue two sheets of paper.

        Both of the sheets must be clean, dry and of the same size.
        """
''',
    "tools/saw.py": '''"""Saw a board in two.

Hold the board with one hand, as it may slip.
"""
''',
    "wrong.py": "def",
    "site-packages/other.py": '"""Not of it at all.\n\n1 2 3 4 5 6 7 8 9."""',
}


@pytest.fixture
def standard_library(tmp_path, monkeypatch):
    """A library of a few modules in the place of Python's own."""
    folder = tmp_path / "lib"
    for name, text in MODULES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.setattr(sysconfig, "get_path", {"stdlib": str(folder)}.get)
    return folder


def test_summaries_of_docstrings_are_a_data_set(standard_library, tmp_path, capsys):
    options = ["--validation", "1", "--test", "1", "--words", "9"]
    load("docstring_summaries").main([str(tmp_path / "data"), *options])
    names = ("train", "validation", "test")
    rows = {x: read_rows(tmp_path / "data" / f"{x}.tsv") for x in names}
    everything = sorted(row for part in rows.values() for row in part)
    assert everything == [
        ["Both of the sheets must be clean, dry and", "Glue two sheets of paper.",
         "tools"],
        ["Each shape has a colour, and a place of", "Draw shapes on a canvas.",
         "shapes"],
        ["Hold the board with one hand, as it may", "Saw a board in two.", "tools.saw"],
        ["The radius is the distance from its middle to", "A circle with a radius.",
         "shapes"],
    ]  # fmt: skip
    modules = {name: {row[2] for row in part} for name, part in rows.items()}
    assert sum(map(len, modules.values())) == len(set.union(*modules.values())) == 3
    recipe = trainer.read_settings(trainer.find_recipe("summaries"))
    parts = read_parts(recipe.data, tmp_path / "data")
    assert [[*x] for x in parts[0]] == [row[:2] for row in rows["train"]]
    assert f"train: {len(rows['train'])} pairs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--test", "9"], "too few pairs for three parts"),
        (["absent"], "no such folder"),
        (["--words", "-3"], "--words must be 1 or more. Received: -3"),
    ],
)
def test_summaries_need_modules(standard_library, tmp_path, capsys, options, message):
    with pytest.raises(SystemExit):
        load("docstring_summaries").main([str(tmp_path / "data"), *options])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_bookings_are_dialogues_whose_replies_follow(tmp_path, capsys):
    sizes = {"train": 40, "validation": 3, "test": 20}
    options = [word for name, n in sizes.items() for word in (f"--{name}", str(n))]
    load("booking_dialogues").main([str(tmp_path), *options])
    assert "train: 40 dialogues" in capsys.readouterr().out
    recipe = trainer.read_settings(trainer.find_recipe("conversation"))
    parts = read_parts(recipe.data, tmp_path)
    pairs = [pair for part in parts for pair in part]
    replies = {}
    for context, reply in pairs:
        # The same turns have the same reply, whose names and times stand in them.
        assert replies.setdefault(context, reply) == reply
        if reply.endswith("right?"):
            slots = re.fullmatch(
                r"A table for (.+) on (.+) at (.+), by (.+)\. .*", reply
            )
            assert all(re.search(rf"\b{slot}\b", context) for slot in slots.groups())
    assert any(context.count(" | ") == 8 for context in replies)
    names = [
        {row[1] for pair in part if (row := re.search(r"Thank you, (\w+)", pair[1]))}
        for part in parts
    ]
    assert all(names) and not names[2] & (names[0] | names[1])


def read_rows(path):
    return [line.split("\t") for line in path.read_text().splitlines()]


def test_spoken_numbers_need_a_program(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="espeak-ng is missing: install it, as by"):
        load("spoken_numbers").main([str(tmp_path)])
