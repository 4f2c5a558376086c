"""The command `kseq2seq`: parse, call, print.

What takes seconds to import is imported when it is needed, after a look at what was
given: `--help` and most errors come at once.
"""

import argparse
import math
import os
import sys
from pathlib import Path

from kseq2seq import __version__
from kseq2seq.cli import commands
from kseq2seq.cli.train import train
from kseq2seq.evaluation import DEFAULT_METRICS, METRICS

MAX_COUNT = 10_000
MAX_PORT = 65_535


def main(arguments=None):
    """Runs the command.

    Args:
        arguments: List of `str`; those of the process if `None`.

    Returns:
        The exit code: 0, or 2 for input that cannot be used, 130 for an
        interrupt, 141 for output that nobody reads any more.

    Example:

    >>> main(["export", "no/such/folder"])  # says so on standard error
    2
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["train"]:
        return train(arguments[1:])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # whatever the locale is
            stream.reconfigure(encoding="utf-8", newline="\n")
    options = _parser().parse_args(arguments)
    try:
        options.function(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Python flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, OSError) as error:
        print(
            f"kseq2seq {options.command}: {commands.one_line(error)}", file=sys.stderr
        )
        return 2
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        """One line instead of argparse's several."""
        self.exit(
            2, f"{self.prog}: {commands.one_line(message)} (see {self.prog} --help)\n"
        )


def _parser():
    parser = _Parser(
        prog="kseq2seq",
        description="Translate with trained models; score, draw, export, serve them.",
        epilog="A run folder is what training/train.py, or Translator.save, writes; "
        "a SavedModel is what 'kseq2seq export' writes, its folder with or without "
        "the version's number. Text is UTF-8, one sentence a line. Input that "
        "cannot be used gives one line on standard error and exit code 2.",
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    parsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", title="commands"
    )
    _add_translate(parsers)
    _add_score(parsers)
    _add_evaluate(parsers)
    _add_export(parsers)
    _add_serve(parsers)
    _add_plot(parsers)
    return parser


def _add_command(parsers, function, text, path, **details):
    parser = parsers.add_parser(
        function.__name__,
        help=text[0].lower() + text[1:].rstrip("."),
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **details,
    )
    parser.set_defaults(function=function)
    parser.add_argument("path", metavar="PATH", type=Path, help=path)
    return parser


def _add_translate(parsers):
    parser = _add_command(
        parsers,
        commands.translate,
        "Translate lines of text.",
        "run folder or SavedModel",
        epilog="example:\n  kseq2seq translate runs/multi30k_en_de < in.en > out.de",
    )
    _add_input(parser, "lines to translate; a blank line stays blank")
    parser.add_argument(
        "--n-best",
        type=_count,
        metavar="N",
        dest="num_hypotheses",
        help="print up to N translations of each line, the best first, each on a "
        "line of its own: number of the input line, score, translation, with tabs "
        "between them",
    )
    parser.add_argument(
        "--alignments",
        action="store_true",
        help="print one JSON object for each line instead: {source_tokens, "
        "translations: [{text, score, log_prob, tokens, alignment}]}; an alignment "
        "has a row of attention weights for each token of the translation, or is "
        "null if the model has no attention; log_prob is null from a SavedModel",
    )
    _add_search(parser)


def _add_score(parsers):
    parser = _add_command(
        parsers,
        commands.score,
        "Say how probable a model finds given translations.",
        "run folder or SavedModel",
        epilog="Prints for each line the natural logarithm of the target's probability "
        "and the\nnumber of its tokens, its end included, with a tab between them; the "
        "perplexity\nof all goes to standard error.\n\n"
        "example:\n  paste in.en out.de | kseq2seq score runs/multi30k_en_de",
    )
    _add_input(parser, "lines of source and target with a tab between them; further "
               "columns are ignored")  # fmt: skip


def _add_evaluate(parsers):
    parser = _add_command(
        parsers,
        commands.evaluate,
        "Translate a test set and score the result.",
        "run folder or SavedModel",
        epilog="Prints a line for each metric, with the signature that lets another "
        "repeat it.\n\n"
        "example:\n  kseq2seq evaluate runs/multi30k_en_de --source test.en.gz "
        "--reference test.de.gz",
    )
    test_set = parser.add_mutually_exclusive_group(required=True)
    test_set.add_argument(
        "--source", metavar="FILE", help="sentences to translate, plain or gzipped"
    )
    test_set.add_argument(
        "--tsv",
        metavar="FILE",
        help="instead: sources and references in columns; the targets of all rows "
        "with the same source are accepted for it, and it is counted once",
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
        type=_index,
        default=(0, 1),
        help="columns of --tsv, counted from 0 (default: 0 1)",
    )
    parser.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        help=f"among {', '.join(METRICS)} (default: those that the run was trained "
        f"with, or else {' and '.join(DEFAULT_METRICS)})",
    )
    parser.add_argument(
        "--bootstrap",
        metavar="N",
        type=_index,
        default=0,
        help="resample N times for a 95 %% confidence interval, 1000 say (default: 0)",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="where to write the translations"
    )
    _add_search(parser)


