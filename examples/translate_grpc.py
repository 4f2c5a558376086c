#!/usr/bin/env python3
"""Translates sentences by a server's gRPC interface.

    pip install ovmsclient
    python translate_grpc.py localhost:8500 dates "4 March 2017"

`ovmsclient` brings gRPC and TensorFlow Serving's messages along, and no TensorFlow.
Without sentences they are read from standard input, one a line. With --signature
another one is asked that takes nothing but `text`, such as nbest, translate_align or
encode, and its whole answer is printed as JSON.
"""

import argparse
import json
import sys

TRANSLATE = "serving_default"


def predict(server, model, signature, texts, timeout=60):
    """A signature's outputs: dict, name -> NumPy array; batches come first."""
    from ovmsclient import make_grpc_client, make_tensor_proto
    from ovmsclient.tfs_compat.grpc.requests import make_predict_request
    from ovmsclient.tfs_compat.grpc.tensors import make_ndarray

    client = make_grpc_client(server)
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
    sentences = arguments.sentences or sys.stdin.read().splitlines()
    if not sentences:
        return
    try:
        import grpc

        outputs = predict(
            arguments.server, arguments.model, arguments.signature, sentences
        )
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
    if arguments.signature == TRANSLATE:
        for translation in outputs["translation"].tolist():
            print(as_json(translation))
    else:
        lists = {name: as_json(array.tolist()) for name, array in outputs.items()}
        print(json.dumps(lists, ensure_ascii=False))


if __name__ == "__main__":
    main()
