"""ONNX exports: as ONNX Runtime runs them, without TensorFlow."""

import functools
import json
import logging
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from packaging.version import Version

from kseq2seq import Search, cli, decoding
from kseq2seq.export import export_onnx
from kseq2seq.export import ids as id_export
from kseq2seq.models import start_decoding
from kseq2seq.utils import EOS_ID, EXTRAS, PAD_ID, numbered_folders
from translators import HARD_ATTENTION, TEXTS, TRANSFORMER, tiny_translator

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
sentencepiece = pytest.importorskip("sentencepiece")
tf2onnx = pytest.importorskip("tf2onnx")

# The last ONNX Runtime for Python 3.10 crashes.
NO_ROWS = pytest.mark.skipif(
    Version(onnxruntime.__version__) < Version("1.24"),
    reason="this ONNX Runtime cannot run a batch of no rows",
)
SEARCH = Search(
    beam_size=3,
    num_hypotheses=2,
    max_length=11,
    min_length_factor=0.5,
    coverage_penalty=0.3,
)
GREEDY = Search(beam_size=1, max_length=11, min_length_factor=0.5)
SEARCHES = {"greedy.onnx": GREEDY, "beam.onnx": SEARCH}
# Without the blank one, of which ids are asked for by themselves.
SPOKEN = [text for text in TEXTS if text]


def export(translator, folder, search):
    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    return export_onnx(folder, translator.model, *tokenizers, search)


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.fixture(scope="module")
def exported(translator, tmp_path_factory):
    """The first version of an ONNX export."""
    return export(translator, tmp_path_factory.mktemp("onnx") / "tiny", SEARCH)


def source_rows(path, texts):
    """The ids of texts, by SentencePiece."""
    tokenizer = sentencepiece.SentencePieceProcessor(
        model_file=str(path / "source.model")
    )
    return tokenizer.encode(texts, add_eos=True)


def padded(rows, extra=0):
    ids = np.full((len(rows), max(map(len, rows)) + extra), PAD_ID, np.int32)
    for row, tokens in zip(ids, rows, strict=True):
        row[: len(tokens)] = tokens
    return ids


