"""Scripts on another backend of Keras, each in a process of its own."""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest

from paths import HELPERS, ROOT

# For the numbers of a few small layers, LLVM takes longer than they do.
QUICK_COMPILER = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
)
# Processes that wait for each other may wait for ever.
TIMEOUT = 300


def run_on(backend, script, *arguments):
    """Runs `script` in Python with `backend`; skips where that is not installed."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    paths = os.pathsep.join([str(HELPERS), str(ROOT)])
    own = {"KERAS_BACKEND": backend, "PYTHONPATH": paths, "XLA_FLAGS": QUICK_COMPILER}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
    assert result.returncode == 0, result.stderr[-2000:]
