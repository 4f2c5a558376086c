"""Asks a server by `ovmsclient`, a gRPC client without TensorFlow.

    python ovms.py HOST:PORT MODEL < calls.json > answers.json

A call is a dict of `signature` and `inputs`, name -> `dtype`, a name of TensorFlow's
types, and `values`, strings as hexadecimal digits of their bytes. An answer is a dict,
name of an output -> `shape` and `values`; or one of `error`, the class of an exception,
and `message`. The client has its own copies of TensorFlow Serving's messages, which
cannot be in one process with those of `tensorflow_serving`.
"""

import json
import sys

import numpy as np
import ovmsclient
from ovmsclient.tfs_compat.grpc.requests import make_predict_request
from ovmsclient.tfs_compat.grpc.tensors import make_ndarray
from ovmsclient.tfs_compat.protos.tensorflow.core.framework import (
    tensor_pb2,
    tensor_shape_pb2,
    types_pb2,
)

STRING = types_pb2.DT_STRING


def make_input(dtype, values):
    dtype = types_pb2.DataType.Value(f"DT_{dtype.upper()}")
    if dtype != STRING:
        return ovmsclient.make_tensor_proto(values, dtype=dtype)
    # The client would go through NumPy's bytes, which lose NULs at the end.
    size = tensor_shape_pb2.TensorShapeProto.Dim(size=len(values))
    return tensor_pb2.TensorProto(
        dtype=STRING,
        tensor_shape=tensor_shape_pb2.TensorShapeProto(dim=[size]),
        string_val=[bytes.fromhex(value) for value in values],
    )


def read_output(proto):
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if proto.dtype == STRING:
        values = [value.hex() for value in proto.string_val]
    else:
        values = np.ravel(make_ndarray(proto)).tolist()
    return {"shape": shape, "values": values}


def ask(client, model, call):
    model = call.get("model", model)
    inputs = {name: make_input(**value) for name, value in call["inputs"].items()}
    if call["signature"] == "by predict":  # the client's own way, of one signature
        actual = client.predict(inputs, model, model_version=1)
        return {name: array.tolist() for name, array in actual.items()}
    request = make_predict_request(inputs, model).raw_request
    # It asks for version 0 where it should ask for the newest.
    request.model_spec.ClearField("version")
    request.model_spec.signature_name = call["signature"]
    response = client.prediction_service_stub.Predict(request, 60)
    return {name: read_output(proto) for name, proto in response.outputs.items()}


def main():
    address, model = sys.argv[1:]
    client = ovmsclient.make_grpc_client(address)
    answers = []
    for call in json.load(sys.stdin):
        try:
            answers.append(ask(client, model, call))
        except Exception as error:
            answers.append({"error": type(error).__name__, "message": str(error)})
    json.dump(answers, sys.stdout, default=bytes.hex)
    loaded = {"tensorflow", "tensorflow_serving", "kseq2seq"} & set(sys.modules)
    if loaded:
        sys.exit(f"a client must do without {', '.join(sorted(loaded))}")


if __name__ == "__main__":
    main()
