"""Help on all settings, generated from the dataclasses of their sections."""

import dataclasses
import json
import re
import textwrap
import typing
from typing import Any

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.decoding import Search
from kseq2seq.trainer.settings import SECTIONS, Settings
from kseq2seq.utils import default_of

_DOCUMENTED = {"model": Seq2SeqConfig, "search": Search}
_HEADINGS = {
    "model": "Section [model]: arguments of `kseq2seq.Seq2SeqConfig`.",
    "search": "Section [search]: arguments of `kseq2seq.Search`, for the scores at the "
    "end; the commands translate by them, too.",
}


def describe_settings() -> str:
    """Every setting with its help, what it may be and its default: a TOML file.

    Example:

    >>> "epochs = 10" in describe_settings()
    True
    """
    sections = []
    for field in dataclasses.fields(Settings):
        name = field.name
        heading = _HEADINGS.get(name) or typing.cast(str, SECTIONS[name].__doc__)
        lines = [_comment(heading), f"[{name}]"]
        for text, setting, default in _rows(name):
            lines += [_comment(text), _assignment(setting, default)]
        sections.append("\n".join(lines))
    return "\n\n".join(sections)


def _rows(section: str) -> list[tuple[str, str, Any]]:
    """Help, name and default of each setting in a section."""
    if section in SECTIONS:
        return [
            (
                _sentence(field.metadata["help"], field.metadata["kind"]),
                field.name,
                field.default,
            )
            for field in dataclasses.fields(SECTIONS[section])
        ]
    cls = _DOCUMENTED[section]
    texts, hints = _documented_arguments(cls), typing.get_type_hints(cls)
    return [
        (f"{texts[x.name]} ({_type(hints[x.name])})", x.name, default_of(x))
        for x in dataclasses.fields(cls)
        if not x.name.endswith("_vocabulary_size")
    ]


def _sentence(text: str, kind: Any) -> str:
    choices = f" {', '.join(kind.choices)}" if kind.choices else ""
    return f"{text} ({kind.description}{choices})"


def _type(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _documented_arguments(cls: type) -> dict[str, str]:
    """The texts of a docstring's section `Args:`, by the names of the arguments."""
    docstring = textwrap.dedent(f"    {cls.__doc__}")
    _, _, rest = docstring.partition("Args:\n")
    section = textwrap.dedent(re.split(r"\n\n", rest, maxsplit=1)[0])
    texts = re.split(r"^(\w+): ", section, flags=re.MULTILINE)[1:]
    names, bodies = texts[::2], texts[1::2]
    return {
        name: " ".join(body.split()).rstrip(".")
        for name, body in zip(names, bodies, strict=True)
    }


def _comment(text: str) -> str:
    return textwrap.fill(
        text, 88, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False
    )


def _assignment(name: str, default: Any) -> str:
    """A line of TOML, which has no word for nothing: a comment then."""
    if default is None:
        return f"# {name} ="
    if isinstance(default, dict):
        return f"{name} = {{}}"
    return f"{name} = {json.dumps(default)}"
