"""Models from files, whatever was imported first."""

import json
import subprocess
import sys
import zipfile
from importlib.metadata import version

import keras
import numpy as np
import pytest

import kseq2seq
from kseq2seq.models import Seq2SeqModel
from paths import ROOT

IDS = np.ones((2, 3), "int32")
INPUTS = {"source": IDS, "target": IDS}


@pytest.fixture(scope="module", name="path")
def path_(tmp_path_factory):
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=11,
        target_vocabulary_size=13,
        embedding_size=4,
        units=6,
        attention="coverage",
        tie_embeddings=True,
    )
    model = kseq2seq.build_model(config)
    model.compile(
        kseq2seq.Adam(),
        kseq2seq.MaskedCrossentropy(),
        metrics=[kseq2seq.TokenAccuracy(), kseq2seq.Perplexity()],
    )
    path = tmp_path_factory.mktemp("models") / "model.keras"
    model.save(path)
    return path


@pytest.mark.filterwarnings("ignore:Skipping variable loading")
def test_as_keras_does(path):
    model = kseq2seq.load_model(path)
    assert type(model) is Seq2SeqModel
    assert type(model.optimizer) is kseq2seq.Adam
    expected = keras.saving.load_model(path)(INPUTS)
    np.testing.assert_array_equal(model(INPUTS), expected)
    assert not kseq2seq.load_model(path, compile=False).compiled
    with pytest.raises(ValueError, match="nothing.keras"):
        kseq2seq.load_model(path.with_name("nothing.keras"))
    with pytest.raises(ValueError, match="by `Translator.load`.*, which is a folder"):
        kseq2seq.load_model(path.parent)
    path.with_name("text.keras").write_text("text")
    with pytest.raises(ValueError, match="text.keras, which is none of Keras"):
        kseq2seq.load_model(path.with_name("text.keras"))


KERAS_OWN = "keras.models.load_model(sys.argv[1])"


def run(code, path):
    code = f"import sys, warnings; warnings.simplefilter('ignore'); {code}; print('ok')"
    return subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("version", "error", "message"),
    [
        (version("keras"), TypeError, "invented"),
        ("4.1.0", ValueError, "Keras 4.1.0 needs .* with Keras 3.* Install the newer"),
    ],
)
def test_a_setting_that_keras_does_not_know(path, tmp_path, version, error, message):
    """Whether the file comes of a newer Keras decides what is told."""
    changed = tmp_path / "changed.keras"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(changed, "w") as other:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith(".json"):
                values = json.loads(content)
                if name == "config.json":
                    values["config"]["layers"][-1]["config"]["invented"] = None
                else:
                    values["keras_version"] = version
                content = json.dumps(values)
            other.writestr(name, content)
    with pytest.raises(error, match=message):
        kseq2seq.load_model(changed)


# Each is a process of its own, seconds long: what Keras knows depends on the first
# import, and on what was taken from the package since.
@pytest.mark.parametrize(
    "code",
    [
        "import kseq2seq; import keras; kseq2seq.load_model(sys.argv[1])",
        f"import keras; import kseq2seq; {KERAS_OWN}",
        f"import kseq2seq; import keras; kseq2seq.layers; {KERAS_OWN}",
    ],
)
def test_in_a_new_process(code, path):
    result = run(code, path)
    assert result.stdout == "ok\n", result.stderr[-2000:]


def test_keras_own_function_knows_what_has_been_imported(path):
    """The docstring of `load_model` says so; it may be taken out once this fails."""
    result = run(f"import kseq2seq; import keras; {KERAS_OWN}", path)
    assert "Could not locate class 'Seq2SeqModel'" in result.stderr
