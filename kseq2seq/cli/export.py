"""`kseq2seq export`: writes a run's model in a format of others.

Each format is a subcommand with options of its own. Without one it is `saved-model`:
`kseq2seq export RUN FOLDER` exports for TensorFlow Serving.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kseq2seq.cli import loading
from kseq2seq.cli.arguments import (
    RUN_FOLDER,
    add_path,
    add_products,
    add_verb,
    count,
    folder_path,
    index,
    weight,
)
from kseq2seq.cli.language_models import (
    add_language_model_options,
    check_language_model,
    load_fusion,
)
from kseq2seq.cli.paths import find_run_folder
from kseq2seq.cli.recordings import refuse, search_frames
from kseq2seq.cli.search_options import add_n_best, add_search_options, make_search
from kseq2seq.presets import is_preset_name, preset_label
from kseq2seq.runs import is_transcriber
from kseq2seq.utils import check_installed

WEIGHTS = ("float32", "float16", "int8")
EXTRA_SIGNATURES = ("complete", "alternatives")


class Format(NamedTuple):
    """One format of exports.

    Attributes:
        name: Name of the subcommand.
        folder: Folder of the exports that no other folder is named for. Each format has
            its own: servers take any number in a folder of SavedModels for a version.
        summary: One sentence.
        note: Description of the export, printed as it is.
        add_options: Function that adds the format's options to a parser.
        write: Function from the options and the folder to the path written.
    """

    name: str
    folder: str
    summary: str
    note: str
    add_options: Callable[[argparse.ArgumentParser], None]
    write: Callable[[argparse.Namespace, Path], Path]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq export`, with one for each of `FORMATS`."""
    parser = add_verb(
        subparsers,
        "export",
        "Write a model for TensorFlow Serving, ONNX Runtime or LiteRT.",
        "Without FORMAT it is saved-model. See 'kseq2seq export FORMAT --help' for the "
        "options of each.\n\nexample:\n"
        "  kseq2seq export saved-model runs/dates saved_models/dates",
    )
    formats = parser.add_subparsers(
        dest="format", required=True, metavar="FORMAT", title="formats"
    )
    for format_ in FORMATS:
        _add_format(formats, format_)
    parser.rewrite = _with_format
    return parser


def _add_format(formats: Any, format_: Format) -> None:
    parser = add_verb(
        formats,
        format_.name,
        format_.summary,
        "Prints the path written: the next version's number under FOLDER. The search is"
        f" fixed\nin what is written. {format_.note}\n\n"
        f"example:\n  kseq2seq export {format_.name} runs/dates {format_.folder}/dates",
    )
    add_path(parser, RUN_FOLDER)
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        type=folder_path,
        help=f"where to write it (default: {format_.folder}/ and the name of PATH)",
    )
    format_.add_options(parser)


def _with_format(arguments: list[str]) -> list[str]:
    """The arguments with the name of a format ahead, as versions up to 0.1 had none.

    They had `--format saved_model`, `onnx` or `litert` instead.
    """
    names = [format_.name for format_ in FORMATS]
    if not arguments or arguments[0] in (*names, "-h", "--help"):
        return arguments
    others = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    others.add_argument("--format", default=names[0])
    options, rest = others.parse_known_args(arguments)
    return [options.format.replace("_", "-"), *rest]


def run(options: argparse.Namespace) -> None:
    """Exports, and prints the path of what was written."""
    name = options.path
    options.path = find_run_folder(name, "to export")
    format_ = next(x for x in FORMATS if x.name == options.format)
    folder = options.folder
    if folder is None:
        label = (
            preset_label(name) if is_preset_name(name) else Path(name).resolve().name
        )
        folder = Path(format_.folder) / label
    print(format_.write(options, folder))


