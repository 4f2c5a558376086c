import bz2
import codecs
import gzip
import io
import lzma
import os
import tarfile
import threading
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq import data
from packed import write


def damaged(tmp_path):
    """Files that cannot be read, each with what the error says."""
    long = b"".join(b"line %d\tof many\n" % n for n in range(9973))
    packed = gzip.compress(long)
    zipped = write(tmp_path / "whole.zip", long).read_bytes()
    member = zipped.index(b"fra-eng/fra.txt") + 15
    broken = bytearray(zipped)
    broken[member + 50 : member + 60] = b"0123456789"
    return {
        "empty.txt": (b"", "empty.txt: .*Received: an empty file"),
        "empty.gz": (b"", "empty.gz: .*Received: an empty file"),
        "latin1.txt": ("a\tb\nc\td\nné\n".encode("latin1"), "latin1.txt:3: not valid "
                       "UTF-8.*byte 0xe9 at offset 1"),
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
    with pytest.raises(data.DataError, match="expected a file. Received: a folder"):
        data.read_parallel(tmp_path, tmp_path)


def test_a_workbook_is_to_be_saved_as_csv(tmp_path):
    with zipfile.ZipFile(tmp_path / "pairs.xlsx", "w") as archive:
        for name in ("[Content_Types].xml", "xl/workbook.xml"):
            archive.writestr(name, "<a/>")
    with pytest.raises(data.DataError, match="Received: a workbook of Excel. Save"):
        data.read_tsv(tmp_path / "pairs.xlsx")


def test_zip_must_hold_one_text(tmp_path):
    for names in (["a.txt", "b.tsv"], ["_about.txt", "c.pdf"]):
        with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
            for name in names:
                archive.writestr(name, "a\tb\n")
        with pytest.raises(data.DataError, match=r"many\.zip: expected one file"):
            data.read_tsv(tmp_path / "many.zip")


# --- files that are not what they seem ---

PACKERS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("packer", PACKERS)
@pytest.mark.parametrize("named", [True, False])
def test_packed_files(tmp_path, packer, named):
    path = tmp_path / (f"train.en.{packer}" if named else "train.en")
    path.write_bytes(PACKERS[packer]("a dog\nä\n".encode()))
    assert data.read_lines(path) == ["a dog", "ä"]
    path.write_bytes(PACKERS[packer](b"a dog\n" * 999)[:-20])
    with pytest.raises(data.DataError, match=r"train\.en.*cannot be read"):
        data.read_lines(path)
    path.write_bytes(PACKERS[packer](gzip.compress(b"a dog\n")))
    with pytest.raises(data.DataError, match="packed twice. Unpack it"):
        data.read_lines(path)


def tar(names, format_=tarfile.GNU_FORMAT):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=format_) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = 4
            archive.addfile(entry, io.BytesIO(b"One\n"))
    return content.getvalue()


@pytest.mark.parametrize("packer", [None, *PACKERS])
@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("names", [["train.en"], ["train.en", "train.de"]])
def test_tar_archives_are_refused(tmp_path, packer, format_, names):
    content = tar(names, format_)
    path = tmp_path / (f"train.tar.{packer}" if packer else "train.tar")
    path.write_bytes(PACKERS[packer](content) if packer else content)
    for read in (
        lambda: data.read_lines(path),
        lambda: data.read_parallel(path, path),
        lambda: data.read_tsv(path),
    ):
        with pytest.raises(data.DataError, match=r"train\.tar.*a tar archive. Unpack"):
            read()


