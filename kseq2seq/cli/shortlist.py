"""`kseq2seq shortlist`: finds the target pieces that each source piece may give."""

import argparse
import random
import sys
from pathlib import Path
from typing import Any

from kseq2seq.cli import loading
from kseq2seq.cli.arguments import (
    add_data_folder,
    add_features_column,
    add_path,
    add_verb,
    count,
    index,
)
from kseq2seq.cli.pair_scores import PairReader
from kseq2seq.cli.paths import find_run_folder
from kseq2seq.presets import is_preset_name
from kseq2seq.utils import import_tensorflow


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq shortlist`."""
    parser = add_verb(
        subparsers,
        "shortlist",
        "Find the target pieces that each source piece may give, for faster searches.",
        "The model aligns the pairs that it was trained with. The run folder keeps the "
        "pieces\nthat attention links, and 'kseq2seq translate --shortlist' and "
        "'kseq2seq export\n--shortlist' search among them. Prints two shares for up to "
        "1,000 validation pairs,\nor for --pairs: the tokens of the targets, and of "
        "the model's own translations\nwithout a shortlist, that are among the pieces "
        "of their source.\n\n"
        "example:\n  kseq2seq shortlist runs/multi30k_en_de --data FOLDER",
    )
    add_path(parser, "run folder")
    add_data_folder(parser)
    parser.add_argument(
        "--pairs",
        metavar="FILE",
        help="file of lines of source and target with a tab between them, in the place "
        "of the pairs of the settings",
    )
    add_features_column(parser, "the lines of --pairs, from 2 on")
    parser.add_argument(
        "--pieces",
        type=count,
        default=20,
        metavar="N",
        help="most target pieces of each source piece (default: %(default)s)",
    )
    parser.add_argument(
        "--frequent",
        type=index,
        default=500,
        metavar="N",
        help="most frequent target pieces, which every source may give (default: "
        "%(default)s)",
    )
    parser.add_argument(
        "--limit",
        type=index,
        default=200_000,
        metavar="N",
        help="pairs that are aligned, drawn at random; 0 for all (default: 200000)",
    )
    return parser


def run(options: argparse.Namespace) -> None:
    """Aligns pairs, and writes the shortlist into the run folder."""
    if is_preset_name(options.path):
        raise ValueError(
            f"{options.path} is a preset, into which nothing is written: load it with "
            "Translator.from_preset, save it into a folder, and give that folder."
        )
    path = find_run_folder(options.path, "to make a shortlist of")
    if options.pairs is None and options.features is not None:
        raise ValueError(
            "--features goes with --pairs, whose column it is; those of the settings "
            f"have their own. Received: --features {options.features}"
        )
    if options.pairs is not None and options.data != Path():
        raise ValueError(
            "--data is for the pairs of the settings, and goes without --pairs. "
            f"Received: --data {options.data} --pairs {options.pairs}"
        )
    import_tensorflow()
    if options.pairs is None:
        from kseq2seq.trainer import pairs_of_run

        pairs, validation = pairs_of_run(path, options.data)
    else:
        pairs = validation = _read_pairs(options)
    if options.limit and len(pairs) > options.limit:
        pairs = random.Random(0).sample(pairs, options.limit)
    translator = loading.load_translator(path, options.modules)
    from kseq2seq import Limits, Search
    from kseq2seq.inference import TextToText, make_shortlist, measure_shortlist
    from kseq2seq.runs import save_shortlist

    text_to_text = TextToText(
        [translator.model],
        translator.source_tokenizer,
        translator.target_tokenizer,
        Search(beam_size=1),
        Limits(),
        features=translator.features,
    )
    shortlist = make_shortlist(
        text_to_text,
        pairs,
        options.pieces,
        options.frequent,
        progress=sys.stderr.isatty(),
    )
    report = measure_shortlist(text_to_text, shortlist, validation)
    save_shortlist(path, shortlist)
    print(
        f"{path}: a shortlist of {len(pairs):,} pairs. It has "
        f"{report.covered_outputs:.2%} of the tokens that the model writes for "
        f"validation sources, and {report.covered_targets:.2%} of their targets'; of "
        f"{text_to_text.vocabulary_sizes[1]:,} pieces a text has "
        f"{report.columns_of_text:,.0f}, a batch of 64 {report.columns_of_batch:,.0f}"
    )


def _read_pairs(options: argparse.Namespace) -> list[tuple[str, ...]]:
    """The pairs in the file of `--pairs`."""
    from kseq2seq.data import read_lines

    read = PairReader(options.pairs, options.features)
    rows = [read(line, n) for n, line in enumerate(read_lines(options.pairs), 1)]
    if not rows:
        raise ValueError(
            f"{options.pairs}: no pairs to align. Expected pairs such as those of the "
            "training, source TAB target in each line. Received: an empty file"
        )
    return rows
