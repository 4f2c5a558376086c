"""Pages of the reference, generated from the code."""

import argparse
import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from faces import PACKAGE, Face, PublicName, find_faces

KINDS = {
    "class": "Classes",
    "function": "Functions",
    "value": "Values",
    "module": "Packages",
}
# Columns of the terminal that `--help` is wrapped for.
COLUMNS = "78"


def api_path(module: str) -> str:
    """Path in the site of the page of a face."""
    return f"reference/{module}.md"


def api_pages() -> dict[str, str]:
    """A page for each face, by its path in the site."""
    return {api_path(face.module): api_page(face) for face in find_faces()}


def code_pages() -> dict[str, str]:
    """The pages of commands, settings and signatures, by their paths in the site.

    They import the package, which takes seconds.
    """
    from kseq2seq.utils import import_tensorflow

    import_tensorflow()
    return {
        "reference/commands.md": commands_page(),
        "reference/settings.md": settings_page(),
        "reference/signatures.md": signatures_page(small_export()),
    }


def api_page(face: Face) -> str:
    """The page of a face: its docstring, a table of its names, and their help.

    Names of the package itself are described where they come from.
    """
    parts = [
        f"::: {face.module}\n    options:\n      members: false\n"
        "      heading_level: 1\n      show_root_full_path: true\n"
        "      show_source: false"
    ]
    for kind, title in KINDS.items():
        names = [name for name in face.names if name.kind == kind]
        if names:
            parts.append(_table(title, names, face.module))
    if face.module != PACKAGE:
        parts += [
            f"::: {face.module}.{name.name}"
            for kind in KINDS
            for name in face.names
            if name.kind == kind
        ]
    return "\n\n".join(parts) + "\n"


def _table(title: str, names: list[PublicName], module: str) -> str:
    rows = [f"| {title} | |", "|---|---|"]
    for name in names:
        full = f"{module}.{name.name}"
        link = f"[`{name.name}`][{full}]"
        if full == f"{PACKAGE}.__version__":  # which nothing else describes
            link = f'<a id="{full}"></a>`{name.name}`'
        elif module == PACKAGE and name.kind != "module":
            link = f"[](){{#{full}}}[`{name.name}`][{described_at(name)}]"
        summary = name.summary.replace("|", "\\|")
        rows.append(f"| {link} | {summary} |")
    return "\n".join(rows)


def described_at(name: PublicName) -> str:
    """Full name under which the reference describes a name of the package itself."""
    if name.kind == "module":
        return name.home
    for face in find_faces():
        if face.module != PACKAGE and name.home in [x.home for x in face.names]:
            return f"{face.module}.{name.name}"
    return name.home


def commands_page() -> str:
    """`--help` of the command, of each verb and of each format of exports."""
    from kseq2seq.cli import make_parser

    parts = [
        "# Commands",
        "What `--help` prints. [Command line](../command_line.md) has examples.",
    ]
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    for parser in _parsers(make_parser()):
        level = "#" * max(2, len(parser.prog.split()))
        parts += [
            f"{level} {parser.prog}",
            f"```text\n{parser.format_help().rstrip()}\n```",
        ]
    os.environ.pop("COLUMNS")
    if columns is not None:
        os.environ["COLUMNS"] = columns
    return "\n\n".join(parts) + "\n"


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its subcommands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in dict.fromkeys(action.choices.values()):
                yield from _parsers(subparser)


def settings_page() -> str:
    """A table for each section of a TOML file, from `describe_settings`."""
    from kseq2seq.trainer import describe_settings

    parts = [
        "# Settings",
        "Every setting of a file for `kseq2seq train`, and of its option `--set`: "
        "`--set training.epochs=12`. `kseq2seq train --settings` prints them as a "
        "TOML file. [Training](../training.md) tells how to use them.",
    ]
    for section in describe_settings().split("\n\n"):
        parts.append(_settings_section(section.splitlines()))
    return "\n\n".join(parts) + "\n"


def _settings_section(lines: list[str]) -> str:
    """A section of settings, written as TOML with comments, as a table."""
    rows, comment = ["| setting | default | |", "|---|---|---|"], []
    heading = name = ""
    for line in lines:
        section = re.fullmatch(r"\[(\w+)\]", line)
        # A setting without a default is a comment in TOML.
        assignment = re.fullmatch(r"(?:# )?(\w+) =(.*)", line)
        if section:
            name, heading, comment = section[1], " ".join(comment), []
        elif assignment:
            default = f"`{assignment[2].strip()}`" if assignment[2] else "none"
            text = " ".join(comment).replace("|", "\\|")
            rows.append(f"| `{assignment[1]}` | {default} | {text} |")
            comment = []
        else:
            comment.append(line.removeprefix("#").strip())
    title = heading.partition(": ")[2]
    return "\n\n".join(
        [f"## {name}", f"{title[0].upper()}{title[1:]}", "\n".join(rows)]
    )


def signatures_page(readme: str) -> str:
    """Inputs and outputs of each signature.

    Args:
        readme: The `README.md` of an export.
    """
    _, _, rest = readme.partition("\n## Signatures\n")
    signatures, _, _ = rest.partition("\n## Search\n")
    return (
        "# Signatures\n\nThe signatures of a SavedModel, as each export has them in "
        "its `README.md`. [Serving](../serving.md) has examples.\n"
        + signatures.replace("\n### ", "\n## ")
    )


def small_export() -> str:
    """The `README.md` of an export of an untrained model."""
    import kseq2seq

    pairs = [("a dog", "ein Hund"), ("a cat", "eine Katze")]
    source, target = kseq2seq.train_tokenizers(pairs, kind="character")
    config = kseq2seq.Seq2SeqConfig(
        source_vocabulary_size=source.vocabulary_size,
        target_vocabulary_size=target.vocabulary_size,
        embedding_size=4,
        units=8,
    )
    translator = kseq2seq.Translator(kseq2seq.build_model(config), source, target)
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stderr(io.StringIO()):
            path = translator.export(Path(folder) / "small")
        return (Path(path) / "README.md").read_text(encoding="utf-8")
