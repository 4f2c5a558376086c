"""Options of a language model beside a translation model, which several verbs have."""

import argparse
from pathlib import Path
from typing import Any

from kseq2seq.cli.arguments import one_line, weight
from kseq2seq.runs import is_run_folder

DEFAULT_WEIGHT = 0.3


def add_language_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--language-model` and `--language-model-weight`.

    Args:
        parser: The parser of a verb.
    """
    group = parser.add_argument_group("language model of the target")
    group.add_argument(
        "--language-model",
        metavar="FILE",
        help=".keras file of a model of kseq2seq.models.build_language_model, whose "
        "log-probabilities are added to those of the translation model",
    )
    group.add_argument(
        "--language-model-weight",
        type=weight,
        metavar="X",
        help=f"factor of these log-probabilities (default: {DEFAULT_WEIGHT})",
    )


def check_language_model(options: argparse.Namespace) -> None:
    """Checks the options of a language model, before any model is loaded.

    Args:
        options: Those of a verb, `path` being the run folder or SavedModel.

    Raises:
        ValueError: If there is a weight alone, or a language model for a SavedModel.
    """
    given = options.language_model
    if given is None and options.language_model_weight is not None:
        raise ValueError(
            "--language-model-weight needs --language-model: add it, or leave this "
            f"out. Received: --language-model-weight {options.language_model_weight}"
        )
    if given is not None and not is_run_folder(options.path):
        raise ValueError(
            f"{options.path} is a SavedModel, which searches as it was exported to: "
            "export it with this option, or give the run folder. Received: "
            f"--language-model {given}"
        )


def load_fusion(options: argparse.Namespace) -> Any:
    """The language model that the options name, and its weight.

    Args:
        options: Those of a verb.

    Returns:
        A `kseq2seq.models.Fusion`; `None` without a language model.

    Raises:
        ValueError: If it cannot be loaded.
    """
    path = getattr(options, "language_model", None)
    if path is None:
        return None
    from kseq2seq.models import Fusion, load_model

    if not Path(path).is_file():
        raise ValueError(
            f"--language-model {path}: must be a .keras file, as `model.save` writes "
            "it. Received: no such file"
        )
    try:
        model = load_model(path, compile=False)
    except Exception as error:  # a damaged file fails in any way
        raise ValueError(
            f"--language-model {path}: cannot be loaded, perhaps because it is damaged "
            f"or of another version: {one_line(error) or type(error).__name__}"
        ) from error
    given = options.language_model_weight
    return Fusion(model, DEFAULT_WEIGHT if given is None else given)
