"""Runs a SavedModel through TensorFlow's C API, as a server in C++ would.

    python capi.py SAVED_MODEL < batches.json > results.json

Batches are lists of texts, each text as hexadecimal digits of its bytes; a result is a
dict of the signature's outputs. Python's TensorFlow is not imported: of the installed
wheels only the shared libraries are used.
"""

import ctypes
import importlib.util
import json
import sys
from pathlib import Path

TF_FLOAT, TF_STRING = 1, 7
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
    """A SavedModel's session and its serving signature."""

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
        self.inputs, self.outputs = signature(meta_graph, "serving_default")

    def check(self):
        if self.tf.TF_GetCode(self.status):
            raise RuntimeError(self.tf.TF_Message(self.status).decode())

    def place(self, tensor_name):
        name, index = tensor_name.split(":")
        operation = self.tf.TF_GraphOperationByName(self.graph, name.encode())
        return TFOutput(operation, int(index))

    def string_tensor(self, texts):
        size = (ctypes.c_int64 * 1)(len(texts))
        length = ctypes.c_size_t(STRING_BYTES * len(texts))
        tensor = pointer(self.tf.TF_AllocateTensor(TF_STRING, size, 1, length))
        for item, text in zip(self.strings(tensor, len(texts)), texts, strict=True):
            self.tf.TF_StringInit(item)
            self.tf.TF_StringCopy(item, text, ctypes.c_size_t(len(text)))
        return tensor

    def strings(self, tensor, count):
        data = self.tf.TF_TensorData(tensor) or 0
        return [pointer(data + STRING_BYTES * i) for i in range(count)]

    def values(self, tensor):
        count = self.tf.TF_Dim(tensor, 0)
        if self.tf.TF_TensorType(tensor) == TF_FLOAT:
            address = self.tf.TF_TensorData(tensor)
            return list((ctypes.c_float * count).from_address(address)) if count else []
        return [
            ctypes.string_at(
                self.tf.TF_StringGetDataPointer(item), self.tf.TF_StringGetSize(item)
            ).hex()
            for item in self.strings(tensor, count)
        ]

    def run(self, texts):
        places = [self.place(name) for name in self.outputs.values()]
        results = (ctypes.c_void_p * len(places))()
        self.tf.TF_SessionRun(
            self.session,
            None,
            (TFOutput * 1)(self.place(self.inputs["text"])),
            (ctypes.c_void_p * 1)(self.string_tensor(texts).value),
            1,
            (TFOutput * len(places))(*places),
            results,
            len(places),
            None,
            0,
            None,
            self.status,
        )
        self.check()
        values = [self.values(pointer(tensor)) for tensor in results]
        return dict(zip(self.outputs, values, strict=True))


def signature(meta_graph, wanted):
    """Names of a signature's tensors, read from a serialised `MetaGraphDef`."""
    signatures = (dict(fields(x)) for number, x in fields(meta_graph) if number == 5)
    found = next(entry[2] for entry in signatures if entry[1].decode() == wanted)
    names = {1: {}, 2: {}}  # inputs, outputs
    for number, value in fields(found):
        if number in names:
            entry = dict(fields(value))
            names[number][entry[1].decode()] = dict(fields(entry[2]))[1].decode()
    return names[1], names[2]


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
    batches = json.load(sys.stdin)
    results = [session.run([bytes.fromhex(x) for x in batch]) for batch in batches]
    if "tensorflow" in sys.modules:
        raise RuntimeError("this was to be done without Python's TensorFlow")
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
