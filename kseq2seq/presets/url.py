"""Presets by the URL of their folder, downloaded into a cache.

A folder and no archive, so that no path leads out of it: names of files are fixed, and
each is read no further than the size in the manifest.
"""

import hashlib
import http.client
import logging
import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kseq2seq import __version__
from kseq2seq.presets.manifest import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    PresetFile,
    check_file,
    check_preset,
    read_manifest,
)
from kseq2seq.presets.names import preset_label
from kseq2seq.utils import add_numbered_folder, numbered_folders

TIMEOUT_SECONDS = 30.0
_CHUNK_BYTES = 2**16
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_INTERRUPTED = (OSError, http.client.HTTPException)

_logger = logging.getLogger("kseq2seq")


def cache_folder() -> Path:
    """The folder of downloads: `$KSEQ2SEQ_CACHE`, or `kseq2seq` in that of the user.

    It may be deleted at any time.

    Example:

    >>> os.environ["KSEQ2SEQ_CACHE"] = "downloads"
    >>> cache_folder().name
    'downloads'
    >>> del os.environ["KSEQ2SEQ_CACHE"]
    """
    if own := os.environ.get("KSEQ2SEQ_CACHE"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "kseq2seq"
    users = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(users) / "kseq2seq"


def fetch_url(url: str) -> Path:
    """The folder of a preset that is downloaded, unless it was before.

    The manifest is read each time. Where it is another one than before, or the files of
    before are damaged, all is downloaded anew, beside the earlier download. Where the
    server cannot be reached the last download is taken, and a warning says so.

    Args:
        url: URL of a folder that holds `preset.json` and the files that it names.

    Returns:
        The `Path` of a folder in the cache, its files checked.

    Raises:
        ConnectionError: If the server cannot be reached and the cache has nothing, or
            if a download is interrupted.
        FileNotFoundError: If there is no preset at the URL.
        ValueError: If the URL is none of https, or what is there is no sound preset.
    """
    _check_url(url)
    label = preset_label(url) or "preset"
    digest = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    downloads = cache_folder() / f"{label[:60]}-{digest}"
    last = next(reversed(numbered_folders(downloads)), None)
    try:
        manifest = _read_manifest(url)
    except _INTERRUPTED as error:
        # Of FileNotFoundError: there is an answer, and the answer is no.
        if isinstance(error, FileNotFoundError):
            raise
        if last is None:
            raise ConnectionError(
                f"{url} cannot be reached ({_reason(error)}), and there is no earlier "
                f"download in {cache_folder()}. Connect to the network and try again."
            ) from error
        check_preset(last, url)
        _logger.warning(
            "%s cannot be reached (%s): working offline, with the last download, %s",
            url,
            _reason(error),
            last,
        )
        return last
    files = read_manifest(manifest, url)
    if last is not None and _is_download_of(manifest, last):
        return last
    return add_numbered_folder(downloads, partial(_download, url, manifest, files))


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    local = parts.scheme == "http" and parts.hostname in _THIS_MACHINE
    plain = re.fullmatch(r"[!-~]+", url) and not (parts.query or parts.fragment)
    if not (parts.scheme == "https" or local) or not plain:
        raise ValueError(
            "The URL of a preset must be https://HOST/FOLDER, in ASCII and without a "
            "query; http is for this machine alone, since others on the way could "
            f"change what comes. Received: {url!r}"
        )


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to https, and from this machine to itself."""

    def redirect_request(self, req: Any, fp: Any, *others: Any) -> Any:
        *_, url = others
        # Signed URLs have queries.
        _check_url(urlsplit(url)._replace(query="", fragment="").geturl())
        if url.startswith("http:") and not req.full_url.startswith("http:"):
            raise ValueError(
                f"{req.full_url} must lead to https. Received: {url!r}. Do not load "
                "what is there."
            )
        return super().redirect_request(req, fp, *others)


def _open(url: str) -> Any:
    """An open response; `FileNotFoundError` if the server has no such file."""
    agent = {"User-Agent": f"kseq2seq/{__version__}"}
    opener = urllib.request.build_opener(_CheckedRedirects)
    request = urllib.request.Request(url, headers=agent)
    try:
        return opener.open(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500 or error.code == 429:
            raise
        raise FileNotFoundError(
            f"{url}: the server has no such file, or does not give it away "
            f"({_reason(error)}). Name the folder that holds {MANIFEST_FILE}."
        ) from error


def _read_manifest(url: str) -> bytes:
    with _open(f"{url.rstrip('/')}/{MANIFEST_FILE}") as response:
        content = response.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise ValueError(
            f"{url}: its {MANIFEST_FILE} must have at most {MAX_MANIFEST_BYTES:,} "
            "bytes. Received: more. Name the folder of a preset."
        )
    return content


def _is_download_of(manifest: bytes, folder: Path) -> bool:
    """Whether a folder has this manifest, and what the manifest says."""
    try:
        check_preset(folder)
    except (FileNotFoundError, ValueError):
        return False
    return (folder / MANIFEST_FILE).read_bytes() == manifest


def _download(
    url: str, manifest: bytes, files: dict[str, PresetFile], folder: Path
) -> None:
    """Fills a folder, which nobody sees before it is complete."""
    from tqdm import tqdm

    folder.mkdir()
    with tqdm(
        total=sum(x.bytes for x in files.values()),
        desc=preset_label(url),
        unit="B",
        unit_scale=True,
        disable=None,  # where standard error is no terminal
    ) as bar:
        for name, expected in files.items():
            try:
                received = _save(url, name, expected, folder / name, bar.update)
            except _INTERRUPTED as error:
                if isinstance(error, FileNotFoundError):
                    raise
                raise _interrupted(url, name, _reason(error)) from error
            if received.bytes < expected.bytes:
                got = f"{received.bytes:,} of {expected.bytes:,} bytes"
                raise _interrupted(url, name, got)
            check_file(url, name, expected, received)
    (folder / MANIFEST_FILE).write_bytes(manifest)


def _save(
    url: str,
    name: str,
    expected: PresetFile,
    path: Path,
    update: Callable[[int], object],
) -> PresetFile:
    """Downloads a file, and no more of it than one byte too many."""
    digest, size = hashlib.sha256(), 0
    with _open(f"{url.rstrip('/')}/{name}") as response, path.open("wb") as file:
        while size <= expected.bytes:
            block = response.read(min(_CHUNK_BYTES, expected.bytes + 1 - size))
            if not block:
                break
            file.write(block)
            digest.update(block)
            size += len(block)
            update(len(block))
    return PresetFile(size, digest.hexdigest())


def _interrupted(url: str, name: str, reason: str) -> ConnectionError:
    return ConnectionError(
        f"{url}: the download of {name} was interrupted ({reason}), and nothing of it "
        "is used. Try again."
    )


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__
