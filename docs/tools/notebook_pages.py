"""Executed notebooks as pages of the site.

Marks of a cell stand behind the `python` of its fence: `alt="..."` describes its
picture, and `tags=["check"]` hides a cell which asserts what the text says of results.
"""

import base64
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

CHECK = "check"
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
# A link within the site, with its text.
_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:)[^)]*\)")


class Tutorial(NamedTuple):
    """An executed tutorial.

    Attributes:
        markdown: Text of the page, with outputs.
        files: Contents of the files beside it, by their names: pictures and notebook.
    """

    markdown: str
    files: dict[str, bytes]


def render(name: str, notebook: Mapping[str, Any]) -> Tutorial:
    """An executed notebook as a page and the files beside it.

    Args:
        name: Name of the page without `.md`.
        notebook: The notebook, as nbformat has it, which begins with a heading.
    """
    cells = [
        cell
        for cell in notebook["cells"]
        if CHECK not in cell["metadata"].get("tags", [])
    ]
    parts, files = [], {}
    for cell in cells:
        if cell["cell_type"] == "markdown":
            parts.append(cell["source"])
            continue
        parts.append(_fenced(cell["source"], "python"))
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                file = f"{name}_{len(files) + 1}.png"
                files[file] = base64.b64decode(data["image/png"])
                alt = cell["metadata"].get("alt", "Figure")
                # What is too wide for a phone is looked at by itself.
                parts.append(f"[![{alt}]({file})]({file})")
            else:
                text = data.get("text/plain") or output.get("text", "")
                parts.append(_fenced(text.rstrip(), "{ .text .output .no-copy }"))
    title, _, text = "\n\n".join(parts).partition("\n\n")
    file = f"{name}.ipynb"
    files[file] = _portable(cells, notebook)
    link = f'[Download this page as a notebook]({file}){{ download="{file}" }}'
    return Tutorial(f"{title}\n\n{link}\n\n{text}\n", files)


def _fenced(text: str, language: str) -> str:
    """A block of code, in a fence that is longer than any in it."""
    longest = max((len(x) for x in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _portable(cells: list[Mapping[str, Any]], notebook: Mapping[str, Any]) -> bytes:
    """A file to read elsewhere: without links to pages that are not beside it."""
    cells = [
        {**cell, "source": _LINK.sub(r"\1", cell["source"])}
        if cell["cell_type"] == "markdown"
        else cell
        for cell in cells
    ]
    whole = {**notebook, "cells": cells, "metadata": {"kernelspec": KERNEL}}
    return f"{json.dumps(whole, indent=1, ensure_ascii=False)}\n".encode()
