"""SavedModels: as Python, the C++ session loader and the C API load them."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Search, Translator, export
from kseq2seq.versions import add_version, versions
from translators import TEXTS, tiny_translator

ROOT = Path(__file__).resolve().parent.parent
SEARCH = Search(beam_size=3, max_length=11)
# Not valid UTF-8, NUL bytes, a surrogate, a character unknown to the tokenizer.
STRANGE = [b"\xff\xfe", b"a\0b", b"\0", b"\xed\xa0\x80", "犬".encode(), b"\xe7\x8a"]


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


@pytest.fixture(scope="module")
def saved(translator, tmp_path_factory):
    """The first version of a SavedModel."""
    folder = tmp_path_factory.mktemp("saved_models") / "tiny"
    return translator.export(folder, SEARCH)


def run_python(path, batches):
    """By the object loader; a list of (translations, scores) of each batch."""
    loaded = tf.saved_model.load(str(path))
    function = loaded.signatures["serving_default"]
    results = []
    for texts in batches:
        outputs = function(text=tf.constant(texts, tf.string, [len(texts)]))
        assert set(outputs) == {"translation", "score"}
        results.append((outputs["translation"].numpy(), outputs["score"].numpy()))
    return results


def run_session(path, batches):
    """By the session loader in C++, with nothing but the graph."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta_graph = tf.compat.v1.saved_model.load(session, ["serve"], str(path))
        signature = meta_graph.signature_def["serving_default"]
        outputs = [signature.outputs[x].name for x in ("translation", "score")]
        feed = signature.inputs["text"].name
        return [
            session.run(outputs, {feed: np.array(texts, object)}) for texts in batches
        ]


