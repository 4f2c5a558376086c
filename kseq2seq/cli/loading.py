"""Translators of run folders and SavedModels, for the bodies of verbs."""

import argparse
import importlib
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from kseq2seq.cli.arguments import one_line
from kseq2seq.cli.language_models import load_fusion
from kseq2seq.cli.output import log_to_stderr
from kseq2seq.cli.sampling_options import (
    distinct_samples_function,
    minimum_risk_function,
)
from kseq2seq.cli.search_options import given_search_options, make_search
from kseq2seq.cli.unknown_text import (
    telling_of_unknown,
    telling_of_unknown_features,
)
from kseq2seq.runs import is_run_folder, is_transcriber
from kseq2seq.utils import import_tensorflow


def load_translator(
    path: Path, modules: Sequence[str] = (), products: str | None = None
) -> Any:
    """The translator of a run folder or of a SavedModel.

    Args:
        path: Path of either.
        modules: Names of modules to import first.
        products: As for `kseq2seq.Translator.load`; its default if `None`.

    Raises:
        ValueError: If it cannot be loaded, or a module cannot be imported.
    """
    if is_transcriber(path):
        raise ValueError(
            f"{path}: this model reads recordings or frames, not texts: use 'kseq2seq "
            "transcribe'. It goes with evaluate --tsv, score --input, plot --recording "
            "and export saved-model, too."
        )
    given = {} if products is None else {"products": products}
    return _load("Translator", path, modules, **given)


def load_transcriber(path: Path, modules: Sequence[str] = ()) -> Any:
    """The transcriber of a run folder.

    Args:
        path: Its path.
        modules: Names of modules to import first.

    Raises:
        ValueError: If it cannot be loaded, or reads texts, or a module cannot be
            imported.
    """
    if not is_transcriber(path):
        raise ValueError(
            f"{path}: this model reads texts, not recordings: use 'kseq2seq translate'."
        )
    return _load("Transcriber", path, modules)


def _load(name, path, modules, **types):
    import_tensorflow()
    import_modules(modules)
    import kseq2seq
    from kseq2seq.inference import ProductsError

    try:
        return getattr(kseq2seq, name).load(path, **types)
    except ProductsError:
        raise
    except Exception as error:  # a damaged file fails in any way
        if unknown := re.search(r"Could not locate class '(\w+)'", str(error)):
            raise ValueError(
                f"{path}: its model has a layer of class {unknown[1]}, which is not of "
                "this package: name the module that defines it by --import MODULE."
            ) from error
        raise ValueError(
            f"{path}: cannot be loaded, perhaps because it is damaged or of another "
            f"version: {one_line(error) or type(error).__name__}"
        ) from error


def import_modules(names: Sequence[str]) -> None:
    """Imports modules, from the working directory too.

    Args:
        names: Names of the modules.

    Raises:
        ValueError: If one cannot be imported.
    """
    if names and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    for name in names:
        try:
            if not all(part.isidentifier() for part in name.split(".")):
                raise ImportError(f"{name!r} is no name of a module")
            importlib.import_module(name)
        except ImportError as error:
            raise ValueError(
                f"--import {name}: {one_line(error)}. Name a module as in Python's "
                "import, without .py, in this folder or in an installed package."
            ) from error


def check_search_options(options: argparse.Namespace) -> None:
    """Checks that a SavedModel is not asked for another search than its own.

    Args:
        options: Those of a verb, `path` being the run folder or SavedModel.

    Raises:
        ValueError: If it is.
    """
    if is_run_folder(options.path):
        return
    products = getattr(options, "products", None)
    if products is not None:
        raise ValueError(
            f"{options.path} is a SavedModel, which computes as it was exported to: "
            "leave out --products, or give the run folder. "
            f"Received: --products {products}"
        )
    changes = set(given_search_options(options))
    alignments = getattr(options, "alignments", False)
    if changes - {"num_hypotheses"} or (changes and alignments):
        raise ValueError(
            f"{options.path} is a SavedModel, which searches as it was exported to, "
            "and aligns the best translation: leave out the options of the search, "
            "and --n-best beside --alignments, or give the run folder."
        )


def check_has_features(options: argparse.Namespace, translator: Any) -> None:
    """Refuses `--features` for a model that has none, and tells where one lacks them.

    Args:
        options: Those of a verb, with or without `--features`.
        translator: The translator.

    Raises:
        ValueError: If the option is given and the model has no features.
    """
    given = getattr(options, "features", None) is not None
    if translator.has_features and not given:
        remedy = " Give them by --features." if hasattr(options, "features") else ""
        print(
            f"kseq2seq {options.verb}: the model was trained with features, and none "
            f"are given: all are taken as missing.{remedy}",
            file=sys.stderr,
        )
    if given and not translator.has_features:
        raise ValueError(
            f"{options.path}: this model was trained without features: leave out "
            f"--features. Received: --features {options.features}"
        )


def load_translate_function(
    options: argparse.Namespace,
) -> Callable[..., list[list[Any]]]:
    """Loads a translator, to translate as the options say.

    Args:
        options: Those of a verb, `path` being the run folder or SavedModel.

    Returns:
        A function from texts, and their `features` by name, to the `Translation`s of
        each, the best first.

    Raises:
        ValueError: If it cannot be loaded, or features are given to a model without.
    """
    products = getattr(options, "products", None)
    with log_to_stderr(options.verb) if products else nullcontext():
        translator = load_translator(options.path, options.modules, products)
    check_has_features(options, translator)
    if getattr(options, "mbr", None) is not None:
        return minimum_risk_function(options, translator)
    if getattr(options, "distinct_samples", None) is not None:
        return distinct_samples_function(options, translator)
    fusion = load_fusion(options)
    if fusion is not None:
        translator = translator.with_language_model(*fusion)
    search = make_search(options) if is_run_folder(options.path) else None
    translate = translator.translate
    if _needs_known_text(translator, search):
        tokenizer = translator.source_tokenizer
        translate = telling_of_unknown(translate, tokenizer, options.verb)
    features = getattr(translator, "features", None)
    if features is not None:
        translate = telling_of_unknown_features(translate, features, options.verb)
    return partial(
        translate,
        search=search,
        num_hypotheses=getattr(options, "num_hypotheses", None),
        alignments=getattr(options, "alignments", None) or None,
    )


def _needs_known_text(translator: Any, search: Any) -> bool:
    """Whether the model of a run folder has no other use for unknown words."""
    if search is None or not hasattr(translator, "source_tokenizer"):
        return False
    from kseq2seq.models import copied_ids_of

    return not search.replace_unknown and copied_ids_of(translator.model) is None