def _given(options: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Those of the options that were given."""
    values = {name: getattr(options, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _add_saved_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        help="type that weights are stored in (default: float32)",
    )
    add_products(parser)
    parser.add_argument(
        "--ensemble",
        nargs="+",
        default=[],
        metavar="RUN",
        help="run folders or presets whose probabilities are averaged with those of "
        "PATH, in one search",
    )
    parser.add_argument(
        "--ensemble-weights",
        nargs="+",
        type=weight,
        metavar="W",
        help="weights of PATH and of each RUN of --ensemble in the average, such as "
        "2 1 1 (default: all the same)",
    )
    parser.add_argument(
        "--max-bytes",
        type=index,
        metavar="N",
        help="bytes of a text that are read (default: 10000)",
    )
    parser.add_argument(
        "--max-tokens",
        type=index,
        metavar="N",
        help="tokens of a text that are read (default: 1000)",
    )
    parser.add_argument(
        "--signatures",
        nargs="+",
        default=[],
        choices=EXTRA_SIGNATURES,
        metavar="NAME",
        help="signatures beside the usual ones: complete, for translations that begin "
        "with a given text; alternatives, for ways to go on from there",
    )
    add_n_best(parser, "translations of each text that the signature nbest gives")
    add_search_options(parser)
    add_language_model_options(parser)


def _write_saved_model(options: argparse.Namespace, folder: Path) -> Path:
    check_language_model(options)
    if is_transcriber(options.path):
        several = "ensemble", "ensemble_weights", "signatures"
        limits = "max_bytes", "max_tokens"
        refuse(options, "products", *several, *limits, "language_model")
        transcriber = loading.load_transcriber(options.path, options.modules)
        types = _given(options, "weights")
        return transcriber.export(folder, search_frames(options), **types)
    others = [find_run_folder(name, "to average") for name in options.ensemble]
    paths = [options.path, *others]
    translators = [loading.load_translator(path, options.modules) for path in paths]
    from kseq2seq import Limits
    from kseq2seq.export import export_translators
    from kseq2seq.models import Mixture

    limits = Limits(**_given(options, "max_bytes", "max_tokens"))
    types = _given(options, "weights", "products")
    return export_translators(
        folder,
        translators,
        make_search(options),
        limits,
        mixture=Mixture(options.ensemble_weights, load_fusion(options)),
        extra_signatures=options.signatures,
        **types,
    )


def _add_onnx(parser: argparse.ArgumentParser) -> None:
    add_n_best(parser, "translations of each source")
    add_search_options(parser, ids=True)


def _write_onnx(options: argparse.Namespace, folder: Path) -> Path:
    check_installed("onnx")
    translator = loading.load_translator(options.path, options.modules)
    from kseq2seq.export import export_onnx

    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    search, features = make_search(options), translator.features
    return export_onnx(folder, translator.model, *tokenizers, search, features)


def _add_litert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        help="type that weights are stored in (default: int8)",
    )
    parser.add_argument(
        "--source-length",
        type=count,
        metavar="N",
        help="tokens of the longest source, EOS included (default: 64)",
    )
    parser.add_argument(
        "--features-length",
        type=count,
        metavar="N",
        help="the most features of a text, for a model with features (default: 16)",
    )
    add_search_options(parser, greedy=True)


def _write_litert(options: argparse.Namespace, folder: Path) -> Path:
    check_installed("litert")
    translator = loading.load_translator(options.path, options.modules)
    from kseq2seq.export import export_litert

    tokenizers = translator.source_tokenizer, translator.target_tokenizer
    others = _given(options, "weights", "source_length", "features_length")
    others["features"] = translator.features
    if options.features_length is not None and not translator.has_features:
        raise ValueError(
            f"{options.path}: this model was trained without features: leave out "
            f"--features-length. Received: {options.features_length}"
        )
    search = make_search(options)
    return export_litert(folder, translator.model, *tokenizers, search, **others)


# The first is what there is without the name of one.
FORMATS = (
    Format(
        "saved-model",
        "saved_models",
        "Write a SavedModel from text to text, for TensorFlow Serving.",
        "Beside the graph are a model card and warm-up\nrequests.",
        _add_saved_model,
        _write_saved_model,
    ),
    Format(
        "onnx",
        "onnx_models",
        "Write a graph from ids to ids, for ONNX Runtime.",
        "The tokenizers and a README.md are beside the\ngraph.",
        _add_onnx,
        _write_onnx,
    ),
    Format(
        "litert",
        "litert_models",
        "Write a graph from ids to ids, for LiteRT.",
        "It is greedy. The tokenizers and a README.md are\nbeside the graph.",
        _add_litert,
        _write_litert,
    ),
)
