"""The web application around one SavedModel: a page to try it, and its REST API.

The API is that of TensorFlow Serving (`rest.py`), so that client code can be
tried before the model is deployed; this server is not what to deploy it with.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flask
from werkzeug.exceptions import HTTPException

from kseq2seq.serve import predict, rest
from kseq2seq.serve.json_codec import RequestError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MAX_BODY_BYTES = 4 * 2**20
MAX_ROWS = 256
# Of an answer's outputs together: a row may have an alignment of many thousands, and a
# number takes many times its room while JSON is made of it.
MAX_VALUES = 5_000_000
MAX_LOGGED = 500
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PAGE = Path(__file__).with_name("page")
# The page loads nothing from elsewhere, runs no script but its own, and is shown in
# no page but its own.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# HTTP status for an error of TensorFlow, by its code; 500 for any other.
STATUS_OF_CODE = {3: 400, 4: 504, 5: 404, 8: 429, 9: 400, 11: 400, 12: 501, 14: 503}

_logger = logging.getLogger("kseq2seq.serve.app")


def create_app(translator: Any, hosts: Sequence[str] | None = LOOPBACK) -> flask.Flask:
    """The web application around a SavedModel.

    Args:
        translator: A `SavedTranslator`, or an object with its `path`, `signatures` and
            `run`.
        hosts: Names by which requests may call this server, without a port; a page
            of another site can have its own name point here, but cannot use one of
            these. `None` for any name.

    Returns:
        The application.

    Raises:
        ValueError: If `translator` is not of a SavedModel.

    Example:

    >>> from pathlib import Path
    >>> from types import SimpleNamespace
    >>> translator = SimpleNamespace(path=Path("dates/3"), signatures={}, run=None)
    >>> client = create_app(translator).test_client()
    >>> client.get("/v1/models/dates/versions/4").json
    {'error': 'Could not find version 4 of model dates'}
    """
    if not all(hasattr(translator, each) for each in ("path", "signatures", "run")):
        raise ValueError(
            "`translator` must be one of a SavedModel: export the model, and load the "
            f"export with `Translator.load`. Received: {translator!r:.200}"
        )
    name, version = model_name(translator.path)
    app = flask.Flask("kseq2seq", static_folder=None, template_folder=PAGE)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # pyright: ignore[reportAttributeAccessIssue]

    @app.before_request
    def check_request():
        _check_length(flask.request)
        _check_sender(flask.request, hosts)

    @app.after_request
    def add_headers(response):
        for key, value in HEADERS.items():
            response.headers.setdefault(key, value)
        return response

    @app.errorhandler(Exception)
    def answer_error(error):
        return _answer_error(error)

    @app.get("/")
    def page():
        return flask.render_template("index.html", name=name, version=version)

    @app.get("/<any('page.js', 'asking.js', 'units.js', 'page.css', 'icon.svg'):file>")
    def page_file(file):
        return flask.send_from_directory(PAGE, file)

    @app.route("/v1/<path:rest_of_path>", methods=METHODS)
    def call_model(rest_of_path):
        call = rest.read_path(flask.request.method, flask.request.path)
        rest.check_model(call, name, version)
        if call.kind == "predict":
            return _json(_predict(translator, flask.request))
        if call.kind == "status":
            return flask.jsonify(rest.model_status(version))
        if call.kind == "metadata":
            return flask.jsonify(
                rest.model_metadata(name, version, translator.signatures)
            )
        raise RequestError(
            400,
            f"Expected a signature for :{call.kind}. The method of all that there are "
            f"is {rest.PREDICT_METHOD}: ask with :predict",
        )

    return app


def model_name(path: Path) -> tuple[str, int]:
    """Name and version of a model by where it lies, as TensorFlow Serving has them.

    Args:
        path: Path of a version's folder; one without a number is version 1.

    Returns:
        A tuple `(name, version)`.

    Example:

    >>> from pathlib import Path
    >>> model_name(Path("saved_models/dates/3"))
    ('dates', 3)
    """
    path = path.resolve()
    if path.name.isascii() and path.name.isdigit():
        return path.parent.name, int(path.name)
    return path.name, 1


def _check_length(request):
    """Refuses a body that is too large before it is read, or of no stated length."""
    stated = request.headers.get("Content-Length")
    if stated is not None and not (stated.isascii() and stated.isdigit()):
        raise RequestError(
            400, f"Content-Length must be a number of bytes. Received: {stated[:40]}"
        )
    if stated is not None and int(stated[:20]) > MAX_BODY_BYTES:
        raise RequestError(413, _too_large(stated[:20]))


def _too_large(size):
    return f"A request's body may have at most {MAX_BODY_BYTES} bytes. Received: {size}"


def _check_sender(request, hosts):
    """Refuses requests from pages of other sites, under whatever name."""
    # The port is behind the last colon, but colons of IPv6 are in brackets.
    host = request.headers.get("Host", "").rpartition("]")
    host = "".join(host[:2]) + host[2].partition(":")[0]
    if hosts is not None and host.lower() not in hosts:
        raise RequestError(
            403,
            f"This server answers only to {', '.join(hosts)}; with --host it listens "
            f"elsewhere and answers to any name. Received: {host[:200]}",
        )
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        raise RequestError(
            403, f"Pages of other sites may not ask here. Received: {origin[:200]}"
        )


def _predict(translator, request):
    """JSON of the answer to a request to predict."""
    asked = predict.read_predict(request.get_data(), translator.signatures)
    rows = predict.check_batch(asked.inputs)
    if rows > MAX_ROWS:
        raise RequestError(
            413,
            f"A request may have at most {MAX_ROWS} rows. Received: {rows}; send them "
            "in several requests",
        )
    outputs = translator.run(asked.signature, asked.inputs)
    values = sum(array.size for array in outputs.values())
    if values > MAX_VALUES:
        raise RequestError(
            413,
            f"An answer may have at most {MAX_VALUES} values in all outputs together. "
            f"Received: {rows} rows, whose answer has {values}; send fewer or shorter "
            "rows",
        )
    return predict.write_predictions(outputs, asked.in_rows)


def _answer_error(error):
    if isinstance(error, RequestError):
        return _json(rest.write_error(str(error)), error.status)
    if isinstance(error, HTTPException):
        return _answer_http_error(error)
    # A message of the model or the code may name files, and be long: only the person
    # who started the server sees it.
    code = STATUS_OF_CODE.get(getattr(error, "error_code", -1), 500)
    kind = type(error).__name__
    said = " ".join(str(error).split())[:MAX_LOGGED]
    _logger.error("%s %s: %s: %s", flask.request.method, flask.request.path, kind, said)
    message = f"The model could not answer this request ({kind}); its server tells why."
    return _json(rest.write_error(message), code)


def _answer_http_error(error):
    request = flask.request
    messages = {
        404: f"There is nothing at {request.path}: try / for the page.",
        405: f"{request.method} is not for {request.path}.",
        413: _too_large(request.content_length),
    }
    message = messages.get(error.code, f"{error.name}.")
    response = _json(rest.write_error(message), error.code)
    if getattr(error, "valid_methods", None):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _json(text, status=200):
    return flask.Response(f"{text}\n", status, content_type="application/json")
