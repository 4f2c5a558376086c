"""A small TensorFlow Serving: its gRPC services, over the session loader in C++.

It knows of a model only what is in the folder of the version: the signatures of
`saved_model.pb`, and the warm-up requests. What it refuses, and with which code and
words, is as in TensorFlow Serving's sources (`predict_util.cc`, `server_core.cc`,
`get_model_metadata_impl.cc`, `get_model_status_impl.cc`, `saved_model_warmup_util.cc`).
"""

import contextlib
from concurrent import futures
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # which a TensorFlow Serving has built in
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MAX_WARMUP_REQUESTS = 1000
# Numbers of a tensor are sent one by one, in the field of their type.
FIELDS = {
    tf.string: "string_val",
    tf.float32: "float_val",
    tf.int32: "int_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
}
CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServingError(Exception):
    """An answer that is an error: its `grpc.StatusCode`, and its message."""

    def __init__(self, code, message):
        super().__init__(code, message)
        self.code, self.message = code, message


def read_warmup(path):
    """The warm-up requests of a version, as `PredictionLog`s; `None` without a file."""
    file = Path(path) / WARMUP_FILE
    if not file.is_file():
        return None
    records = tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    return [prediction_log_pb2.PredictionLog.FromString(x) for x in records]


class SessionModel:
    """A version of a model in a session of its own, warmed up."""

    def __init__(self, path):
        self.version = int(Path(path).name)
        graph = tf.Graph()
        with graph.as_default():
            self.session = tf.compat.v1.Session()
            meta_graph = tf.compat.v1.saved_model.load(
                self.session, ["serve"], str(path)
            )
        self.signatures = meta_graph.signature_def
        self._callables = {}
        self.num_warmed_up = self._warm_up(path)

    def _warm_up(self, path):
        requests = read_warmup(path) or []
        for log in requests:
            if log.WhichOneof("log_type") == "predict_log":
                self.predict(log.predict_log.request)
        if len(requests) > MAX_WARMUP_REQUESTS:
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT,
                "Number of warmup records exceeds the maximum",
            )
        return len(requests)

    def run(self, signature_name, inputs, outputs=()):
        """Arrays of a signature's outputs, for arrays of its inputs."""
        signature = self.signatures[signature_name]
        outputs = tuple(outputs) or tuple(sorted(signature.outputs))
        key = signature_name, tuple(sorted(inputs)), outputs
        if key not in self._callables:
            # Unlike `session.run`, it converts and checks nothing in Python.
            options = config_pb2.CallableOptions(
                feed=[signature.inputs[x].name for x in key[1]],
                fetch=[signature.outputs[x].name for x in outputs],
            )
            self._callables[key] = self.session._make_callable_from_options(options)
        try:
            values = self._callables[key](*(inputs[x] for x in key[1]))
        except tf.errors.OpError as error:
            raise ServingError(CODES[error.error_code], error.message) from error
        # Scalars come as `bytes` and NumPy's numbers.
        arrays = [np.array(x, object if isinstance(x, bytes) else None) for x in values]
        return dict(zip(outputs, arrays, strict=True))

    def predict(self, request):
        """The `PredictResponse` to a `PredictRequest`."""
        name = request.model_spec.signature_name or "serving_default"
        if name not in self.signatures:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature key "{name}" not found.',
            )
        signature = self.signatures[name]
        check_names(signature, request)
        inputs = {}
        for key, proto in request.inputs.items():
            try:
                inputs[key] = tf.make_ndarray(proto)
            except (TypeError, ValueError) as error:
                raise ServingError(
                    grpc.StatusCode.INVALID_ARGUMENT, f"tensor parsing error: {key}"
                ) from error
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.signature_name = name
        response.model_spec.version.value = self.version
        for key, array in self.run(name, inputs, request.output_filter).items():
            response.outputs[key].CopyFrom(tensor_proto(array))
        return response


def check_names(signature, request):
    """Refuses inputs and outputs that are not those of the signature."""
    sent, wanted = set(request.inputs), set(signature.inputs)
    message = None
    if len(sent) != len(wanted):
        message = (
            f"input size does not match signature: {len(sent)}!={len(wanted)} "
            f"len({{{','.join(sorted(sent))}}}) != len({{{','.join(sorted(wanted))}}})."
            f" Sent extra: {{{','.join(sorted(sent - wanted))}}}. "
            f"Missing but required: {{{','.join(sorted(wanted - sent))}}}."
        )
    elif sent != wanted:
        message = (
            f"Signature input alias: {min(wanted - sent)} not found in request and no "
            "default value provided."
        )
    unknown = set(request.output_filter) - set(signature.outputs)
    if unknown:
        message = f"output tensor alias not found in signature: {min(unknown)}"
    if message:
        raise ServingError(grpc.StatusCode.INVALID_ARGUMENT, message)


def tensor_proto(array):
    """An array as TensorFlow Serving sends it."""
    dtype = tf.as_dtype(array.dtype)
    proto = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    proto.tensor_shape.CopyFrom(tf.TensorShape(array.shape).as_proto())
    getattr(proto, FIELDS[dtype]).extend(array.ravel().tolist())
    return proto


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Servicers of the models in a dict, name -> `SessionModel`."""

    def __init__(self, models):
        self.models = models

    def find(self, spec):
        if not spec.name:
            raise ServingError(
                grpc.StatusCode.INVALID_ARGUMENT, "ModelSpec has no name specified."
            )
        # A version that is there is asked for, and be it 0.
        wanted = spec.version.value if spec.HasField("version") else None
        model = self.models.get(spec.name)
        if model is None or wanted not in (None, model.version):
            which = f"Latest({spec.name})"
            if wanted is not None:
                which = f"Specific({spec.name}, {wanted})"
            raise ServingError(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {which}"
            )
        return model

    def Predict(self, request, context):  # noqa: N802
        with errors_to(context):
            return self.find(request.model_spec).predict(request)

    def GetModelMetadata(self, request, context):  # noqa: N802
        with errors_to(context):
            if list(request.metadata_field) != ["signature_def"]:
                raise ServingError(
                    grpc.StatusCode.INVALID_ARGUMENT,
                    "GetModelMetadataRequest must specify at least one metadata_field",
                )
            model = self.find(request.model_spec)
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in model.signatures.items():
                signatures.signature_def[name].CopyFrom(signature)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = model.version
            response.metadata["signature_def"].Pack(signatures)
            return response

    def GetModelStatus(self, request, context):  # noqa: N802
        with errors_to(context):
            name = request.model_spec.name
            if name not in self.models:
                raise ServingError(
                    grpc.StatusCode.NOT_FOUND,
                    f"Could not find any versions of model {name}",
                )
            model = self.find(request.model_spec)
            response = get_model_status_pb2.GetModelStatusResponse()
            status = response.model_version_status.add(version=model.version)
            status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
            return response


@contextlib.contextmanager
def errors_to(context):
    try:
        yield
    except ServingError as error:
        context.abort(error.code, error.message)


@contextlib.contextmanager
def serving(models):
    """Serves a dict, name -> `SessionModel`, on a free port; gives `host:port`."""
    # Larger messages than gRPC's usual 4 MB, as TensorFlow Serving takes them.
    sizes = [(f"grpc.max_{x}_message_length", -1) for x in ("send", "receive")]
    server = grpc.server(futures.ThreadPoolExecutor(2), options=sizes)
    services = Services(models)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        services, server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


def merged(requests):
    """The inputs of several requests in one, as TensorFlow Serving batches them."""
    return {
        name: np.concatenate([request[name] for request in requests])
        for name in requests[0]
    }
