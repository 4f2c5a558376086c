"""Packaging: dependencies, extras, and the versions that are tested."""

import ast
import collections
import configparser
import functools
import importlib
import re
import sys
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import kseq2seq
from kseq2seq import Search
from kseq2seq.utils import EXTRAS
from large_extras import LARGE_EXTRAS, skip_without_extra
from paths import ROOT
from translators import tiny_translator

PACKAGE = ROOT / "kseq2seq"
CHECKS = ("check_installed", "is_installed")
# Modules that are imported by one that calls them.
BEHIND_A_CHECK = {
    "export/warmup.py": "warmup",  # `export/saved_model.py` asks first
    "beam/model_handler.py": "beam",  # `beam/__init__.py` does
    "beam/transform.py": "beam",
    "serve/app.py": "serve",  # `serve/__init__.py` does
    "serve/server.py": "serve",
}


def requirements(text):
    lines = [line.strip() for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def read_setup():
    """Requirements of the package itself, under "", and of each extra."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    groups = {"": requirements(config["options"]["install_requires"])}
    for extra, text in config["options.extras_require"].items():
        groups[extra] = requirements(text)
    return groups


GROUPS = read_setup()


def names(group):
    return {canonicalize_name(requirement.name) for requirement in GROUPS[group]}


@functools.cache
def all_distributions():
    """Of each module that is installed, read once from the files of all packages.

    `packages_distributions` of Python 3.10 reads of most packages nothing.
    """
    owners = collections.defaultdict(set)
    for distribution in metadata.distributions():
        for file in distribution.files or []:
            module = file.parts[0].partition(".")[0]
            owners[module].add(distribution.metadata["Name"])
    return owners


def distributions(module):
    return {canonicalize_name(name) for name in all_distributions()[module]}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_its_modules(extra):
    skip_without_extra(f"kseq2seq.{extra}")
    for module in EXTRAS[extra]:
        assert distributions(module) & names(extra), module


def test_all_and_dev_hold_every_extra_with_an_error_of_its_own():
    for extra in {*EXTRAS} - {*LARGE_EXTRAS}:
        assert names(extra) <= names("all") <= names("dev")
    for extra in LARGE_EXTRAS:
        assert names(extra) and not names(extra) & names("dev")


def imported_modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]


def checked_extras(tree):
    """Extras that a module asks for by `check_installed` or `is_installed`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CHECKS:
            yield from (x.value for x in node.args if isinstance(x, ast.Constant))


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda x: str(x.relative_to(PACKAGE))
)
def test_every_import_is_a_dependency_or_checked(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    name = path.relative_to(PACKAGE).as_posix()
    if name in BEHIND_A_CHECK:
        skip_without_extra(f"kseq2seq.{BEHIND_A_CHECK[name]}")
    allowed = names("").union(*(names(extra) for extra in checked_extras(tree)))
    if name in BEHIND_A_CHECK:
        allowed |= names(BEHIND_A_CHECK[name])
    # What Flask brings: it is Flask's own server and errors.
    if "flask" in allowed:
        allowed.add("werkzeug")
    for module in {*imported_modules(tree)} - {"kseq2seq", *sys.stdlib_module_names}:
        # Of Python 3.10, and of later ones; of TensorFlow; backends of Keras, asked for
        # by their names.
        if module in ("tomli", "tomllib", "google", "jax", "torch"):
            continue
        assert distributions(module) & allowed, f"{name} imports {module}"


def constraints():
    versions = {}
    for requirement in requirements((ROOT / "constraints.txt").read_text("utf-8")):
        for python in ("3.10", "3.11", "3.12", "3.13"):
            marker = requirement.marker
            if marker is None or marker.evaluate({"python_version": python}):
                (pin,) = requirement.specifier
                versions[canonicalize_name(requirement.name), python] = pin.version
    return versions


@pytest.mark.parametrize("group", GROUPS)
def test_tested_versions_are_allowed(group):
    pins = constraints()
    if group in ("gpu", "benchmarks", *LARGE_EXTRAS):
        pytest.skip("left to TensorFlow, to PyTorch and to Beam")
    for requirement in GROUPS[group]:
        for python in ("3.10", "3.11", "3.12", "3.13"):
            marker = requirement.marker
            if group == "docs" and python == "3.10":
                continue
            if marker is None or marker.evaluate({"python_version": python}):
                pin = pins[canonicalize_name(requirement.name), python]
                assert pin in requirement.specifier, requirement


def test_every_file_of_the_package_is_in_the_wheel():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = {PACKAGE / "py.typed"}
    for package, patterns in config["options.package_data"].items():
        folder = ROOT.joinpath(*package.split("."))
        listed.update(path for x in patterns.split() for path in folder.glob(x))
    files = {path for path in PACKAGE.rglob("*") if path.is_file()}
    others = {path for path in files if path.suffix not in (".py", ".pyc")}
    assert others == listed


def test_there_is_a_licence():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text and "Copyright The kseq2seq authors" in text


def test_the_changelog_has_the_version():
    released = re.match(r"[\d.]+\d", kseq2seq.__version__).group()
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(released)}\b", text, re.M)


def test_an_export_without_the_extra_has_no_warmup_and_says_so(
    tmp_path, monkeypatch, export_only, caplog
):
    export_only("serving_default")
    translator = tiny_translator()
    with monkeypatch.context() as patch:
        patch.setitem(EXTRAS, "warmup", ("no_such_module",))
        version = translator.export(tmp_path / "model", Search(max_length=3))
    assert (version / "saved_model.pb").is_file()
    assert not (version / "assets.extra" / "tf_serving_warmup_requests").exists()
    (message,) = [x.getMessage() for x in caplog.records if x.name == "kseq2seq"]
    assert message.startswith(f"{version}: written without warm-up requests")
    assert 'pip install "kseq2seq[warmup]"' in message
    caplog.clear()
    version = translator.export(tmp_path / "model", Search(max_length=3))
    assert (version / "assets.extra" / "tf_serving_warmup_requests").is_file()
    assert not [x for x in caplog.records if x.name == "kseq2seq"]


@pytest.mark.parametrize("extra", ["beam", "serve"])
def test_a_package_names_its_extra(extra, monkeypatch):
    monkeypatch.setitem(EXTRAS, extra, ("no_such_module",))
    monkeypatch.delitem(sys.modules, f"kseq2seq.{extra}", raising=False)
    with pytest.raises(ValueError, match=rf'pip install "kseq2seq\[{extra}\]"'):
        importlib.import_module(f"kseq2seq.{extra}")
