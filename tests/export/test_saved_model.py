"""SavedModels: as Python, the C++ session loader and the C API load them."""

import ast
import dataclasses
import re
import resource
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search, Translator, layers
from kseq2seq.export import saved_graphs, saved_model
from kseq2seq.inference import TextToText, signature_functions
from kseq2seq.inference import saved_model as loaded_model
from kseq2seq.models import precision
from loaders import LOADERS, run_session, strings
from paths import ROOT
from translators import HARD_ATTENTION, TEXTS, TRANSFORMER, tiny_translator

SEARCH = Search(beam_size=3, max_length=11)
# None longer than the search may write.
TARGETS = ["ein Hund", "", "die Katze", "wir gehen", "heim", "x"]
# Not valid UTF-8, NUL bytes, a surrogate, a character unknown to the tokenizer.
STRANGE = [
    *(b"\xff\xfe", b"a\0b", b"\0", b"\xed\xa0\x80", "犬".encode(), b"\xe7\x8a"),
    *(b" \t\n", b"</s>", "▁▁a".encode(), b"the cat " * 9),
]


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.fixture(scope="module")
def saved(tiny_saved_model):
    return tiny_saved_model


def requests_of(texts, targets):
    """A request to each signature."""
    rows = np.arange(len(texts))
    text, target = {"text": strings(texts)}, {"target": strings(targets)}
    settings = {
        "temperature": (0.5 + rows % 3).astype("float32"),
        "top_k": (rows % 2 * 7).astype("int32"),
        "top_p": (1.0 - rows % 5 / 10).astype("float32"),
        "seed": 10**12 + rows.astype("int64"),
    }
    return [
        *((name, text) for name in ("serving_default", "nbest", "translate_align")),
        *((name, {**text, **target}) for name in ("align", "score")),
        *(("encode", text), ("sample", {**text, **settings})),
    ]


def functions_in_python(translator, search=SEARCH, limits=None):
    """The functions behind the signatures, without any SavedModel."""
    text_to_text = TextToText(
        [translator.model],
        translator.source_tokenizer,
        translator.target_tokenizer,
        search,
        limits,
    )
    return signature_functions(text_to_text)


def expected_of(functions, requests):
    results = []
    for name, inputs in requests:
        function, specs = functions[name]
        tensors = [tf.constant(inputs[x.name], x.dtype) for x in specs]
        results.append({x: y.numpy() for x, y in function(*tensors).items()})
    return results


def assert_same(actual, expected):
    assert set(actual) == set(expected)
    for name, values in actual.items():
        if values.dtype == np.float32:
            np.testing.assert_allclose(
                values, expected[name], rtol=1e-5, atol=1e-5, err_msg=name
            )
        else:
            np.testing.assert_array_equal(values, expected[name], err_msg=name)


@pytest.fixture(scope="module")
def expected(translator):
    """The answers of the functions in Python to the requests of texts and targets."""
    requests = requests_of(TEXTS, TARGETS)
    functions = functions_in_python(translator)
    assert {name for name, _ in requests} == set(functions)
    return expected_of(functions, requests)


@pytest.mark.parametrize("run", LOADERS)
def test_every_signature_answers_as_python_does(expected, saved, run):
    requests = requests_of(TEXTS, TARGETS)
    empty = requests_of([], [])
    actual = run(saved, requests + empty)
    for one, other in zip(actual[: len(requests)], expected, strict=True):
        assert_same(one, other)
    for (name, _), outputs in zip(empty, actual[len(requests) :], strict=True):
        assert {len(x) for x in outputs.values()} == {0}, name


