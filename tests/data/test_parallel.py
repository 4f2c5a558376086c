import gzip

import pytest

from kseq2seq import data
from packed import write


@pytest.mark.parametrize("suffix", [".txt", ".gz", ".zip"])
def test_read_parallel(tmp_path, suffix):
    source = write(tmp_path / f"source{suffix}", "a b\n \u2028c\u0085d\n  e \n")
    target = write(tmp_path / f"target{suffix}", "\ufeffÄ\r\nß\rs\r\n日\x0b\x0c本")
    assert data.read_parallel(source, target) == [
        ("a b", "Ä"), (" \u2028c\u0085d", "ß\rs"), ("  e ", "日\x0b\x0c本")
    ]  # fmt: skip


def test_packed_files_are_known_by_their_content(tmp_path):
    path = tmp_path / "train.en"
    path.write_bytes(gzip.compress(b"a\n"))
    assert data.read_parallel(str(path), path) == [("a", "a")]


def test_different_line_counts(tmp_path):
    source = write(tmp_path / "train.en", "a\nb\nc\n")
    target = write(tmp_path / "train.de", "a\nb\n")
    message = r"train\.en with 3 and .*train\.de with 2 lines; from line 3 on"
    with pytest.raises(data.DataError, match=message):
        data.read_parallel(source, target)
