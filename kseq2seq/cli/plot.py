"""`kseq2seq plot`: draws an alignment, or a training's curves."""

import argparse
from pathlib import Path
from typing import Any

from kseq2seq.cli import loading
from kseq2seq.cli.arguments import MODEL, add_path, add_verb
from kseq2seq.cli.paths import find_model, find_run_folder
from kseq2seq.cli.recordings import search_frames
from kseq2seq.cli.search_options import add_search_options, given_search_options
from kseq2seq.runs import is_run_folder, read_history
from kseq2seq.utils import is_blank


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Adds the parser of `kseq2seq plot`."""
    parser = add_verb(
        subparsers,
        "plot",
        "Draw an alignment or a training's curves.",
        'example:\n  kseq2seq plot runs/dates --text "4 mai 1989" '
        "--output alignment.png",
    )
    add_path(parser, f"{MODEL}; --history needs a run folder")
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument(
        "--text", help="translate this and draw the attention to its tokens"
    )
    subject.add_argument(
        "--recording",
        metavar="FILE",
        help="transcribe this WAV file, or .npy file of frames, and draw where each "
        "token was read",
    )
    subject.add_argument(
        "--history", action="store_true", help="draw losses and scores by epoch"
    )
    parser.add_argument(
        "--features",
        metavar="FEATURES",
        help="features of --text, for a model with features (default: missing)",
    )
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="FILE",
        help="file to write, ending in .png, .svg or .pdf",
    )
    add_search_options(parser)
    return parser


def run(options: argparse.Namespace) -> None:
    """Draws into a file."""
    from kseq2seq import plots

    if options.history:
        if given_search_options(options):
            raise ValueError(
                "--history draws without searching: leave out the options of the "
                "search, or draw an alignment by --text."
            )
        options.path = find_run_folder(options.path, "to draw its history")
    else:
        options.path = find_model(options.path)
    loading.check_search_options(options)
    if options.output.suffix.lower() not in plots.FORMATS:
        raise ValueError(
            f"--output must end in {', '.join(plots.FORMATS)}. "
            f"Received: {str(options.output)!r}"
        )
    if not options.output.absolute().parent.is_dir():
        raise ValueError(
            f"{options.output}: there is no such folder to write into. Make it, or "
            "name another --output."
        )
    if options.text is None and options.features is not None:
        word = "--history" if options.history else "--recording"
        raise ValueError(
            f"--features goes with --text, not with {word}. Received: --features "
            f"{options.features}"
        )
    if options.history:
        figure = plots.training_curves(read_history(options.path))
    elif options.recording is not None:
        figure = _spectrogram(options)
    else:
        figure = _heatmap(options)
    plots.save(figure, options.output)


def _heatmap(options: argparse.Namespace) -> Any:
    """Figure of the alignment of one translation."""
    from kseq2seq import plots

    if is_blank(options.text):
        raise ValueError(
            "--text must hold something to translate, such as a word. "
            f"Received: --text {options.text!r}"
        )
    # A SavedModel gives alignments by another signature, where it has attention.
    options.alignments = None if is_run_folder(options.path) else True
    others = {} if options.features is None else {"features": [options.features]}
    best, *_ = loading.load_translate_function(options)([options.text], **others)[0]
    if best.alignment is None:
        raise ValueError(
            f"{options.path}: this model has no attention to draw: draw the curves of "
            "its training by --history, or give a model with attention."
        )
    return plots.alignment_heatmap(
        best.alignment, best.source_tokens, best.target_tokens
    )


def _spectrogram(options: argparse.Namespace) -> Any:
    """Figure of the alignment of one recording."""
    if not Path(options.recording).is_file():
        raise ValueError(
            f"{options.recording}: there is no such file. Expected the path of a WAV "
            "file, or of a .npy or .npz file of frames."
        )
    options.path = find_run_folder(options.path, "to draw a recording")
    transcriber = loading.load_transcriber(options.path, options.modules)
    return transcriber.plot(options.recording, search=search_frames(options))
