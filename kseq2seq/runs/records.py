"""Where a model comes from: commit, command, data, versions, scores.

Nothing is guessed. What is not known is `None`: a model that was made in Python has no
training to tell of, and a run folder of an older version lacks some of the records.
"""

import datetime
import json
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from kseq2seq import __version__

# What a training leaves in its run folder.
SETTINGS_FILE, RECORD_FILE = "settings.json", "training.json"
HISTORY_FILE, SCORES_FILE = "history.json", "scores.json"
PACKAGES = (
    *("keras", "tensorflow", "tensorflow-text", "sentencepiece", "numpy"),
    "sacrebleu",
)


def git_state(file=__file__):
    """The commit of the repository that a file is in.

    Args:
        file: Path of the file.

    Returns:
        A dict `{"commit": str, "changed": bool}`, `changed` if files of the repository
        differ from the commit; `None` if the file is not in a repository's care, as
        when the package was installed into an environment.
    """
    file = Path(file).resolve()
    # Within a hook of git, these would name another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def git(*arguments):
        return subprocess.run(
            ["git", "-C", str(file.parent), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "--", file.name)
        changes = git("status", "--porcelain", "--untracked-files=no")
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(changes)}
    except (OSError, subprocess.CalledProcessError):
        return None


def package_versions():
    """The versions of Python, of this package and of those it computes with.

    Returns:
        A dict from name to version; a package that is not installed is left out.

    Example:

    >>> list(package_versions())[:2]
    ['python', 'kseq2seq']
    """
    versions = {"python": platform.python_version(), "kseq2seq": __version__}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def now():
    """The time, in UTC, to the second, as ISO 8601 has it."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def from_run(folder):
    """What a run folder tells of its training.

    Args:
        folder: Path of the run folder, of `training/train.py` or of
            `kseq2seq.Translator.save`, which leaves nothing to tell.

    Returns:
        A dict with `source`, `target`, `example`, `data`, `licence`, `pairs` (of each
        part), `epochs`, `started`, `finished`, `command`, `code` (see `git_state`),
        `versions`, `settings` and `scores`; `None` for each that is not known.

    Raises:
        ValueError: If a record in the folder is no JSON.
    """
    folder = Path(folder)
    settings = _read(folder / SETTINGS_FILE)
    record = _read(folder / RECORD_FILE)
    history = _read(folder / HISTORY_FILE)
    told = settings.pop("card", {})
    starts = record.get("starts") or [{}]
    return {
        **{name: told.get(name) or None for name in ("source", "target", "example")},
        "data": told.get("data") or _data_of(settings.get("data", {})),
        "licence": told.get("licence") or None,
        "pairs": record.get("pairs"),
        "epochs": len(history["epochs"]) if "epochs" in history else None,
        "started": starts[0].get("date"),
        "finished": record.get("finished"),
        "command": starts[0].get("command"),
        # A training that was gone on with may have seen several.
        "code": starts[-1].get("code"),
        "versions": starts[-1].get("versions"),
        "settings": settings or None,
        "scores": _read(folder / SCORES_FILE) or None,
    }


def _read(path):
    """A file's JSON; an empty dict if there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ValueError(
            f"{path} must be JSON, as a training writes it. Received: {error}. Delete "
            "the file to do without what it tells."
        ) from error


def _data_of(settings):
    """The data by their settings, where nobody has given them a name."""
    kind, files = settings.get("format"), settings.get("train") or []
    if kind == "dates":
        return "dates, made on the spot"
    named = [settings.get("name") or "", *files]
    return ", ".join(filter(None, named)) or None
