"""The application: what it answers, and whom it refuses."""

import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.serve import app
from pretend import Backwards, signature

ANY = tf.TensorSpec(None, tf.float32)
PREDICT = "/v1/models/backwards:predict"


class HalfPlusThree:
    """The model of the API's documentation."""

    path = Path("half_plus_three/123")
    signatures = {"serving_default": signature({"x": ANY}, {"y": ANY})}  # noqa: RUF012

    def run(self, name, inputs):
        return {"y": inputs["x"] / 2 + 3}


@pytest.fixture
def half():
    return app.create_app(HalfPlusThree()).test_client()


@pytest.fixture
def backwards():
    return Backwards()


@pytest.fixture
def client(backwards):
    return app.create_app(backwards).test_client()


def error_of(response, status):
    """The message of an answer that must be an error."""
    assert response.status_code == status
    assert response.content_type == "application/json"
    assert list(response.json) == ["error"]
    assert "Traceback" not in response.text and "File " not in response.text
    return response.json["error"]


# ---- The documentation's examples ----


def test_status(half):
    expected = {
        "model_version_status": [
            {
                "version": "123",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }
    for path in ("", "/versions/123"):
        response = half.get(f"/v1/models/half_plus_three{path}")
        assert (response.status_code, response.json) == (200, expected)


@pytest.mark.parametrize("path", ["", "/versions/123"])
def test_predict(half, path):
    # As `curl -d` sends it: as a form.
    response = half.post(
        f"/v1/models/half_plus_three{path}:predict",
        data='{"instances": [1.0,2.0,5.0]}',
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 200
    assert response.content_type == "application/json"
    assert response.json == {"predictions": [3.5, 4.0, 5.5]}


def test_predict_in_columns_with_a_signature(half):
    body = {"signature_name": "serving_default", "inputs": [[3.0], [4.0]]}
    response = half.post("/v1/models/half_plus_three:predict", json=body)
    assert response.json == {"outputs": [[4.5], [5.0]]}


def test_another_model(half):
    response = half.post("/v1/models/half:predict", data='{"instances": [1.0,5.0]}')
    assert error_of(response, 404) == "Servable not found for request: Latest(half)"


def test_metadata(half):
    told = half.get("/v1/models/half_plus_three/metadata").json
    assert told["model_spec"]["version"] == "123"
    (actual,) = told["metadata"]["signature_def"]["signature_def"].values()
    assert actual["inputs"]["x"]["dtype"] == "DT_FLOAT"
    assert actual["inputs"]["x"]["tensor_shape"] == {"dim": [], "unknown_rank": True}


# ---- The model ----


def test_named_inputs_in_rows(client, backwards):
    row = {"text": "a dög", "temperature": 0.5, "top_k": 3, "top_p": 1.0, "seed": 7}
    body = {"signature_name": "sample", "instances": [row, {**row, "text": ""}]}
    response = client.post(PREDICT, json=body)
    assert response.json["predictions"] == [
        {"translation": "DÖG A", "log_prob": -0.5},
        {"translation": "", "log_prob": -0.5},
    ]
    ((name, inputs),) = backwards.asked
    assert name == "sample"
    assert {x: y.tolist() for x, y in inputs.items()} == {
        "text": ["a dög".encode(), b""],
        "temperature": [0.5, 0.5],
        "top_k": [3, 3],
        "top_p": [1.0, 1.0],
        "seed": [7, 7],
    }


def test_numbers_that_are_not_finite(client):
    body = {"signature_name": "nbest", "inputs": ["a"]}
    text = client.post(PREDICT, json=body).text
    assert '"scores": [[-0.25, -1.5, -Infinity]]' in text


def test_errors_of_a_request(client, backwards):
    message = error_of(client.post(PREDICT, data="{"), 400)
    assert message.startswith("JSON Parse error")
    message = error_of(client.post(PREDICT), 400)
    assert message == "JSON Parse error: The document is empty."
    body = {"signature_name": "align", "inputs": {"text": ["a"], "target": []}}
    assert "same number of rows" in error_of(client.post(PREDICT, json=body), 400)
    assert "Malformed request: GET" in error_of(client.get(PREDICT), 400)
    assert "Malformed request: PUT" in error_of(client.put(PREDICT), 400)
    path = PREDICT.replace("predict", "classify")
    assert "tensorflow/serving/predict" in error_of(client.post(path, data="{}"), 400)
    path = PREDICT.replace(":", "/versions/8:")
    message = error_of(client.post(path, json={"instances": ["a"]}), 404)
    assert message == "Servable not found for request: Specific(backwards, 8)"
    assert not backwards.asked


class OddError(Exception):
    """One that says much, and where."""

    def __init__(self):
        super().__init__('Graph execution error:\n\n  File "secret.py", line 3\nhere')


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (OddError(), 500),
        (ValueError("of a\nkind"), 500),
        (tf.errors.InvalidArgumentError(None, None, "bad\ninput"), 400),
        (tf.errors.ResourceExhaustedError(None, None, "no room"), 429),
        (tf.errors.DeadlineExceededError(None, None, "late"), 504),
        (tf.errors.InternalError(None, None, "oh"), 500),
        (MemoryError(), 500),
    ],
    ids=lambda x: type(x).__name__,
)
def test_errors_of_the_model(client, backwards, caplog, error, status):
    def run(name, inputs):
        raise error

    backwards.run = run
    message = error_of(client.post(PREDICT, json={"instances": ["a"]}), status)
    assert type(error).__name__ in message and "\n" not in message
    assert not str(error) or str(error) not in message
    (record,) = caplog.records  # for who started the server, on one line
    assert "\n" not in record.getMessage() and record.exc_info is None
    assert record.getMessage().startswith(f"POST {PREDICT}: {type(error).__name__}")
    assert str(error).splitlines()[-1:] == [] or (
        str(error).splitlines()[-1] in record.getMessage()
    )


# ---- Limits ----


def test_a_body_that_is_too_large(client, backwards):
    room = app.MAX_BODY_BYTES - len('{"instances": [""]}')
    body = '{"instances": ["%s"]}' % ("a" * room)
    assert client.post(PREDICT, data=body).status_code == 200
    message = error_of(client.post(PREDICT, data=f"{body} "), 413)
    assert "4194304 bytes. Received: 4194305" in message
    assert len(backwards.asked) == 1


def test_too_many_rows(client, backwards):
    rows = ["a"] * app.MAX_ROWS
    assert client.post(PREDICT, json={"instances": rows}).status_code == 200
    response = client.post(PREDICT, json={"inputs": [*rows, "b"]})
    assert "at most 256 rows. Received: 257; send" in error_of(response, 413)
    assert len(backwards.asked) == 1


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_an_answer_that_is_too_large(client, backwards, monkeypatch, key):
    written = []

    def write(outputs, in_rows):
        written.append(in_rows)
        return "{}"

    monkeypatch.setattr(app.predict, "write_predictions", write)
    one = np.array(0.5, np.float32)
    more = np.broadcast_to(one, (2, 1_249_999))  # in no more room than one
    outputs = {"alignment": np.broadcast_to(one, (2, 1250, 1000)), "memory": more}
    backwards.run = lambda name, inputs: outputs | {"score": np.zeros(2)}
    body = {key: ["a", "b"]}
    assert client.post(PREDICT, json=body).status_code == 200
    assert len(written) == 1
    backwards.run = lambda name, inputs: outputs | {"score": np.zeros(3)}
    assert error_of(client.post(PREDICT, json=body), 413) == (
        "An answer may have at most 5000000 values in all outputs together. Received: "
        "2 rows, whose answer has 5000001; send fewer or shorter rows"
    )
    assert len(written) == 1


# ---- The page, and who may have it ----


def test_the_page_is_whole(client):
    response = client.get("/")
    assert response.status_code == 200 and response.mimetype == "text/html"
    assert 'data-model="backwards"' in response.text and "version 7" in response.text
    files = re.findall(r'(?:href|src)="([^"]+)"', response.text)
    imported = re.findall(
        r'from "\./(.+?)"', client.get("/page.js", buffered=True).text
    )
    kinds = {
        "icon.svg": "image/svg+xml",
        "page.css": "text/css",
        "page.js": "text/javascript",
        "asking.js": "text/javascript",
        "units.js": "text/javascript",
    }
    assert set(files + imported) == set(kinds)
    for name, kind in kinds.items():
        response = client.get(f"/{name}", buffered=True)
        assert response.status_code == 200
        assert response.mimetype in (kind, kind.replace("text", "application"))
        # Nothing comes from elsewhere; an SVG's namespace is no address.
        addresses = set(re.findall(r"https?:[^\"' ]*", response.text))
        assert addresses <= {"http://www.w3.org/2000/svg"}


def test_a_name_is_no_markup():
    translator = Backwards('a"><b>&/3')
    client = app.create_app(translator).test_client()
    assert 'data-model="a&#34;&gt;&lt;b&gt;&amp;"' in client.get("/").text
    response = client.post(
        "/v1/models/a%22%3E%3Cb%3E%26:predict", json={"instances": ["x y"]}
    )
    assert response.json["predictions"][0]["translation"] == "Y X"


@pytest.mark.parametrize("path", ["/", "/page.js", "/nothing", "/v1/models/backwards"])
def test_every_answer_says_what_a_browser_may_do_with_it(client, path):
    headers = client.get(path, buffered=True).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize("path", ["/nothing", "/index.html", "/page/page.js", "/v1"])
def test_what_is_not_there(client, path):
    assert f"nothing at {path}" in error_of(client.get(path), 404)


@pytest.mark.parametrize("path", ["/", "/page.css"])
def test_what_may_only_be_got(client, path):
    response = client.post(path)
    assert error_of(response, 405) == f"POST is not for {path}."
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8501", "127.0.0.1:1", "[::1]", "[::1]:8501"]
)
def test_names_of_this_machine(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example:8501", "127.0.0.1.nip.io", "10.0.0.1", "",
     "[::2]:8501", "evil.example#localhost", "localhost]", "::1"],
)  # fmt: skip
def test_other_names_for_this_machine(client, backwards, host):
    for path in ("/", PREDICT):
        response = client.post(path, json={"instances": ["a"]}, headers={"Host": host})
        assert "This server answers only to" in error_of(response, 403)
    assert not backwards.asked


def test_any_name_where_that_is_asked_for(backwards):
    client = app.create_app(backwards, hosts=None).test_client()
    headers = {
        "Host": "translate.example:8501",
        "Origin": "http://translate.example:8501",
    }
    response = client.post(PREDICT, json={"instances": ["a"]}, headers=headers)
    assert response.status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1"]
)
def test_pages_of_other_sites(client, backwards, origin):
    body = {"instances": ["a"]}
    response = client.post(PREDICT, json=body, headers={"Origin": origin})
    assert "Pages of other sites" in error_of(response, 403)
    assert not backwards.asked
    response = client.post(PREDICT, json=body, headers={"Origin": "http://localhost"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("models/dates/3", ("dates", 3)),
        ("models/dates/0012", ("dates", 12)),
        ("models/dates", ("dates", 1)),
        ("models/dates/٣", ("٣", 1)),
        ("models/dates/3/../4", ("dates", 4)),
    ],
)
def test_names_and_versions(path, expected):
    assert app.model_name(Path(path)) == expected