def run_c_api(path, batches):
    """By the C API, in a process without Python's TensorFlow."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the shared libraries have other names here")
    given = json.dumps([[text.hex() for text in texts] for texts in batches])
    result = subprocess.run(
        [sys.executable, ROOT / "tests" / "capi.py", path],
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    return [
        ([bytes.fromhex(x) for x in outputs["translation"]], outputs["score"])
        for outputs in json.loads(result.stdout)
    ]


def expected_of(translator, texts, search=SEARCH):
    found = [best for best, *_ in translator.translate(texts, search)]
    return [best.text.encode() for best in found], [best.score for best in found]


def assert_same(found, expected):
    translations, scores = found
    assert list(translations) == expected[0]
    np.testing.assert_allclose(scores, expected[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("run", [run_python, run_session, run_c_api])
def test_translates_as_python_does_whatever_comes(translator, saved, run):
    encoded = [text.encode() for text in TEXTS]
    batches = [encoded, [], [b""], STRANGE[:3] + encoded + STRANGE[3:]]
    plain, empty, no_text, mixed = run(saved, batches)
    expected = expected_of(translator, TEXTS)
    assert len(set(expected[0])) == 5
    assert_same(plain, expected)
    assert [len(output) for output in empty] == [0, 0]
    assert_same(no_text, expected_of(translator, [""]))
    # Neither do the strange ones harm the others, nor are they left out.
    translations, scores = mixed
    assert_same((translations[3:9], scores[3:9]), expected)
    unknown = expected_of(translator, ["犬", "a犬b"])
    assert translations[2] == translations[10] == unknown[0][0]
    assert translations[1] == unknown[0][1]
    assert all(isinstance(text.decode(), str) for text in translations)


@pytest.mark.parametrize(
    ("search", "settings"),
    [
        (
            Search(beam_size=1, max_length=11),
            {"attention": "none", "cell": "gru", "bidirectional": False},
        ),
        (
            Search(beam_size=2, max_length=11, coverage_penalty=0.3),
            {"attention": "bahdanau_normalized", "attention_query": "previous"},
        ),
        (
            Search(beam_size=3, max_length=11, min_length_factor=0.5),
            {
                **{"attention": "luong_general", "input_feeding": True},
                **{"tie_embeddings": True, "bridge": "dense", "encoder_units": 8},
                **{"encoder_layers": 2, "decoder_layers": 2, "residual": True},
            },
        ),
        (Search(beam_size=2, max_length=11), {"attention": "chunkwise"}),
        (
            Search(beam_size=3, max_length=11),
            {"attention": "location_sensitive", "attention_query": "previous"},
        ),
        (
            Search(beam_size=3, max_length=11),
            {"attention": "local_monotonic", "attention_options": {"half_width": 2}},
        ),
    ],
    ids=[
        *("no attention", "previous query", "input feeding"),
        *("chunkwise", "location", "local"),
    ],
)
def test_every_decoder_is_exported(tmp_path, search, settings):
    translator = tiny_translator(**settings)
    path = translator.export(tmp_path, search)
    expected = expected_of(translator, TEXTS, search)
    assert len(set(expected[0])) > 2
    (found,) = run_session(path, [[text.encode() for text in TEXTS]])
    assert_same(found, expected)


def test_half_precision_is_exported_in_float32(tmp_path):
    translator = tiny_translator("mixed_bfloat16")
    path = translator.export(tmp_path / "saved", SEARCH)
    translator.save(tmp_path / "run")
    expected = expected_of(Translator.load(tmp_path / "run"), TEXTS)
    (found,) = run_session(path, [[text.encode() for text in TEXTS]])
    assert_same(found, expected)
    content = (path / "saved_model.pb").read_bytes()
    graph = export.saved_model_pb2.SavedModel.FromString(content)
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


def test_no_layer_asks_for_cudnn(translator, tmp_path, monkeypatch):
    asked = []

    class Recorded(keras.layers.LSTM):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            asked.append((self.name, self.use_cudnn))
            return super().call(sequences, initial_state, mask, training)

    def record(layer):
        # Keras looks at what it calls: the class is changed, not the object.
        if type(layer) is keras.layers.LSTM:
            layer.__class__ = Recorded

    copy = export.inference.float32_copy

    def recorded_copy(model):
        model = copy(model)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Bidirectional):
                record(layer.forward_layer)
                record(layer.backward_layer)
            record(layer)
        return model

    monkeypatch.setattr(export.inference, "float32_copy", recorded_copy)
    ours = tiny_translator(encoder_layers=2, bidirectional=True)
    ours.export(tmp_path, Search(beam_size=1, max_length=3))
    assert len(asked) >= 4 and {use_cudnn for _, use_cudnn in asked} == {False}
    for layer in ours.model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            assert layer.forward_layer.use_cudnn == "auto"
            assert layer.backward_layer.use_cudnn == "auto"


@pytest.mark.parametrize("name", ["CudnnRNNV3", "PyFunc", "Addons>GatherTree"])
def test_foreign_operations_are_refused(saved, tmp_path, name):
    assert export.TEXT_OPERATIONS.issubset(export._operations(saved))
    message = export.saved_model_pb2.SavedModel()
    function = message.meta_graphs.add().graph_def.library.function.add()
    function.node_def.add(op="MatMul")
    function.node_def.add(op=name)
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    with pytest.raises(ValueError, match=f"TF Text. Received: .* needs {name};"):
        export._check_operations(tmp_path)


@pytest.fixture
def little_to_write(monkeypatch):
    """Writing is what is tested: the graph may be a small one."""

    variable = tf.Variable(tf.zeros(5_000))

    def archive(*_):
        archive = keras.export.ExportArchive()
        archive.track(variable)
        spec = tf.TensorSpec([None], tf.string, "text")
        archive.add_endpoint(
            "serve",
            lambda x: variable[0] + tf.cast(tf.strings.length(x), "float32"),
            [spec],
        )
        return archive

    monkeypatch.setattr(export, "_archive", archive)


def test_a_refused_graph_leaves_nothing(
    translator, tmp_path, little_to_write, monkeypatch
):
    monkeypatch.setattr(export, "UNSERVABLE", ("StringLength",))
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


def test_versions_are_counted_on(tmp_path):
    assert versions(tmp_path / "none") == []
    for name in ("2", "10", "x3", "²"):
        (tmp_path / name).mkdir()
    path = add_version(tmp_path, Path.mkdir)
    assert path == tmp_path / "11"
    assert [x.name for x in versions(tmp_path)] == ["2", "10", "11"]
    # Servers of other users must be able to read it.
    assert path.stat().st_mode == (tmp_path / "2").stat().st_mode


WRITER = """
import sys, time
from pathlib import Path
from kseq2seq.versions import add_version

folder, name = Path(sys.argv[1]), sys.argv[2]

def write(path):
    path.mkdir()
    (path / "content").write_text(name)
    print("written", flush=True)
    sys.stdin.readline()

