"""The site: the reference, the navigation, and links of the repository in it."""

import base64
import dataclasses
import importlib
import inspect
import json
import re
import typing

import pytest

import faces
import generated_pages
import notebook_pages
import repository_pages
from docstrings import to_markdown
from kseq2seq import Search, Seq2SeqConfig
from kseq2seq.cli import VERBS
from kseq2seq.trainer import Settings
from large_extras import skip_without_extra
from pages import PAGES, TUTORIALS, blocks
from paths import ROOT

MODULES = sorted(
    f"kseq2seq.{path.parent.name if path.stem == '__init__' else path.stem}"
    for path in [*ROOT.glob("kseq2seq/*/__init__.py"), *ROOT.glob("kseq2seq/[!_]*.py")]
)
API = generated_pages.api_pages()
NAVIGATION = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]


def test_every_face_has_a_page():
    assert {f"reference/{name}.md" for name in ["kseq2seq", *MODULES]} == {*API}


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_described(name):
    skip_without_extra(name)
    module = importlib.import_module(name)
    described = set(
        re.findall(rf"^::: {name}\.(\w+)$", API[f"reference/{name}.md"], re.M)
    )
    if hasattr(module, "__all__"):
        source = inspect.getsource(module)
        not_starred = re.findall(r" import (\w+) as \1$", source, re.M)
        assert described == {*module.__all__, *not_starred}
        return
    assert described == {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and not inspect.ismodule(value)
        and getattr(value, "__module__", name) == name
    } - imported_values(module)


def imported_values(module):
    """Values, which know no module of theirs, that a module imports."""
    imports = re.findall(
        r"^from [\w.]+ import (?:\(([^)]*)\)|(.*))$", inspect.getsource(module), re.M
    )
    return {x for both in imports for part in both for x in re.findall(r"\w+", part)}


def test_every_name_of_the_package_is_listed():
    import kseq2seq

    page = API["reference/kseq2seq.md"]
    for name in kseq2seq.__all__:
        assert f"`{name}`" in page, name
    for full in re.findall(r"\]\[kseq2seq\.([\w.]+)\]", page):
        module, _, name = full.rpartition(".")
        path = f"reference/kseq2seq.{module or name}.md"
        assert not module or f"::: kseq2seq.{full}\n" in API[path]


def test_no_name_is_described_twice():
    described = [
        (face.module, name.home)
        for face in faces.find_faces()
        if face.module != "kseq2seq"
        for name in face.names
    ]
    homes = [home for _, home in described]
    assert {x for x in described if homes.count(x[1]) > 1} == set()


def test_the_navigation_has_every_page_once():
    listed = re.findall(r": ([\w/]+\.\w+)$", NAVIGATION, re.M)
    written = [
        str(path.relative_to(ROOT / "docs")) for path in [*PAGES[1:], *TUTORIALS]
    ]
    code = ["commands", "settings", "signatures"]
    generated = [f"reference/{name}.md" for name in code]
    assert sorted(listed) == sorted(
        [*written, *repository_pages.PAGES.values(), *generated]
    )


def test_settings_are_described():
    page = generated_pages.settings_page()
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.M | re.S))
    assert [*sections] == [field.name for field in dataclasses.fields(Settings)]
    classes = {"model": Seq2SeqConfig, "search": Search}
    for section, text in sections.items():
        cls = classes.get(section) or typing.get_type_hints(Settings)[section]
        for field in dataclasses.fields(cls):
            if not field.name.endswith("_vocabulary_size"):
                assert re.search(rf"^\| `{field.name}` \| .+ \| .+ \|$", text, re.M)


def test_commands_are_described():
    page = generated_pages.commands_page()
    for verb in VERBS:
        name = verb.__name__.rpartition(".")[2]
        assert f"\n## kseq2seq {name}\n\n```text\nusage: kseq2seq {name} " in page
    assert "\n### kseq2seq export onnx\n" in page


def test_signatures_are_described():
    folder = ROOT / "saved_models/dates/1"
    card = json.loads((folder / "model_card.json").read_text(encoding="utf-8"))
    readme = (folder / "README.md").read_text(encoding="utf-8")
    page = generated_pages.signatures_page(readme)
    for name, signature in card["signatures"].items():
        text = page.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
        for tensor in [*signature["inputs"], *signature["outputs"]]:
            assert f"`{tensor}`" in text


