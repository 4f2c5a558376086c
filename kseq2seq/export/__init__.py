"""Models in the formats of other runtimes."""

from kseq2seq.export.litert import (
    export_litert,
)
from kseq2seq.export.onnx import (
    export_onnx,
)
from kseq2seq.export.saved_model import (
    export_translators,
)

__all__ = [
    "export_litert",
    "export_onnx",
    "export_translators",
]
