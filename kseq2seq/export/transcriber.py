"""SavedModels from frames, or from WAV files, to text."""

import json
from pathlib import Path
from typing import Protocol

import keras

from kseq2seq import __version__
from kseq2seq.decoding import Search
from kseq2seq.export.readme import README_FILE
from kseq2seq.export.readme_templates import fill_template
from kseq2seq.export.saved_graphs import (
    check_operations,
    check_versions,
    save_graphs,
    used_variables,
)
from kseq2seq.export.search_words import search_in_words
from kseq2seq.export.settings import ExportSettings
from kseq2seq.inference import (
    FramesToText,
    frame_signature_functions,
)
from kseq2seq.layers import LogMel
from kseq2seq.models import portable_copy
from kseq2seq.runs import EXPORT_SETTINGS_FILE
from kseq2seq.tokenizers import Tokenizer
from kseq2seq.utils import PathLike, add_numbered_folder, write_text


class ExportableTranscriber(Protocol):
    """The attributes of a `kseq2seq.Transcriber` that an export reads."""

    model: keras.Model
    tokenizer: Tokenizer
    log_mel: LogMel | None


def export_transcriber(
    folder: PathLike,
    transcriber: ExportableTranscriber,
    search: Search | None = None,
    weights: str = "float32",
) -> Path:
    """Writes the next version of a SavedModel from frames or WAV files to text.

    Args:
        folder: Path of the folder of versions; see `Transcriber.export`.
        transcriber: The `kseq2seq.Transcriber`.
        search: The `kseq2seq.Search`; its defaults if `None`.
        weights: "float32", "float16" or "int8".

    Returns:
        The `Path` of the new version.

    Raises:
        OSError: If it cannot be written.
        ValueError: As for `Transcriber.export`.
    """
    folder = Path(folder)
    settings = ExportSettings(search or Search(), weights=weights)
    check_versions(folder)
    frames_to_text = FramesToText(
        # In float32, whatever the model was trained in; see `export_translators`.
        [portable_copy(transcriber.model)],
        transcriber.tokenizer,
        settings.search,
        transcriber.log_mel,
        weights,
    )
    functions = frame_signature_functions(frames_to_text)
    graphs = {name: function.trace() for name, function in functions.items()}

    def write(path):
        save_graphs(graphs, used_variables(graphs.values()), path)
        check_operations(path)
        (path / EXPORT_SETTINGS_FILE).parent.mkdir(exist_ok=True)
        values = settings.as_dict()
        del values["limits"], values["products"]  # of texts
        text = json.dumps(values, indent=2) + "\n"
        write_text(path / EXPORT_SETTINGS_FILE, text)
        write_text(path / README_FILE, _readme(folder, graphs, functions, settings))

    return add_numbered_folder(folder, write)


def _readme(folder, graphs, functions, settings):
    rows = [
        f"| `{name}` | {_specs(function.specs)} | "
        f"{_specs(graphs[name].structured_outputs.items())} |"
        for name, function in functions.items()
    ]
    return fill_template(
        "transcriber",
        name=folder.resolve().name,
        version=__version__,
        search=search_in_words(settings.search),
        signatures="\n".join(rows),
    )


def _specs(specs):
    named = [spec if isinstance(spec, tuple) else (spec.name, spec) for spec in specs]
    return ", ".join(f"`{name}` {spec.dtype.name}" for name, spec in named)
