"""Run folders that a training holds, in this process and in another."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from kseq2seq import runs
from kseq2seq.runs import locks

OTHER = """
import sys
from kseq2seq import runs
runs.hold(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held(folder):
    """Another process holds the folder, until it is killed."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield
        process.kill()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_folder_is_held_until_its_process_ends(tmp_path):
    with held(tmp_path):
        for check in (runs.hold, runs.check_is_free):
            with pytest.raises(ValueError, match=f"trains in {tmp_path}: wait until"):
                check(tmp_path)
    runs.check_is_free(tmp_path)
    assert list(tmp_path.iterdir()) == []
    runs.check_is_free(tmp_path / "absent")
    runs.release(tmp_path / "absent")


def test_a_folder_that_was_let_go_of_is_free(tmp_path):
    files = open_files()
    runs.hold(tmp_path)
    runs.hold(tmp_path)  # by a second training, one after the other
    runs.release(tmp_path)
    runs.release(tmp_path)
    assert open_files() == files
    with held(tmp_path):
        pass


def test_without_locks_nothing_is_held(tmp_path, monkeypatch):
    def flock(file, flags):
        raise OSError("no locks")

    with held(tmp_path):
        files = open_files()
        monkeypatch.setattr(locks.fcntl, "flock", flock)
        runs.hold(tmp_path)
        monkeypatch.setattr(locks, "fcntl", None)
        runs.hold(tmp_path)
        assert open_files() == files
