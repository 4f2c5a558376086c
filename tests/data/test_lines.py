import gzip
import zipfile

import pytest

from kseq2seq import data
from packed import write


def damaged(tmp_path):
    """Files that cannot be read, each with what the error says."""
    long = b"".join(b"line %d of many\n" % n for n in range(9973))
    packed = gzip.compress(long)
    zipped = write(tmp_path / "whole.zip", long).read_bytes()
    member = zipped.index(b"fra-eng/fra.txt") + 15
    broken = bytearray(zipped)
    broken[member + 50 : member + 60] = b"0123456789"
    return {
        "empty.txt": (b"", "empty.txt: .*Received: an empty file"),
        "empty.gz": (b"", "empty.gz: .*Received: an empty file"),
        "latin1.txt": ("a\nb\nné\n".encode("latin1"), "latin1.txt:3: not valid UTF-8.*"
                       "byte 0xe9 at offset 1"),
        "utf16.txt": ("ab\n".encode("utf16"), "utf16.txt:1: not valid UTF-8.*iconv"),
        "cut.gz": (packed[: len(packed) // 2], r"cut.gz:\d+: cannot be read"),
        "not.gz": (b"a\nb\n", "not.gz:1: cannot be read"),
        "bits.gz": (packed[:500] + b"\0\1\2\3" + packed[504:], r"bits.gz:\d+: cannot"),
        "cut.zip": (zipped[: len(zipped) // 2], "cut.zip:1: cannot be read"),
        "not.zip": (b"a\tb\n", "not.zip:1: cannot be read"),
        "bits.zip": (bytes(broken), r"bits.zip:\d+: cannot be read"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "empty.txt", "empty.gz", "latin1.txt", "utf16.txt", "cut.gz", "not.gz",
        "bits.gz", "cut.zip", "not.zip", "bits.zip",
    ],
)  # fmt: skip
def test_damaged_files(tmp_path, name):
    content, message = damaged(tmp_path)[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(data.DataError, match=message) as error:
        data.read_tsv(tmp_path / name)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(data.DataError, match="nowhere.txt: no such file"):
        data.read_tsv(tmp_path / "nowhere.txt")
    with pytest.raises(data.DataError, match="cannot be read.*directory"):
        data.read_parallel(tmp_path, tmp_path)


def test_zip_must_hold_one_text(tmp_path):
    for names in (["a.txt", "b.tsv"], ["_about.txt", "c.pdf"]):
        with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "a\tb\n")
        with pytest.raises(data.DataError, match=r"many\.zip: expected one file"):
            data.read_tsv(tmp_path / "many.zip")
