#!/usr/bin/env python3
"""Translates sentences by a server's gRPC interface.

    pip install ovmsclient
    python translate_grpc.py localhost:8500 dates "4 March 2017"

`ovmsclient` brings gRPC and TensorFlow Serving's messages along, and no TensorFlow.
Without sentences they are read from standard input, one a line. With --signature
another one is asked that takes nothing but `text`, such as nbest, translate_align or
encode, and its whole answer is printed as JSON. A request has at most 64 sentences; for
more there are several, and so many lines of JSON.
"""

import argparse
import json
import sys

TRANSLATE = "serving_default"
# Rows of a request: no more than `max_batch_size` in batching_parameters.txt.
MAX_ROWS = 64


def predict(client, model, signature, texts, timeout=60):
    """A signature's outputs: dict, name -> NumPy array; batches come first."""
    from ovmsclient import make_tensor_proto
    from ovmsclient.tfs_compat.grpc.requests import make_predict_request
    from ovmsclient.tfs_compat.grpc.tensors import make_ndarray

    # `client.predict` asks for no signature but `serving_default`, and for version 0
    # unless it is told another; this asks for any, and for the newest.
    inputs = {"text": make_tensor_proto(texts)}
    request = make_predict_request(inputs, model).raw_request
    request.model_spec.signature_name = signature
    request.model_spec.ClearField("version")
    response = client.prediction_service_stub.Predict(request, timeout)
    return {name: make_ndarray(value) for name, value in response.outputs.items()}


def as_json(array):
    """Nested lists, with text in place of bytes."""
    if isinstance(array, list):
        return [as_json(row) for row in array]
    return array.decode("utf-8", "replace") if isinstance(array, bytes) else array


def print_answers(arguments, sentences):
    """Asks for the sentences, a batch at a time, and prints each answer."""
    from ovmsclient import make_grpc_client

    client = make_grpc_client(arguments.server)
    for start in range(0, len(sentences), MAX_ROWS):
        texts = sentences[start : start + MAX_ROWS]
        outputs = predict(client, arguments.model, arguments.signature, texts)
        lists = {name: as_json(array.tolist()) for name, array in outputs.items()}
        if arguments.signature == TRANSLATE:
            for translation in lists["translation"]:
                print(translation)
        else:
            print(json.dumps(lists, ensure_ascii=False))


def read_lines():
    """Lines of standard input, which no other characters end."""
    sys.stdin.reconfigure(newline="\n")
    return [line.removesuffix("\n").removesuffix("\r") for line in sys.stdin]


def main():
    """Parses the command line, asks and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", help="HOST:PORT of the gRPC interface")
    parser.add_argument("model", help="its name on the server")
    parser.add_argument("sentences", nargs="*", help="to translate")
    parser.add_argument("--signature", default=TRANSLATE, help="default: %(default)s")
    arguments = parser.parse_intermixed_args()
    sentences = arguments.sentences or read_lines()
    if not sentences:
        return
    try:
        import grpc

        print_answers(arguments, sentences)
    except ImportError as error:
        sys.exit(f"translate_grpc.py: {error}; install it by: pip install ovmsclient")
    except ValueError as error:  # the client's, of what it was given
        sys.exit(f"translate_grpc.py: {error}")
    except grpc.RpcError as error:
        if error.code() in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        ):
            sys.exit(
                f"translate_grpc.py: no server answers at {arguments.server} "
                f"({error.details()}): start TensorFlow Serving, and check host and "
                "port, which for gRPC is 8500 unless changed"
            )
        sys.exit(
            f"translate_grpc.py: {arguments.server} refused ({error.code().name}): "
            f"{error.details()}"
        )


if __name__ == "__main__":
    main()
