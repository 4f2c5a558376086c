"""`kseq2seq serve`: a page and the REST API, up to Ctrl-C."""

import argparse
from typing import Any

from kseq2seq.cli import loading
from kseq2seq.cli.arguments import add_path, add_verb, port
from kseq2seq.cli.paths import find_served_model
from kseq2seq.utils import check_installed


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq serve`."""
    parser = add_verb(
        subparsers,
        "serve",
        "Try a SavedModel out, on a page and by TensorFlow Serving's REST API.",
        "Prints where the page and the API are, and answers until Ctrl-C. To deploy the"
        " model, use\nTensorFlow Serving itself.\n\n"
        "example:\n  kseq2seq serve saved_models/dates",
    )
    add_path(parser, "SavedModel")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 lets other machines in "
        "(default: %(default)s, this machine only)",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8501,
        help="port to listen on; 0 for any free one (default: %(default)s)",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Serves until it is interrupted."""
    options.path = find_served_model(options.path, "to serve")
    check_installed("serve")
    from kseq2seq import serve

    opened = serve.listen(options.host, options.port)
    with opened:
        serve.serve(loading.load_translator(options.path, options.modules), opened)
