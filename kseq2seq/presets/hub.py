"""Presets on the hub, by huggingface_hub: its cache, its switches, its login."""

import logging
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from kseq2seq.presets.manifest import (
    FILES,
    MANIFEST_FILE,
    check_preset,
    check_size,
)
from kseq2seq.presets.names import preset_label
from kseq2seq.utils import check_installed

PREFIX = "hf://"
TIMEOUT_SECONDS = 30.0
_NAME = re.compile(r"hf://([\w.-]+/[\w.-]+?)(?:@([\w./-]+))?")
_LOADED = (MANIFEST_FILE, *FILES)

_logger = logging.getLogger("kseq2seq")


class HubName(NamedTuple):
    """A model on the hub.

    Attributes:
        repository: Its user and name, `USER/NAME`.
        revision: Name of a branch or tag, or a commit; `None` for the newest.
    """

    repository: str
    revision: str | None


def parse_hub_name(preset: str) -> HubName:
    """The parts of a name such as `hf://USER/NAME@REVISION`.

    Args:
        preset: The name.

    Returns:
        A `HubName`.

    Raises:
        ValueError: If it is not spelled like that.

    Example:

    >>> parse_hub_name("hf://user/name@v1.0")
    HubName(repository='user/name', revision='v1.0')
    """
    match = _NAME.fullmatch(preset)
    if match is None:
        raise _misspelled(preset)
    return HubName(match[1], match[2])


def _misspelled(preset: str) -> ValueError:
    return ValueError(
        "The name of a preset on the hub must be hf://USER/NAME, or "
        f"hf://USER/NAME@REVISION. Received: {preset!r}"
    )


def fetch_hub(preset: str) -> Path:
    """The folder of a preset on the hub, in huggingface_hub's cache.

    Only files that are loaded are downloaded. Without a network, or with
    `HF_HUB_OFFLINE=1`, the last download is taken, and a warning says so.

    Args:
        preset: Name of the preset, `hf://USER/NAME` or `hf://USER/NAME@REVISION`.

    Returns:
        The `Path` of the folder, its files checked.

    Raises:
        ConnectionError: If the hub cannot be reached, and the cache has nothing.
        FileNotFoundError: If the hub has no such model or revision.
        ValueError: If the extra `hub` is not installed, or the model is no preset.
    """
    check_installed("hub")
    name = parse_hub_name(preset)
    offline = _check_on_hub(preset, name)
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                name.repository,
                revision=name.revision,
                allow_patterns=[*_LOADED],
                local_files_only=offline is not None,
            )
        )
    except Exception as error:  # of the HTTP library, which changes with the version
        if offline is None:
            raise ConnectionError(
                f"{preset}: the download was interrupted ({_reason(error)}), and "
                "nothing of it is used. Try again."
            ) from error
        raise ConnectionError(
            f"{preset} cannot be reached ({_reason(offline)}), and there is no "
            "complete download of it in the cache of huggingface_hub. Connect to the "
            "network, unset HF_HUB_OFFLINE, and try again."
        ) from error
    check_preset(folder, preset)
    if offline is not None:
        _logger.warning(
            "%s cannot be reached (%s): working offline, with the last download, %s",
            preset,
            _reason(offline),
            folder,
        )
    return folder


def push_hub(
    preset: str, write: Callable[[Path], object], private: bool | None = None
) -> str:
    """Uploads a preset to the hub; makes the repository if there is none.

    Args:
        preset: Name on the hub, `hf://USER/NAME`, also with `@BRANCH`.
        write: Function that writes the preset into a folder of the path that it is
            given.
        private: Whether a new repository is private; as the account has it if `None`.

    Returns:
        The name of exactly what was uploaded, `hf://USER/NAME@COMMIT`.

    Raises:
        OSError: If the hub cannot be reached, or refuses.
        ValueError: If the extra `hub` is not installed, or what is written is no
            preset.
    """
    check_installed("hub")
    name = parse_hub_name(preset)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / preset_label(preset)
        write(folder)
        check_preset(folder)
        commit = _upload(preset, name, folder, private)
    return f"{PREFIX}{name.repository}@{commit}"


def _upload(preset: str, name: HubName, folder: Path, private: bool | None) -> str:
    """Uploads a folder; gives the commit."""
    from huggingface_hub import HfApi

    api = HfApi(library_name="kseq2seq")
    try:
        api.create_repo(name.repository, private=private, exist_ok=True)
        return api.upload_folder(
            repo_id=name.repository,
            folder_path=folder,
            revision=name.revision,
            commit_message="Upload a preset of kseq2seq",
        ).oid
    except Exception as error:  # of the HTTP library, which changes with the version
        raise OSError(
            f"{preset}: the hub did not take the upload ({_reason(error)}). Log in by "
            "'hf auth login' with a token that may write to it, and try again."
        ) from error


def _check_on_hub(preset: str, name: HubName) -> Exception | None:
    """Why the hub cannot be reached, or `None` if it has such a preset."""
    from huggingface_hub import HfApi, errors

    try:
        info: Any = HfApi(library_name="kseq2seq").model_info(
            name.repository,
            revision=name.revision,
            timeout=TIMEOUT_SECONDS,
            files_metadata=True,
        )
    except errors.HFValidationError as error:
        raise _misspelled(preset) from error
    except errors.RevisionNotFoundError as error:
        raise FileNotFoundError(
            f"{preset}: the model has no revision {name.revision!r}. Name a branch, a "
            f"tag or a commit, or leave out @{name.revision}."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise FileNotFoundError(
            f"{preset}: the hub has no such model, or it is private. Check the "
            "spelling, or log in by 'hf auth login'."
        ) from error
    except Exception as error:  # of the HTTP library, which changes with the version
        return error
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    for file in _LOADED:
        check_size(preset, file, sizes.get(file, 0))
    if MANIFEST_FILE not in sizes:
        raise FileNotFoundError(
            f"{preset} is no preset, which has a {MANIFEST_FILE}, as "
            "`Translator.push` uploads it. Name another model."
        )
    return None


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text[:200] or type(error).__name__
