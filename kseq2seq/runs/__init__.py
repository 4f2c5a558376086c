"""The run folder: what a training writes and others read."""

from kseq2seq.runs.files import (
    MODEL_FILE,
    SOURCE_FILE,
    TARGET_FILE,
    load_tokenizers,
    save_model,
    save_tokenizers,
)
from kseq2seq.runs.records import (
    HISTORY_FILE,
    RECORD_FILE,
    SCORES_FILE,
    SETTINGS_FILE,
    from_run,
    git_state,
    now,
    package_versions,
)

__all__ = [
    "HISTORY_FILE",
    "MODEL_FILE",
    "RECORD_FILE",
    "SCORES_FILE",
    "SETTINGS_FILE",
    "SOURCE_FILE",
    "TARGET_FILE",
    "from_run",
    "git_state",
    "load_tokenizers",
    "now",
    "package_versions",
    "save_model",
    "save_tokenizers",
]
