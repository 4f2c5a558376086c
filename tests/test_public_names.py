"""The names of `kseq2seq` itself: loaded at first use, and seen by editors."""

import ast
from pathlib import Path

import pytest

import kseq2seq
from paths import ROOT

TREE = ast.parse(Path(kseq2seq.__file__).read_text(encoding="utf-8"))


def imports_for_type_checkers():
    """Dict from each name imported under `if TYPE_CHECKING` to its module."""
    (block,) = (
        node
        for node in TREE.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_see_each_public_name_once():
    modules = imports_for_type_checkers()
    assert {*modules, "__version__"} == {*kseq2seq.__all__}
    homes = {name: f"kseq2seq.{home}" for name, home in kseq2seq._HOMES.items()}
    assert modules == {name: homes.get(name, "kseq2seq") for name in modules}


@pytest.mark.parametrize("name", imports_for_type_checkers())
def test_public_names_exist(name):
    assert getattr(kseq2seq, name) is getattr(kseq2seq, name)
    assert name in dir(kseq2seq)


def test_a_star_import_brings_the_public_names():
    namespace = {}
    exec("from kseq2seq import *", namespace)
    assert {*kseq2seq.__all__} <= {*namespace}


def test_annotations_are_part_of_the_package():
    assert Path(kseq2seq.__file__).with_name("py.typed").is_file()
    assert "kseq2seq = py.typed" in (ROOT / "setup.cfg").read_text(encoding="utf-8")
