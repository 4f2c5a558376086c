"""From the name of a preset to its folder."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from kseq2seq.presets.manifest import check_preset
from kseq2seq.presets.shipped import SHIPPED_FOLDER, shipped_presets
from kseq2seq.utils import PathLike


def find_preset(preset: PathLike) -> Path:
    """The folder of a preset, downloaded where it must be, its files checked.

    Args:
        preset: A name; see `Translator.from_preset`. A folder of the name comes first.

    Returns:
        The `Path` of a folder, whose files are to be read and not changed.

    Raises:
        ConnectionError: If it cannot be downloaded, and there is no earlier download.
        FileNotFoundError: If there is none of this name.
        ValueError: If it is no preset, or a file is not as its manifest says.

    Example:

    >>> find_preset("dates").name
    'dates'
    """
    name = os.fspath(preset)
    folder = Path(name)
    if not folder.is_dir():
        if name not in shipped_presets():
            raise FileNotFoundError(
                "`preset` must be one that comes along "
                f"({', '.join(shipped_presets())}), hf://USER/NAME, the https URL of a "
                f"folder, or a path of one. Received: {name!r}"
            )
        folder = SHIPPED_FOLDER / name
    check_preset(folder, name)
    return folder


def is_preset_name(name: str) -> bool:
    """Whether a text names a preset, and no folder; no preset need be there.

    Args:
        name: The text.

    Example:

    >>> is_preset_name("hf://user/name"), is_preset_name("runs/dates")
    (True, False)
    """
    return not Path(name).is_dir() and ("://" in name or name in shipped_presets())


def preset_label(name: str) -> str:
    """A short name for a preset, to name files after.

    Args:
        name: Name of the preset.

    Example:

    >>> preset_label("hf://user/pronunciation@v1"), preset_label("dates")
    ('pronunciation', 'dates')
    """
    path = urlsplit(name).path if "://" in name else name
    return path.rstrip("/").rpartition("/")[2].partition("@")[0]