def test_what_is_served_is_what_the_translator_says(translator, saved):
    loaded, actual = Translator.load(saved), translator.translate(TEXTS, SEARCH)
    for (one,), (other,) in zip(loaded.translate(TEXTS), actual, strict=True):
        assert one.text == other.text and one[2:] == (None,) * 4
        np.testing.assert_allclose(one.score, other.score, rtol=1e-5, atol=1e-5)
    # The n best are all of the beam, unless the search asks for some number.
    best = translator.translate(TEXTS, dataclasses.replace(SEARCH, num_hypotheses=3))
    outputs = loaded.run("nbest", {"text": strings(TEXTS)})
    for texts, scores, row in zip(*outputs.values(), best, strict=True):
        if isinstance(texts[0], np.floating):
            texts, scores = scores, texts
        count = len(row)
        assert [x.decode() for x in texts] == [x.text for x in row] + [""] * (3 - count)
        np.testing.assert_allclose(scores[:count], [x.score for x in row], rtol=1e-5)
        assert (scores[count:] == np.finfo("float32").min).all()
    pairs = list(zip(TEXTS, TARGETS, strict=True))
    np.testing.assert_allclose(loaded.score(pairs), translator.score(pairs), rtol=1e-5)
    aligned = zip(loaded.align(pairs), translator.align(pairs), strict=True)
    for one, other in aligned:
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)
        assert one[:4] + one[5:] == other[:4] + other[5:]
    for one, other in zip(loaded.encode(TEXTS), translator.encode(TEXTS), strict=True):
        np.testing.assert_allclose(one.memory, other.memory, atol=1e-5)
        np.testing.assert_allclose(one.state, other.state, atol=1e-5)


def test_strange_rows_cost_the_others_nothing(expected, saved):
    count = len(STRANGE)
    requests = requests_of(TEXTS, TARGETS)
    mixed = requests_of([*STRANGE, *TEXTS], [*STRANGE[::-1], *TARGETS])
    # Sampling is by row: the settings of the good rows are those they had alone.
    for (_, inputs), (_, alone) in zip(mixed, requests, strict=True):
        for name, values in alone.items():
            inputs[name][count:] = values
    for (name, _), outputs, alone in zip(
        mixed, run_session(saved, mixed), expected, strict=True
    ):
        for key, values in alone.items():
            got = outputs[key][count:]
            got = got[tuple(slice(size) for size in values.shape)]
            assert_same({name: got}, {name: values})
        for key in ("translation", "translations"):
            for text in np.ravel(outputs.get(key, [])):
                text.decode()  # valid UTF-8


@pytest.mark.parametrize(
    ("search", "settings"),
    [
        (
            Search(beam_size=1, max_length=11),
            {"attention": "none", "cell": "gru", "transition_depth": 2},
        ),
        (
            Search(beam_size=3, max_length=11, min_length_factor=0.5),
            {
                "attention": "luong_general",
                "input_feeding": True,
                "tie_embeddings": True,
                "bridge": "dense",
                "encoder_units": 8,
                "encoder_layers": 2,
                "decoder_layers": 2,
                "residual": True,
            },
        ),
        (
            Search(beam_size=4, max_length=11, coverage_penalty=0.3, num_groups=2),
            {
                "attention": "location_sensitive",
                "attention_query": "previous",
                "cell": "layer_norm_lstm",
                "decoder_layers": 2,
                "query_layer": "first",
                "context_to_layers": True,
            },
        ),
        (Search(beam_size=2, max_length=11), HARD_ATTENTION),
        (Search(beam_size=3, max_length=11), TRANSFORMER),
    ],
    ids=["no attention", "input feeding", "context to layers", "hard", "transformer"],
)
def test_every_decoder_is_exported(tmp_path, export_only, search, settings):
    export_only("serving_default", "score", "align")
    translator = tiny_translator(**settings)
    path = translator.export(tmp_path, search)
    functions = functions_in_python(translator, search)
    assert len(functions) == (5 if settings["attention"] == "none" else 7)
    names = {"serving_default", "score", "align"} & functions.keys()
    assert served(path) == names
    requests = [x for x in requests_of(TEXTS, TARGETS) if x[0] in names]
    expected = expected_of(functions, requests)
    assert len(set(expected[0]["translation"])) > 2
    for one, other in zip(run_session(path, requests), expected, strict=True):
        assert_same(one, other)


def served(path):
    """Names of the signatures in a SavedModel."""
    content = (path / "saved_model.pb").read_bytes()
    (graph,) = saved_graphs.saved_model_pb2.SavedModel.FromString(content).meta_graphs
    return set(graph.signature_def) - {"__saved_model_init_op"}


