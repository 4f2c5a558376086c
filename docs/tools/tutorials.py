"""Tutorials: notebooks in Markdown, executed by Jupyter, as pages of the site.

The files in docs/tutorials/ are Jupytext's Markdown notebooks: text, and cells between
fences of Python, without outputs. A build runs each of them from its first cell in a
kernel of its own, in an empty folder, and adds what the cells printed and drew. An
error in a cell, or anything on its standard error, is an error of the build.
"""

import os
import re
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import jupytext
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

from faces import ROOT
from notebook_pages import Tutorial, render

PathLike: TypeAlias = str | os.PathLike[str]

# A cell that takes longer in seconds, on small sizes, is a mistake.
TIMEOUT = 300
WORKERS = 2
ENVIRONMENT = {
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONPATH": str(ROOT),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # Two kernels share the cores, beside MkDocs.
    "TF_NUM_INTRAOP_THREADS": "1",
}

# Without folders, the kernel is that of this Python, and no other of the user.
CONFIG = Config({"KernelSpecManager": {"kernel_dirs": []}})


class TutorialError(Exception):
    """A cell that failed, or that wrote to standard error."""


class Tutorials:
    """Runs tutorials beside the build; each text once, also if the site is rebuilt."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS)
        self._running: dict[tuple[str, str], Future[Tutorial]] = {}

    def start(self, paths: Iterable[PathLike]) -> None:
        """Starts to run the tutorials in these files."""
        for path in paths:
            self._future(path)

    def executed(self, path: PathLike) -> Tutorial:
        """The tutorial in a file, when it has been run.

        Raises:
            TutorialError: If a cell failed, or wrote to standard error.
        """
        return self._future(path).result()

    def _future(self, path: PathLike) -> Future[Tutorial]:
        name, text = Path(path).stem, Path(path).read_text(encoding="utf-8")
        if (name, text) not in self._running:
            self._running[name, text] = self._pool.submit(run_tutorial, name, text)
        return self._running[name, text]


def run_tutorial(name: str, text: str) -> Tutorial:
    """Executes a tutorial and renders it.

    Args:
        name: Name of its file without `.md`.
        text: Text of its file.

    Raises:
        TutorialError: If a cell failed, or wrote to standard error.
    """
    notebook = jupytext.reads(text, fmt="md")
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # not a random one
    with tempfile.TemporaryDirectory() as folder:
        execute(name, notebook, folder)
    return render(name, notebook)


def execute(name: str, notebook: NotebookNode, folder: str) -> None:
    """Runs the cells of a notebook in a new kernel, and puts their outputs there.

    Args:
        name: Name for errors.
        notebook: The notebook.
        folder: Working directory of the kernel.

    Raises:
        TutorialError: If a cell failed, or wrote to standard error.
    """
    client = NotebookClient(
        notebook,
        config=CONFIG,
        # TensorFlow's C++ code announces itself, past `sys.stderr`.
        extra_arguments=["--IPKernelApp.capture_fd_output=False"],
        resources={"metadata": {"path": folder}},
        coalesce_streams=True,
        record_timing=False,
        timeout=TIMEOUT,
    )
    # Settings of the user's IPython have no part in it.
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        try:
            env = {**os.environ, **ENVIRONMENT, "IPYTHONDIR": home}
            client.execute(env=env, stdout=log, stderr=log)
        except CellExecutionError as error:
            text = re.sub(r"\x1b\[[\d;]*m", "", str(error))  # without colours
            raise TutorialError(f"{name}.md: {text}") from None
        except (DeadKernelError, RuntimeError) as error:
            log.seek(0)
            text = log.read().decode("utf-8", "replace")
            raise TutorialError(f"{name}.md: {error}\n{text}") from error
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            _check(name, cell.source, output)


def _check(name: str, source: str, output: NotebookNode) -> None:
    """Refuses warnings, and the address of an object in place of a value."""
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    if output.get("name") == "stderr":
        expected = "nothing on standard error"
    elif output.output_type == "execute_result" and re.search(r" at 0x\w+>", text):
        expected = "a value that can be read, or none"
    else:
        return
    raise TutorialError(f"{name}.md: expected {expected}. Received: {text!r}\n{source}")