def test_docstrings_become_markdown():
    assert (
        to_markdown(
            "Adds.\n\nCall arguments:\n    a: A tensor of\n        shape `(2,)`.\n"
            "    b: Likewise.\n\nExample: two.\n\n>>> add(\n...     1, 2)\n3\n\n"
            "Two of:\n- one\n- two\n\nReference:\n    [A](b).\n"
        )
        == "Adds.\n\n**Call arguments**\n\n- `a`: A tensor of shape `(2,)`.\n"
        "- `b`: Likewise.\n\n**Example:** two.\n\n```pycon\n>>> add(\n"
        "...     1, 2)\n3\n```\n\nTwo of:\n\n- one\n- two\n\n**Reference**\n\n[A](b).\n"
    )


def test_links_of_the_repository_become_links_of_the_site():
    def converted(link, path):
        return repository_pages.with_site_links(f"[a]({link})", path)[4:-1]

    assert converted("docs/serving.md", "README.md") == "serving.md"
    assert (
        converted("../README.md#ten-lines", "docs/serving.md") == "index.md#ten-lines"
    )
    assert converted("../benchmarks/README.md", "docs/speed.md") == "benchmarks.md"
    assert converted("results/growth.png", "benchmarks/README.md") == (
        "benchmarks/results/growth.png"
    )
    assert converted("dates/1/README.md", "saved_models/README.md") == "model_card.md"
    assert converted("#speed", "docs/speed.md") == "#speed"
    assert converted("https://keras.io", "docs/speed.md") == "https://keras.io"
    code = "`[a](../README.md)`"
    assert repository_pages.with_site_links(code, "docs/speed.md") == code


PNG = b"\x89PNG, say"
NOTEBOOK = {
    "cells": [
        {
            "cell_type": "markdown",
            "id": "cell-0",
            "metadata": {},
            "source": "# Title\n\nSee [masks](../masks.md) and [Keras](https://keras.io).",
        },
        {
            "cell_type": "code",
            "execution_count": 1,
            "id": "cell-1",
            "metadata": {"alt": "A picture"},
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": "```\n"},
                {
                    "output_type": "display_data",
                    "metadata": {},
                    "data": {
                        "text/plain": "<Figure>",
                        "image/png": base64.b64encode(PNG).decode(),
                    },
                },
            ],
            "source": "print('```')\nfigure",
        },
        {
            "cell_type": "code",
            "execution_count": 2,
            "id": "cell-2",
            "metadata": {"tags": ["check"]},
            "outputs": [],
            "source": "assert True",
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}


def test_a_notebook_becomes_a_page():
    page = notebook_pages.render("own", NOTEBOOK)
    assert page.markdown == (
        "# Title\n\n"
        '[Download this page as a notebook](own.ipynb){ download="own.ipynb" }\n\n'
        "See [masks](../masks.md) and [Keras](https://keras.io).\n\n"
        "````python\nprint('```')\nfigure\n````\n\n"
        "````{ .text .output .no-copy }\n```\n````\n\n"
        "[![A picture](own_1.png)](own_1.png)\n"
    )
    assert page.files["own_1.png"] == PNG
    cells = json.loads(page.files["own.ipynb"])["cells"]
    # The check is left out, and links to pages that are not beside the file.
    assert [cell["source"] for cell in cells] == [
        "# Title\n\nSee masks and [Keras](https://keras.io).",
        "print('```')\nfigure",
    ]
    assert NOTEBOOK["cells"][0]["source"].count("](") == 2  # it is not changed


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorials_have_described_pictures_and_no_outputs(path):
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert blocks(path, "text") == []
    cells = re.findall(r"^```python(.*)\n(.*?)^```$", text, re.M | re.S)
    for marks, cell in cells:
        draws = re.search(r"(?:plots\.\w+|legend)\(.*\);?\n\Z", cell, re.S)
        assert not draws or "plots.save" in cell or 'alt="' in marks, cell


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import sys\nprint('odd', file=sys.stderr)", "nothing on standard error"),
        ("object()", "a value that can be read, or none"),
        ("import os\nos._exit(3)", "died"),
    ],
)
def test_a_cell_that_fails_is_an_error(cell, message):
    tutorials = pytest.importorskip(
        "tutorials", reason="the extra `docs` is not installed", exc_type=ImportError
    )
    text = f"# Title\n\n```python\n{cell}\n```\n"
    with pytest.raises(tutorials.TutorialError, match=message):
        tutorials.run_tutorial("own", text)
