#!/usr/bin/env python3
"""Translates sentences by a server's REST interface.

    python translate_rest.py http://localhost:8501/v1/models/dates "4 March 2017"

Nothing has to be installed but Python. The server is TensorFlow Serving, or
`kseq2seq serve`. Without sentences they are read from standard input, one a line. With
--signature another one is asked that takes nothing but `text`, such as nbest,
translate_align or encode, and its whole answer is printed as JSON. A request has at
most 64 sentences; for more there are several, and so many lines of JSON.
"""

import argparse
import http.client
import json
import sys
import urllib.error
import urllib.request

TRANSLATE = "serving_default"
# Rows of a request: no more than `max_batch_size` in batching_parameters.txt.
MAX_ROWS = 64


class ServerError(Exception):
    """An error of the server, in words for the user."""


def predict(url, signature, inputs, timeout=60):
    """A signature's outputs: dict, name -> nested list; batches come first."""
    # `inputs` and `outputs` are the column format; the row format has `instances`,
    # a dict for each row, and `predictions`.
    body = json.dumps({"signature_name": signature, "inputs": inputs})
    try:
        request = urllib.request.Request(
            f"{url}:predict", body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return json.load(response)["outputs"]
    except urllib.error.HTTPError as error:
        message = error.read().decode("utf-8", "replace")
        try:
            message = json.loads(message)["error"]
        except (ValueError, KeyError, TypeError):
            message = message[:200]
        raise ServerError(f"{url} refused ({error.code}): {message}") from error
    except OSError as error:  # no connection, or no answer in time
        reason = getattr(error, "reason", error)
        raise ServerError(
            f"no server answers at {url} ({reason}): start TensorFlow Serving or "
            "`kseq2seq serve`, and check host, port and the model's name"
        ) from error
    except (ValueError, KeyError, TypeError, http.client.HTTPException) as error:
        raise ServerError(
            f"{url} must be a model's URL, http://HOST:PORT/v1/models/NAME: {error}"
        ) from error


def read_lines():
    """Lines of standard input, which no other characters end."""
    sys.stdin.reconfigure(newline="\n")
    return [line.removesuffix("\n").removesuffix("\r") for line in sys.stdin]


def main():
    """Parses the command line, asks and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="of the model, http://HOST:PORT/v1/models/NAME")
    parser.add_argument("sentences", nargs="*", help="to translate")
    parser.add_argument("--signature", default=TRANSLATE, help="default: %(default)s")
    arguments = parser.parse_intermixed_args()
    sentences = arguments.sentences or read_lines()
    url = arguments.url.rstrip("/")
    for start in range(0, len(sentences), MAX_ROWS):
        texts = sentences[start : start + MAX_ROWS]
        try:
            outputs = predict(url, arguments.signature, {"text": texts})
        except ServerError as error:
            sys.exit(f"translate_rest.py: {error}")
        if arguments.signature == TRANSLATE:
            for translation in outputs["translation"]:
                print(translation)
        else:
            print(json.dumps(outputs, ensure_ascii=False))


if __name__ == "__main__":
    main()
