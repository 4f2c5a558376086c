"""Section [data] of the settings of a training."""

import dataclasses
from typing import Any

from kseq2seq.data import REPLIES, TURN_SEPARATOR
from kseq2seq.trainer.readers import READERS
from kseq2seq.trainer.schema import (
    boolean,
    boolean_or_auto,
    choice,
    column,
    columns,
    count_or_share,
    integer,
    numbers,
    setting,
    string,
    strings,
)

# Formats that can be streamed.
STREAMED = ("parallel", "tsv", "jsonl", "tfds")


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Section [data]: what to train on."""

    format: str = setting(
        "parallel",
        choice(READERS, "; CSV is 'tsv' too, of files whose names end in .csv"),
        "Format of the data",
    )
    train: tuple[str, ...] = setting(
        (),
        strings(),
        "What to train on: files in the folder --data, of 'parallel' the source's and "
        "the target's, of 'wav' and 'frames' tables, or splits of a tfds data set",
    )
    validation: tuple[str, ...] = setting(
        (), strings(), "Likewise, to choose the best epoch by; held out if not given"
    )
    test: tuple[str, ...] = setting(
        (),
        strings(),
        "Likewise, to score at the end; if not given, what is held out, or else the "
        "validation set",
    )
    columns: tuple[int, ...] | tuple[str, ...] = setting(
        (0, 1),
        columns(2),
        "Columns of source and target in a tsv file, from 0, or their names in its "
        "first line; of jsonl the names of fields; of wav and frames the columns of "
        "paths, relative to the table's folder, and texts",
    )
    header: bool | str = setting(
        "auto",
        boolean_or_auto(),
        "Whether the first line of tsv names the columns; 'auto' leaves out a line of "
        "common names, such as 'source' and 'target'",
    )
    quoting: bool | str = setting(
        "auto",
        boolean_or_auto(),
        "Whether quotes in tsv are those of CSV; 'auto' has them in .csv",
    )
    features_column: int | str = setting(
        "",
        column(),
        "Column of features in a tsv or jsonl file, such as morphological tags or "
        "languages; none if not given",
    )
    features_separator: str = setting(
        ";", string(), "Text between two features of a row"
    )
    turns: str = setting(
        "turns",
        string(),
        "Of dialogues in JSON Lines: field of the list of turns, strings or objects "
        "with their text in a field, as 'messages.content'",
    )
    context_turns: int = setting(
        1, integer(1), "Of dialogues: turns before a reply that are its source"
    )
    turn_separator: str = setting(
        TURN_SEPARATOR, string(), "Likewise, the text between two of them"
    )
    replies: str = setting(
        "all",
        choice(REPLIES),
        "Of dialogues: turns that are replies, all but the first or every second one",
    )
    links: str = setting(
        "",
        string(),
        "Of parallel: file of the word links of train in the format of Pharaoh, such "
        "as 0-0 1-2, a line for each pair, for training.guided_alignment",
    )
    name: str = setting("", string(), "Name of a tfds data set")
    source: str = setting(
        "", string(), "Feature of a tfds data set; the one it states if not given"
    )
    target: str = setting("", string(), "Likewise, for the target")
    count: int = setting(20000, integer(1), "Number of dates")
    held_out: int | float = setting(
        0.1,
        count_or_share(),
        "Sources held out of train for each part that is not given: a number, or a "
        "share, of 2000 at most",
    )
    limit: int = setting(
        0,
        integer(),
        "Largest number of sources of each part, drawn at random; 0 for all",
    )
    stream: bool = setting(
        False,
        boolean(),
        "Whether to read train during the training instead of into memory; needs "
        "validation and training.steps_per_epoch. Names in train may then be patterns, "
        "such as 'shards/*.tsv.gz', and 'parallel' takes several pairs of names",
    )
    weights: tuple[float, ...] = setting(
        (),
        numbers(above=0),
        "With stream: shares of the names in train, each of which is then a corpus of "
        "its own; if not given, all files are one corpus",
    )
    buffer_size: int = setting(
        65536, integer(1), "With stream: pairs that are mixed with each other"
    )
    tokenizer_sample: int = setting(
        200_000, integer(1), "With stream: pairs that tokenizers are trained on"
    )


def check_features(settings: DataSettings, errors: list[str]) -> bool:
    """Checks how features are set.

    Args:
        settings: The section [data].
        errors: List to which a message is added for what cannot be used.

    Returns:
        Whether there are features.
    """
    column, columns = settings.features_column, settings.columns
    if column == "":
        return False
    if "features_column" not in READERS[settings.format].options:
        errors.append(
            "data.features_column is for the formats 'tsv' and 'jsonl': leave it out. "
            "Received: "
            f"data.features_column={column!r}, data.format={settings.format!r}"
        )
    elif isinstance(column, str) != isinstance(columns[0], str):
        errors.append(
            "data.features_column must be a number where data.columns are, and a name "
            "where they are names. Received: "
            f"data.features_column={column!r}, data.columns={list(columns)}"
        )
    if not settings.features_separator:
        errors.append(
            "data.features_separator must hold one character or more, such as ';'. "
            f"Received: {settings.features_separator!r}"
        )
    return True


def check_data(settings: DataSettings, training: Any, errors: list[str]) -> None:
    """Checks the settings of tables, of a stream, and of steps.

    Args:
        settings: The section [data].
        training: The section [training].
        errors: List to which a message is added for what cannot be used.
    """
    _check_table(settings, errors)
    steps, at_once = training.steps_per_epoch, training.steps_per_execution
    if steps % at_once:
        errors.append(
            "training.steps_per_epoch must be a multiple of "
            f"training.steps_per_execution. Received: {steps} and {at_once}"
        )
    if not settings.stream:
        if settings.weights:
            errors.append(
                "data.weights are shares in a stream: set data.stream to true, or "
                f"leave them out. Received: {list(settings.weights)}"
            )
        return
    if settings.format not in STREAMED:
        errors.append(
            f"data.stream needs one of the formats {', '.join(STREAMED)}. "
            f"Received: data.format={settings.format!r}"
        )
    if not settings.validation or not steps:
        errors.append(
            "data.stream needs data.validation, files that are read into memory, and "
            "training.steps_per_epoch, batches of an epoch. Received: "
            f"{list(settings.validation)} and {steps}"
        )
    if settings.limit:
        errors.append(
            "data.limit is for data in memory: leave it out with data.stream. "
            f"Received: {settings.limit}"
        )
    width = 2 if settings.format == "parallel" else 1
    corpora, rest = divmod(len(settings.train), width)
    if rest or not corpora:
        errors.append(
            "data.train must name what to stream, for the format 'parallel' by twos. "
            f"Received: {list(settings.train)}"
        )
    elif settings.weights and len(settings.weights) != corpora:
        errors.append(
            f"data.weights must be as many as data.train has corpora, {corpora}. "
            f"Received: {list(settings.weights)}"
        )


def _check_table(settings: DataSettings, errors: list[str]) -> None:
    for name in ("header", "quoting"):
        value = getattr(settings, name)
        if value != "auto" and name not in READERS[settings.format].options:
            errors.append(
                f"data.{name} is for the format 'tsv': leave it out. Received: "
                f"data.{name}={value}, data.format={settings.format!r}"
            )
    if settings.header is False and isinstance(settings.columns[0], str):
        errors.append(
            "data.header cannot be false with names in data.columns, which stand in "
            f"the first line. Received: data.columns={list(settings.columns)}"
        )
