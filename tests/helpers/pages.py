"""Pages of documentation: their blocks of code, links and headings."""

import re

from paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Notebooks, of which each cell needs those before it; `make docs` runs them.
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
OTHERS = [
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
]


def blocks(path, language):
    """The blocks of code of a page in a language, in their order."""
    text = path.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def run(path, block):
    """Runs a block of Python in an empty module, which it returns as a dict."""
    namespace = {"__name__": path.name}
    exec(compile(block, path.name, "exec"), namespace)
    return namespace


def prose(path):
    """The text of a page without its code."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "`", text)


def anchors(path):
    """Anchors of a page, as GitHub makes them of headings."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.M)
    }


def links(path):
    """Relative links and pictures of a page, as pairs of a file and an anchor."""
    text = prose(path).replace("\n", " ")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", link):
            name, _, anchor = link.partition("#")
            yield (path.parent / name).resolve() if name else path, anchor
