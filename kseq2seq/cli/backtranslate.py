"""`kseq2seq backtranslate`: monolingual text to pairs with a synthetic source."""

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from kseq2seq.cli import loading, output, windows
from kseq2seq.cli.arguments import (
    MODEL,
    add_path,
    add_verb,
)
from kseq2seq.cli.long_lines import add_max_characters
from kseq2seq.cli.paths import find_model
from kseq2seq.cli.sampling_options import (
    add_sampling_options,
    check_drawn,
    given_sampling_options,
)
from kseq2seq.cli.search_options import add_search_options
from kseq2seq.cli.worker_processes import map_in_processes
from kseq2seq.utils import is_blank


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq backtranslate`."""
    parser = add_verb(
        subparsers,
        "backtranslate",
        "Make training pairs from monolingual text.",
        "The text becomes the targets, and its translations the sources: to train "
        "English to\nGerman, give German text and a model from German to English. "
        "Blank lines and blank\ntranslations are left out, and counted.\n\n"
        "example:\n  kseq2seq backtranslate runs/multi30k_de_en news.de pairs.tsv "
        "--sample --tag '[BT]'",
    )
    add_path(parser, MODEL)
    parser.add_argument("text", metavar="TEXT", help="file of lines of text")
    parser.add_argument(
        "pairs",
        metavar="PAIRS",
        help="file to write, complete or not at all: lines of translation TAB text",
    )
    parser.add_argument(
        "--tag",
        metavar="WORD",
        help="word before each translation, which marks it as not written by people",
    )
    group = parser.add_argument_group("sampling")
    group.add_argument(
        "--sample",
        action="store_true",
        help="draw translations at random instead of searching for the best",
    )
    add_sampling_options(group)
    add_max_characters(parser)
    windows.add_workers(parser)
    add_search_options(parser)
    return parser


class _Task(NamedTuple):
    """A window of lines, and the texts in it."""

    window: windows.Window
    texts: list[str]

    def __str__(self) -> str:
        return str(self.window)


def run(options: argparse.Namespace) -> None:
    """Translates the text, and writes the pairs."""
    options.path = find_model(options.path)
    _check(options)
    output.check_output(options.pairs, options.text)
    lines, total = windows.read_windows(options.text)
    tasks = (_task(window, options) for window in lines)
    num_lines = num_texts = num_pairs = 0
    with (
        output.open_output(options.pairs) as file,
        output.progress_bar(total, options.pairs) as update,
    ):
        for task, pairs in map_in_processes(
            _translator, (options,), tasks, options.workers
        ):
            file.writelines(pairs)
            update(len(task.window.lines))
            num_lines += len(task.window.lines)
            num_texts += len(task.texts)
            num_pairs += len(pairs)
    print(
        f"kseq2seq backtranslate: {num_pairs} pairs; left out: {num_lines - num_texts} "
        f"blank lines, {num_texts - num_pairs} blank translations",
        file=sys.stderr,
    )


def _check(options: argparse.Namespace) -> None:
    """Refuses options that have no effect."""
    check_drawn(options, "--sample", options.sample)
    tag = options.tag
    if tag is not None and (is_blank(tag) or re.search(r"[\t\r\n]", tag)):
        raise ValueError(
            "--tag must be a word without tabs and line ends, such as [BT]. Received: "
            f"{tag!r}"
        )
    loading.check_search_options(options)


def _task(window, options):
    _, inputs = windows.texts_of_window(window, options)
    # A tab would end the column.
    return _Task(window, [text.replace("\t", " ") for text in inputs["texts"]])


def _translator(
    options: argparse.Namespace,
) -> Callable[[_Task], tuple[_Task, list[str]]]:
    """Loads a model, which makes lines of pairs of a window."""
    if options.sample:
        translator = loading.load_translator(options.path, options.modules)
        loading.check_has_features(options, translator)
        sample = partial(_sample, translator.sample, given_sampling_options(options))
    else:
        translate = loading.load_translate_function(options)

        def sample(task):
            return [best.text for best, *_ in translate(texts=task.texts)]

    start = "" if options.tag is None else f"{options.tag} "

    def pairs_of_window(task):
        translations = [" ".join(text.split()) for text in sample(task)]
        return task, [
            f"{start}{translation}\t{text}\n"
            for translation, text in zip(translations, task.texts, strict=True)
            if not is_blank(translation)
        ]

    return pairs_of_window


def _sample(sample, options, task):
    # Each line has a seed of its own, so that windows do not draw the same.
    seed = options.get("seed", 0) + task.window.first - 1
    return [x.text for x in sample(task.texts, **{**options, "seed": seed})]
