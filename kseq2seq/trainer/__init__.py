"""Training from a file of settings."""

from kseq2seq.trainer.pipeline import fit, prepare, score
from kseq2seq.trainer.records import finish as record_finish
from kseq2seq.trainer.run_folder import RunFolder, read_history
from kseq2seq.trainer.settings import SettingsError, read_settings

__all__ = [
    "RunFolder",
    "SettingsError",
    "fit",
    "prepare",
    "read_history",
    "read_settings",
    "record_finish",
    "score",
]
