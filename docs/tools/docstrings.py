"""Docstrings of the house in the Markdown that the site renders.

They keep to what Keras writes: headings such as "Call arguments:" and "Example:", and
examples that begin with `>>>`.
"""

import re
import textwrap

# Headings that griffe does not know, and whose contents are Markdown.
_HEADINGS = ("Reference", "References")


def to_markdown(text: str) -> str:
    """A docstring with its examples fenced and its headings in bold.

    Args:
        text: The docstring, without the indentation that all of its lines share.
    """
    text = re.sub(r"^( *)(>>> .*(?:\n\1\S.*)*)", _fenced, text, flags=re.M)
    text = re.sub(r"^(Examples?):(?: (.*))?$", _example, text, flags=re.M)
    for heading in _HEADINGS:
        text = re.sub(
            rf"^({heading}):\n((?: {{4}}.*\n?|\n)+)", _section, text, flags=re.M
        )
    text = re.sub(r"^(Call arguments):\n((?: {4}.*\n?)+)", _arguments, text, flags=re.M)
    # A list needs a blank line ahead of it.
    return re.sub(r"^( *)(?!- )(\S.*)\n(?=\1- )", r"\1\2\n\n", text, flags=re.M)


def _fenced(match: re.Match) -> str:
    indent, code = match.groups()
    return f"{indent}```pycon\n{indent}{code}\n{indent}```"


def _example(match: re.Match) -> str:
    heading, rest = match.groups()
    return f"**{heading}:** {rest}" if rest else f"**{heading}**"


def _section(match: re.Match) -> str:
    heading, body = match.groups()
    return f"**{heading}**\n\n{textwrap.dedent(body)}"


def _arguments(match: re.Match) -> str:
    heading, body = match.groups()
    items = re.split(r"^(\w+): ", textwrap.dedent(body), flags=re.M)[1:]
    lines = [
        f"- `{name}`: {' '.join(help_.split())}"
        for name, help_ in zip(items[::2], items[1::2], strict=True)
    ]
    return "\n".join([f"**{heading}**", "", *lines, ""])
