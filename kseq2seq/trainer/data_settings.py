"""Section [data] of the settings of a training."""

import dataclasses

from kseq2seq.trainer.readers import READERS
from kseq2seq.trainer.schema import (
    choice,
    column,
    columns,
    count_or_share,
    integer,
    setting,
    string,
    strings,
)


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Section [data]: what to train on."""

    format: str = setting("parallel", choice(READERS), "Format of the data")
    train: tuple[str, ...] = setting(
        (),
        strings(),
        "What to train on: files in the folder --data, of 'parallel' the source's and "
        "the target's, or splits of a tfds data set",
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
        "first line; of jsonl the names of fields",
    )
    features_column: int | str = setting(
        "",
        column(),
        "Column of features in a tsv or jsonl file, such as morphological tags or "
        "languages; none if not given",
    )
    features_separator: str = setting(
        ";", string(), "What stands between two features of a row"
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
        "Sources held out of train for each part that is not given: their number, or a "
        "share, of which never more than 2000 are taken",
    )
    limit: int = setting(
        0, integer(), "Most sources of each part, drawn at random; 0 for all"
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