def _add_export(parsers):
    parser = _add_command(
        parsers,
        commands.export,
        "Write a model for TensorFlow Serving, ONNX Runtime or LiteRT.",
        "run folder",
        epilog="Prints the path written: the next version's number under FOLDER. The "
        "search is fixed\nin what is written. A saved_model goes from text to text; "
        "the others from ids to ids,\nwith the tokenizers and a README.md beside.\n\n"
        "example:\n  kseq2seq export runs/dates saved_models/dates",
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        type=Path,
        help="where to write it (default: saved_models/, onnx_models/ or "
        "litert_models/, and the name of PATH)",
    )
    parser.add_argument(
        "--format",
        choices=commands.FORMATS,
        default="saved_model",
        help="saved_model for TensorFlow Serving, onnx, or litert with greedy search "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        choices=("float32", "float16", "int8"),
        help="how weights are stored, with saved_model (default: float32) and litert "
        "(default: int8)",
    )
    parser.add_argument(
        "--products",
        choices=("float32", "int8"),
        help="how products by large matrices are made, with saved_model; int8 is for "
        "x86 processors alone, and faster on those with VNNI (default: float32)",
    )
    parser.add_argument(
        "--source-length",
        type=_count,
        metavar="N",
        help="tokens of the longest source, EOS included, with litert (default: 64)",
    )
    parser.add_argument(
        "--n-best",
        type=_count,
        metavar="N",
        dest="num_hypotheses",
        help="translations of each text that there are to be had, not with litert",
    )
    _add_saved_model(parser)
    _add_search(parser)


def _add_saved_model(parser):
    parser.add_argument(
        "--ensemble",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="run folders whose probabilities are averaged with those of PATH, in one "
        "search, with saved_model",
    )
    parser.add_argument(
        "--max-bytes",
        type=_index,
        metavar="N",
        help="bytes of a text that are read, with saved_model (default: 10000)",
    )
    parser.add_argument(
        "--max-tokens",
        type=_index,
        metavar="N",
        help="tokens of a text that are read, with saved_model (default: 1000)",
    )


def _add_serve(parsers):
    parser = _add_command(
        parsers,
        commands.serve,
        "Try a SavedModel out, on a page and by TensorFlow Serving's REST API.",
        "SavedModel",
        epilog="Prints where the page and the API are, and answers up to Ctrl-C. To "
        "deploy the model, use\nTensorFlow Serving itself.\n\n"
        "example:\n  kseq2seq serve saved_models/dates",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 lets all who reach this machine ask "
        "(default: %(default)s, this machine alone)",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8501,
        help="port to listen on, 0 for any that is free (default: %(default)s)",
    )


def _add_plot(parsers):
    parser = _add_command(
        parsers,
        commands.plot,
        "Draw an alignment or a training's curves.",
        "run folder",
        epilog='example:\n  kseq2seq plot runs/dates --text "4 mai 1989" '
        "--output alignment.png",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--text", help="translate this and draw which of its tokens were looked at"
    )
    what.add_argument(
        "--history", action="store_true", help="draw losses and scores by epoch"
    )
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="FILE",
        help="file to write, ending in .png, .svg or .pdf",
    )
    _add_search(parser)


def _add_input(parser, text):
    parser.add_argument(
        "--input", metavar="FILE", help=f"{text} (default: standard input)"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        help="file to write, complete or not at all (default: standard output)",
    )


def _add_search(parser):
    group = parser.add_argument_group(
        "search", "The default of each is what the run was trained with."
    )
    group.add_argument(
        "--beam",
        type=_count,
        metavar="N",
        dest="beam_size",
        help="hypotheses kept at each step; 1 for greedy search",
    )
    group.add_argument(
        "--length-penalty",
        type=_weight,
        metavar="X",
        help="exponent of (5 + length) / 6; 0 prefers short translations",
    )
    group.add_argument(
        "--coverage-penalty",
        type=_weight,
        metavar="X",
        help="weight of the penalty for source tokens that were not looked at",
    )
    group.add_argument(
        "--max-length", type=_count, metavar="N", help="most tokens of a translation"
    )
    group.add_argument(
        "--max-length-factor",
        type=_weight,
        metavar="X",
        help="most tokens of a translation for each token of its source",
    )
    group.add_argument(
        "--max-length-offset", type=_index, metavar="N", help="and this many more"
    )


def _count(text):
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COUNT:
        raise argparse.ArgumentTypeError(
            f"must be an integer from 1 to {MAX_COUNT}, not {text!r}"
        )
    return int(text)


def _index(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be an integer from 0 on, not {text!r}")
    return int(text)


def _port(text):
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(
            f"must be an integer from 0 to {MAX_PORT}, not {text!r}"
        )
    return int(text)


def _weight(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, not {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
