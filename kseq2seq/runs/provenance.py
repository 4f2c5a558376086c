"""Provenance: commit, command, versions, date and seed of a computation."""

import datetime
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from kseq2seq import __version__
from kseq2seq.utils import PathLike

PACKAGES = (
    "keras",
    "tensorflow",
    "tensorflow-text",
    "sentencepiece",
    "numpy",
    "sacrebleu",
)


def git_state(file: PathLike = __file__) -> dict[str, Any] | None:
    """The commit of the repository that a file is in.

    Args:
        file: Path of the file.

    Returns:
        A dict `{"commit": str, "changed": bool}`, `changed` if files of the repository
        differ from the commit; `None` if no repository tracks the file, as when the
        package was installed into an environment.
    """
    file = Path(file).resolve()
    # Within a hook of git, these would name another repository.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}

    def git(*arguments: str) -> str:
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


def package_versions() -> dict[str, str]:
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


def now() -> str:
    """The time in UTC, to the second, in ISO 8601."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def provenance_of(
    command: str | None = None, seed: int | None = None
) -> dict[str, Any]:
    """Facts by which a computation that begins now can be repeated.

    Args:
        command: The command line; `None` if it was not called by one.
        seed: Seed of the random numbers.

    Returns:
        A dict of `date`, `command`, `code` (as of `git_state`), `versions` and `seed`.

    Example:

    >>> provenance_of("kseq2seq train dates", seed=1)["seed"]
    1
    """
    return {
        "date": now(),
        "command": command,
        "code": git_state(),
        "versions": package_versions(),
        "seed": seed,
    }