def test_half_precision_is_exported_in_float32(tmp_path, export_only):
    export_only("serving_default")
    translator = tiny_translator("mixed_bfloat16")
    path = translator.export(tmp_path / "saved", SEARCH)
    translator.save(tmp_path / "run")
    requests = requests_of(TEXTS, TARGETS)[:1]
    functions = functions_in_python(Translator.load(tmp_path / "run"))
    expected = expected_of(functions, requests)
    for one, other in zip(run_session(path, requests), expected, strict=True):
        assert_same(one, other)
    content = (path / "saved_model.pb").read_bytes()
    graph = saved_graphs.saved_model_pb2.SavedModel.FromString(content)
    dtypes = {
        node.attr["T"].type
        for function in graph.meta_graphs[0].graph_def.library.function
        for node in function.node_def
    }
    assert tf.float32.as_datatype_enum in dtypes
    assert tf.bfloat16.as_datatype_enum not in dtypes


def test_variables_are_written_once(translator, saved):
    variables = tf.train.list_variables(str(saved / "variables" / "variables"))
    written = sorted(tuple(shape) for name, shape in variables if shape)
    assert written == sorted(tuple(x.shape) for x in translator.model.weights)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_no_layer_asks_for_cudnn(tmp_path, monkeypatch, export_only, cell):
    asked = []
    kind = {"lstm": layers.LSTM, "gru": keras.layers.GRU}[cell]

    class Recorded(kind):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            asked.append((self.name, self.use_cudnn))
            return super().call(sequences, initial_state, mask, training)

    def record(layer):
        # Keras looks at what it calls: the class is changed, not the object.
        if type(layer) is kind:
            layer.__class__ = Recorded

    copy = precision.float32_copy

    def recorded_copy(model):
        model = copy(model)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Bidirectional):
                record(layer.forward_layer)
                record(layer.backward_layer)
            record(layer)
        return model

    monkeypatch.setattr(precision, "float32_copy", recorded_copy)
    export_only("encode")  # all signatures have the one encoder
    ours = tiny_translator(cell=cell, encoder_layers=2, bidirectional=True)
    ours.export(tmp_path, Search(beam_size=1, max_length=3))
    assert len(asked) >= 4 and {use_cudnn for _, use_cudnn in asked} == {False}
    for layer in ours.model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            assert layer.forward_layer.use_cudnn == "auto"
            assert layer.backward_layer.use_cudnn == "auto"


@pytest.mark.parametrize("name", ["CudnnRNNV3", "PyFunc", "Addons>GatherTree"])
def test_foreign_operations_are_refused(saved, tmp_path, name):
    # Only tokenizers that take characters apart compose them again.
    usual = saved_graphs.TEXT_OPERATIONS - {"NormalizeUTF8"}
    assert usual < saved_graphs.TEXT_OPERATIONS
    assert usual < saved_graphs.operations(saved)
    message = saved_graphs.saved_model_pb2.SavedModel()
    function = message.meta_graphs.add().graph_def.library.function.add()
    function.node_def.add(op="MatMul")
    function.node_def.add(op=name)
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    with pytest.raises(ValueError, match=f"TF Text. Received: .* needs {name};"):
        saved_graphs.check_operations(tmp_path)


@pytest.fixture
def little_to_write(monkeypatch):
    """Writing is what is tested: the graph may be a small one."""

    variable = tf.Variable(tf.zeros(5_000))

    def traced(*_):
        spec = tf.TensorSpec([None], tf.string, "text")
        function = tf.function(
            lambda x: {"y": variable[0] + tf.cast(tf.strings.length(x), "float32")},
            autograph=False,
        )
        signature = loaded_model.Signature({"text": spec}, {})
        graphs = {"serving_default": function.get_concrete_function(spec)}
        signatures = {"serving_default": signature}
        return saved_model._Traced(graphs, [variable], signatures)

    monkeypatch.setattr(saved_model, "_trace", traced)


