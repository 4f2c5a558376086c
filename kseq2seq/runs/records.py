"""Records of a training in its run folder: settings, provenance, scores.

Nothing is guessed. What is not known is `None`: `Translator.save` records nothing, and
a run folder of an older version lacks some of the records.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kseq2seq.runs.files import (
    HISTORY_FILE,
    RECORD_FILE,
    SCORES_FILE,
    SETTINGS_FILE,
)
from kseq2seq.runs.provenance import now
from kseq2seq.utils import PathLike, write_text


def write_settings(folder: PathLike, settings: Mapping[str, Any]) -> None:
    """Writes the settings of a training.

    Args:
        folder: Path of the run folder.
        settings: Dict from section to a dict of settings, of what JSON has.
    """
    _write(Path(folder) / SETTINGS_FILE, settings)


def read_settings(folder: PathLike) -> dict[str, Any]:
    """The settings of the training in a run folder.

    Args:
        folder: Path of the run folder.

    Returns:
        Dict from section to a dict of settings; empty if the folder has none.

    Raises:
        ValueError: If the file is no JSON.
    """
    return _read(Path(folder) / SETTINGS_FILE)


def record_start(
    folder: PathLike,
    provenance: Mapping[str, Any],
    pairs: Mapping[str, int],
    resumed: bool = False,
) -> None:
    """Records that a training begins, or goes on.

    Args:
        folder: Path of the run folder.
        provenance: As of `kseq2seq.runs.provenance_of`.
        pairs: Dict from the part of the data to its number of pairs.
        resumed: Whether the training goes on from an earlier one.
    """
    path = Path(folder) / RECORD_FILE
    starts = []
    if resumed:
        # A training of before there were records has a gap in the place of its start.
        starts = _read(path).get("starts", [{}])
    content = {"pairs": pairs, "starts": [*starts, provenance], "finished": None}
    _write(path, content)


def record_finish(folder: PathLike) -> None:
    """Records that the training in a run folder is finished and scored.

    Args:
        folder: Path of the run folder.
    """
    path = Path(folder) / RECORD_FILE
    _write(path, {**_read(path), "finished": now()})


def recorded_pairs(folder: PathLike) -> dict[str, int]:
    """The numbers of pairs that the training in a run folder had last.

    Args:
        folder: Path of the run folder.

    Returns:
        Dict as `record_start` was given it; empty if there is no record.

    Raises:
        ValueError: If its record is no JSON.
    """
    return _read(Path(folder) / RECORD_FILE).get("pairs", {})


def is_finished(folder: PathLike) -> bool:
    """Whether the training in a run folder is finished.

    Args:
        folder: Path of the run folder, which need not exist.

    Raises:
        ValueError: If its record is no JSON.
    """
    return bool(_read(Path(folder) / RECORD_FILE).get("finished"))


def begun_with(folder: PathLike) -> str | None:
    """The name of the run folder whose weights a training began with.

    Args:
        folder: Path of the run folder of the training.

    Returns:
        A `str`; `None` if it began with new weights, or that is not recorded.

    Raises:
        ValueError: If its record is no JSON.
    """
    starts = _read(Path(folder) / RECORD_FILE).get("starts") or [{}]
    return starts[0].get("from", {}).get("run")


def write_scores(folder: PathLike, report: Mapping[str, Any]) -> None:
    """Writes the scores of a training's best model.

    Args:
        folder: Path of the run folder.
        report: Dict of what JSON has: `search`, `sentences`, `scores`, `provenance`.
    """
    _write(Path(folder) / SCORES_FILE, report)


def from_run(folder: PathLike) -> dict[str, Any]:
    """Everything that a run folder records of its training.

    Args:
        folder: Path of the run folder, of `kseq2seq train` or of
            `kseq2seq.Translator.save`, which records nothing.

    Returns:
        A dict with `source`, `target`, `example`, `data`, `licence`, `pairs` (of each
        part), `epochs`, `started`, `finished`, `command`, `code` (see `git_state`),
        `versions`, `settings` and `scores`; `None` for each that is not known. Where
        they are given, `example_features` too.

    Raises:
        ValueError: If a record in the folder is no JSON.
    """
    folder = Path(folder)
    settings = read_settings(folder)
    record = _read(folder / RECORD_FILE)
    history = _read(folder / HISTORY_FILE)
    card = settings.pop("card", {})
    starts = record.get("starts") or [{}]
    return {
        **{name: card.get(name) or None for name in ("source", "target", "example")},
        # Of a model with features alone.
        **{name: card[name] for name in ("example_features",) if card.get(name)},
        "data": card.get("data") or _data_of(settings.get("data", {})),
        "licence": card.get("licence") or None,
        "pairs": record.get("pairs"),
        "epochs": len(history["epochs"]) if "epochs" in history else None,
        "started": starts[0].get("date"),
        "finished": record.get("finished"),
        "command": starts[0].get("command"),
        # A resumed training may have seen several.
        "code": starts[-1].get("code"),
        "versions": starts[-1].get("versions"),
        "settings": settings or None,
        "scores": _read(folder / SCORES_FILE) or None,
    }


def _read(path: Path) -> dict[str, Any]:
    """Content of a JSON file; an empty dict if there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(
            f"{path} must be JSON, as a training writes it. Received: {error}. Delete "
            "the file to do without its content."
        ) from error


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2) + "\n")


def _data_of(settings: Mapping[str, Any]) -> str | None:
    """The data by its settings, where the section [card] does not name it."""
    kind, files = settings.get("format"), settings.get("train") or []
    if kind == "dates":
        return "dates, made on the spot"
    named = [settings.get("name") or "", *files]
    return ", ".join(filter(None, named)) or None
