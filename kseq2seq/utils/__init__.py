"""Helpers that know nothing of models: files, checks, optional packages."""

from kseq2seq.utils.checks import (
    check_boolean,
    check_choice,
    check_fraction,
    check_integer,
    check_integers,
    check_number,
    check_string,
    is_integer,
    is_number,
)
from kseq2seq.utils.custom_gradient import custom_gradient
from kseq2seq.utils.files import (
    write_text,
    written_whole,
)
from kseq2seq.utils.numbered_folder import (
    add_version,
    versions,
)
from kseq2seq.utils.optional import (
    LITERT,
    ONNX,
    check_installed,
)
from kseq2seq.utils.special_ids import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    UNK_ID,
)
from kseq2seq.utils.stderr import (
    import_tensorflow,
    said_once,
)
from kseq2seq.utils.types import PathLike, Tensor

__all__ = [
    "BOS_ID",
    "EOS_ID",
    "LITERT",
    "ONNX",
    "PAD_ID",
    "UNK_ID",
    "PathLike",
    "Tensor",
    "add_version",
    "check_boolean",
    "check_choice",
    "check_fraction",
    "check_installed",
    "check_integer",
    "check_integers",
    "check_number",
    "check_string",
    "custom_gradient",
    "import_tensorflow",
    "is_integer",
    "is_number",
    "said_once",
    "versions",
    "write_text",
    "written_whole",
]
