"""Models whose products are in int8."""

import pickle
import platform

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Limits, Search, Translator, cli
from kseq2seq.export import export_translators
from kseq2seq.inference import (
    ProductsError,
    TextToText,
    int8_product,
    with_int8_products,
)
from kseq2seq.inference.quantization import apply, processor
from loaders import run_session, strings
from translators import TEXTS, tiny_translator

OPERATION = "QuantizedMatMulWithBiasAndDequantize"
SEARCH = Search(beam_size=3, max_length=11)
TARGETS = ["ein Hund", "", "die Katze", "wir gehen heim", "heim", "x"]
pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="TensorFlow has these products on x86 alone",
)


@pytest.fixture
def every_matrix(monkeypatch):
    monkeypatch.setattr(apply, "LEAST_MULTIPLIED", 1)


def drawn(*shape):
    rng = np.random.default_rng(sum(shape))
    return rng.standard_normal(shape).astype("float32")


def operations(graph):
    """Names of the operations of a function's graph, those of its calls included."""
    definition = graph.graph.as_graph_def()
    nodes = [
        *definition.node,
        *(y for x in definition.library.function for y in x.node_def),
    ]
    return [node.op for node in nodes]


def test_every_way_to_multiply_by_a_matrix_is_found():
    matrices = [drawn(5, 7), drawn(11, 7), drawn(11, 13), drawn(13, 13)]

    def function(x, ids, values):
        first, second, third, looped = values
        x = tf.matmul(x, first)  # (B, 7)
        x = (
            tf.matmul(x, second, transpose_b=True)
            + tf.gather(second[:, 0], ids)[:, None]
        )
        # As `keras.ops.matmul` does, but not that of Keras 3.12.
        x = tf.tensordot(x[:, None], third, 1)  # (B, 1, 13)
        y = tf.tensordot(x, tf.transpose(third), 1)[:, 0]  # (B, 11)
        _, x = tf.while_loop(
            lambda i, _: i < 3, lambda i, x: (i + 1, tf.matmul(x, looped)), (0, x[:, 0])
        )
        return {"y": y, "x": x}

    specs = [tf.TensorSpec([None, 5]), tf.TensorSpec([None], tf.int32)]
    new = with_int8_products(function, specs, matrices)
    # Of the second something is looked up, and what is in a loop stays there.
    assert new.needed == [False, True, False, True] and new.num_products == 4
    assert new.outputs["y"].shape.as_list() == [None, 11]
    values = [matrices[1], matrices[3]]
    graph = tf.function(lambda x, ids: new.function(x, ids, values), autograph=False)
    x, ids = tf.constant(drawn(3, 5)), tf.constant([2, 0, 10])
    actual, expected = graph(x, ids), function(x, ids, matrices)
    assert actual["y"].shape == (3, 11)
    for name in ("x", "y"):
        error = np.abs(actual[name] - expected[name]) / np.abs(expected[name]).max()
        assert 0 < error.max() < 0.1
    used = operations(graph.get_concrete_function(*specs))
    # And one in the loop, and one of each product's sizes of steps.
    assert used.count(OPERATION) == 4 and used.count("MatMul") == 1 + 4


def test_inputs_may_come_from_a_graph_around():
    def function(x, values):
        return tf.matmul(x, values[0])

    matrix = drawn(5, 5)
    new = with_int8_products(function, [tf.TensorSpec([None, 5])], [matrix])

    @tf.function(autograph=False)
    def in_a_loop(x):
        outer = x * 2.0

        def body(i, _):
            return i + 1, new.function(outer, [])

        return tf.while_loop(lambda i, _: i < 2, body, (0, x))[1]

    x = tf.constant(drawn(3, 5))
    expected = int8_product(matrix)(2 * x)
    np.testing.assert_allclose(in_a_loop(x), expected, rtol=1e-5, atol=1e-5)


def test_what_is_not_to_be_rounded_stays():
    def function(x, values):
        return tf.matmul(x, values[0]) + values[1]

    specs = [tf.TensorSpec([None, 5])], [tf.TensorSpec([5, 7]), tf.TensorSpec([7])]
    new = with_int8_products(function, *specs)
    assert new.needed == [True, True] and new.num_products == 0
    values, x = [drawn(5, 7), drawn(7)], tf.constant(drawn(2, 5))
    actual = tf.function(lambda x: new.function(x, values), autograph=False)(x)
    np.testing.assert_allclose(actual, function(x, values), rtol=1e-6)


CONFIGS = {
    "bahdanau": {"units": 22, "embedding_size": 17},
    "tied, fed, two levels": {
        "units": 22,
        "embedding_size": 22,
        "attention": "luong_scaled_general",
        "tie_embeddings": True,
        "input_feeding": True,
        "decoder_layers": 2,
    },
}


def text_to_text(translators, products, weights="float32"):
    models = [x.model for x in translators]
    tokenizers = translators[0].source_tokenizer, translators[0].target_tokenizer
    return TextToText(models, *tokenizers, SEARCH, Limits(), weights, products)


