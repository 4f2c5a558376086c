"""The templates of the READMEs of exports."""

from importlib import resources
from string import Template
from typing import Any


def fill_template(template: str, /, **values: Any) -> str:
    """A template of this package with values in the place of its `$names`.

    Args:
        template: Name of a file in `kseq2seq/export/templates`, without its suffix.
        **values: The values.

    Raises:
        KeyError: If a value is missing.
    """
    file = resources.files("kseq2seq.export") / "templates" / f"{template}.md"
    return Template(file.read_text(encoding="utf-8")).substitute(values)
