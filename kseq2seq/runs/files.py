"""Files of a run folder: the model and its tokenizers."""

from pathlib import Path

from kseq2seq.utils import atomic_path

MODEL_FILE = "model.keras"

SOURCE_FILE, TARGET_FILE = "source.model", "target.model"


def save_model(model, path):
    """Writes `path` beside and renames it, so that it is never half there."""
    with atomic_path(path) as beside:
        model.save(beside)


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
