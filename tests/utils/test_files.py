import errno
import os
import resource
from pathlib import Path

import pytest

from kseq2seq.utils import (
    atomic_folder,
    atomic_path,
    atomic_write,
    write_bytes,
    write_text,
)


def test_the_former_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("before")
    with atomic_path(path) as beside:
        assert beside.parent == tmp_path and beside.suffix == ".txt"
        beside.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_former_file_alone(tmp_path, error):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(error), atomic_write(path) as file:
        file.write("half")
        raise error
    with pytest.raises(error), atomic_path(path) as beside:
        beside.write_text("half")
        raise error
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_writes_follow_links_and_spare_what_is_no_file(tmp_path):
    (tmp_path / "file").write_text("before")
    (tmp_path / "link").symlink_to("file")
    with atomic_write(tmp_path / "link") as file:
        file.write("after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "after"
    os.mkfifo(tmp_path / "pipe")
    # Opened for both, it needs no other process at its other end.
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    with atomic_write(tmp_path / "pipe") as file:
        file.write("through")
    assert os.read(pipe, 99) == b"through"
    os.close(pipe)
    assert (tmp_path / "pipe").is_fifo()


def test_a_folder_is_replaced_where_that_is_asked_for(tmp_path):
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "former.txt").touch()
    with pytest.raises(FileExistsError, match="empty folder.*: a folder with files"):
        atomic_folder(folder).__enter__()
    with pytest.raises(KeyError), atomic_folder(folder, replace=True) as beside:
        raise KeyError
    assert (folder / "former.txt").exists()
    with atomic_folder(folder, replace=True) as beside:
        (beside / "new.txt").touch()
    assert [x.name for x in tmp_path.rglob("*")] == ["one", "new.txt"]


def test_files_are_on_the_disk_before_they_take_their_place(tmp_path, monkeypatch):
    synced, own = [], os.fsync

    def fsync(file):
        synced.append(Path(f"/proc/self/fd/{file}").readlink().name)
        own(file)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "one.txt", "A dog.")
    assert synced == [f".one.{os.getpid()}.txt", tmp_path.name]
    synced.clear()
    with atomic_folder(tmp_path / "two") as beside:
        (beside / "inner").mkdir()
        (beside / "inner" / "file").touch()
    assert sorted(synced) == sorted(["inner", "file", "complete", tmp_path.name])


def test_text_is_utf_8_with_the_line_ends_it_has(tmp_path):
    text = "a\r\nb\u2028\u00e9\n"
    write_text(tmp_path / "one", text)
    with atomic_write(tmp_path / "two") as file:
        file.write(text)
    for name in ("one", "two"):
        assert (tmp_path / name).read_bytes() == text.encode("utf-8")


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    path = tmp_path / "none" / "file"
    with (
        pytest.raises(ValueError, match="none/file: cannot be written: No such file"),
        atomic_write(path),
    ):
        pass
    with (
        pytest.raises(ValueError, match="cannot be written: Is a directory. Name ano"),
        atomic_write(tmp_path),
    ):
        pass
    with pytest.raises(FileNotFoundError, match="could not be written.*'.*none/file'"):
        write_bytes(path, b"1")


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="could not be written.*/file'") as raised:
            write_bytes(path, b"1" * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert raised.value.errno == errno.EFBIG
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    path = tmp_path / "nil" / "one.txt"
    with (
        pytest.raises(FileNotFoundError) as error,
        atomic_path(path) as beside,
    ):
        beside.write_text("A dog.")
    assert error.value.filename == str(path)
