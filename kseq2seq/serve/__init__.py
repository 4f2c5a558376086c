"""A page to try a SavedModel on, beside TensorFlow Serving's REST API."""

# ruff: noqa: E402  # without the packages of the extra, an error names it first

from kseq2seq.utils import check_installed

check_installed("serve")  # ahead of Flask's import, whose error names no extra

# isort: split

from kseq2seq.serve.app import (
    create_app,
)
from kseq2seq.serve.json_codec import (
    RequestError,
    read_array,
    written_rows,
)
from kseq2seq.serve.server import (
    create_server,
    listen,
    serve,
)

__all__ = [
    "RequestError",
    "create_app",
    "create_server",
    "listen",
    "read_array",
    "serve",
    "written_rows",
]
