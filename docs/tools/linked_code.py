"""Links from the names of the package, where they stand in code, to the reference.

An extension of Markdown. The links are those of mkdocs-autorefs, so that a name without
a description is an error of the build.
"""

import re
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor

from faces import PACKAGE, find_faces
from generated_pages import described_at

# Classes of Keras, too: without a package it is not clear whose they are.
AMBIGUOUS = {"Adam", "Attention", "Dropout", "LSTM", "MultiHeadAttention"}
NOT_IN = {"a", "autoref", "pre", "h1", "h2", "h3", "h4", "h5", "h6"}


def targets() -> dict[str, str]:
    """Full names in the reference, by what stands in code for them."""
    names, classes = {}, {}
    for face in find_faces():
        short = face.module.removeprefix(f"{PACKAGE}.")
        names[face.module] = face.module
        for name in face.names:
            full = f"{face.module}.{name.name}"
            if full == f"{PACKAGE}.__version__":
                continue
            home = described_at(name) if face.module == PACKAGE else full
            names[full] = home
            if name.kind == "module" or face.module == PACKAGE:
                continue
            names.setdefault(f"{short}.{name.name}", home)
            if name.kind == "class":
                classes.setdefault(name.name, set()).add((name.home, home))
    for name, homes in classes.items():
        if name not in AMBIGUOUS and len({home for home, _ in homes}) == 1:
            names[name] = sorted(full for _, full in homes)[0]
    return names


class LinkedCode(Extension):
    """Makes links of code that names something public.

    Attributes:
        without_package: Whether `Search` is linked like `decoding.Search`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.without_package = True
        self.targets = targets()

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        """Called by Markdown."""
        # Behind the processor of inline patterns, whose priority is 20.
        md.treeprocessors.register(_Processor(md, self), "linked_code", 15)


class _Processor(Treeprocessor):
    def __init__(self, md: Markdown, extension: LinkedCode) -> None:
        super().__init__(md)
        self.extension = extension

    def run(self, root: Element) -> None:
        for parent in root.iter():
            if parent.tag in NOT_IN:
                continue
            for place, child in enumerate(parent):
                if child.tag == "code":
                    target = self._target(child.text or "")
                    if target:
                        link = Element("autoref", identifier=target)
                        link.tail, child.tail = child.tail, None
                        link.append(child)
                        parent[place] = link

    def _target(self, code: str) -> str | None:
        name = re.sub(r"\(.*\)$", "", code)
        if "." not in name and not self.extension.without_package:
            return None
        return self.extension.targets.get(name)
