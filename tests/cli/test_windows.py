"""Windows of lines."""

import argparse
import os
import threading

import pytest

from kseq2seq.cli import windows
from kseq2seq.data import DataError


def test_windows_are_bounded_by_lines_and_characters():
    lines = ["a" * n for n in (1, 2, 3, 5, 2, 11, 0, 1)]
    actual = [*windows.windows_of_lines(lines, 3, 7)]
    assert [line for window in actual for line in window.lines] == lines
    assert [(x.first, len(x.lines)) for x in actual] == [(1, 3), (4, 2), (6, 1), (7, 2)]
    assert str(actual[1]) == "lines 4 to 5"


def test_a_file_is_looked_through_before(tmp_path, caplog):
    path = tmp_path / "in.txt"
    path.write_bytes(b"a\nb\rc\nd\n" * 3)
    actual, total = windows.read_windows(str(path))
    assert total == 9
    assert [x.lines for x in actual] == [["a", "b\rc", "d"] * 3]
    assert caplog.text.count("CR, inside of 3 lines") == 1
    path.write_bytes(b"a\n" * 3000 + b"\xff\n")
    with pytest.raises(DataError, match="in.txt:3001: not valid UTF-8"):
        windows.read_windows(str(path))
    with pytest.raises(DataError, match="nowhere: no such file"):
        windows.read_windows(str(tmp_path / "nowhere"))


def test_features_of_a_file_are_looked_for_before(tmp_path):
    path = tmp_path / "in.tsv"
    path.write_text("a\tV\n\n" * 1500 + "b\n")
    options = argparse.Namespace(input=str(path), features=1)
    check = windows.features_check(options)
    with pytest.raises(ValueError, match=r"in.tsv:3001: expected at least 2 columns"):
        windows.read_windows(str(path), check)
    assert windows.features_check(argparse.Namespace(features=None)) is None


def test_a_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_text, args=["a\nb\n"])
    thread.start()
    actual, total = windows.read_windows(str(path))
    assert total is None
    assert [x.lines for x in actual] == [["a", "b"]]
    thread.join()
