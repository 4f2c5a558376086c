import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kseq2seq.utils import add_numbered_folder, numbered_folders
from paths import ROOT


def test_numbers_go_on_after_the_highest(tmp_path):
    assert numbered_folders(tmp_path / "none") == []
    for name in ("2", "10", "x3", "²"):
        (tmp_path / name).mkdir()
    path = add_numbered_folder(tmp_path, Path.mkdir)
    assert path == tmp_path / "11"
    assert [path.name for path in numbered_folders(tmp_path)] == ["2", "10", "11"]
    # Servers of other users must be able to read it.
    assert path.stat().st_mode == (tmp_path / "2").stat().st_mode


WRITER = """
import sys
from pathlib import Path
from kseq2seq.utils import add_numbered_folder

folder, name = Path(sys.argv[1]), sys.argv[2]

def write(path):
    path.mkdir()
    (path / "content").write_text(name)
    print("written", flush=True)
    sys.stdin.readline()

print(add_numbered_folder(folder, write).name)
"""


def start_writer(folder, name):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, folder, name],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "written\n"
    return process


def test_writers_at_once_get_numbers_of_their_own(tmp_path):
    writers = {name: start_writer(tmp_path, name) for name in "abc"}
    for process in writers.values():
        process.stdin.write("\n")
        process.stdin.flush()
    numbers = {
        name: process.communicate()[0].strip() for name, process in writers.items()
    }
    assert sorted(numbers.values()) == ["1", "2", "3"]
    for name, number in numbers.items():
        assert (tmp_path / number / "content").read_text() == name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "2", "3"]


def test_a_number_taken_meanwhile_is_passed_over(tmp_path, monkeypatch):
    def rename(source, target):
        if target.name == "1":  # another was there first
            target.mkdir()
            (target / "content").touch()
        real_rename(source, target)

    real_rename = os.rename
    monkeypatch.setattr(os, "rename", rename)
    assert add_numbered_folder(tmp_path, Path.mkdir) == tmp_path / "2"
    assert (tmp_path / "1" / "content").exists()


def test_a_killed_writer_leaves_no_numbered_folder(tmp_path):
    process = start_writer(tmp_path, "a")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".") and numbered_folders(tmp_path) == []
    assert add_numbered_folder(tmp_path, Path.mkdir) == tmp_path / "1"


def test_an_error_leaves_nothing(tmp_path):
    def write(path):
        path.mkdir()
        (path / "content").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add_numbered_folder(tmp_path / "new", write)
    assert not list((tmp_path / "new").iterdir())
    with pytest.raises(FileNotFoundError):
        add_numbered_folder(tmp_path / "new", lambda path: None)


def test_an_error_of_the_file_system_is_raised(tmp_path, monkeypatch):
    def rename(source, target):
        raise PermissionError("no")

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(PermissionError):
        add_numbered_folder(tmp_path, Path.mkdir)
    assert not list(tmp_path.iterdir())
