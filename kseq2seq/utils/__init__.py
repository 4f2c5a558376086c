"""Helpers that know nothing of models: checks, files, optional packages."""

from kseq2seq.utils.arrays import UNREADABLE, as_array, open_npz
from kseq2seq.utils.checks import (
    check_boolean,
    check_choice,
    check_fraction,
    check_integer,
    check_integers,
    check_number,
    check_string,
    check_words,
    is_integer,
    is_number,
)
from kseq2seq.utils.combinations import (
    LEAST_VOCABULARY,
    check_architecture,
    check_cell,
    check_copying,
    check_features,
    check_feeding,
    check_frames,
    check_hard_attention,
    check_sizes,
    check_wiring,
    default_of,
)
from kseq2seq.utils.files import (
    atomic_folder,
    atomic_path,
    atomic_write,
    write_bytes,
    write_text,
)
from kseq2seq.utils.gather import gather
from kseq2seq.utils.gradients import custom_gradient, with_bounded_gradient
from kseq2seq.utils.numbered_folder import (
    add_numbered_folder,
    numbered_folders,
)
from kseq2seq.utils.optional import (
    EXTRAS,
    check_installed,
    is_installed,
)
from kseq2seq.utils.quantiles import check_quantiles
from kseq2seq.utils.special_ids import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    UNK_ID,
)
from kseq2seq.utils.stderr import (
    hide_stderr,
    import_tensorflow,
)
from kseq2seq.utils.texts import BLANK_RE2, is_blank, join_lines
from kseq2seq.utils.types import PathLike, Tensor

__all__ = [
    "BLANK_RE2",
    "BOS_ID",
    "EOS_ID",
    "EXTRAS",
    "LEAST_VOCABULARY",
    "PAD_ID",
    "UNK_ID",
    "UNREADABLE",
    "PathLike",
    "Tensor",
    "add_numbered_folder",
    "as_array",
    "atomic_folder",
    "atomic_path",
    "atomic_write",
    "check_architecture",
    "check_boolean",
    "check_cell",
    "check_choice",
    "check_copying",
    "check_features",
    "check_feeding",
    "check_fraction",
    "check_frames",
    "check_hard_attention",
    "check_installed",
    "check_integer",
    "check_integers",
    "check_number",
    "check_quantiles",
    "check_sizes",
    "check_string",
    "check_wiring",
    "check_words",
    "custom_gradient",
    "default_of",
    "gather",
    "hide_stderr",
    "import_tensorflow",
    "is_blank",
    "is_installed",
    "is_integer",
    "is_number",
    "join_lines",
    "numbered_folders",
    "open_npz",
    "with_bounded_gradient",
    "write_bytes",
    "write_text",
]
