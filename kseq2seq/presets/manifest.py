"""The manifest of a preset: sizes and checksums of its files."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kseq2seq import __version__
from kseq2seq.runs import (
    CONFIG_FILE,
    FEATURES_FILE,
    HISTORY_FILE,
    MODEL_FILE,
    RECORD_FILE,
    SCORES_FILE,
    SETTINGS_FILE,
    SHORTLIST_FILE,
    SOURCE_FILE,
    TARGET_FILE,
    find_saved_model,
    is_run_folder,
)
from kseq2seq.utils import PathLike, atomic_folder, write_text

MANIFEST_FILE = "preset.json"
CARD_FILE = "README.md"  # for people, who may edit it: it is not in the manifest
FORMAT = 1
REQUIRED = (MODEL_FILE, SOURCE_FILE, TARGET_FILE)
OPTIONAL = (FEATURES_FILE, SHORTLIST_FILE)  # of some models alone
# Of a training: what model cards tell, and the search that it was scored with.
RECORDS = (CONFIG_FILE, SETTINGS_FILE, RECORD_FILE, HISTORY_FILE, SCORES_FILE)
FILES = (*REQUIRED, *OPTIONAL, *RECORDS)
MAX_BYTES = 4 * 1024**3  # of a file
MAX_MANIFEST_BYTES = 100_000


class PresetFile(NamedTuple):
    """A manifest's entry of a file.

    Attributes:
        bytes: Size of the file.
        sha256: Its SHA-256 in hexadecimal digits.
    """

    bytes: int
    sha256: str


def write_preset(
    folder: PathLike,
    save: Callable[[Path], object],
    run_folder: PathLike | None = None,
) -> Path:
    """Writes a preset, complete or not at all.

    Args:
        folder: Path of the preset, which must not exist yet, or be empty.
        save: Function that writes model and tokenizers, and what else is to lie beside
            them, into the folder that it is given.
        run_folder: Path of a run folder whose records are added; none if `None`.

    Returns:
        The `Path` of the preset.

    Raises:
        FileExistsError: If there is something at the path.
        OSError: If it cannot be written.
        ValueError: If `save` writes a file that no preset has.
    """
    with atomic_folder(folder) as beside:
        save(beside)
        _check_known(beside)
        if run_folder is not None:
            _copy_records(Path(run_folder), beside)
        files = {
            name: _described(beside / name)._asdict()
            for name in FILES
            if (beside / name).is_file()
        }
        content = {"format": FORMAT, "kseq2seq": __version__, "files": files}
        write_text(beside / MANIFEST_FILE, json.dumps(content, indent=2) + "\n")
    return Path(folder)


def read_manifest(content: bytes, preset: str) -> dict[str, PresetFile]:
    """The files in a manifest, each of which may be loaded if it is as described.

    Args:
        content: Content of `preset.json`.
        preset: Name of the preset, for errors.

    Returns:
        Dict from the name of a file to its `PresetFile`.

    Raises:
        ValueError: If it is no manifest, or one of a newer format, or names a file that
            no preset has, or too large a file.

    Example:

    >>> try:
    ...     read_manifest(b'{"format": 99}', "tomorrow")
    ... except ValueError as error:
    ...     print(str(error).partition(":")[0])
    tomorrow is a preset of format 99, and this version of kseq2seq reads format 1
    """
    manifest = _parsed(content, preset)
    number = manifest.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise ValueError(
            f"{preset} is a preset of format {number}, and this version of kseq2seq "
            f"reads format {FORMAT}: run 'pip install --upgrade kseq2seq'."
        )
    entries = manifest.get("files")
    if number != FORMAT or not isinstance(entries, dict):
        raise _no_manifest(preset, f"a format of {number!r} and no such files")
    if unknown := sorted({*entries} - {*FILES}):
        raise ValueError(
            f"{preset}: its {MANIFEST_FILE} must name files of a preset alone: "
            f"{', '.join(FILES)}. Received: {unknown[0]!r}. Do not "
            "load it, unless its author made it anew by `Translator.save_to_preset`."
        )
    if missing := [name for name in REQUIRED if name not in entries]:
        raise _no_manifest(preset, f"none of {missing[0]}")
    return {name: _checked_entry(preset, name, x) for name, x in entries.items()}


def check_preset(folder: PathLike, preset: str | None = None) -> None:
    """Checks all files of a preset that are loaded against its manifest.

    Args:
        folder: Path of the preset.
        preset: Name of the preset, for errors; the path if `None`.

    Raises:
        FileNotFoundError: If the folder, or a file of it, is missing.
        ValueError: If it is no preset, or a file is not as the manifest says.
    """
    folder = Path(folder)
    preset = str(folder) if preset is None else preset
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise FileNotFoundError(_no_preset(folder, preset))
    for name, expected in read_manifest(path.read_bytes(), preset).items():
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{preset}: {name} is missing, which its {MANIFEST_FILE} names. Copy "
                "or download the preset anew."
            )
        check_file(preset, name, expected, _described(folder / name))


def check_file(
    preset: str, name: str, expected: PresetFile, received: PresetFile
) -> None:
    """Checks a file against its entry in the manifest.

    Args:
        preset: Name of the preset, for errors.
        name: Name of the file.
        expected: The `PresetFile` in the manifest.
        received: That of the file.

    Raises:
        ValueError: If they differ.
    """
    if received != expected:
        raise ValueError(
            f"{preset}: {name} is damaged or was changed. Expected by its "
            f"{MANIFEST_FILE}: {_in_words(expected)}. Received: {_in_words(received)}. "
            "Copy or download the preset anew; to share a change, write it by "
            "`Translator.save_to_preset`."
        )


def _check_known(folder: Path) -> None:
    others = {x.name for x in folder.iterdir()} - {*FILES, CARD_FILE}
    if others:
        raise ValueError(
            "A preset has no files but those that Translator.load reads, and "
            f"{CARD_FILE}. Received: {', '.join(sorted(others))}; write others beside "
            "the preset."
        )


def _copy_records(run_folder: Path, folder: Path) -> None:
    for name in RECORDS:
        if (run_folder / name).is_file():
            shutil.copyfile(run_folder / name, folder / name)


def check_size(preset: str, name: str, size: int) -> None:
    """Checks that a file is not too large to be one of a preset.

    Args:
        preset: Name of the preset, for errors.
        name: Name of the file.
        size: Its bytes.

    Raises:
        ValueError: If it is too large.
    """
    if size > MAX_BYTES:
        raise ValueError(
            f"{preset}: {name} must have at most {MAX_BYTES:,} bytes. Received: "
            f"{size:,}. Download it by other means and use `Translator.load`."
        )


def _described(path: Path) -> PresetFile:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return PresetFile(path.stat().st_size, digest.hexdigest())


def _in_words(file: PresetFile) -> str:
    return f"{file.bytes:,} bytes with SHA-256 {file.sha256[:12]}…"


def _parsed(content: bytes, preset: str) -> dict[str, Any]:
    try:
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _no_manifest(preset, f"no JSON ({error})") from error
    if not isinstance(manifest, dict):
        raise _no_manifest(preset, f"JSON of type {type(manifest).__name__}")
    return manifest


def _no_manifest(preset: str, received: str) -> ValueError:
    return ValueError(
        f"{preset}: its {MANIFEST_FILE} must be as `Translator.save_to_preset` writes "
        f"it: write the preset anew. Received: {received}"
    )


def _checked_entry(preset: str, name: str, entry: Any) -> PresetFile:
    size, digest = (
        (entry.get("bytes"), entry.get("sha256"))
        if isinstance(entry, dict)
        else (None, None)
    )
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise _no_manifest(preset, f"bytes={size!r} of {name}")
    if not isinstance(digest, str) or not re.fullmatch("[0-9a-f]{64}", digest):
        raise _no_manifest(preset, f"sha256={digest!r} of {name}")
    check_size(preset, name, size)
    return PresetFile(size, digest)


def _no_preset(folder: Path, preset: str) -> str:
    """Words for a folder without a manifest, by what it is instead."""
    if not folder.is_dir():
        return f"{preset}: there is no such folder. Name that of a preset."
    expected = f"{preset} is no preset, which has a {MANIFEST_FILE}"
    if is_run_folder(folder):
        return (
            f"{expected}. Received: a run folder. Load it by `Translator.load`, and "
            "share it by `save_to_preset`."
        )
    if find_saved_model(folder) is not None:
        return f"{expected}. Received: a SavedModel. Load it by `Translator.load`."
    return f"{expected}, as `Translator.save_to_preset` writes it."