@pytest.mark.parametrize(
    ("name", "weights"), zip(CONFIGS, ["float32", "int8"], strict=True)
)
def test_in_int8_it_is_nearly_the_same(name, weights, every_matrix):
    translator = tiny_translator(**CONFIGS[name])
    inputs = strings(TEXTS), strings(TARGETS)
    exact = text_to_text([translator], "float32").score(*inputs)["log_prob"]
    ours = text_to_text([translator], "int8", weights)
    actual = ours.score(*inputs)["log_prob"].numpy()
    error = np.abs(actual - exact)
    assert 1e-4 < error.max() < 0.1 * np.abs(exact).max()
    # Neither padding nor other rows have any influence.
    for row, (text, target) in enumerate(zip(*inputs, strict=True)):
        alone = ours.score(strings([text]), strings([target]))
        np.testing.assert_allclose(alone["log_prob"][0], actual[row], atol=1e-4)


def test_a_saved_model_in_int8_answers_as_the_graph(
    tmp_path, every_matrix, export_only, monkeypatch
):
    export_only("serving_default", "score")
    two = [tiny_translator(units=22), tiny_translator(units=14, attention="luong_dot")]
    path = export_translators(tmp_path, two, SEARCH, products="int8")
    text = strings(TEXTS)
    requests = [
        ("serving_default", {"text": text}),
        ("score", {"text": text, "target": strings(TARGETS)}),
    ]
    translated, scored = run_session(path, requests)
    ours = text_to_text(two, "int8")
    expected = ours.translate(text)
    assert (
        translated["translation"].tolist() == expected["translation"].numpy().tolist()
    )
    np.testing.assert_allclose(translated["score"], expected["score"], rtol=1e-4)
    expected = ours.score(text, requests[1][1]["target"])
    np.testing.assert_allclose(scored["log_prob"], expected["log_prob"], rtol=1e-4)
    monkeypatch.setattr(processor, "computes_int8", lambda: False)
    with pytest.raises(ProductsError, match="set TF_ENABLE_ONEDNN_OPTS=1"):
        Translator.load(path)


def test_a_run_folder_is_loaded_in_int8(tmp_path, every_matrix, capsys, caplog):
    caplog.set_level("INFO", "kseq2seq")
    plain = tiny_translator(units=22)
    plain.save(tmp_path / "run")
    ours = Translator.load(tmp_path / "run", products="int8")
    assert "products with large matrices are in int8" in caplog.text
    # Those of targets that the graph does not cut.
    pairs = [(x, y) for x, y in zip(TEXTS, TARGETS, strict=True) if len(y) < 11]
    scores = np.array([x for x, _ in ours.score(pairs)])
    columns = (strings(column) for column in zip(*pairs, strict=True))
    graph = text_to_text([plain], "int8").score(*columns)
    np.testing.assert_allclose(scores, graph["log_prob"], rtol=1e-4)
    exact = np.array([x for x, _ in plain.score(pairs)])
    assert np.abs(scores - exact).max() > 1e-4
    assert pickle.loads(pickle.dumps(ours)).products == "int8"
    both = Translator.ensemble([ours, ours])
    assert both.products == "int8"
    twice = np.array([x for x, _ in both.score(pairs)])
    np.testing.assert_allclose(twice, scores, rtol=1e-4)
    with pytest.raises(ValueError, match="the same `products`.*int8, float32"):
        Translator.ensemble([ours, plain])
    (tmp_path / "in.txt").write_text("\n".join(TEXTS[:3]) + "\n")
    command = ["translate", str(tmp_path / "run"), "--input", str(tmp_path / "in.txt")]
    assert cli.main([*command, "--products", "int8", "--beam", "3"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ours(TEXTS[:3], beam=3)
    assert "kseq2seq translate: products with large matrices are in" in printed.err


def test_a_saved_model_computes_as_it_was_exported_to(tiny_saved_model, capsys):
    with pytest.raises(ValueError, match="SavedModel computes as .*products='int8'"):
        Translator.load(tiny_saved_model, products="int8")
    command = ["evaluate", str(tiny_saved_model), "--tsv", __file__]
    assert cli.main([*command, "--products", "int8"]) == 2
    assert "leave out --products" in capsys.readouterr().err


def test_matrices_of_which_rows_are_looked_up_make_no_product(monkeypatch):
    monkeypatch.setattr(apply, "LEAST_MULTIPLIED", 401)
    translator = tiny_translator(units=4, embedding_size=20)  # (21, 20), (24, 20)
    with pytest.raises(ValueError, match="by none of that size.* at most 480 entries"):
        text_to_text([translator], "int8")


def test_products_that_cannot_be_are_refused(tmp_path, capsys):
    translator = tiny_translator()
    with pytest.raises(ValueError, match="float32, int8.*products='int4'"):
        translator.export(tmp_path / "no", products="int4")
    with pytest.raises(ValueError, match="131,072 entries.* at most 400 entries"):
        translator.export(tmp_path / "no", products="int8")
    translator.save(tmp_path / "run")
    with pytest.raises(ValueError, match="multiplies by none of that size: leave"):
        Translator.from_preset("dates", products="int8")
    command = ["translate", str(tmp_path / "run"), "--input", str(tmp_path / "in")]
    (tmp_path / "in").write_text("a dog\n")
    assert cli.main([*command, "--products", "int8"]) == 2
    assert "by matrices of 131,072 entries" in capsys.readouterr().err
    command = ["export", str(tmp_path / "run"), str(tmp_path / "no")]
    assert cli.main([*command, "--products", "int8"]) == 2
    assert "leave them in float32" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()
