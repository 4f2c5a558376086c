"""Provenance: commit, versions, command and seed."""

import re
import subprocess

import pytest
import tensorflow as tf

import kseq2seq
from kseq2seq.runs import provenance


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with one committed file, `a.py`."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@b.c")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "a.py").write_text("a = 1\n")
    for command in ("init", "add a.py", "commit -m one"):
        subprocess.run(
            ["git", *command.split()], cwd=folder, check=True, capture_output=True
        )
    return folder


def test_the_commit_is_that_of_the_repository_which_has_the_file(
    repository, monkeypatch, tmp_path
):
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True
    ).stdout.strip()
    assert len(head) == 40
    # As within a hook of another repository.
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other"))
    file = repository / "a.py"
    assert provenance.git_state(file) == {"commit": head, "changed": False}
    (repository / "b.py").touch()
    assert provenance.git_state(file)["changed"] is False
    file.write_text("a = 2\n")
    assert provenance.git_state(file) == {"commit": head, "changed": True}
    # As a package that lies in an environment within somebody's repository.
    assert provenance.git_state(repository / "b.py") is None


def test_without_a_repository_or_git_there_is_no_commit(tmp_path, monkeypatch):
    (tmp_path / "a.py").touch()
    assert provenance.git_state(tmp_path / "a.py") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state() is None


def test_versions_are_those_that_are_installed():
    actual = provenance.package_versions()
    assert actual["kseq2seq"] == kseq2seq.__version__
    assert actual["tensorflow"] == tf.__version__
    assert re.fullmatch(r"3\.\d+\.\d+.*", actual["python"])
    assert set(actual) >= {"keras", "tensorflow-text", "sentencepiece", "numpy"}


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    assert list(provenance.package_versions()) == ["python", "kseq2seq", "numpy"]


def test_a_provenance_has_all_that_repeats_a_computation():
    actual = provenance.provenance_of("kseq2seq train dates", seed=7)
    assert actual["command"] == "kseq2seq train dates" and actual["seed"] == 7
    assert actual["versions"] == provenance.package_versions()
    assert actual["code"] == provenance.git_state()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", actual["date"])
    without = provenance.provenance_of()
    assert without["command"] is without["seed"] is None
