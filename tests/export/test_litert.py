"""LiteRT exports: as LiteRT's own interpreter runs them, without TensorFlow."""

import json
import os
import re
import subprocess
import sys
import tempfile
import types

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search, cli, decoding
from kseq2seq.export import export_litert
from kseq2seq.export import ids as id_export
from kseq2seq.models import start_decoding
from kseq2seq.utils import EOS_ID, EXTRAS, numbered_folders
from translators import HARD_ATTENTION, TEXTS, TRANSFORMER, tiny_translator

interpreter = pytest.importorskip("ai_edge_litert.interpreter")
sentencepiece = pytest.importorskip("sentencepiece")

# At the source's full length, 2 n + 20 would be more.
SEARCH = Search(beam_size=5, num_hypotheses=2, max_length=13, coverage_penalty=0.3)
GREEDY = Search(beam_size=1, max_length=13)
SOURCE_LENGTH = 23
# Without the blank one, of which ids are asked for by themselves.
SPOKEN = [text for text in TEXTS if text]


def export(translator, folder, search=GREEDY, weights="float32", length=SOURCE_LENGTH):
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    return export_litert(folder, translator.model, *tokenizers, search, length, weights)


@pytest.fixture(scope="module")
def translator():
    """Large enough that weights are stored in fewer bits."""
    return tiny_translator(units=46, embedding_size=38)


@pytest.fixture(scope="module")
def exported(translator, tmp_path_factory):
    """The versions of an export, by the word for their weights."""
    folder = tmp_path_factory.mktemp("litert") / "tiny"
    words = ("float32", "float16", "int8")
    return {word: export(translator, folder, SEARCH, word) for word in words}


def source_ids(path, text, source_length=SOURCE_LENGTH):
    tokenizer = sentencepiece.SentencePieceProcessor(
        model_file=str(path / "source.model")
    )
    ids = np.zeros((1, source_length), np.int32)
    tokens = tokenizer.encode(text, add_eos=True)
    ids[0, : len(tokens)] = tokens
    return ids


