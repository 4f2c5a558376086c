"""Presets of translators: a run folder with checksums and a model card."""

from pathlib import Path

from kseq2seq.export.model_card import preset_card
from kseq2seq.export.readme import README_FILE, preset_readme
from kseq2seq.export.saved_model import Exportable
from kseq2seq.models import float16_copy
from kseq2seq.presets import write_preset
from kseq2seq.runs import MODEL_FILE, from_run, save_model, save_tokenizers
from kseq2seq.utils import PathLike, check_choice, write_text


def export_preset(
    folder: PathLike,
    translator: Exportable,
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
    check_choice("weights", weights, ("float32", "float16"))
    name = Path(folder).resolve().name if preset is None else preset
    model = translator.model if weights == "float32" else float16_copy(translator.model)
    source, target = translator.source_tokenizer, translator.target_tokenizer
    run_folder = translator.run_folder

    def save(path: Path) -> None:
        save_tokenizers(path, source, target)
        save_model(model, path / MODEL_FILE)
        card = preset_card(
            num_parameters=model.count_params(),
            num_bytes=(path / MODEL_FILE).stat().st_size,
            dtype=weights,
            tokenizers={"source": source.model, "target": target.model},
            run=None if run_folder is None else from_run(run_folder),
        )
        write_text(path / README_FILE, preset_readme(name, card, licence))

    return write_preset(folder, save, run_folder)
