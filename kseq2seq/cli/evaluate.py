"""`kseq2seq evaluate`: translates a test set and prints its scores."""

import argparse
from contextlib import AbstractContextManager, nullcontext
from os.path import realpath
from typing import Any, TextIO, TypeAlias

from kseq2seq.cli import loading, output, windows
from kseq2seq.cli.arguments import (
    MODEL,
    add_features_column,
    add_path,
    add_products,
    add_verb,
    column,
    index,
)
from kseq2seq.cli.language_models import (
    add_language_model_options,
    check_language_model,
)
from kseq2seq.cli.long_lines import add_max_characters, cut_lines
from kseq2seq.cli.paths import find_model
from kseq2seq.cli.recordings import read_table, refuse, transcribe_rows
from kseq2seq.cli.sampling_options import (
    add_minimum_risk_options,
    check_drawn,
    seed_of_window,
)
from kseq2seq.cli.search_options import add_search_options
from kseq2seq.evaluation import (
    DEFAULT_METRICS,
    METRICS,
    compare,
    comparison_table,
    confusions,
    evaluate,
    format_edit,
)
from kseq2seq.runs import is_transcriber, read_settings
from kseq2seq.utils import atomic_write, join_lines

# Columns of JSON Lines where none are given.
_FIELDS = ("source", "target")
# The kinds of a test set that have an option; the others refuse it.
_KINDS_WITH = {
    "reference": ("source",),
    "columns": ("tsv", "jsonl"),
    "features": ("tsv", "jsonl"),
    "header": ("tsv",),
    "quoting": ("tsv",),
}
# Sources, their features if any, and for each source the list of its references.
_TestSet: TypeAlias = tuple[list[Any], list[str] | None, list[list[str]]]


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq evaluate`."""
    parser = add_verb(
        subparsers,
        "evaluate",
        "Translate a test set and score the result.",
        "Prints a line for each metric, with the signature that lets others repeat it."
        "\n\nexample:\n  kseq2seq evaluate runs/multi30k_en_de --source test.en.gz "
        "--reference test.de.gz",
    )
    add_path(parser, MODEL)
    _add_test_set(parser)
    parser.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        choices=METRICS,
        help="among %(choices)s (default: those that the run was trained with, or else "
        f"{' and '.join(DEFAULT_METRICS)})",
    )
    parser.add_argument(
        "--bootstrap",
        metavar="N",
        type=index,
        default=0,
        help="resample N times for a 95 %% confidence interval, 1000 say (default: 0)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where to write the translations"
    )
    parser.add_argument(
        "--table",
        metavar="FILE",
        help="where to write a table with tabs, and the names of its columns above it: "
        "source, nearest reference, translation, whether it is correct, edits, changes",
    )
    parser.add_argument(
        "--confusions",
        metavar="N",
        type=index,
        default=0,
        help="print the N most frequent mistakes below the scores: what was written "
        "instead of what, in words or phones, or in characters where texts have no "
        "blanks (default: 0)",
    )
    add_max_characters(parser)
    add_search_options(parser)
    add_products(parser)
    add_language_model_options(parser)
    add_minimum_risk_options(parser)
    return parser


def _add_test_set(parser: argparse.ArgumentParser) -> None:
    test_set = parser.add_mutually_exclusive_group(required=True)
    test_set.add_argument(
        "--source",
        metavar="FILE",
        help="sentences to translate, plain or packed by gzip, bzip2, xz or zip",
    )
    test_set.add_argument(
        "--tsv",
        metavar="FILE",
        help="instead: sources and references in columns; the targets of all rows "
        "with the same source are accepted for it, and it is counted once; for a model "
        "of recordings their paths, from the table's folder on, and texts",
    )
    test_set.add_argument(
        "--jsonl",
        metavar="FILE",
        help="instead, likewise: in fields of objects of JSON, one in each line",
    )
    test_set.add_argument(
        "--dialogues",
        metavar="FILE",
        help="instead, of a run that was trained on dialogues: others, read as its "
        "settings say",
    )
    parser.add_argument(
        "--reference",
        metavar="FILE",
        nargs="+",
        help="their translations, line by line; of several files each is accepted",
    )
    parser.add_argument(
        "--columns",
        metavar=("SOURCE", "TARGET"),
        nargs=2,
        type=column,
        help="columns of --tsv, counted from 0, or their names in its first line "
        "(default: 0 1); of --jsonl the names of fields (default: source target)",
    )
    add_features_column(parser, "--tsv or --jsonl", column)
    questions = {
        "header": "the first line of --tsv names the columns",
        "quoting": "quotes in --tsv are those of CSV",
    }
    for name, question in questions.items():
        parser.add_argument(
            f"--{name}",
            choices=("true", "false"),
            help=f"whether {question} (default: as the file looks)",
        )


def run(options: argparse.Namespace) -> None:
    """Translates, scores, and prints a line for each metric."""
    options.path = find_model(options.path)
    loading.check_search_options(options)
    check_drawn(options, "--mbr", options.mbr is not None)
    check_language_model(options)
    metrics = options.metrics
    if not metrics:
        training = read_settings(options.path).get("training", {})
        metrics = training.get("metrics") or DEFAULT_METRICS
    if options.bootstrap == 1:
        raise ValueError("--bootstrap must be 0 or at least 2. Received: 1")
    files = options.source, options.tsv, options.jsonl, options.dialogues
    inputs = *files, *(options.reference or ())
    output.check_output(options.output, *inputs)
    output.check_output(options.table, *inputs)
    _check_table(options)
    sources, features, references = _read_test_set(options)
    with _opened(options.output) as file, _opened(options.table) as table:
        hypotheses = _translate(options, sources, features)
        scores = evaluate(hypotheses, references, metrics, options.bootstrap)
        if file:
            file.writelines(join_lines(text) + "\n" for text in hypotheses)
        if table or options.confusions:
            rows = compare(list(map(str, sources)), hypotheses, references)
        if table:
            table.write(comparison_table(rows, features))
    for score in scores.values():
        print(score)
    if options.confusions:
        for expected, written, count in confusions(rows)[: options.confusions]:
            print(f"{count}\t{format_edit(expected, written)}")


def _check_table(options: argparse.Namespace) -> None:
    """Refuses to write the table into the file of the translations."""
    paths = options.table, options.output
    if None not in paths and realpath(options.table) == realpath(options.output):
        raise ValueError(
            "--table must be another file than --output: name two. Received: "
            f"--table {options.table} and --output {options.output}"
        )


def _opened(path: str | None) -> AbstractContextManager[TextIO | None]:
    return atomic_write(path) if path else nullcontext()


def _translate(
    options: argparse.Namespace, sources: list[Any], features: list[str] | None
) -> list[str]:
    if is_transcriber(options.path):
        with output.progress_bar(len(sources), options.output) as update:
            texts = []
            for window in transcribe_rows(options, sources):
                texts += [best[0].text for best in window]
                update(len(window))
            return texts
    translate = loading.load_translate_function(options)
    sources = cut_lines(sources, options, name="source")
    hypotheses = []
    with output.progress_bar(len(sources), options.output) as update:
        for first in range(0, len(sources), windows.WINDOW_LINES):
            rows = slice(first, first + windows.WINDOW_LINES)
            chunk = sources[rows]
            others: dict[str, Any] = seed_of_window(options, first + 1)
            if features is not None:
                others["features"] = features[rows]
            translations = translate(chunk, **others)
            hypotheses += [best[0].text if best else "" for best in translations]
            update(len(chunk))
    return hypotheses


def _read_test_set(options: argparse.Namespace) -> _TestSet:
    """The test set that the options name, which stands in one of four formats."""
    if is_transcriber(options.path):
        return _read_recordings(options)
    _check_test_set(options)
    if options.dialogues:
        return _read_dialogues(options)
    if options.tsv or options.jsonl:
        return _read_table(options)
    return _read_lines(options)


def _check_test_set(options: argparse.Namespace) -> None:
    """Refuses options that this kind of test set does not have."""
    kinds = "source", "tsv", "jsonl", "dialogues"
    kind = next(x for x in kinds if getattr(options, x) is not None)
    for name, others in _KINDS_WITH.items():
        if getattr(options, name) is not None and kind not in others:
            with_ = " or ".join(f"--{x}" for x in others)
            raise ValueError(
                f"--{name} goes with {with_}. Received: --{name} with --{kind}"
            )


def _read_recordings(options: argparse.Namespace) -> _TestSet:
    """Recordings, or files of frames, and a text of each."""
    files = "source", "jsonl", "reference", "dialogues"
    names = "products", "features", "language_model", "mbr", "header", "quoting"
    refuse(options, *files, *names)
    rows = read_table(options, options.tsv, options.columns or (0, 1))
    return [x[0] for x in rows], None, [[text] for _, text in rows]


def _read_table(options: argparse.Namespace) -> _TestSet:
    """The rows of `--tsv` or `--jsonl`, each source once."""
    from kseq2seq.data import group_references, group_triples, read_jsonl, read_tsv

    columns: Any = options.columns or ((0, 1) if options.tsv else _FIELDS)
    if options.features is not None:
        columns = (*columns, options.features)
    if options.tsv:
        is_true = {None: None, "true": True, "false": False}
        header, quoting = is_true[options.header], is_true[options.quoting]
        rows = read_tsv(options.tsv, columns, header, quoting)
    else:
        rows = read_jsonl(options.jsonl, columns)
    if options.features is not None:
        return group_triples(rows)
    sources, references = group_references(rows)
    return sources, None, references


def _read_lines(options: argparse.Namespace) -> _TestSet:
    """The lines of `--source`, and those of each file of `--reference`."""
    from kseq2seq.data import read_lines

    if not options.reference:
        raise ValueError("--source needs --reference and one file or more.")
    sources = read_lines(options.source)
    columns = []
    for path in options.reference:
        columns.append(read_lines(path))
        if len(columns[-1]) != len(sources):
            raise ValueError(
                "Source and reference must have the same number of lines. Received: "
                f"{options.source} with {len(sources)} and {path} with "
                f"{len(columns[-1])} lines"
            )
    if not sources:
        raise ValueError(
            f"{options.source}: no lines to translate. Expected a text in each line, "
            "and its reference in the same line of the other. Received: empty files"
        )
    references = [list(accepted) for accepted in zip(*columns, strict=True)]
    return sources, None, references


def _read_dialogues(options: argparse.Namespace) -> _TestSet:
    """Contexts of dialogues, as the run was trained with, and the replies to each."""
    from kseq2seq.data import group_references, read_dialogues

    settings = read_settings(options.path).get("data", {})
    if settings.get("format") != "dialogues":
        raise ValueError(
            f"{options.path}: must be a run folder whose settings have data.format = "
            "'dialogues' to read such by --dialogues: name a table by --tsv instead. "
            f"Received: {settings.get('format', 'no settings')}"
        )
    keys = {"separator": "turn_separator"}
    keys |= {name: name for name in ("context_turns", "replies", "turns")}
    arguments = {name: settings[key] for name, key in keys.items()}
    sources, references = group_references(
        read_dialogues(options.dialogues, **arguments)
    )
    return sources, None, references
