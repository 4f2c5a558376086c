"""`kseq2seq sweep`: many trainings of one file of settings, compared."""

import argparse
import logging
import math
import shlex
from pathlib import Path
from typing import Any

from kseq2seq.cli.arguments import (
    add_data_folder,
    add_import,
    add_verb,
    count,
    folder_path,
)
from kseq2seq.cli.loading import import_modules
from kseq2seq.cli.output import log_to_stderr
from kseq2seq.utils import import_tensorflow


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq sweep`."""
    parser = add_verb(
        subparsers,
        "sweep",
        "Train with many settings, and compare them.",
        "FILE has a table [sweep]: values of settings, such as\n"
        "  [sweep]\n"
        "  draws = 20\n"
        "  seeds = [1, 2]\n"
        "  [sweep.optimizer]\n"
        "  learning_rate = {min = 1e-4, max = 1e-2, log = true}\n"
        "  [sweep.model]\n"
        "  units = [128, 256]\n"
        "  [sweep.variants.deep]\n"
        "  model = {encoder_layers = 2, residual = true}\n"
        "Called again, it goes on where it was ended. Trainings are compared by the\n"
        "validation set; the test set is not looked at. FOLDER has a run folder for\n"
        "each, a table (sweep.csv) and a picture (sweep.png). The exit code is 1 if a\n"
        "training failed.\n\n"
        "example:\n"
        "  kseq2seq sweep own.toml --data FOLDER --run sweeps/own --jobs 2",
    )
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="TOML file of settings with [sweep]"
    )
    add_data_folder(parser)
    parser.add_argument(
        "--run",
        type=folder_path,
        metavar="FOLDER",
        dest="folder",
        help="folder to write (default: sweeps/ and the name of FILE)",
    )
    parser.add_argument(
        "--jobs",
        type=count,
        default=1,
        metavar="N",
        help="trainings at a time (default: 1)",
    )
    parser.add_argument(
        "--best",
        type=count,
        default=3,
        metavar="K",
        help="best trainings to name, as an ensemble (default: 3)",
    )
    add_import(parser)
    return parser


def run(options: argparse.Namespace) -> int | None:
    """Trains, prints the table, and returns 1 if a training failed or gave no model."""
    if options.folder is None:
        options.folder = Path("sweeps") / options.file.stem
    import_tensorflow()
    import_modules(options.modules)
    from kseq2seq import trainer

    with log_to_stderr("sweep"):
        try:
            result = trainer.run_sweep(
                options.file,
                options.folder,
                options.data,
                options.jobs,
                options.best,
                options.modules,
            )
        except (KeyboardInterrupt, SystemExit):
            logging.getLogger("kseq2seq").error("stopped; the same command goes on")
            raise
    print(trainer.describe_sweep(result))
    if result.best:
        first, *others = map(str, result.best)
        print(f"\nthe best: {' '.join([first, *others])}")
        words = ["kseq2seq", "export", "saved-model", first]
        if others:
            words += ["--ensemble", *others]
        print(f"to export them: {shlex.join(words)}")
    failed = any(math.isnan(x.score) or not x.finished for x in result.scores)
    return 1 if failed else None
