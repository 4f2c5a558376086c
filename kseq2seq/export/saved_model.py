"""SavedModels, from text to text, as TensorFlow Serving loads them.

The signatures are the functions of `kseq2seq.inference`: tokenizers and search are in
the graph, so that whoever loads it needs TensorFlow with the operations of TF Text, and
nothing of this package. `kseq2seq.inference.saved_model` reads it again.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from kseq2seq.decoding import Search
from kseq2seq.export.model_card import CARD_FILE, model_card
from kseq2seq.export.readme import README_FILE, readme
from kseq2seq.export.saved_graphs import (
    check_operations,
    check_versions,
    save_graphs,
    used_variables,
)
from kseq2seq.export.settings import ExportSettings
from kseq2seq.export.warmup import warmup_requests, write_warmup
from kseq2seq.inference import (
    Signature,
    TextToText,
    check_extra,
    check_same_tokenizers,
    signature_functions,
)
from kseq2seq.models import MEAN, Fusion, Mixture, portable_copy
from kseq2seq.runs import (
    EXPORT_SETTINGS_FILE,
    SAVED_MODEL_FILE,
    Shortlist,
    from_run,
)
from kseq2seq.tokenizers import FeatureVocabulary, Limits, Tokenizer
from kseq2seq.utils import (
    PathLike,
    add_numbered_folder,
    is_installed,
    write_text,
)

_logger = logging.getLogger("kseq2seq")


class Exportable(Protocol):
    """The attributes of a `kseq2seq.Translator` that an export reads."""

    model: keras.Model
    source_tokenizer: Tokenizer
    target_tokenizer: Tokenizer
    features: FeatureVocabulary | None
    run_folder: Path | None
    shortlist: Shortlist | None


def export_translators(
    folder: PathLike,
    translators: Sequence[Exportable],
    search: Search | None = None,
    limits: Limits | None = None,
    weights: str = "float32",
    products: str = "float32",
    mixture: Mixture = MEAN,
    extra_signatures: Sequence[str] = (),
) -> Path:
    """Writes the next version of a SavedModel, of one model or of an ensemble.

    Args:
        folder: Path of the folder of versions; see `Translator.export`.
        translators: List of `kseq2seq.Translator`s with the same tokenizers. The
            probabilities of several are averaged at each step of one search.
        search: The `kseq2seq.Search`; its defaults if `None`.
        limits: The `kseq2seq.Limits`; its defaults if `None`.
        weights: "float32", "float16" or "int8".
        products: "float32" or "int8".
        mixture: The `kseq2seq.models.Mixture`: what each of several counts in the
            average, and a language model.
        extra_signatures: As for `Translator.export`.

    Returns:
        The `Path` of the new version.

    Raises:
        OSError: If it cannot be written.
        ValueError: If the translators have different tokenizers, the shares are not a
            positive number for each, and as for `Translator.export`.
    """
    folder = Path(folder)
    shares, fusion = mixture
    settings = ExportSettings(
        search or Search(),
        limits or Limits(),
        weights,
        products,
        None if shares is None else tuple(shares),
        tuple(check_extra(extra_signatures)),
        None if fusion is None else fusion.weight,
    )
    check_versions(folder)
    check_same_tokenizers(translators)
    language_model = None if fusion is None else fusion.model
    traced = _trace(translators, settings, language_model)

    def write(path):
        try:
            save_graphs(traced.graphs, traced.variables, path)
        except tf.errors.OpError as error:
            raise OSError(
                f"{folder}: the SavedModel could not be written: {error.message}"
            ) from error
        check_operations(path)
        (path / EXPORT_SETTINGS_FILE).parent.mkdir(exist_ok=True)
        _write_json(path / EXPORT_SETTINGS_FILE, settings.as_dict())
        name = folder.resolve().name
        if is_installed("warmup"):
            specs = {x: list(y.inputs.values()) for x, y in traced.signatures.items()}
            write_warmup(path, warmup_requests(specs), name)
        models = [x.model for x in translators]
        models += [] if language_model is None else [language_model]
        card = _card(path, name, translators, models, traced.signatures, settings)
        _write_json(path / CARD_FILE, card)
        write_text(path / README_FILE, readme(card))

    version = add_numbered_folder(folder, write)
    if not is_installed("warmup"):
        _logger.warning(
            "%s: written without warm-up requests, so that TensorFlow Serving takes "
            "longer for the first request of each signature. To include them, run "
            "'pip install \"kseq2seq[warmup]\"' and export again.",
            version,
        )
    return version


class _Traced(NamedTuple):
    """The functions to write, their variables, and the `Signature` of each."""

    graphs: dict[str, Any]
    variables: list[tf.Variable]
    signatures: dict[str, Signature]


def _trace(translators, settings, language_model):
    # In float32, whatever the model was trained in: it runs at a like speed on every
    # server, and gives the same as `Translator.load`. With bfloat16 a CPU that has
    # instructions for it took 0.75 times as long for batches of 64, but 2 times as
    # long for single sentences, and others have no such instructions.
    fusion = None
    if language_model is not None:
        copy = portable_copy(language_model)
        fusion = Fusion(copy, settings.language_model_weight)
    text_to_text = TextToText(
        [portable_copy(translator.model) for translator in translators],
        translators[0].source_tokenizer,
        translators[0].target_tokenizer,
        settings.search,
        settings.limits,
        settings.weights,
        settings.products,
        Mixture(settings.ensemble_weights, fusion),
        translators[0].features,
        translators[0].shortlist if len(translators) == 1 and not fusion else None,
    )
    graphs, signatures = {}, {}
    functions = signature_functions(text_to_text, settings.extra_signatures)
    for name, function in functions.items():
        graphs[name] = function.trace()
        signatures[name] = Signature(
            {spec.name: spec for spec in function.specs},
            graphs[name].structured_outputs,
        )
    return _Traced(graphs, used_variables(graphs.values()), signatures)


def _card(path, name, translators, models, signatures, settings):
    variables = [variable for model in models for variable in model.weights]
    files = list((path / "variables").iterdir())
    if settings.products != "float32":
        files.append(path / SAVED_MODEL_FILE)  # whose constants the matrices are
    folders = [x.run_folder for x in translators if x.run_folder is not None]
    runs = [from_run(folder) for folder in folders]
    return model_card(
        name,
        signatures,
        settings,
        num_parameters=int(sum(np.prod(x.shape) for x in variables)),
        num_bytes=sum(x.stat().st_size for x in files),
        tokenizers={
            "source": translators[0].source_tokenizer.model,
            "target": translators[0].target_tokenizer.model,
        },
        runs=runs,
        example=next((run["example"] for run in runs if run["example"]), ""),
        features=translators[0].features,
        shortlist=translators[0].shortlist if settings.search.shortlist else None,
    )


def _write_json(path, content):
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    write_text(path, text)
