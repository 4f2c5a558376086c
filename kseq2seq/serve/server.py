"""The server of the page and the API: Werkzeug's, for one person who tries a model."""

import http
import logging
import socket
from typing import Any
from urllib.parse import quote

import numpy as np
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from kseq2seq.serve import rest
from kseq2seq.serve.app import LOOPBACK, create_app, model_name

# Where TensorFlow Serving has its REST API.
HOST, PORT = "127.0.0.1", 8501

_logger = logging.getLogger("kseq2seq.serve.server")


def listen(host: str = HOST, port: int = PORT) -> socket.socket:
    """Opens the socket to listen on.

    It is opened before the model is loaded, which takes seconds; requests meanwhile
    wait.

    Args:
        host: Name or address of this machine.
        port: Number of the port; 0 for any that is free.

    Returns:
        The socket.

    Raises:
        ValueError: If another program listens there, or it cannot be listened on.

    Example:

    >>> with listen(port=0) as opened:
    ...     opened.getsockname()[0]
    '127.0.0.1'
    """
    opened = None
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        opened = socket.socket(family, socket.SOCK_STREAM)
        # Or a server that was stopped could not start again at once.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen()
    except OSError as error:
        if opened is not None:
            opened.close()
        raise ValueError(
            f"{host}:{port} cannot be listened on: {error.strerror}. Stop the program "
            "that does, or name another --port or --host."
        ) from error
    return opened


class _Handler(WSGIRequestHandler):
    """Handles requests without logging them, and refuses what is no HTTP in JSON."""

    def version_string(self) -> str:
        return "kseq2seq"

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        reason = http.HTTPStatus(code).phrase
        text = f"{reason}: {message or explain or reason}"
        body = f"{rest.write_error(text)}\n".encode()
        # So far the version is that of requests without one, whose answers have no
        # head.
        self.request_version = self.protocol_version
        self.send_response(code, reason)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log(self, type: str, message: str, *args: Any) -> None:
        _logger.debug(message, *args)


def create_server(translator: Any, opened: socket.socket) -> BaseWSGIServer:
    """The server of a SavedModel, ready to run.

    Requests must call it by a name of this machine, or by the address that it listens
    on, if no other machine can reach it.

    Args:
        translator: A `SavedTranslator`.
        opened: The socket from `listen`.

    Returns:
        The server: `serve_forever()` answers until Ctrl-C, or `shutdown()` from
        another thread.

    Example:

    >>> from pathlib import Path
    >>> from types import SimpleNamespace
    >>> translator = SimpleNamespace(path=Path("dates/3"), signatures={}, run=None)
    >>> with listen(port=0) as opened:
    ...     server = create_server(translator, opened)
    >>> server.host
    '127.0.0.1'
    >>> server.server_close()
    """
    address = opened.getsockname()[0]
    is_loopback = address == "::1" or address.startswith("127.")
    hosts = dict.fromkeys([*LOOPBACK, _in_url(address)])
    return make_server(
        address,
        opened.getsockname()[1],
        create_app(translator, tuple(hosts) if is_loopback else None),
        threaded=True,
        request_handler=_Handler,
        fd=opened.fileno(),
    )


def warm_up(translator: Any) -> None:
    """Calls the signatures of a text once: their first calls take seconds.

    Args:
        translator: A `SavedTranslator`.
    """
    for name in ("serving_default", "nbest", "translate_align"):
        signature = translator.signatures.get(name)
        if signature is not None and set(signature.inputs) <= {"text", "features"}:
            text = np.array([b"a"], object)
            inputs = {"text": text, "features": np.array([b""], object)}
            translator.run(name, {key: inputs[key] for key in signature.inputs})


def serve(translator: Any, opened: socket.socket) -> None:
    """Makes the model ready, prints where the page and the API are, and answers.

    It does so until Ctrl-C.

    Args:
        translator: A `SavedTranslator`.
        opened: The socket from `listen`.
    """
    server = create_server(translator, opened)
    warm_up(translator)
    address, port = opened.getsockname()[:2]
    host = _in_url(address)
    name, version = model_name(translator.path)
    print(f"{name}, version {version}. Ctrl-C stops it.")
    print(f"page:     http://{host}:{port}/")
    print(f"REST API: http://{host}:{port}/v1/models/{quote(name)}:predict", flush=True)
    server.serve_forever()  # returns at an interrupt


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