def runner(path):
    """The signature, by an interpreter that has the built-in operations alone."""
    return interpreter.Interpreter(
        str(path / "greedy.tflite"),
        experimental_op_resolver_type=(
            interpreter.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
    ).get_signature_runner("greedy")


def run(path, texts):
    """LiteRT's answer for each text: ids up to their end, and the score."""
    run_greedy = runner(path)
    for text in texts:
        actual = run_greedy(source=source_ids(path, text))
        length = actual["lengths"][0, 0]
        assert not actual["ids"][0, 0, length:].any()
        yield actual["ids"][0, 0, :length].tolist(), actual["scores"][0, 0]


def assert_as_python(translator, path):
    expected = [best for best, *_ in translator.translate(SPOKEN, GREEDY)]
    assert len({best.text for best in expected}) > 2
    target = sentencepiece.SentencePieceProcessor(model_file=str(path / "target.model"))
    for best, (ids, score) in zip(expected, run(path, SPOKEN), strict=True):
        assert [target.id_to_piece(x) for x in ids] == best.target_tokens
        assert target.decode(ids) == best.text
        np.testing.assert_allclose(score, best.score, rtol=0, atol=1e-4)


def test_finds_what_python_finds(translator, exported):
    assert_as_python(translator, exported["float32"])


@pytest.mark.parametrize("weights", ["float16", "int8"])
def test_fewer_bits_change_little(translator, exported, weights):
    expected = [best.score for best, *_ in translator.translate(SPOKEN, GREEDY)]
    actual = [score for _, score in run(exported[weights], SPOKEN)]
    np.testing.assert_allclose(actual, expected, rtol=0.05)
    assert max(abs(np.subtract(actual, expected))) > 1e-5


def test_weights_of_fewer_bits_are_smaller(translator, exported):
    size = {
        weights: (path / "greedy.tflite").stat().st_size
        for weights, path in exported.items()
    }
    parameters = sum(np.size(x) for x in translator.model.get_weights())
    # Biases keep their 32 bits, and int8 has small matrices keep theirs.
    assert 1.5 * parameters < size["float32"] - size["float16"] <= 2 * parameters
    assert 2.2 * parameters < size["float32"] - size["int8"] <= 3 * parameters


def test_an_empty_text_is_eos_alone(translator, exported):
    step, state = start_decoding(translator.model)(tf.constant([[EOS_ID, 0]]))
    expected = decoding.greedy_search(step, state, max_length=13)
    ((ids, score),) = run(exported["float32"], [""])
    assert ids == expected.ids[0, 0, : len(ids)].numpy().tolist()
    assert len(ids) == expected.lengths[0, 0]
    np.testing.assert_allclose(score, expected.scores[0, 0], rtol=1e-5)


def test_the_lengths_and_rules_of_the_search_hold(translator, tmp_path):
    lengths = {"max_length_factor": 0.5, "max_length_offset": 1}
    search = Search(beam_size=1, **lengths, repetition_penalty=1.7)
    path = export(translator, tmp_path, search)
    # 0.5 * 23 + 1, rounded to an even number.
    (details,) = (
        x
        for x in interpreter.Interpreter(
            str(path / "greedy.tflite")
        ).get_output_details()
        if len(x["shape"]) == 3
    )
    assert details["shape"].tolist() == [1, 1, 12]
    expected = [best.target_tokens for best, *_ in translator.translate(SPOKEN, search)]
    pieces = translator.target_tokenizer.pieces
    actual = [pieces(ids) for ids, _ in run(path, SPOKEN)]
    assert actual == expected
    assert len(max(actual, key=len)) > len(min(actual, key=len))
    assert any(len(set(tokens)) < len(tokens) - 1 for tokens in actual)


@pytest.mark.parametrize(
    "settings",
    [
        {"attention": "none", "cell": "gru", "bidirectional": False},
        {
            "attention": "location_sensitive",
            "input_feeding": True,
            "tie_embeddings": True,
            "bridge": "dense",
            "encoder_units": 8,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "residual": True,
        },
        {
            "attention": "chunkwise",
            "attention_query": "previous",
            "cell": "layer_norm_lstm",
        },
        HARD_ATTENTION,
        TRANSFORMER,
    ],
    ids=["no attention", "location input feeding", "chunkwise", "hard", "transformer"],
)
def test_every_decoder_is_exported(tmp_path, settings):
    translator = tiny_translator(**settings)
    assert_as_python(translator, export(translator, tmp_path))


def test_shapes_are_fixed(exported):
    details = runner(exported["int8"])
    inputs, outputs = details.get_input_details(), details.get_output_details()
    assert {(k, x["dtype"], *x["shape"]) for k, x in inputs.items()} == {
        ("source", np.int32, 1, 23)
    }
    assert {(k, x["dtype"], *x["shape"]) for k, x in outputs.items()} == {
        ("ids", np.int32, 1, 1, 13),
        ("scores", np.float32, 1, 1),
        ("lengths", np.int32, 1, 1),
    }


def test_the_folder_tells_what_it_is(exported):
    path = exported["int8"]
    assert {x.name for x in path.iterdir()} == {
        "greedy.tflite",
        "source.model",
        "target.model",
        "README.md",
        "kseq2seq.json",
    }
    about = json.loads((path / "kseq2seq.json").read_text())
    assert (about["format"], about["weights"]) == ("litert", "int8")
    assert about["source_length"] == 23
    assert Search(**about["searches"]["greedy.tflite"]) == GREEDY
    text = (path / "README.md").read_text()
    assert "`greedy.tflite`: greedy search; for a source of n tokens" in text
    assert "| `ids` | int32 | [1, 1, 13] |" in text


# Whatever imports one of these fails.
WITHOUT = "import sys\nsys.modules.update(tensorflow=None, keras=None, kseq2seq=None)\n"


def test_the_readme_says_how_to_run_it(translator, exported):
    path = exported["float32"]
    code = (path / "README.md").read_text().split("```python\n")[1].split("```")[0]
    # The second is too long: of its 43 tokens 22 are read, and EOS.
    texts = [SPOKEN[1], "we run home and see a bird that sees a cat"]
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT + code],
        cwd=path,
        input="\n".join(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    read = [texts[0], texts[1][:22]]
    expected = [best.text for best, *_ in translator.translate(read, GREEDY)]
    assert result.stdout.split("\n") == [*expected, ""]


def test_the_command_exports_quietly(tmp_path):
    translator = tiny_translator()
    translator.save(tmp_path / "runs" / "tiny")
    command = [sys.executable, "-m", "kseq2seq", "export", "runs/tiny"]
    command += ["--format", "litert", "--source-length", "7", "--weights", "float32"]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "litert_models/tiny/1\n"
    expected = translator.translate(["a dog"], Search(beam_size=1))[0][0]
    path = tmp_path / "litert_models" / "tiny" / "1"
    actual = runner(path)(source=source_ids(path, "a dog", 7))
    np.testing.assert_allclose(actual["scores"], [[expected.score]], rtol=1e-5)


@pytest.mark.parametrize(
    ("format_", "option", "match"),
    [
        ("litert", ["--beam", "3"], "litert: unrecognized arguments: --beam 3"),
        ("litert", ["--n-best", "2"], "unrecognized arguments: --n-best 2"),
        ("litert", ["--length-penalty", "1"], "unrecognized .*: --length-penalty"),
        ("litert", ["--coverage-penalty", "1"], "unrecognized .*: --coverage-penalty"),
        ("saved_model", ["--source-length", "9"], "unrecognized .*: --source-length"),
        ("litert", ["--weights", "int4"], "invalid choice: 'int4'"),
        ("tflite", [], "invalid choice: 'tflite'"),
    ],
)
def test_options_of_other_formats_are_refused(
    tmp_path, capsys, format_, option, match
):  # fmt: skip
    (tmp_path / "model.keras").write_text("never read")
    try:
        code = cli.main(["export", str(tmp_path), "--format", format_, *option])
    except SystemExit as error:
        code = error.code
    text = capsys.readouterr().err
    assert code == 2 and text.count("\n") == 1
    assert re.search(match, text), text


def test_missing_packages_are_named(translator, tmp_path, monkeypatch):
    monkeypatch.setitem(EXTRAS, "litert", ("litert_absent",))
    with pytest.raises(ValueError, match=r"litert_absent.*kseq2seq\[litert\]"):
        export(translator, tmp_path)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"weights": "int4"}, "`weights` must be one of int8, .*weights='int4'"),
        ({"length": 0}, "`source_length` must be an integer of at least 1.*=0"),
        ({"length": True}, "`source_length` must be an integer of at least 1.*=True"),
        ({"length": 7.0}, "`source_length` must be an integer of at least 1.*=7.0"),
    ],
)
def test_bad_arguments_are_refused(translator, tmp_path, settings, match):
    with pytest.raises(ValueError, match=match):
        export(translator, tmp_path, **settings)
    assert numbered_folders(tmp_path) == []


