import os
import subprocess
import sys

import pytest

from paths import ROOT

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("TF_")
}


def run(code, **environment):
    """Standard error of a new process."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**ENVIRONMENT, **environment},
    )
    return done.stderr


HIDE = """
import os, sys
from kseq2seq.utils import hide_stderr
with hide_stderr({}):
    os.write(2, b"of C\\n")
    print("of Python", file=sys.stderr)
    {}
os.write(2, b"later\\n")
"""


CLOSED = """
import os
from kseq2seq.utils import hide_stderr
visible = os.dup(2)
os.close(2)
with hide_stderr():
    pass
try:
    os.fstat(2)
except OSError:
    pass
else:
    os.write(visible, b"it is open")
"""


def test_standard_error_is_hidden_and_comes_back():
    assert run(HIDE.format("", "")) == "later\n"


def test_an_error_shows_what_was_hidden():
    told = run(HIDE.format("", "raise KeyError"))
    assert told.startswith("of C\nof Python\nTraceback") and "KeyError" in told
    told = run(HIDE.format("shown_on_error=False", "raise KeyError"))
    assert told.startswith("Traceback") and "KeyError" in told


def test_a_closed_standard_error_does_no_harm():
    assert run(CLOSED) == ""


IMPORT = """
import sys
from kseq2seq.utils import import_tensorflow
import_tensorflow()
import_tensorflow()
assert "tensorflow" in sys.modules
"""


@pytest.mark.parametrize("level", [None, "2"])
def test_tensorflow_starts_without_a_word(level):
    assert run(IMPORT, **({"TF_CPP_MIN_LOG_LEVEL": level} if level else {})) == ""


def test_all_of_tensorflow_is_shown_on_request():
    assert "cpu_feature_guard" in run(IMPORT, TF_CPP_MIN_LOG_LEVEL="0")


def test_a_failing_import_is_shown():
    code = """
import os, sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "tensorflow":
            os.write(2, b"a library is missing\\n")
            raise ImportError("broken")
sys.meta_path.insert(0, Broken())
from kseq2seq.utils import import_tensorflow
import_tensorflow()
"""
    told = run(code)
    assert told.startswith("a library is missing\nTraceback")
