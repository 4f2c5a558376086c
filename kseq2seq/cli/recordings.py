"""Tables of recordings or frames, for the verbs that take texts else."""

import argparse
from collections.abc import Iterator
from typing import Any

from kseq2seq.cli import loading
from kseq2seq.cli.arguments import flag
from kseq2seq.cli.pair_scores import PairScores
from kseq2seq.cli.search_options import make_search
from kseq2seq.runs import load_log_mel

# Sources at a time, whose frames are in memory together.
WINDOW = 256


def read_table(options: argparse.Namespace, path: str, columns: Any) -> list[Any]:
    """The rows of a table of recordings, or of files of frames.

    Args:
        options: Those of a verb, `path` being the run folder of a transcriber.
        path: Path of the table.
        columns: Those of paths, from the table's folder on, and texts.

    Returns:
        List of tuples of a source for the transcriber and a `str`.

    Raises:
        ValueError: If a row is none such; the error names file and line.
    """
    from kseq2seq import data

    config = load_log_mel(options.path)
    if config is None:
        return data.read_frame_table(path, columns)
    return data.read_wav_table(path, columns, config["sample_rate"])


def refuse(options: argparse.Namespace, *names: str) -> None:
    """Refuses options that are for models of texts alone.

    Args:
        options: Those of a verb.
        *names: Names of the options that are refused.

    Raises:
        ValueError: If one of them was given.
    """
    given = [flag(name) for name in names if _is_given(getattr(options, name, None))]
    if given:
        raise ValueError(
            f"{options.path}: this model reads recordings or frames: leave out "
            f"{', '.join(given)}, for models of texts."
        )


def _is_given(value: Any) -> bool:
    """Whether an option has a value; 0 is one, such as the first column."""
    return value is not None and value is not False and value != []


def search_frames(options: argparse.Namespace) -> Any:
    """The search of a model of recordings, as of `search_options.make_search`.

    Args:
        options: Those of a verb, `path` being the run folder of a transcriber.

    Raises:
        ValueError: If a shortlist is asked for, which is for sources that are texts.
    """
    refuse(options, "shortlist")
    return make_search(options)


def transcribe_rows(
    options: argparse.Namespace, sources: list[Any], alignments: bool = False
) -> Iterator[list[list[Any]]]:
    """Transcriptions of sources, window by window.

    Args:
        options: Those of a verb with options of the search.
        sources: List of sources.
        alignments: Whether to give alignments.

    Yields:
        For each source of a window the list of its `Transcription`s.
    """
    transcriber = loading.load_transcriber(options.path, options.modules)
    search = search_frames(options)
    for first in range(0, len(sources), WINDOW):
        window = sources[first : first + WINDOW]
        yield transcriber.transcribe(window, search, alignments=alignments)


def score_table(options: argparse.Namespace) -> tuple[Iterator[PairScores], int]:
    """The scores of the texts in a table, as of `pair_scores.score_pairs`.

    Args:
        options: Those of `kseq2seq score`, `path` being the run folder of a
            transcriber.

    Raises:
        ValueError: If no table is given, or a row is no pair.
    """
    refuse(options, "features")
    if not options.input:
        raise ValueError(
            f"{options.path}: this model reads recordings or frames: name a table of "
            "paths and texts by --input."
        )
    rows = read_table(options, options.input, (0, 1))
    return _scores(options, rows), len(rows)


def _scores(options, rows):
    transcriber = loading.load_transcriber(options.path, options.modules)
    for first in range(0, len(rows), WINDOW):
        window = rows[first : first + WINDOW]
        yield PairScores(window, transcriber.score(window))
