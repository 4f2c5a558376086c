"""History of a training: the logs of each epoch, as JSON and as a table."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kseq2seq.runs.files import HISTORY_FILE, TABLE_FILE
from kseq2seq.utils import PathLike, write_text


class History(NamedTuple):
    """Logs of a training's epochs, and the checkpoint after the last one.

    Attributes:
        epochs: A dict from name to number for each epoch, NaN where there is none.
        checkpoint: Name of a file in the run folder.
        average: Of the average of the best epochs' weights: `epochs`, their numbers
            from 1, `scores`, a dict from name to number, and `kept`, whether it is the
            model now; `None` if there is no such average.
        state: The state of the training behind the last epoch, of values that JSON has:
            the step, random numbers, the place in the data; `None` of older versions.
    """

    epochs: list[dict[str, float]]
    checkpoint: str
    average: dict[str, Any] | None = None
    state: dict[str, Any] | None = None


def write_history(folder: PathLike, history: History) -> None:
    """Writes a history, each file complete or not at all: the JSON, then the table.

    Args:
        folder: Path of the run folder.
        history: The `History`.
    """
    content: dict[str, Any] = {
        "checkpoint": history.checkpoint,
        "epochs": [_without_nan(row) for row in history.epochs],
    }
    if history.average is not None:
        scores = _without_nan(history.average["scores"])
        content["average"] = {**history.average, "scores": scores}
    if history.state is not None:
        content["state"] = history.state
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    write_text(Path(folder) / HISTORY_FILE, text)
    write_text(Path(folder) / TABLE_FILE, _table(history.epochs))


def load_history(folder: PathLike) -> History:
    """The history in a run folder.

    Args:
        folder: Path of the run folder.

    Returns:
        The `History`.

    Raises:
        FileNotFoundError: If the folder has none.
        ValueError: If the file is damaged.
    """
    path = Path(folder) / HISTORY_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file. Expected a history, which a training writes when "
            "it has finished an epoch."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(
            f"{path} must be JSON, as a training writes it. Received: {error}. Begin "
            f"another training with the model in the folder, by --from {folder} and "
            "--run, or start anew with --fresh."
        ) from error
    epochs = [
        {name: math.nan if value is None else value for name, value in row.items()}
        for row in content["epochs"]
    ]
    others = content.get("average"), content.get("state")
    return History(epochs, content["checkpoint"], *others)


def read_history(folder: PathLike) -> dict[str, list[float]]:
    """The history in a run folder, by name, as plots of it take it.

    Args:
        folder: Path of the run folder.

    Returns:
        A dict from name to one number for each epoch, NaN where there is none.

    Raises:
        FileNotFoundError: If the folder has none.

    Example:

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> epochs = [{"loss": 3.0}, {"loss": 2.0, "val_bleu": 5.0}]
    >>> write_history(folder, History(epochs, "checkpoint-2.keras"))
    >>> read_history(folder)
    {'loss': [3.0, 2.0], 'val_bleu': [nan, 5.0]}
    """
    epochs = load_history(folder).epochs
    return {
        name: [row.get(name, math.nan) for row in epochs] for name in _names(epochs)
    }


def _names(epochs: Sequence[dict[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for row in epochs for name in row))


def _without_nan(row: dict[str, float]) -> dict[str, float | None]:
    """An epoch's logs without NaN and infinity, which JSON does not have."""
    return {name: x if math.isfinite(x) else None for name, x in row.items()}


def _table(epochs: Sequence[dict[str, float]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["epoch", *_names(epochs)], lineterminator="\n")
    writer.writeheader()
    writer.writerows({"epoch": number, **row} for number, row in enumerate(epochs, 1))
    return text.getvalue()


def ranked_epochs(
    epochs: Sequence[Mapping[str, float]], monitor: str, higher_is_better: bool
) -> list[int]:
    """Indices of the epochs that were scored, the best first.

    Of equal scores, such as those of 0 with which a training begins, that of the lower
    `val_loss` is better, and else the first.

    Args:
        epochs: The logs of each epoch, dicts from name to number.
        monitor: Name of the log that tells which epoch is best.
        higher_is_better: Whether more of it is better.

    Example:

    >>> rows = [{"val_bleu": 0.0, "val_loss": x} for x in (3.0, 2.0, 2.0)]
    >>> ranked_epochs(rows, "val_bleu", higher_is_better=True)
    [1, 2, 0]
    """
    sign = -1 if higher_is_better else 1

    def key(index):
        loss = epochs[index].get("val_loss", math.inf)
        score = sign * epochs[index][monitor]
        return score, loss if math.isfinite(loss) else math.inf

    scores = (row.get(monitor, math.nan) for row in epochs)
    return sorted((n for n, x in enumerate(scores) if math.isfinite(x)), key=key)
