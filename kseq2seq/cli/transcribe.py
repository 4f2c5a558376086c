"""`kseq2seq transcribe`: writes down recordings, or files of frames."""

import argparse
from pathlib import Path
from typing import Any

from kseq2seq.cli import output
from kseq2seq.cli.arguments import (
    add_input_and_output,
    add_path,
    add_verb,
    column,
)
from kseq2seq.cli.paths import find_run_folder
from kseq2seq.cli.recordings import transcribe_rows
from kseq2seq.cli.search_options import add_n_best, add_search_options
from kseq2seq.utils import is_blank, join_lines


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq transcribe`."""
    parser = add_verb(
        subparsers,
        "transcribe",
        "Transcribe recordings.",
        "Prints a line of text for each file, in their order.\n\n"
        "examples:\n"
        "  kseq2seq transcribe runs/spoken_numbers one.wav two.wav\n"
        "  kseq2seq transcribe runs/spoken_numbers --input test.tsv > texts.txt",
    )
    add_path(parser, "run folder of a training on recordings or frames")
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="WAV file of 16-bit PCM, with the sample rate of the training; for a "
        "model of frames .npy or .npz file",
    )
    parser.files = "files"
    add_input_and_output(
        parser,
        "without FILE: lines with the path of one, relative to the folder of this "
        "table; further columns, with tabs between them, are ignored",
    )
    parser.add_argument(
        "--column",
        metavar="COLUMN",
        type=column,
        help="column of the paths in --input, counted from 0, or its name in the first "
        "line; a file that ends in .csv is read as CSV (default: 0)",
    )
    add_n_best(
        parser,
        "print up to N texts of each file, the best first, each on a line of its own: "
        "file, score, text, with tabs between them",
    )
    parser.add_argument(
        "--alignments",
        action="store_true",
        help="print one JSON object for each file instead: {file, transcriptions: "
        "[{text, score, log_prob, tokens, frames, times, alignment}]}; times are "
        "seconds, null for a model of frames; frames, times and alignment are null if "
        "the model has no attention",
    )
    add_search_options(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Transcribes, and prints the texts."""
    options.path = find_run_folder(options.path, "to transcribe with")
    output.check_output(options.output, options.input)
    names, paths = _files(options)
    rest = iter(names)
    with (
        output.open_output(options.output) as file,
        output.progress_bar(len(names), options.output) as update,
    ):
        for window in transcribe_rows(options, paths, options.alignments):
            for best in window:
                file.write(_lines(options, next(rest), best))
            file.flush()
            update(len(window))


def _files(options: argparse.Namespace) -> tuple[list[str], list[Any]]:
    """The files as they were named, and their paths."""
    names = options.files
    if names and options.input:
        raise ValueError(
            "Give FILE, or --input, not both. Received: "
            f"{len(names)} files and --input {options.input}"
        )
    if options.column is not None and not options.input:
        raise ValueError(
            "--column is of a table: name it by --input. Received: "
            f"--column {options.column}"
        )
    folder = Path()
    if not names:
        names = _names_in_table(options)
        folder = Path(options.input).parent if options.input else folder
    if not names:
        raise ValueError(
            f"{options.input or 'standard input'}: no files to transcribe. Expected "
            "the path of a recording in each line, or give FILE. Received: nothing"
        )
    paths = [folder / name for name in names]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        others = f", and {len(missing) - 1} more" if missing[1:] else ""
        raise FileNotFoundError(
            f"{missing[0]}{others}: there is no such file. Expected paths from the "
            f"folder {folder.resolve()} on, "
            + ("that of the table" if options.input else "the working folder")
        )
    return names, paths


def _names_in_table(options: argparse.Namespace) -> list[str]:
    from kseq2seq.data import read_lines, read_tsv

    suffixes = Path(options.input or "").suffixes
    is_csv = ".csv" in [suffix.lower() for suffix in suffixes]
    if options.column is None and not is_csv:
        cells = [line.split("\t")[0] for line in read_lines(options.input)]
    else:
        column: Any = 0 if options.column is None else options.column
        cells = [row[0] for row in read_tsv(options.input, (column,) * 2)]
    return [cell.strip() for cell in cells if not is_blank(cell)]


def _lines(options: argparse.Namespace, name: str, best: list[Any]) -> str:
    if options.alignments:
        rows = [{**row._asdict(), "alignment": _as_lists(row)} for row in best]
        content = {"file": name, "transcriptions": rows}
        return output.json_line(content)
    if options.num_hypotheses is None:
        return join_lines(best[0].text) + "\n"
    texts = [(row.score, join_lines(row.text)) for row in best]
    return "".join(f"{name}\t{score:.6f}\t{text}\n" for score, text in texts)


def _as_lists(row: Any) -> Any:
    return None if row.alignment is None else row.alignment.tolist()
