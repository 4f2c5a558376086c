"""`kseq2seq train`: trains a translator from a file of settings."""

import argparse
import sys
from pathlib import Path


def parse_arguments(arguments):
    """The options of a training."""
    parser = argparse.ArgumentParser(
        description="Train a translator with attention from a TOML file of settings.",
        epilog="The run folder can be translated with, scored, plotted and exported "
        "by the command kseq2seq. training/settings.py tells every setting.",
    )
    parser.add_argument("config", metavar="CONFIG.toml", type=Path)
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(),
        metavar="FOLDER",
        help="folder of the data files that the settings name (default: this one)",
    )
    parser.add_argument(
        "--run",
        type=Path,
        metavar="FOLDER",
        help="run folder to write (default: runs/ and the name of CONFIG)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on after the last finished epoch, or begin if there is none",
    )
    parser.add_argument(
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
    options = parser.parse_args(arguments)
    if options.resume and options.fresh:
        parser.error("--resume and --fresh exclude each other")
    if options.run is None:
        options.run = Path("runs") / options.config.stem
    return options


def train(arguments=None):
    """Trains; returns the exit status."""
    from kseq2seq.trainer import fit, prepare, read_settings, record_finish, score

    options = parse_arguments(arguments)
    try:
        settings = read_settings(options.config, options.changes)
        prepared = prepare(settings, options)
    except (ValueError, OSError) as error:
        print(f"train.py: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    try:
        fit(prepared)
        if prepared.folder.best_epoch is None:
            print("train.py: no epoch gave a model to score.", file=sys.stderr)
            return 1
        score(settings, options.run, prepared.test)
        record_finish(options.run)
    except KeyboardInterrupt:
        print("train.py: stopped; go on with --resume.", file=sys.stderr)
        return 130
    return 0
