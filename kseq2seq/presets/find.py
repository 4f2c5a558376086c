"""The folder of a preset, by its name."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kseq2seq.presets.hub import PREFIX, fetch_hub
from kseq2seq.presets.manifest import check_preset
from kseq2seq.presets.shipped import SHIPPED_FOLDER, shipped_presets
from kseq2seq.presets.url import fetch_url
from kseq2seq.utils import PathLike

Loaded = TypeVar("Loaded")


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
        if name.startswith(PREFIX):
            return fetch_hub(name)
        if "://" in name:
            return fetch_url(name)
        if name not in shipped_presets():
            raise FileNotFoundError(
                "`preset` must be one that comes along "
                f"({', '.join(shipped_presets())}), hf://USER/NAME, the https URL of a "
                f"folder, or a path of one. Received: {name!r}"
            )
        folder = SHIPPED_FOLDER / name
    check_preset(folder, name)
    return folder


def load_preset(preset: PathLike, load: Callable[[Path], Loaded]) -> Loaded:
    """Loads a preset.

    Args:
        preset: A name, as for `find_preset`.
        load: Function from a run folder to what is loaded, by Keras in safe mode.

    Raises:
        OSError: As for `find_preset`.
        ValueError: As for `find_preset`, or if the model has code in it, or layers of
            modules that the program has not imported.
    """
    folder = find_preset(preset)
    try:
        return load(folder)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{os.fspath(preset)}: its model must be made of layers of Keras, of "
            "kseq2seq and of modules that you trust and import first. Received: "
            f"{' '.join(str(error).split())}"
        ) from error


def is_preset_name(name: str) -> bool:
    """Whether a text names a preset, and no folder; no preset need be there.

    Args:
        name: The text.

    Example:

    >>> is_preset_name("hf://user/name"), is_preset_name("runs/dates")
    (True, False)
    """
    return not Path(name).is_dir() and ("://" in name or name in shipped_presets())
