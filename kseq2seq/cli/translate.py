"""`kseq2seq translate`: translates lines of text, in their order."""

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import compress
from typing import Any, NamedTuple

from kseq2seq.cli import loading, output, windows
from kseq2seq.cli.arguments import (
    MODEL,
    add_features_column,
    add_input_and_output,
    add_path,
    add_products,
    add_verb,
)
from kseq2seq.cli.language_models import (
    add_language_model_options,
    check_language_model,
)
from kseq2seq.cli.long_lines import add_max_characters
from kseq2seq.cli.paths import find_model
from kseq2seq.cli.sampling_options import (
    add_distinct_samples,
    add_minimum_risk_options,
    check_distinct,
    check_drawn,
    seed_of_window,
)
from kseq2seq.cli.search_options import add_n_best, add_search_options
from kseq2seq.cli.worker_processes import map_in_processes
from kseq2seq.runs import is_run_folder
from kseq2seq.utils import is_blank, join_lines


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq translate`."""
    parser = add_verb(
        subparsers,
        "translate",
        "Translate lines of text.",
        "example:\n  kseq2seq translate runs/multi30k_en_de < in.en > out.de",
    )
    add_path(parser, MODEL)
    add_input_and_output(parser, "lines to translate; a blank line stays blank")
    add_features_column(
        parser,
        "the lines, which then have tabs between columns, the first other one the text",
    )
    add_n_best(
        parser,
        "print up to N translations of each line, the best first, each on a line of "
        "its own: number of the input line, score, translation, with tabs between them",
    )
    parser.add_argument(
        "--alignments",
        action="store_true",
        help="print one JSON object for each line instead: {source_tokens, "
        "translations: [{text, score, log_prob, tokens, alignment}]}; an alignment "
        "has a row of attention weights for each token of the translation, or is "
        "null if the model has no attention; log_prob is null from a SavedModel, and "
        "so are both scores where no translation keeps to the rules",
    )
    parser.add_argument(
        "--prefix",
        metavar="FILE",
        help="file with a line for each input line: what its translation begins with; "
        "an empty line leaves it free. The last word may go on, unless a blank is "
        "behind it. A SavedModel needs the signature complete",
    )
    parser.add_argument(
        "--force-words",
        metavar="FILE",
        help="file with a line for each input line: words and phrases that its "
        "translation holds, with tabs between them",
    )
    parser.add_argument(
        "--in-order",
        action="store_true",
        help="let the words of --force-words stand in their order, each behind the one "
        "before it",
    )
    parser.add_argument(
        "--allowed",
        metavar="FILE",
        help="file with a line for each translation that may be written",
    )
    add_distinct_samples(parser)
    add_max_characters(parser)
    windows.add_workers(parser)
    add_search_options(parser)
    add_products(parser)
    add_language_model_options(parser)
    add_minimum_risk_options(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Translates, and prints a line for each line of input, window by window."""
    options.path = find_model(options.path)
    loading.check_search_options(options)
    _check_options(options)
    others = options.prefix, options.force_words, options.allowed
    output.check_output(options.output, options.input, *others)
    typed = windows.is_terminal(options.input)
    if typed and options.workers > 1:
        raise ValueError(
            "--workers needs a file, by --input, or a pipe: lines that are typed are "
            f"answered one by one. Received: --workers {options.workers}"
        )
    if typed:
        lines, total = windows.typed_windows(), None
    else:
        check = windows.features_check(options)
        lines, total = windows.read_windows(options.input, check)
    with (
        output.open_output(options.output) as file,
        output.progress_bar(total, options.output, hidden=typed) as update,
    ):
        tasks = _tasks(lines, options, total)
        results = map_in_processes(_translator, (options,), tasks, options.workers)
        for count, text in results:
            file.write(text)
            file.flush()
            update(count)


def _check_options(options):
    """Refuses options that have no effect together."""
    check_language_model(options)
    if options.distinct_samples is None:
        check_drawn(options, "--mbr", options.mbr is not None)
    else:
        _check_is_run(options, f"--distinct-samples {options.distinct_samples}")
        check_drawn(options, "--distinct-samples", True)
        check_distinct(options)
    if options.in_order and options.force_words is None:
        raise ValueError(
            "--in-order needs --force-words, whose words it puts in order: add it, or "
            "leave this out. Received: --in-order"
        )


class _Task(NamedTuple):
    """A window of lines: which of them are texts, and these with their features."""

    window: windows.Window
    is_text: list[bool]
    inputs: dict[str, list[str]]

    @classmethod
    def of_window(cls, window, options):
        return cls(window, *windows.texts_of_window(window, options))

    def __str__(self) -> str:
        return str(self.window)


def _tasks(
    lines: Iterable[windows.Window], options: argparse.Namespace, total: int | None
) -> Iterator[_Task]:
    """The tasks, with the beginnings and words of translations if there are any."""
    others = _lines_of_options(options)
    for option, values in others.values():
        if total is not None and len(values) != total:
            raise _unequal(option, values, total)
    count = 0
    for window in lines:
        first, count = count, count + len(window.lines)
        task = _Task.of_window(window, options)
        for name, (option, values) in others.items():
            if len(values) < count:
                raise _unequal(option, values, f"{count} or more")
            task.inputs[name] = [*compress(values[first:count], task.is_text)]
        yield task
    for option, values in others.values():
        if len(values) != count:
            raise _unequal(option, values, count)


def _lines_of_options(options):
    """A dict from a translator's arguments to an option and its value for each line."""
    from kseq2seq.data import read_lines

    others = {}
    if options.prefix is not None:
        lines = read_lines(options.prefix)
        others["prefix"] = f"--prefix {options.prefix}", lines
    if options.force_words is not None:
        _check_is_run(options, f"--force-words {options.force_words}")
        rows = [
            [word for word in line.split("\t") if word]
            for line in read_lines(options.force_words)
        ]
        others["forced"] = f"--force-words {options.force_words}", rows
    return others


def _unequal(option, values, count):
    return ValueError(
        f"{option}: must have a line for each input line. Received: {len(values)} "
        f"lines for {count}"
    )


def _check_is_run(options, option):
    if not is_run_folder(options.path):
        raise ValueError(
            f"{options.path} is a SavedModel, which searches as it was exported to: "
            f"leave out this option, or give the run folder. Received: {option}"
        )


def _read_allowed(options: argparse.Namespace) -> list[str]:
    """Lines of the file of `--allowed`."""
    from kseq2seq.data import read_lines

    allowed = [line for line in read_lines(options.allowed) if not is_blank(line)]
    _check_is_run(options, f"--allowed {options.allowed}")
    if not allowed:
        raise ValueError(
            f"--allowed {options.allowed}: must have a line that is not blank. "
            "Received: a file without"
        )
    return allowed


def _translator(options: argparse.Namespace) -> Callable[[_Task], tuple[int, str]]:
    """Loads a model, whose translations of a window are what is to be printed."""
    translate = loading.load_translate_function(options)
    if options.allowed is not None:
        translate = partial(translate, allowed=_read_allowed(options))
    if options.in_order:
        translate = partial(translate, forced_in_order=True)

    def translate_window(task):
        seeds = seed_of_window(options, task.window.first)
        translations = iter(translate(**task.inputs, **seeds))
        formatted = [
            _formatted(options, number, next(translations) if is_text else [])
            for number, is_text in enumerate(task.is_text, task.window.first)
        ]
        return len(formatted), "".join(formatted)

    return translate_window


def _formatted(options: argparse.Namespace, number: int, best_first: list[Any]) -> str:
    """Output for one line of input."""
    if options.alignments:
        return output.json_line(_as_json(best_first))
    # A translation is one line, whatever is in it.
    texts = [join_lines(best.text) for best in best_first]
    if options.num_hypotheses is None and options.distinct_samples is None:
        return (texts[0] if texts else "") + "\n"
    return "".join(
        f"{number}\t{best.score:.4f}\t{text}\n"
        for best, text in zip(best_first, texts, strict=True)
    )


def _as_json(best_first: list[Any]) -> dict[str, Any]:
    return {
        "source_tokens": best_first[0].source_tokens if best_first else [],
        "translations": [
            {
                "text": best.text,
                "score": round(best.score, 6),
                "log_prob": best.log_prob and round(best.log_prob, 6),
                "tokens": best.target_tokens,
                "alignment": best.alignment
                if best.alignment is None
                else [[round(x, 4) for x in row] for row in best.alignment.tolist()],
            }
            for best in best_first
        ],
    }
