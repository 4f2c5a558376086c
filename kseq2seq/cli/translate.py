"""`kseq2seq translate`: translates lines of text, in their order."""

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import compress
from typing import Any

from kseq2seq.cli import loading, output
from kseq2seq.cli.arguments import (
    MODEL,
    add_features_column,
    add_input_and_output,
    add_path,
    add_verb,
)
from kseq2seq.cli.long_lines import add_max_characters, cut_lines
from kseq2seq.cli.paths import find_model
from kseq2seq.cli.search_options import add_n_best, add_search_options
from kseq2seq.utils import is_blank


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
        "null if the model has no attention; log_prob is null from a SavedModel",
    )
    add_max_characters(parser)
    add_search_options(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Translates, and prints a line for each line of input."""
    options.path = find_model(options.path)
    loading.check_search_options(options)
    chunks, total = _read_chunks(options.input)
    number = 0
    with output.open_output(options.output) as file:
        translate = loading.load_translate_function(options)
        with output.progress_bar(total, options.output) as update:
            for chunk in chunks:
                inputs = _inputs(options, chunk, number + 1)
                translations = iter(translate(**inputs))
                for line in chunk:
                    number += 1
                    best_first = [] if is_blank(line) else next(translations)
                    file.write(_formatted(options, number, best_first))
                file.flush()
                update(len(chunk))


def _read_chunks(path: str | None) -> tuple[Iterable[list[str]], int | None]:
    """Lines of the input in chunks, and their number if it is known."""
    from kseq2seq.data import iter_lines, read_lines

    if path is None and sys.stdin is not None and sys.stdin.isatty():
        # Each line is answered before the next one is written.
        return ([line] for line in iter_lines(sys.stdin.buffer, "input")), None
    lines, size = read_lines(path), output.CHUNK_LINES
    return (lines[i : i + size] for i in range(0, len(lines), size)), len(lines)


def _inputs(
    options: argparse.Namespace, chunk: list[str], first: int
) -> dict[str, list[str]]:
    """Texts of the lines that are not blank, and their features if there are any."""
    is_text = [not is_blank(line) for line in chunk]
    others = {}
    if options.features is not None:
        cells = [
            ("", "") if is_blank(line) else _text_and_features(options, line, number)
            for number, line in enumerate(chunk, first)
        ]
        chunk = [text for text, _ in cells]
        others["features"] = [*compress((x for _, x in cells), is_text)]
    texts = cut_lines(chunk, options, first)
    return {"texts": [*compress(texts, is_text)], **others}


def _text_and_features(
    options: argparse.Namespace, line: str, number: int
) -> tuple[str, str]:
    cells, column = line.split("\t"), options.features
    if len(cells) <= max(column, 1):
        raise ValueError(
            f"{options.input or 'standard input'}:{number}: expected at least "
            f"{max(column, 1) + 1} columns with tabs between them, as --features "
            f"{column} asks for. Received: {line[:80]!r}"
        )
    features = cells.pop(column)
    return cells[0], features


def _formatted(options: argparse.Namespace, number: int, best_first: list[Any]) -> str:
    """Output for one line of input."""
    if options.alignments:
        return json.dumps(_as_json(best_first), ensure_ascii=False) + "\n"
    # A translation is one line, whatever is in it.
    texts = [best.text.replace("\n", " ") for best in best_first]
    if options.num_hypotheses is None:
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
