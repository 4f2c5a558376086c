"""README and docs: their Python runs as it stands, and commands and links exist."""

import ast
import functools
import re
import shlex
import shutil
import subprocess
from itertools import chain
from unittest.mock import patch

import pytest

from kseq2seq import Translator, data
from kseq2seq.cli import make_parser
from kseq2seq.layers import MECHANISMS
from kseq2seq.trainer import read_settings, read_sweep
from large_extras import skip_without_extra
from pages import OTHERS, PAGES, TUTORIALS, anchors, blocks, links, run
from paths import ROOT

README = ROOT / "README.md"
SETUP = (ROOT / "setup.cfg").read_text(encoding="utf-8").partition("extras_require")[2]
EXTRAS = {*re.findall(r"^(\w+) =$", SETUP, re.M)}
# `tests/tfa/test_migration_page.py` runs these with the files that they read.
OWN_TEST = ROOT / "docs" / "migration_tfa.md"
# `docs/tools` generates these; `tests/test_site.py` looks into them.
GENERATED = ROOT / "docs" / "reference"
REFERENCE = ("commands.md", "settings.md", "signatures.md")
PYTHON = [
    pytest.param(path, number, id=f"{path.stem}-{number}")
    for path in PAGES
    if path != OWN_TEST
    for number, _ in enumerate(blocks(path, "python"))
]


FROM_PRESET, LOAD, DATES = Translator.from_preset, Translator.load, data.dates
# Which blocks share, with the graphs of their searches: none of them changes a model
# that it loads.
shared_preset = functools.cache(FROM_PRESET)
shared_model = functools.cache(LOAD)


def from_preset(name, **options):
    if name == "dates" and not options:
        return shared_preset(name)
    return FROM_PRESET(name, **options)


def load(path, **options):
    if path == "saved_models/dates" and not options:
        return shared_model(ROOT / path)
    return LOAD(path, **options)


def dates(count, **options):
    return DATES(min(count, 400), **options)


@pytest.mark.parametrize(("path", "number"), PYTHON)
def test_python_blocks_run_alone(
    path, number, tmp_path, monkeypatch, export_only, capsys
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "saved_models" / "dates", "saved_models/dates")
    block = blocks(path, "python")[number]
    skip_without_extra(block)
    monkeypatch.setattr(Translator, "from_preset", staticmethod(from_preset))
    monkeypatch.setattr(Translator, "load", staticmethod(load))
    monkeypatch.setattr(data, "dates", dates)
    if "signatures" not in block:
        export_only("serving_default")
    with patch.dict(MECHANISMS):  # one page adds to it
        run(path, block)
    output = capsys.readouterr().out
    # What a comment says that a line prints, it prints.
    for line in re.findall(r"^print\(.*\)  # (.*)$", block, re.M):
        assert line.partition(":")[0] in output


def test_the_readme_shows_what_matters():
    ten_lines, model, served = blocks(README, "python")
    assert "fit(" in ten_lines and "export(" in ten_lines
    assert run(README, model)["alignment_model"].output_shape == (None, None, None)
    assert "Translator.load(" in served
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 250


EVERY_PAGE = pytest.mark.parametrize(
    "path",
    [*PAGES, *TUTORIALS, *OTHERS],
    ids=lambda path: str(path.relative_to(ROOT)),
)


TOML = [
    pytest.param(block, id=f"{path.stem}-{number}")
    for path in PAGES
    for number, block in enumerate(blocks(path, "toml"))
]


@pytest.mark.parametrize("block", TOML)
def test_settings_are_valid(block, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(block, encoding="utf-8")
    if "[sweep" in block:
        assert read_sweep(path)
    else:
        read_settings(path)


def commands():
    """The words of every call of `kseq2seq`, without what the shell does."""
    for path in [*PAGES, *TUTORIALS, *OTHERS]:
        text = "\n".join(blocks(path, "console")).replace("\\\n", " ")
        for call in re.findall(r"(?:\$|\|) kseq2seq ([^<|>\n]*)", text):
            yield pytest.param(shlex.split(call), id=f"{path.stem}: {call.strip()}")


@pytest.mark.parametrize("words", commands())
def test_commands_are_known(words):
    options = make_parser().parse_args(words)
    assert options.verb == words[0]


def shell_commands(path):
    """The commands of a page, with continued lines joined."""
    for block in blocks(path, "console"):
        yield from re.findall(r"^\$ (.*(?:\n(?!\$ ).*)*)", block, re.M)


@EVERY_PAGE
def test_shell_blocks_are_commands(path):
    everything = [*shell_commands(path)]
    text = "\n".join(everything)
    # Each block begins with a command, and no line of it is lost.
    assert all(block.startswith("$ ") for block in blocks(path, "console"))
    parsed = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True)
    assert (parsed.returncode, parsed.stderr) == (0, ""), text
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in everything:
        for target in re.findall(r"^make (\w+)", command):
            assert re.search(rf"^{target}:", makefile, re.M), command
        for extras in re.findall(r"kseq2seq\[([\w,]+)\]", command):
            assert {*extras.split(",")} <= EXTRAS, command
        for name in re.findall(r"(?:python|\$ )[ ]?((?!-)[\w./]+\.(?:py|sh))", command):
            assert (ROOT / name).is_file(), command


def test_pages_have_no_code_that_no_test_knows():
    tested = {"python", "python tfa", "console", "toml", "text"}
    for path in [*PAGES, *OTHERS]:
        text = path.read_text(encoding="utf-8")
        fences = re.findall(r"^ *```(.*)$", text, re.M)
        assert {*fences[::2]} <= tested and {*fences[1::2]} <= {""}, path
        # The language has the whole line, or a block would not be found.
        assert not re.search(r"^ +```|^~~~", text, re.M), path


@EVERY_PAGE
def test_links_lead_somewhere(path):
    for target, anchor in links(path):
        if target.parent == GENERATED:
            assert target.name in REFERENCE, target
            continue
        assert target.exists(), target
        assert not anchor or anchor in anchors(target), f"{target.name}#{anchor}"


def test_every_page_is_reached_from_the_readme():
    reached = {target for target, _ in links(README)}
    assert {*PAGES[1:], *TUTORIALS, *OTHERS} <= reached


def test_scripts_named_in_the_pages_exist():
    for path in {*PAGES, *TUTORIALS, *OTHERS} - {ROOT / "CHANGELOG.md"}:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(
            r"\b(?:benchmarks|examples|tests|training)/[\w/]+\.(?:py|sh|toml|json|txt)\b",
            text,
        ):
            assert (ROOT / name).is_file(), f"{path.name}: {name}"


def test_the_architecture_page_has_the_floors():
    source = (ROOT / "tests" / "test_architecture.py").read_text(encoding="utf-8")
    floors = ast.literal_eval(
        re.search(r"^FLOORS = (\[.*?^\])", source, re.M | re.S)[1]
    )
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", page, re.M)
    shown = {int(number): {*re.findall(r"`(\w+)`", names)} for number, names in rows}
    assert shown == {n: x for n, x in enumerate(floors) if x != {"__main__"}}
    named = {*re.findall(r"^\| `kseq2seq\.(\w+)` \|", page, re.M)}
    assert named == {*chain(*shown.values())}