def test_a_refused_graph_leaves_nothing(
    translator, tmp_path, little_to_write, monkeypatch
):
    monkeypatch.setattr(saved_graphs, "UNSERVABLE", ("StringLength",))
    with pytest.raises(ValueError, match="needs StringLength; replace"):
        translator.export(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(translator, tmp_path, little_to_write):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, limits[1]))
    try:
        with pytest.raises(OSError, match="the SavedModel could not be written"):
            translator.export(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())
    assert translator.export(tmp_path) == tmp_path / "1"


def test_what_cannot_be_exported_is_refused(
    translator, saved, tmp_path, little_to_write
):
    with pytest.raises(ValueError, match=r"numbered.*itself a SavedModel"):
        translator.export(saved)
    plain = tiny_translator(attention="none")
    with pytest.raises(ValueError, match="has no attention.*coverage_penalty=0.5"):
        functions_in_python(plain, Search(coverage_penalty=0.5))
    (tmp_path / "onnx" / "1").mkdir(parents=True)
    (tmp_path / "onnx" / "1" / "greedy.onnx").touch()
    with pytest.raises(ValueError, match="SavedModels alone"):
        translator.export(tmp_path / "onnx")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        translator.export(tmp_path / "file")


COMMITTED = ROOT / "saved_models" / "dates" / "1"


def test_the_committed_model_is_small_and_whole():
    sizes = {x: x.stat().st_size for x in COMMITTED.rglob("*") if x.is_file()}
    assert sum(sizes.values()) <= 2_200_000
    graph = sizes[COMMITTED / "saved_model.pb"]
    variables = sum(size for x, size in sizes.items() if x.parent.name == "variables")
    shapes = tf.train.list_variables(str(COMMITTED / "variables" / "variables"))
    weights = 4 * sum(int(np.prod(shape)) for name, shape in shapes if shape)
    assert 1_000_000 < weights < graph + variables <= weights + 1_100_000
    loaded = Translator.load(COMMITTED.parent)
    assert set(loaded.signatures) == {name for name, _ in requests_of([], [])}
    texts = ["dimanche 20 juillet 1969", "9. November 1989", "2024年2月29日"]
    expected = ["1969-07-20", "1989-11-09", "2024-02-29"]
    assert loaded(texts) == expected
    for text, target, aligned in zip(
        texts,
        expected,
        loaded.align(list(zip(texts, expected, strict=True))),
        strict=True,
    ):
        # The year is read off the year, in whatever place it stands.
        places = [aligned.source_spans[x] for x in aligned.links[:4]]
        read = {text.encode()[start:end].decode() for start, end in places}
        assert read & set(target[:4])


def test_the_committed_model_of_inflection_reads_features():
    folder = ROOT / "saved_models" / "german_inflection"
    sizes = [x.stat().st_size for x in folder.rglob("*") if x.is_file()]
    assert sum(sizes) <= 3_000_000
    loaded = Translator.load(folder)
    features = [
        "pos=V,mood=IND,tense=PST,aspect=PFV,per=3,num=PL",
        "pos=N,case=GEN,gen=MASC,num=SG",
    ]
    assert loaded(["singen", "Tisch"], features=features) == ["sangen", "Tisches"]


def test_the_committed_model_of_pronunciation_reads_any_case():
    folder = ROOT / "saved_models" / "english_pronunciation"
    sizes = [x.stat().st_size for x in folder.rglob("*") if x.is_file()]
    assert sum(sizes) <= 3_000_000
    assert Translator.load(folder)(["seashell", "SEASHELL"]) == ["S IY SH AH L"] * 2


def test_the_readme_loads_it_with_tensorflow_alone(saved, translator):
    readme = (saved / "README.md").read_text()
    (code,) = re.findall("```python\n(.*?)```", readme, re.DOTALL)
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=saved,
        capture_output=True,
        text=True,
        check=True,
    )
    (text,) = re.findall(r"tf.constant\(\[(.*)\]\)", code)
    ((best, *_),) = translator.translate([ast.literal_eval(text)], SEARCH)
    assert process.stdout.removesuffix("\n") == best.text
