"""What a training records of itself, for the model card of an export."""

import json
import shlex
from pathlib import Path

from kseq2seq.runs import RECORD_FILE, git_state, now, package_versions
from kseq2seq.utils import atomic_write

ROOT = Path(__file__).resolve().parent.parent


def begin(options, parts, resumed):
    """Writes when, how and on what a training began, or was gone on with.

    Args:
        options: What the command line was parsed to.
        parts: Dict from the name of a part of the data to its pairs.
        resumed: Whether it goes on with an earlier training.
    """
    path = options.run / RECORD_FILE
    earlier = _read(path) if resumed else {"starts": []}
    start = {
        "date": now(),
        "command": command(options),
        "code": git_state(),
        "versions": package_versions(),
    }
    record = {
        "pairs": {name: len(pairs) for name, pairs in parts.items()},
        "starts": [*earlier["starts"], start],
        "finished": None,
    }
    _write(path, record)


def finish(run):
    """Writes when the training in a run folder was done and scored."""
    path = run / RECORD_FILE
    _write(path, {**_read(path), "finished": now()})


def command(options):
    """The command line, without the folders of this machine.

    Args:
        options: What it was parsed to.

    Returns:
        A `str` for a shell.
    """
    words = ["python", "training/train.py", _shown(options.config)]
    if options.data != Path():
        words += ["--data", _shown(options.data)]
    words += ["--run", _shown(options.run)]
    words += [x for change in options.changes for x in ("--set", change)]
    return shlex.join([*words, *(["--resume"] if options.resume else [])])


def _shown(path):
    """A path as it was given; an absolute one from the repository on, or its name."""
    if not path.is_absolute():
        return str(path)
    for folder in (ROOT, Path.cwd()):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return path.name


def _read(path):
    """The record; where a training of before there were records left none, its gap."""
    if not path.is_file():
        return {"starts": [{}]}
    return json.loads(path.read_text(encoding="utf-8"))


def _write(path, record):
    with atomic_write(path) as file:
        file.write(json.dumps(record, indent=2) + "\n")
