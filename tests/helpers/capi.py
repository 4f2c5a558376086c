"""Runs a SavedModel through TensorFlow's C API, as a server in C++ would.

    python capi.py SAVED_MODEL < requests.json > results.json

A request is a list of a signature's name and a dict of its inputs, a result the dict of
its outputs; a tensor is a list of its dtype, its shape and its values in one row, and a
string in it stands as hexadecimal digits of its bytes. Python's TensorFlow is not
imported: of the installed wheels only the shared libraries are used.
"""

import ctypes
import importlib.util
import json
import math
import sys
from pathlib import Path

DTYPES = {1: "float32", 3: "int32", 7: "string", 9: "int64", 10: "bool"}
C_TYPES = {
    "float32": ctypes.c_float,
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "bool": ctypes.c_bool,
}
STRING_BYTES = 24  # of a TF_TString


class TFOutput(ctypes.Structure):
    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class TFBuffer(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


def package_folder(name):
    # Finding a package does not import it.
    return Path(importlib.util.find_spec(name).submodule_search_locations[0])


def load_library():
    folder = package_folder("tensorflow")
    ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), ctypes.RTLD_GLOBAL)
    tf = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"), ctypes.RTLD_GLOBAL)
    pointers = """TF_NewStatus TF_NewGraph TF_NewSessionOptions TF_NewBuffer
        TF_LoadLibrary TF_LoadSessionFromSavedModel TF_GraphOperationByName
        TF_AllocateTensor TF_TensorData TF_StringGetDataPointer"""
    for name in pointers.split():
        getattr(tf, name).restype = ctypes.c_void_p
    tf.TF_Message.restype = ctypes.c_char_p
    tf.TF_StringGetSize.restype = ctypes.c_size_t
    tf.TF_Dim.restype = ctypes.c_int64
    return tf


def pointer(address):
    return ctypes.c_void_p(address)


class Session:
    """A SavedModel's session and its signatures."""

    def __init__(self, path):
        self.tf = load_library()
        self.status = pointer(self.tf.TF_NewStatus())
        operations = package_folder("tensorflow_text") / "python" / "ops"
        library = operations / "_sentencepiece_tokenizer.so"
        self.tf.TF_LoadLibrary(str(library).encode(), self.status)
        self.check()
        self.graph = pointer(self.tf.TF_NewGraph())
        buffer = pointer(self.tf.TF_NewBuffer())
        tags = (ctypes.c_char_p * 1)(b"serve")
        self.session = pointer(
            self.tf.TF_LoadSessionFromSavedModel(
                pointer(self.tf.TF_NewSessionOptions()),
                None,
                str(path).encode(),
                tags,
                1,
                self.graph,
                buffer,
                self.status,
            )
        )
        self.check()
        content = ctypes.cast(buffer, ctypes.POINTER(TFBuffer)).contents
        meta_graph = ctypes.string_at(content.data, content.length)
        self.signatures = dict(signatures(meta_graph))

    def check(self):
        if self.tf.TF_GetCode(self.status):
            raise RuntimeError(self.tf.TF_Message(self.status).decode())

    def place(self, tensor_name):
        name, index = tensor_name.split(":")
        operation = self.tf.TF_GraphOperationByName(self.graph, name.encode())
        return TFOutput(operation, int(index))

    def tensor(self, dtype, shape, values):
        number = next(key for key, name in DTYPES.items() if name == dtype)
        size = (ctypes.c_int64 * len(shape))(*shape)
        c_type = C_TYPES.get(dtype, ctypes.c_byte * STRING_BYTES)
        length = ctypes.c_size_t(ctypes.sizeof(c_type) * len(values))
        tensor = pointer(self.tf.TF_AllocateTensor(number, size, len(shape), length))
        if dtype == "string":
            for item, value in zip(
                self.strings(tensor, len(values)), values, strict=True
            ):
                text = bytes.fromhex(value)
                self.tf.TF_StringInit(item)
                self.tf.TF_StringCopy(item, text, ctypes.c_size_t(len(text)))
        elif values:
            address = self.tf.TF_TensorData(tensor)
            (c_type * len(values)).from_address(address)[:] = values
        return tensor

    def strings(self, tensor, count):
        data = self.tf.TF_TensorData(tensor) or 0
        return [pointer(data + STRING_BYTES * i) for i in range(count)]

    def values(self, tensor):
        """Dtype, shape and values of a tensor."""
        shape = [self.tf.TF_Dim(tensor, i) for i in range(self.tf.TF_NumDims(tensor))]
        count = math.prod(shape)
        dtype = DTYPES[self.tf.TF_TensorType(tensor)]
        if dtype == "string":
            values = [
                ctypes.string_at(
                    self.tf.TF_StringGetDataPointer(x), self.tf.TF_StringGetSize(x)
                ).hex()
                for x in self.strings(tensor, count)
            ]
        else:
            address = self.tf.TF_TensorData(tensor)
            c_type = C_TYPES[dtype] * count
            values = list(c_type.from_address(address)) if count else []
        return dtype, shape, values

    def run(self, signature, given):
        inputs, outputs = self.signatures[signature]
        fed = (TFOutput * len(inputs))(*map(self.place, inputs.values()))
        tensors = [self.tensor(*given[name]).value for name in inputs]
        places = (TFOutput * len(outputs))(*map(self.place, outputs.values()))
        results = (ctypes.c_void_p * len(outputs))()
        self.tf.TF_SessionRun(
            *(self.session, None),
            *(fed, (ctypes.c_void_p * len(tensors))(*tensors), len(tensors)),
            *(places, results, len(outputs)),
            *(None, 0, None, self.status),
        )
        self.check()
        values = [self.values(pointer(tensor)) for tensor in results]
        return dict(zip(outputs, values, strict=True))


def signatures(meta_graph):
    """Names of each signature's tensors, read from a serialised `MetaGraphDef`."""
    for number, content in fields(meta_graph):
        if number != 5:
            continue
        entry = dict(fields(content))
        names = {1: {}, 2: {}}  # inputs, outputs
        for kind, value in fields(entry[2]):
            if kind in names:
                tensor = dict(fields(value))
                names[kind][tensor[1].decode()] = dict(fields(tensor[2]))[1].decode()
        yield entry[1].decode(), (names[1], names[2])


def fields(message):
    """Numbers and values of the fields of a serialised protocol buffer."""
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        size = {1: lambda: 8, 2: varint, 5: lambda: 4}[kind]()
        yield key >> 3, message[position : position + size]
        position += size


def main():
    session = Session(sys.argv[1])
    results = [session.run(*request) for request in json.load(sys.stdin)]
    if "tensorflow" in sys.modules:
        raise RuntimeError("this was to be done without Python's TensorFlow")
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
