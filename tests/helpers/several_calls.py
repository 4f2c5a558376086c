"""Runs a script several times in one process, which imports but once what it needs.

    python several_calls.py SCRIPT < calls.json > results.json

A call is a list of arguments and standard input; its result is the code with which it
ended, and what it wrote to standard output and to standard error.
"""

import contextlib
import io
import json
import runpy
import sys


def call(script, arguments, stdin):
    sys.argv = [script, *arguments]
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as stopped:
            code = stopped.code or 0
    if isinstance(code, str):  # Python itself prints it, and ends with 1
        return 1, out.getvalue(), f"{err.getvalue()}{code}\n"
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    calls = json.loads(sys.stdin.buffer.read())
    script = sys.argv[1]
    results = [call(script, *given) for given in calls]
    json.dump(results, sys.stdout)
