"""`kseq2seq train`: trains a translator from a recipe or a file of settings."""

import argparse
import logging
import shlex
from pathlib import Path
from typing import Any, cast

from kseq2seq.cli.arguments import (
    add_data_folder,
    add_import,
    add_verb,
    folder_path,
    named,
)
from kseq2seq.cli.loading import import_modules
from kseq2seq.cli.output import log_to_stderr
from kseq2seq.cli.paths import find_run_folder
from kseq2seq.presets import is_preset_name
from kseq2seq.utils import import_tensorflow


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq train`."""
    parser = add_verb(
        subparsers,
        "train",
        "Train a translator with attention.",
        "The run folder can be translated with, scored, drawn and exported by the other"
        "\ncommands.\n\n"
        "examples:\n"
        "  kseq2seq train dates\n"
        "  kseq2seq train tatoeba_en_fr --run runs/own --set data.train=own.tsv \\\n"
        "      --set 'data.validation=[]'\n"
        "  kseq2seq train own.toml --from runs/dates --run runs/tuned",
    )
    _add_arguments(parser)
    return parser


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        nargs="?",
        help="name of a recipe, or a TOML file of settings",
    )
    parser.add_argument("--list", action="store_true", help="list the recipes")
    parser.add_argument(
        "--settings",
        action="store_true",
        help="print all settings with their defaults, as a TOML file",
    )
    add_data_folder(parser)
    parser.add_argument(
        "--run",
        type=folder_path,
        metavar="FOLDER",
        dest="folder",
        help="run folder to write (default: runs/ and the name of RECIPE)",
    )
    parser.add_argument(
        "--from",
        type=named,
        metavar="RUN",
        dest="from_run",
        help="run folder or preset to begin with: its weights and tokenizers, to which "
        "new characters or words of the data are added",
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--resume",
        action="store_true",
        help="go on from the newest checkpoint, or begin if there is none",
    )
    start.add_argument(
        "--fresh", action="store_true", help="delete an earlier training in the folder"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="SECTION.NAME=VALUE",
        help="change a setting, such as training.epochs=3; may be repeated",
    )
    add_import(parser)


def run(options: argparse.Namespace) -> int | None:
    """Trains, prints the scores, and returns 1 if there is no model to score."""
    from kseq2seq import trainer

    if options.list:
        print(trainer.describe_recipes())
        return None
    if options.settings:
        import_tensorflow()
        print(trainer.describe_settings())
        return None
    if options.recipe is None:
        raise ValueError(
            f"name a recipe, {', '.join(trainer.recipe_names())}, or a TOML file."
        )
    path, begin = trainer.find_recipe(options.recipe), options.from_run
    if begin is not None:
        begin = find_run_folder(begin, "to begin with")
    if options.folder is None:
        options.folder = Path("runs") / path.stem
    import_tensorflow()
    import_modules(options.modules)
    with log_to_stderr("train"):
        return _train(options, path, begin)


def _train(options: argparse.Namespace, path: Path, begin: Path | None) -> int | None:
    from kseq2seq import trainer

    training = trainer.prepare(
        trainer.read_settings(path, options.changes),
        options.folder,
        options.data,
        options.resume,
        options.fresh,
        command(options),
        begin,
    )
    logger = logging.getLogger("kseq2seq")
    try:
        trainer.fit(training)
        if training.run_folder.best_epoch is None:
            logger.error("no epoch gave a model to score")
            return 1
        for score in trainer.score(training).values():
            print(score)
    except (KeyboardInterrupt, SystemExit) as error:
        logger.error("stopped; go on with --resume")
        # A signal's `SystemExit` has its number.
        interrupted = isinstance(error, KeyboardInterrupt)
        return 130 if interrupted else cast(int, error.code)
    return None


def command(options: argparse.Namespace) -> str:
    """The command line, without folders of this machine.

    Args:
        options: Those of `kseq2seq train`.

    Returns:
        A `str` for a shell.
    """
    words = ["kseq2seq", "train", _shown(Path(options.recipe))]
    if options.data != Path():
        words += ["--data", _shown(options.data)]
    words += ["--run", _shown(options.folder)]
    if options.from_run is not None:
        name = options.from_run
        words += ["--from", name if is_preset_name(name) else _shown(Path(name))]
    words += [word for change in options.changes for word in ("--set", change)]
    words += [word for module in options.modules for word in ("--import", module)]
    return shlex.join([*words, *(["--resume"] if options.resume else [])])


def _shown(path: Path) -> str:
    """A path as it was given; an absolute one from this folder on, or its name."""
    if not path.is_absolute():
        return str(path)
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return path.name
