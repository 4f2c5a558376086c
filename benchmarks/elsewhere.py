"""Parts of benchmark scripts that run in processes of their own.

Nothing is imported here but Python's own, as in `machine`.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

import machine


class Remote:
    """A benchmark's module, or an object that it makes, in a process of its own.

    TensorFlow and PyTorch in one process fight over threads, and may be installed in
    different environments. The process stays, so that several of them can be called
    in turn. What goes to and fro is JSON.

    Args:
        python: Path of the Python to run; `None` for this one.
        script: Path of a script of this folder, which is imported there.
        maker: Name of a function or class of the script; methods of what it returns
            are called then. With `None` functions of the script are called.
        arguments: Dict of arguments of the maker.
        environment: Dict of environment variables to add.

    Raises:
        RuntimeError: If something fails there; the message has the traceback.

    Example:

    >>> with Remote(None, "machine.py") as remote:
    ...     remote.call("medians", values={"greedy": [4, 2, 3]})
    {'greedy': 3}
    """

    def __init__(self, python, script, maker=None, arguments=None, environment=None):
        paths = (
            str(Path(__file__).parent),
            str(machine.ROOT),
            os.environ.get("PYTHONPATH"),
        )
        path = os.pathsep.join(filter(None, paths))
        code = "import sys, elsewhere; elsewhere.serve(sys.argv[1])"
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # `close` closes it
        self._process = subprocess.Popen(
            [str(python or sys.executable), "-c", code, Path(script).stem],
            env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        if maker is not None:
            try:
                self._ask({"make": maker, "arguments": arguments or {}})
            except BaseException:
                self.close()
                raise

    def call(self, name, /, **arguments):
        """Result of a function of the script, or of a method."""
        return self._ask({"call": name, "arguments": arguments})

    def _ask(self, request):
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")[-4000:]
            raise RuntimeError(f"{self._process.args}: ended without an answer: {said}")
        answer = json.loads(answer)
        if "error" in answer:
            raise RuntimeError(f"{self._process.args}: {answer['error']}")
        return answer["result"]

    def close(self):
        """Ends the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def call(python, script, function, arguments=None, environment=None):
    """Result of a function of a script, called in a process of its own.

    Args:
        python: Path of the Python to run; `None` for this one.
        script: Path of a script of this folder.
        function: Name of a function in it.
        arguments: Dict of its arguments; JSON, as is what it returns.
        environment: Dict of environment variables to add.
    """
    with Remote(python, script, environment=environment) as remote:
        return remote.call(function, **(arguments or {}))


def serve(module):
    """Answers the requests of a `Remote` from standard input, until that is closed."""
    # What libraries print would be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    target = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if target is None:
                target = importlib.import_module(module)
            name = request.get("make") or request["call"]
            result = getattr(target, name)(**request["arguments"])
            if "make" in request:
                target, result = result, None
            answer = json.dumps({"result": result})
        except Exception:
            answer = json.dumps({"error": traceback.format_exc()})
        answers.write(answer + "\n")
        answers.flush()