print(add_version(folder, write).name)
"""


def start_writer(folder, name):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "written\n"
    return process


def test_writers_at_once_get_numbers_of_their_own(tmp_path):
    writers = {name: start_writer(tmp_path, name) for name in "abc"}
    for process in writers.values():
        process.stdin.write("\n")
        process.stdin.flush()
    numbers = {name: x.communicate()[0].strip() for name, x in writers.items()}
    assert sorted(numbers.values()) == ["1", "2", "3"]
    for name, number in numbers.items():
        assert (tmp_path / number / "content").read_text() == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]


def test_a_number_taken_meanwhile_is_passed_over(tmp_path, monkeypatch):
    def rename(source, target):
        if target.name == "1":  # another was there first
            target.mkdir()
            (target / "content").touch()
        real_rename(source, target)

    real_rename = os.rename
    monkeypatch.setattr(os, "rename", rename)
    assert add_version(tmp_path, Path.mkdir) == tmp_path / "2"
    assert (tmp_path / "1" / "content").exists()


def test_a_killed_writer_leaves_no_version(tmp_path):
    process = start_writer(tmp_path, "a")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".") and versions(tmp_path) == []
    assert export.find_saved_model(tmp_path) is None
    assert add_version(tmp_path, Path.mkdir) == tmp_path / "1"


def test_an_error_leaves_nothing(tmp_path):
    def write(path):
        path.mkdir()
        (path / "content").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_version(tmp_path / "new", write)
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(FileNotFoundError):
        add_version(tmp_path / "new", lambda path: None)


def test_load_takes_the_newest_whole_version(translator, saved, tmp_path):
    shutil.copytree(saved, tmp_path / "9")
    shutil.copytree(saved, tmp_path / "10")
    (tmp_path / "11").mkdir()
    loaded = Translator.load(tmp_path)
    assert isinstance(loaded, export.SavedTranslator)
    assert loaded.path == tmp_path / "10" and loaded.search == SEARCH
    assert loaded(TEXTS) == [
        best.text for best, *_ in translator.translate(TEXTS, SEARCH)
    ]
    found = loaded.translate([*TEXTS, "\ud800\0"], SEARCH, batch_size=2)
    expected = translator.translate([*TEXTS, "\ud800\0"], SEARCH)
    for (one,), (other,) in zip(found, expected, strict=True):
        assert one.text == other.text
        np.testing.assert_allclose(one.score, other.score, rtol=1e-5, atol=1e-5)
        assert one[2:] == (None,) * 4
    assert loaded(TEXTS) == [best.text for best, *_ in found[:-1]]
    assert loaded([], beam=3) == []


def test_a_loaded_search_cannot_be_changed(saved, tmp_path):
    loaded = Translator.load(saved)
    with pytest.raises(ValueError, match="beam size of the export, 3:.*beam=5"):
        loaded(TEXTS, beam=5)
    with pytest.raises(ValueError, match="that of the export.*beam_size=2"):
        loaded.translate(TEXTS, Search(beam_size=2))
    with pytest.raises(ValueError, match="list of strings"):
        loaded("a dog")
    shutil.copytree(saved, tmp_path / "1")
    shutil.rmtree(tmp_path / "1" / "assets.extra")
    loaded = Translator.load(tmp_path)
    assert loaded.search is None and len(loaded(TEXTS)) == len(TEXTS)
    with pytest.raises(ValueError, match="beam=3"):
        loaded(TEXTS, beam=3)


def test_what_cannot_be_exported_is_refused(
    translator, saved, tmp_path, little_to_write
):
    with pytest.raises(ValueError, match="num_hypotheses=1.*num_hypotheses=2"):
        translator.export(tmp_path, Search(num_hypotheses=2))
    with pytest.raises(ValueError, match=r"numbered.*itself a SavedModel"):
        translator.export(saved)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        translator.export(tmp_path / "file")


def test_what_is_no_saved_model_of_ours_is_refused(saved, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold saved_model\.pb"):
        export.SavedTranslator(tmp_path)
    shutil.copytree(saved, tmp_path / "1")
    (tmp_path / "1" / "variables" / "variables.index").unlink()
    with pytest.raises(ValueError, match="not a whole SavedModel; export it again"):
        Translator.load(tmp_path)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no")
    with pytest.raises(ValueError, match="not a whole SavedModel"):
        Translator.load(tmp_path)
    other = keras.export.ExportArchive()
    other.add_endpoint("serve", lambda x: x, [tf.TensorSpec([None], name="x")])
    other.write_out(str(tmp_path / "2"), verbose=False)
    with pytest.raises(ValueError, match=r"'serving_default' from 'text'.*\['x'\]"):
        Translator.load(tmp_path)
