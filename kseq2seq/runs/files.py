"""Files of a run folder: the model and its tokenizers."""

import os
from pathlib import Path

MODEL_FILE = "model.keras"

SOURCE_FILE, TARGET_FILE = "source.model", "target.model"


def save_model(model, path):
    """Writes `path` beside and renames it, so that it is never half there."""
    path = Path(path)
    # A suffix that Keras knows: the name says how the file is written.
    beside = path.with_name(f".{path.stem}.{os.getpid()}.keras")
    try:
        model.save(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def save_tokenizers(folder, source_tokenizer, target_tokenizer):
    """Writes both tokenizers into a run folder."""
    source_tokenizer.save(Path(folder) / SOURCE_FILE)
    target_tokenizer.save(Path(folder) / TARGET_FILE)


def load_tokenizers(folder):
    """Both tokenizers of a run folder, `(source, target)`."""
    from kseq2seq.tokenizers import Tokenizer

    return tuple(
        Tokenizer.load(Path(folder) / name) for name in (SOURCE_FILE, TARGET_FILE)
    )
