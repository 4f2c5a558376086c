"""Shared by all tests: a quiet TensorFlow, fixed seeds, the folder of real data."""

import gc
import os
import random

# Read when TensorFlow is first imported, so set before any test module is.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# TensorFlow leaves oneDNN off on processors without VNNI, and products in int8 need it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# For a few small layers, LLVM takes longer than they do.
os.environ["XLA_FLAGS"] = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Each core has a process already; threads for all cores in each would get in one
    # another's way, a sixth of such a training's time.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import sys

import pytest
from hypothesis import settings

from paths import SHARED, TESTS

# Traced functions are hundreds of thousands of objects that live on; by default Python
# goes through them for every few thousand new ones, a tenth of such a test's time.
gc.set_threshold(50_000, 20, 50)

# The first call of a TensorFlow function compiles it, which no deadline foresees.
# In CI the examples are the same each time.
settings.register_profile(
    "kseq2seq", deadline=None, derandomize="CI" in os.environ, print_blob=True
)
settings.load_profile("kseq2seq")


@pytest.fixture(autouse=True, scope="module")
def fixed_seed_of_tensorflow():
    """Of each module alone: to set it throws away what functions were compiled to."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)


@pytest.fixture(autouse=True)
def fixed_seeds():
    """The same random numbers in each test, whichever ran before.

    Keras draws the seeds of its layers and initializers with Python's.
    """
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)


@pytest.fixture(scope="session")
def data_root():
    """Folder of the real data sets, which are not part of the repository."""
    path = SHARED
    if not path.is_dir():
        pytest.skip("no folder ../shared/data beside this one")
    return path


@pytest.fixture(scope="session")
def goldens_root():
    """Folder of the numbers produced by tensorflow-addons; see its README.md."""
    return TESTS / "goldens"


@pytest.fixture
def export_only(monkeypatch):
    """A function after which a test's exports have the signatures that it names alone.

    The model is the same in all of them, and each takes a while to be traced.
    """
    from kseq2seq.export import saved_model

    every = saved_model.signature_functions

    def export_only(*names):
        def named(*arguments):
            return {x: y for x, y in every(*arguments).items() if x in names}

        monkeypatch.setattr(saved_model, "signature_functions", named)

    return export_only


@pytest.fixture(scope="session")
def tiny_saved_model(tmp_path_factory):
    """A SavedModel of `tiny_translator()`, which tests must leave as it is.

    An export takes seconds, so that all tests of a process share it.
    """
    from kseq2seq import Search
    from translators import tiny_translator

    folder = tmp_path_factory.mktemp("saved_models") / "tiny"
    search = Search(beam_size=3, max_length=11)
    extra = ["complete", "alternatives"]
    return tiny_translator().export(folder, search, extra_signatures=extra)