def test_a_tar_archive_in_a_zip_and_an_empty_zip(tmp_path):
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.txt", tar(["a"]))
    with pytest.raises(data.DataError, match="a tar archive. Unpack"):
        data.read_lines(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("train.en", "a\n")
    with pytest.raises(data.DataError, match=r"expected one file.*Received: train\.en"):
        data.read_lines(path)
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(data.DataError, match="train.zip.*Received: nothing"):
        data.read_lines(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive. Unpack"),
        (b"Rar!\x1a\x07\0", "a RAR archive. Unpack"),
        (b"\x28\xb5\x2f\xfd\0", "packed by zstd. Unpack"),
        (b"\x1f\x9d\x90a", "packed by compress. Unpack"),
        (b"PAR1\x15", "a Parquet file. Read it with pandas"),
        (b"%PDF-1.7\n", "a PDF"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Run git lfs pull"),
        (b"\n<!DOCTYPE HTML>\n<html>", "HTML. Fetch the data"),
        (b"<html>\n", "HTML. Fetch the data"),
        (b"\x7fELF\x02\x01\x01\0", "kind:1: expected text.*NUL at offset 7"),
        (b"SQLite format 3\0", "kind:1: expected text.*NUL at offset 15"),
        (b"a\nb\nc\0d\n", "kind:3: expected text.*NUL at offset 1 of the line"),
    ],
)
def test_other_kinds_of_files_are_refused(tmp_path, content, message):
    path = tmp_path / "kind"
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=message):
        data.read_lines(path)


def test_text_that_begins_as_others_do_is_text(tmp_path):
    path = tmp_path / "text"
    for line in ("BZh", "BZh9", "version https://example.com", "PAR", "PK", "html"):
        path.write_text(line + "\n")
        assert data.read_lines(path) == [line]


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=9), max_size=5),
    st.sampled_from(["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]),
    st.booleans(),
)
def test_no_utf_16_or_32_is_read(lines, codec, marked):
    content = (("\ufeff" * marked) + "A dog.\n" + "\n".join(lines)).encode(codec)
    with pytest.raises(data.DataError, match=r"^input:1: .*[Cc]onvert"):
        list(data.iter_lines(io.BytesIO(content), "input"))


NO_LINE_END = st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff")


@settings(deadline=None)
@given(
    st.lists(st.text(NO_LINE_END, min_size=1, max_size=5), min_size=1, max_size=5),
    st.sampled_from(["\n", "\r\n", "\r\r\n", "\r"]),
    st.booleans(),
)
def test_line_ends(lines, end, is_last_ended):
    text = end.join(lines) + end * is_last_ended
    content = io.BytesIO(text.encode())
    assert list(data.iter_lines(content, "input")) == lines


@settings(deadline=None)
@given(st.lists(st.text(NO_LINE_END, max_size=5), min_size=1, max_size=4), st.data())
def test_byte_order_marks_are_left_out_wherever_files_were_joined(lines, draw):
    marks = draw.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    content = b"".join(
        codecs.BOM_UTF8 * mark + line.encode() + b"\n"
        for mark, line in zip(marks, lines, strict=True)
    )
    assert list(data.iter_lines(io.BytesIO(content), "input")) == lines


def test_byte_order_marks_between_columns(tmp_path):
    path = tmp_path / "pasted.tsv"
    path.write_text("\ufeffGo.\t\ufeffVa !\n\ufeffHi.\tSalut !\n", encoding="utf-8")
    assert data.read_tsv(path) == [("Go.", "Va !"), ("Hi.", "Salut !")]


def test_blank_lines_that_cr_ends_are_lines():
    lines = data.iter_lines(io.BytesIO(b"a\r\rb\r"), "input")
    assert list(lines) == ["a", "", "b"]


def test_cr_inside_lines_is_told(caplog):
    lines = data.iter_lines(io.BytesIO(b"a\nb\rc\nd\n\re\n"), "input")
    assert list(lines) == ["a", "b\rc", "d", "\re"]
    assert "input: CR, inside of 2 lines" in caplog.text
    assert "the first is line 2" in caplog.text


def test_a_pipe_is_read_from_its_beginning(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    content = b"".join(b"line %d\n" % n for n in range(9973))
    for packed in (content, gzip.compress(content)):
        writer = threading.Thread(target=path.write_bytes, args=[packed])
        writer.start()
        assert data.read_lines(path) == content.decode().splitlines()
        writer.join()
