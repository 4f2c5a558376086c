"""Readers of data formats: one table, from the word of the settings to a function."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from kseq2seq import data

# `(source, target)`, and behind them features, or word links, where there are any.
Pairs: TypeAlias = Sequence[tuple[str, ...]]


class Reader(NamedTuple):
    """A reader of one format.

    Attributes:
        read: Function from the names that `data.train` and the like list, the folder
            of the data and the settings in `options`, by their names, to pairs.
        options: Names of settings in the section [data].
        has_variants: Whether a source stands in several pairs for each of its right
            answers, so that scores accept all of them, and count it once. Test sets of
            sentences are scored line by line.
        has_frames: Whether sources are paths of files, of which a
            `kseq2seq.inference.FrameReader` makes frames.
    """

    read: Callable[..., Pairs]
    options: tuple[str, ...] = ()
    has_variants: bool = False
    has_frames: bool = False


def read_parallel(names: Sequence[str], folder: Path, links: str = "") -> Pairs:
    """Two files whose equal lines translate each other, and perhaps one of links."""
    if len(names) != 2:
        raise ValueError(
            "The format 'parallel' must have two files a part, source and target. "
            f"Received: {list(names)}"
        )
    source, target = (_file(folder, name) for name in names)
    if links:
        return data.read_linked(source, target, _file(folder, links))
    return data.read_parallel(source, target)


def read_tsv(
    names: Sequence[str],
    folder: Path,
    columns: tuple[int, int] | tuple[str, str],
    features_column: int | str = "",
    header: bool | str = "auto",
    quoting: bool | str = "auto",
) -> Pairs:
    """Files with a pair in each row, between tabs, and perhaps its features."""
    _check_named("tsv", names)
    chosen: Any = columns if features_column == "" else (*columns, features_column)
    options = tsv_options(header, quoting)
    return [
        pair
        for name in names
        for pair in data.read_tsv(_file(folder, name), chosen, **options)
    ]


def tsv_options(header: bool | str, quoting: bool | str) -> dict[str, bool | None]:
    """Arguments of `read_tsv` for two settings, of which "auto" is `None` there.

    Args:
        header: Whether the first line names the columns.
        quoting: Whether quotes are those of CSV.

    Example:

    >>> tsv_options(True, "auto")
    {'header': True, 'quoting': None}
    """
    options = {"header": header, "quoting": quoting}
    return {k: None if x == "auto" else bool(x) for k, x in options.items()}


def read_jsonl(
    names: Sequence[str],
    folder: Path,
    columns: tuple[int, int] | tuple[str, str],
    features_column: int | str = "",
) -> Pairs:
    """Files with an object of JSON in each line."""
    _check_named("jsonl", names)
    if not isinstance(columns[0], str):
        raise ValueError(
            "data.columns must name two fields of the objects for the format 'jsonl', "
            f'such as ["source", "target"]. Received: {list(columns)}'
        )
    chosen: Any = columns if features_column == "" else (*columns, features_column)
    return [x for name in names for x in data.read_jsonl(_file(folder, name), chosen)]


def read_dialogues(
    names: Sequence[str],
    folder: Path,
    turns: str,
    context_turns: int,
    turn_separator: str,
    replies: str,
) -> Pairs:
    """Files of dialogues, whose pairs are the turns before a reply, and the reply."""
    _check_named("dialogues", names)
    options = context_turns, turn_separator, replies, turns
    return [
        pair
        for name in names
        for pair in data.read_dialogues(_file(folder, name), *options)
    ]


def read_tfds(
    names: Sequence[str], folder: Path, name: str, source: str, target: str
) -> Pairs:
    """Splits of a data set of TensorFlow Datasets."""
    _check_named("tfds", names)
    sides = source or None, target or None
    return [x for split in names for x in data.read_tfds(name, split, *sides)]


def read_wav(
    names: Sequence[str], folder: Path, columns: tuple[int, int] | tuple[str, str]
) -> Pairs:
    """Tables with the path of a WAV file and its text in each row."""
    _check_named("wav", names)
    rows, rate = [], None
    for name in names:
        rows += data.read_wav_table(_file(folder, name), columns, rate)
        rate = rate or data.wav_sample_rate(rows[0][0])
    return rows


def read_frames(
    names: Sequence[str], folder: Path, columns: tuple[int, int] | tuple[str, str]
) -> Pairs:
    """Tables with the path of a file of frames and its text in each row."""
    _check_named("frames", names)
    rows, size = [], None
    for name in names:
        rows += data.read_frame_table(_file(folder, name), columns, size)
        size = size or rows[0][0].shape[1]
    return [(str(file.path), text) for file, text in rows]


def make_dates(names: Sequence[str], folder: Path, count: int) -> Pairs:
    """Dates in many languages, made without any file."""
    if names:
        raise ValueError(
            "The format 'dates' reads no files, and makes data.count dates: set "
            f"data.format to read your own. Received: {list(names)}"
        )
    return data.dates(count)


def _file(folder: Path, name: str) -> Path:
    """The path of a file that the settings name."""
    path = folder / name
    if not path.exists():
        is_pattern = any(x in name for x in "*?[")
        remedy = " For patterns of names set data.stream = true." if is_pattern else ""
        raise data.DataError(
            f"{path}: no such file. Expected the files of the settings in the folder "
            f"that --data names.{remedy} Received: {folder}"
        )
    return path


def _check_named(format_: str, names: Sequence[str]) -> None:
    if not names:
        raise ValueError(
            f"data.train must name what to train on, for the format {format_!r}. "
            "Received: nothing"
        )


READERS = {
    "parallel": Reader(read_parallel),
    "tsv": Reader(
        read_tsv,
        options=("columns", "features_column", "header", "quoting"),
        has_variants=True,
    ),
    "jsonl": Reader(
        read_jsonl, options=("columns", "features_column"), has_variants=True
    ),
    "tfds": Reader(read_tfds, options=("name", "source", "target")),
    "dates": Reader(make_dates, options=("count",), has_variants=True),
    "wav": Reader(read_wav, options=("columns",), has_frames=True),
    "frames": Reader(read_frames, options=("columns",), has_frames=True),
    "dialogues": Reader(
        read_dialogues,
        options=("turns", "context_turns", "turn_separator", "replies"),
        has_variants=True,
    ),
}