def with_operation(operation):
    """In place of a search: one operation."""

    def search_function(model, search, shape, constraints):
        def function(source):
            values = operation(tf.cast(source[:, :5], "float32"))[:, None]
            ids = tf.cast(values, "int32")
            return {"ids": ids, "scores": values[..., 0], "lengths": ids[..., 0]}

        specification = tf.TensorSpec(shape, tf.int32, "source")
        return tf.function(function, input_signature=[specification], autograph=False)

    return search_function


def test_an_operation_that_litert_lacks_is_named(
    translator, tmp_path, capfd, monkeypatch
):
    function = with_operation(lambda x: tf.math.igamma(x, x))
    monkeypatch.setattr(id_export, "search_function", function)
    with pytest.raises(ValueError, match="needs Igamma; replace the layers"):
        export(translator, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


class Converter:
    """In place of TensorFlow's: it gives what it is told to, or raises it."""

    def __init__(self, result):
        self.result = result
        self.target_spec = types.SimpleNamespace()

    def convert(self):
        os.write(2, b"loc(x): error: no such thing\n")
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_a_failing_conversion_says_so(translator, tmp_path, capfd, monkeypatch):
    def give(result):
        monkeypatch.setattr(
            tf.lite.TFLiteConverter,
            "from_saved_model",
            lambda folder, signature_keys: Converter(result),
        )

    function = with_operation(tf.math.square)
    monkeypatch.setattr(id_export, "search_function", function)
    error = RuntimeError("some words\n<unknown>:0: error: loc(x): no such thing\n")
    give(error)
    with pytest.raises(
        ValueError, match=r"converted to LiteRT.*says: .*no such thing$"
    ):
        export(translator, tmp_path)
    assert capfd.readouterr().err == ""
    give(b"no model")
    with pytest.raises(ValueError, match="LiteRT, which cannot run it"):
        export(translator, tmp_path)
    assert capfd.readouterr().err == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("size", "match"),
    [(1000, "converted could not be written"), (20_000, "File too large")],
    ids=["before the conversion", "after it"],
)
def test_a_full_disk_leaves_nothing(translator, tmp_path, monkeypatch, size, match):
    """As far as a limit on the size of files can pretend it."""
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Large(Converter):
        def __init__(self, *_, **__):
            super().__init__(bytes(2 * size))

    monkeypatch.setattr(tf.lite.TFLiteConverter, "from_saved_model", Large)
    monkeypatch.setattr("kseq2seq.export.litert._check", lambda *_: None)
    function = with_operation(lambda x: x + np.arange(5.0, dtype="float32"))
    monkeypatch.setattr(id_export, "search_function", function)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(OSError, match=match):
            export(translator, tmp_path / "exports")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (
        not list(tmp_path.rglob("*.*")) and numbered_folders(tmp_path / "exports") == []
    )
