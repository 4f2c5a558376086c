"""Files outside of docs/, as pages and files of the site."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from faces import ROOT

DOCS = "docs"
# Pages of the site by their paths in the repository.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "saved_models/README.md": "saved_models.md",
    "saved_models/dates/1/README.md": "model_card.md",
    "saved_models/english_pronunciation/1/README.md": "model_card_pronunciation.md",
    "saved_models/german_inflection/1/README.md": "model_card_features.md",
}
# What has a name that browsers would not show.
FILES = {"LICENSE": "license.txt"}
_CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def site_path(path: str) -> str:
    """Path in the site of a file of the repository."""
    if path.startswith(f"{DOCS}/"):
        return path.removeprefix(f"{DOCS}/")
    return PAGES.get(path) or FILES.get(path, path)


def repository_path(path: str) -> str:
    """Path in the repository of a page of the site."""
    for ours, theirs in PAGES.items():
        if path == theirs:
            return ours
    return f"{DOCS}/{path}"


def links(markdown: str, path: str) -> Iterator[str]:
    """Paths in the repository of what a page links to.

    Args:
        markdown: Text of the page.
        path: Its path in the repository.
    """
    for text in _CODE.split(markdown)[::2]:
        for link in _LINK.findall(text):
            target, _ = _resolved(link, path)
            if target:
                yield target


def with_site_links(markdown: str, path: str) -> str:
    """A page with its relative links as they are in the site.

    Args:
        markdown: Text of the page.
        path: Its path in the repository.
    """
    folder = PurePosixPath(site_path(path)).parent

    def replaced(match: re.Match) -> str:
        target, anchor = _resolved(match[1], path)
        if not target:
            return match[0]
        return f"]({os.path.relpath(site_path(target), folder)}{anchor})"

    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(replaced, text) for text in parts[::2]]
    return "".join(parts)


def linked_files() -> set[str]:
    """Files outside of docs/, pages aside, that any page links to."""
    pages = [*PAGES, *(str(x.relative_to(ROOT)) for x in ROOT.glob(f"{DOCS}/**/*.md"))]
    linked = {
        link
        for page in pages
        for link in links((ROOT / page).read_text(encoding="utf-8"), page)
    }
    return {
        link for link in linked if not link.startswith(f"{DOCS}/") and link not in PAGES
    }


def read(path: str) -> str:
    """The text of a file of the repository."""
    return (ROOT / path).read_text(encoding="utf-8")


def _resolved(link: str, path: str) -> tuple[str, str]:
    """Path in the repository and anchor of a link; an empty path if it leads out."""
    if re.match(r"[a-z]+:|#", link):
        return "", ""
    name, hash_, anchor = link.partition("#")
    target = os.path.normpath(Path(path).parent / name)
    return Path(target).as_posix(), f"{hash_}{anchor}"
