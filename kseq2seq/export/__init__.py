"""Models in the formats of other runtimes.

To add a format, write a function that traces `search_function` and hands its files to
`add_export`. `check_folder` and `search_in_words` help with it.
"""

from kseq2seq.export.ids import (
    add_export,
    check_folder,
    greedy,
    search_function,
)
from kseq2seq.export.litert import (
    export_litert,
)
from kseq2seq.export.onnx import (
    export_onnx,
)
from kseq2seq.export.preset import (
    export_preset,
)
from kseq2seq.export.saved_model import (
    export_translators,
)
from kseq2seq.export.search_words import (
    search_in_words,
)
from kseq2seq.export.transcriber import (
    export_transcriber,
)

__all__ = [
    "add_export",
    "check_folder",
    "export_litert",
    "export_onnx",
    "export_preset",
    "export_transcriber",
    "export_translators",
    "greedy",
    "search_function",
    "search_in_words",
]