@functools.lru_cache(maxsize=2)
def session_of(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(path, source):
    """ONNX Runtime's answer: ids, scores and lengths."""
    return session_of(path).run(["ids", "scores", "lengths"], {"source": source})


def assert_as_python(translator, path, name, search):
    """All hypotheses of all texts are those of Python, in a batch of all."""
    expected = translator.translate(SPOKEN, search)
    ids, scores, lengths = run(path / name, padded(source_rows(path, SPOKEN)))
    assert ids.shape[:2] == scores.shape == lengths.shape
    target = sentencepiece.SentencePieceProcessor(model_file=str(path / "target.model"))
    assert len({best.text for best, *_ in expected}) > 2
    for row, actual in enumerate(expected):
        assert len(actual) == search.num_hypotheses
        for n, best in enumerate(actual):
            tokens = ids[row, n, : lengths[row, n]].tolist()
            assert [target.id_to_piece(x) for x in tokens] == best.target_tokens
            assert target.decode(tokens) == best.text
            assert not ids[row, n, lengths[row, n] :].any()
            np.testing.assert_allclose(scores[row, n], best.score, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", SEARCHES)
def test_finds_what_python_finds(translator, exported, name):
    assert_as_python(translator, exported, name, SEARCHES[name])


@pytest.mark.parametrize("name", SEARCHES)
def test_a_row_is_the_same_alone_and_with_more_padding(exported, name):
    rows = source_rows(exported, TEXTS)
    assert len({len(row) for row in rows}) > 3
    together = run(exported / name, padded(rows, extra=7))
    for row, tokens in enumerate(rows):
        ids, scores, lengths = run(exported / name, padded([tokens]))
        size = ids.shape[2]
        np.testing.assert_array_equal(together[0][row, :, :size], ids[0])
        assert not together[0][row, :, size:].any()
        np.testing.assert_allclose(together[1][row], scores[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(together[2][row], lengths[0])


def test_a_graph_keeps_to_rules_about_texts(translator, tmp_path):
    free = translator.translate(SPOKEN, GREEDY)
    word = free[0][0].text.split()[0]
    search = Search(beam_size=1, pattern="[a-z ]{3,8}", forbidden_words=[word])
    path = export(translator, tmp_path / "bound", search)
    assert {x.name for x in path.glob("*.onnx")} == {"greedy.onnx"}
    assert_as_python(translator, path, "greedy.onnx", search)
    for (best,), (other,) in zip(
        translator.translate(SPOKEN, search), free, strict=True
    ):
        assert re.fullmatch("[a-z ]{3,8}", best.text)
        assert word not in best.text.split() and best.text != other.text


def test_an_empty_text_is_eos_alone(translator, exported):
    assert source_rows(exported, [""]) == [[EOS_ID]]
    step, state = start_decoding(translator.model)(tf.constant([[EOS_ID, PAD_ID]]))
    expected = decoding.greedy_search(step, state, max_length=11)
    ids, scores, lengths = run(exported / "greedy.onnx", np.array([[EOS_ID]], "int32"))
    size = int(expected.lengths[0, 0])
    assert lengths.tolist() == [[size]]
    np.testing.assert_array_equal(ids[..., :size], expected.ids[..., :size])
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-5)


@NO_ROWS
@pytest.mark.parametrize("name", SEARCHES)
def test_no_rows_have_no_answers(exported, name):
    outputs = run(exported / name, np.zeros((0, 5), np.int32))
    assert [len(output) for output in outputs] == [0, 0, 0]


@pytest.mark.parametrize(
    "settings",
    [
        {"attention": "none", "cell": "gru", "bidirectional": False},
        {
            "attention": "chunkwise",
            "attention_query": "previous",
            "cell": "layer_norm_lstm",
        },
        {
            "attention": "local_monotonic",
            "attention_options": {"half_width": 2},
            "input_feeding": True,
            "tie_embeddings": True,
        },
        HARD_ATTENTION,
        TRANSFORMER,
    ],
    ids=["no attention", "chunkwise", "local input feeding", "hard", "transformer"],
)
def test_every_decoder_is_exported(tmp_path, settings):
    translator = tiny_translator(**settings)
    path = export(translator, tmp_path, GREEDY)
    # The search is the greedy one itself.
    assert [x.name for x in path.glob("*.onnx")] == ["greedy.onnx"]
    assert_as_python(translator, path, "greedy.onnx", GREEDY)


def test_the_axes_have_names(exported):
    for name, search in SEARCHES.items():
        session = onnxruntime.InferenceSession(exported / name)
        (source,) = session.get_inputs()
        assert (source.name, source.type) == ("source", "tensor(int32)")
        assert source.shape == ["batch", "source_length"]
        n = search.num_hypotheses
        assert {(x.name, x.type, *x.shape) for x in session.get_outputs()} == {
            ("ids", "tensor(int32)", "batch", n, "length"),
            ("scores", "tensor(float)", "batch", n),
            ("lengths", "tensor(int32)", "batch", n),
        }


def test_weights_are_there_once(translator, exported):
    parameters = sum(x.size for x in map(np.asarray, translator.model.get_weights()))
    size = (exported / "weights.bin").stat().st_size
    # Small ones are left in the graphs, and alignment costs a little.
    assert 0.5 * 4 * parameters < size < 1.05 * 4 * parameters
    used = []
    for name in SEARCHES:
        graph = onnx.load(exported / name, load_external_data=False).graph
        places = [
            {entry.key: entry.value for entry in tensor.external_data}
            for tensor in graph.initializer
        ]
        used.append({x["offset"] for x in places if x})
        assert {x["location"] for x in places if x} == {"weights.bin"}
    assert len(used[0] & used[1]) > 5


def test_only_operations_of_the_opset_are_in_it(exported):
    for name in SEARCHES:
        model = onnx.load(exported / name, load_external_data=False)
        assert ("", 15) in {(x.domain, x.version) for x in model.opset_import}
        assert {x.domain for x in model.graph.node} == {""}
        onnx.checker.check_model(exported / name, full_check=True)


def test_the_folder_tells_what_it_is(exported):
    assert {x.name for x in exported.iterdir()} == {
        "greedy.onnx",
        "beam.onnx",
        "weights.bin",
        "source.model",
        "target.model",
        "README.md",
        "kseq2seq.json",
    }
    about = json.loads((exported / "kseq2seq.json").read_text())
    assert about["format"] == "onnx"
    assert Search(**about["searches"]["beam.onnx"]) == SEARCH
    assert Search(**about["searches"]["greedy.onnx"]) == GREEDY
    text = (exported / "README.md").read_text()
    assert "beam search of 3, length penalty 1, coverage penalty 0.3" in text
    assert "min(11, 2 n + 20) tokens, and at least max(0, 0.5 n). n is 2" in text


def readme_code(path):
    """The Python code in the README of an export."""
    return (path / "README.md").read_text().split("```python\n")[1].split("```")[0]


# Whatever imports one of these fails.
WITHOUT = "import sys\nsys.modules.update(tensorflow=None, keras=None, kseq2seq=None)\n"


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(SPOKEN, id="texts"),
        pytest.param([], id="nothing", marks=NO_ROWS),
    ],
)
def test_the_readme_says_how_to_run_it(translator, exported, texts):
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT + readme_code(exported)],
        cwd=exported,
        input="\n".join(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    expected = [best.text for best, *_ in translator.translate(texts, SEARCH)]
    assert result.stdout.split("\n") == [*expected, ""]


def test_the_command_exports(translator, tmp_path, capfd, monkeypatch):
    exported = []

    def nothing_of(model, search, *shapes, constraints):
        exported.append((model, search))
        return with_nothing(model, search, *shapes, constraints=constraints)

    monkeypatch.setattr(id_export, "search_function", nothing_of)
    monkeypatch.chdir(tmp_path)
    translator.save("runs/tiny")
    assert cli.main(["export", "runs/tiny", "--format", "onnx", "--beam", "1"]) == 0
    out, err = capfd.readouterr()
    assert (out, err) == ("onnx_models/tiny/1\n", "")
    ((model, search),) = exported
    assert search == Search(beam_size=1)
    weights = model.get_weights(), translator.model.get_weights()
    for weight, expected in zip(*weights, strict=True):
        np.testing.assert_array_equal(weight, expected)
    path = tmp_path / "onnx_models" / "tiny" / "1"
    rows = source_rows(path, SPOKEN)
    assert rows == translator.source_tokenizer.tokenize(SPOKEN).to_list()
    np.testing.assert_array_equal(
        run(path / "greedy.onnx", padded(rows))[0][:, 0], padded(rows) + 1
    )


@pytest.mark.parametrize(
    "option",
    [["--source-length", "7"], ["--weights", "int8"], ["--products", "int8"]],
    ids=lambda option: option[0],
)
def test_options_of_other_formats_are_refused(tmp_path, capsys, option):
    (tmp_path / "model.keras").write_text("never read")
    with pytest.raises(SystemExit) as error:
        cli.main(["export", "onnx", str(tmp_path), *option])
    assert error.value.code == 2
    message = f"unrecognized arguments: {' '.join(option)} "
    assert message in capsys.readouterr().err


def assert_one_line(text, match):
    assert text.count("\n") == 1 and text.startswith("kseq2seq export: ")
    assert re.search(match, text), text


def test_missing_packages_are_named(translator, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(EXTRAS, "onnx", ("onnx", "tf2onnx_absent"))
    with pytest.raises(ValueError, match=r"tf2onnx_absent.*kseq2seq\[onnx\]"):
        export(translator, tmp_path, GREEDY)
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    (tmp_path / "model.keras").write_text("never read")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["export", str(tmp_path), "--format", "onnx"]) == 2
    message = r'installed: onnx, tf2onnx_absent. Run: pip install "kseq2seq\[onnx\]"\n'
    assert_one_line(capsys.readouterr().err, message)
    assert numbered_folders(tmp_path) == []


def test_a_folder_of_saved_models_is_refused(translator, tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    for path in (tmp_path, tmp_path / "1"):
        with pytest.raises(ValueError, match="no SavedModels.*name another folder"):
            export(translator, path, GREEDY)


def test_a_search_that_does_not_fit_is_refused(tmp_path):
    translator = tiny_translator(attention="none")
    with pytest.raises(ValueError, match="^`coverage_penalty` above 0 needs align"):
        export(translator, tmp_path, Search(beam_size=2, coverage_penalty=0.3))


def with_incomplete_gamma(model, search, *shapes, constraints):
    """In place of a search: an operation that neither ONNX nor LiteRT has."""

    def function(source):
        values = tf.cast(source, "float32")[:, None]
        ids = tf.cast(tf.math.igamma(values, values), "int32")
        return {"ids": ids, "scores": values[..., 0], "lengths": ids[..., 0]}

    specification = tf.TensorSpec(shapes[0], tf.int32, "source")
    return tf.function(function, input_signature=[specification], autograph=False)


def test_an_operation_that_onnx_lacks_is_named(
    translator, tmp_path, capfd, monkeypatch
):
    monkeypatch.setattr(id_export, "search_function", with_incomplete_gamma)
    with pytest.raises(ValueError, match="needs Igamma; replace the layers"):
        export(translator, tmp_path, GREEDY)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_a_failing_conversion_says_so(translator, tmp_path, monkeypatch):
    def fail(function, **kwargs):
        assert logging.getLogger("tf2onnx").level > logging.CRITICAL
        raise KeyError("no such node")

    monkeypatch.setattr(tf2onnx.convert, "from_function", fail)
    monkeypatch.setenv("TF2ONNX_CATCH_ERRORS", "mine")
    with pytest.raises(ValueError, match="not be converted to ONNX.*no such node"):
        export(translator, tmp_path, GREEDY)
    assert os.environ["TF2ONNX_CATCH_ERRORS"] == "mine"
    assert logging.getLogger("tf2onnx").level < logging.CRITICAL
    assert numbered_folders(tmp_path) == []


def with_nothing(model, search, *shapes, constraints):
    """In place of a search: next to nothing, which is quick to convert."""

    def function(source):
        ids = source[:, None] + 1
        return {"ids": ids, "scores": tf.cast(ids[..., 0], "float32"), "lengths": ids}

    specification = tf.TensorSpec(shapes[0], tf.int32, "source")
    return tf.function(function, input_signature=[specification], autograph=False)


def test_what_is_not_whole_is_never_a_version(translator, tmp_path, monkeypatch):
    monkeypatch.setattr(id_export, "search_function", with_nothing)
    assert export(translator, tmp_path / "whole", GREEDY).name == "1"
    monkeypatch.setattr(onnx.checker, "check_model", refuse)
    with pytest.raises(ValueError, match=r"onnx.checker says of greedy.onnx: torn"):
        export(translator, tmp_path / "torn", GREEDY)
    assert not list((tmp_path / "torn").iterdir())


def refuse(path, full_check):
    raise onnx.checker.ValidationError("torn")
