"""Presets of translators: a run folder with checksums and a model card."""

import json
import zipfile
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from kseq2seq.export.model_card import preset_card
from kseq2seq.export.readme import README_FILE, preset_readme
from kseq2seq.export.saved_model import Exportable
from kseq2seq.presets import write_preset
from kseq2seq.runs import MODEL_FILE, from_run
from kseq2seq.utils import PathLike, atomic_path, write_text

# Of layers and initializers: Keras 3.15 writes them, and 3.12 refuses them.
NEW_SETTINGS = {"quantization_config", "input_axes", "output_axes"}


class Savable(Exportable, Protocol):
    """An `Exportable` that writes its files itself, such as a `kseq2seq.Translator`."""

    def save(self, folder: PathLike, weights: str = "float32") -> None:
        """Writes model and tokenizers; see `kseq2seq.Translator.save`."""
        ...


def export_preset(
    folder: PathLike,
    translator: Savable,
    weights: str = "float32",
    licence: str | None = None,
    preset: str | None = None,
) -> Path:
    """Writes a preset, complete or not at all.

    Args:
        folder: Path of the preset, which must not exist yet, or be empty.
        translator: A `kseq2seq.Translator`.
        weights: "float32" or "float16".
        licence: Its licence, as model hubs name it; not told if `None`.
        preset: Name that loads the preset, for its README; that of the folder if
            `None`.

    Returns:
        The `Path` of the preset.

    Raises:
        FileExistsError: If there is something at the path.
        OSError: If it cannot be written.
        ValueError: If `weights` or `licence` is none of these, or a weight is too large
            for float16.
    """
    name = Path(folder).resolve().name if preset is None else preset
    run_folder = translator.run_folder

    def save(path: Path) -> None:
        translator.save(path, weights)
        _make_readable_by_older_keras(path / MODEL_FILE)
        card = preset_card(
            num_parameters=int(sum(np.prod(x.shape) for x in translator.model.weights)),
            num_bytes=(path / MODEL_FILE).stat().st_size,
            dtype=weights,
            tokenizers={
                "source": translator.source_tokenizer.model,
                "target": translator.target_tokenizer.model,
            },
            run=None if run_folder is None else from_run(run_folder),
            features=translator.features,
        )
        write_text(path / README_FILE, preset_readme(name, card, licence))

    return write_preset(folder, save, run_folder)


def _make_readable_by_older_keras(path: Path) -> None:
    """Leaves settings out of a `.keras` file that Keras 3.12 (Python 3.10) refuses."""
    with zipfile.ZipFile(path) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with atomic_path(path) as beside, zipfile.ZipFile(beside, "w") as archive:
        for entry, content in entries:
            if entry.filename == "config.json":
                config = _without_unset(json.loads(content))
                content = json.dumps(config).encode()
            archive.writestr(entry, content)


def _without_unset(config: Any) -> Any:
    """A config, however deep, without new settings that are not set."""
    if isinstance(config, dict):
        return {
            key: _without_unset(value)
            for key, value in config.items()
            if key not in NEW_SETTINGS or value is not None
        }
    if isinstance(config, list):
        return [_without_unset(value) for value in config]
    return config
