"""Files of frames: what comes back, and what is refused."""

import re

import numpy as np
import pytest

from frame_pairs import check_same, pairs_of_frames
from kseq2seq import data


@pytest.fixture(scope="module", name="pairs")
def pairs_():
    return pairs_of_frames()


def test_files_and_folders(pairs, tmp_path):
    data.write_frames(tmp_path / "a.npz", pairs, "float16")
    check_same(data.read_frames(tmp_path / "a.npz"), pairs, decimal=2)
    data.write_frames(tmp_path / "b", iter(pairs))
    in_file = data.read_frames(tmp_path / "b")
    check_same(in_file, pairs)
    assert all(isinstance(frames, np.memmap) for frames, _ in in_file)


def test_what_is_no_such_file_is_refused(pairs, tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(data.DataError, match="must be what `write_frames` .*No such"):
        data.read_frames(path)
    np.savez(path, frames=np.zeros((3, 2)))
    with pytest.raises(data.DataError, match="Received: .*lengths"):
        data.read_frames(path)
    np.savez(path, frames=np.zeros((3, 2)), lengths=np.array([2]), texts=["a"])
    with pytest.raises(data.DataError, match="sum 2, 1 texts and 3 frames"):
        data.read_frames(path)


@pytest.mark.parametrize(
    ("arrays", "received"),
    [
        ({"lengths": np.array([5, -2])}, "a length of -2"),
        ({"lengths": np.array([3, 0])}, "a length of 0"),
        ({"lengths": np.array([1.5, 1.5])}, r"integers .*float64 of shape \(2,\)"),
        ({"lengths": np.array([[1, 2]])}, r"integers .*int64 of shape \(1, 2\)"),
        ({"texts": np.array([1, 2])}, r"strings .*int64 of shape \(2,\)"),
        ({"frames": np.zeros(3)}, r"numbers .*float64 of shape \(3,\)"),
        ({"frames": np.zeros((3, 2), "bool")}, "numbers .*bool"),
    ],
)
def test_arrays_of_another_kind_are_refused(arrays, received, tmp_path):
    path = tmp_path / "a.npz"
    good = {
        "frames": np.zeros((3, 2)),
        "lengths": np.array([1, 2]),
        "texts": np.array(["a", "b"]),
    }
    np.savez(path, **{**good, **arrays})
    with pytest.raises(data.DataError, match=f"must be what .*{received}"):
        data.read_frames(path)


def test_damaged_files_are_refused(pairs, tmp_path):
    path, folder = tmp_path / "a.npz", tmp_path / "b"
    data.write_frames(path, pairs)
    content = path.read_bytes()
    np.save(tmp_path / "c.npy", np.zeros((3, 2)))
    array = (tmp_path / "c.npy").read_bytes()
    flipped = content[:200] + bytes([content[200] ^ 255]) + content[201:]
    for damaged in (b"", content[:100], flipped, array):
        path.write_bytes(damaged)
        with pytest.raises(data.DataError, match="must be what `write_frames` writes"):
            data.read_frames(path)
    data.write_frames(folder, pairs)
    (folder / "frames.npy").write_bytes(b"")
    with pytest.raises(data.DataError, match="must be what `write_frames` writes"):
        data.read_frames(folder)


@pytest.mark.parametrize(
    ("pairs", "received"),
    [
        ([], "Received: none"),
        ([(np.zeros((2, 3)), "a"), "b"], re.escape("pairs[1] of str")),
        ([(np.zeros(3), "a")], re.escape("frames of shape (3,)")),
        ([(np.zeros((0, 3)), "a")], re.escape("frames of shape (0, 3)")),
        ([(np.zeros((2, 3)), 5)], "and int"),
        ([(np.zeros((2, 3)), "a"), (np.zeros((2, 4)), "a")], re.escape("pairs[1]")),
        (
            [(np.full((2, 3), np.nan), "a")],
            re.escape("NaN or infinite ones in pairs[0]"),
        ),
        ([(np.full((2, 3), 1e39), "a")], re.escape("in pairs[0], as float32")),
        ([(np.array([["x"]]), "a")], re.escape("pairs[0]")),
    ],
)
def test_what_are_no_frames_is_refused(pairs, received):
    with pytest.raises(ValueError, match=f"`pairs` must hold .*{received}"):
        data.as_frame_pairs(pairs)


@pytest.mark.parametrize("name", ["a.npz", "b"])
def test_files_of_a_dtype_without_room_for_a_number_are_refused(name, tmp_path):
    pairs = [(np.ones((2, 3)), "a"), (np.full((2, 3), 1e5), "b")]
    with pytest.raises(ValueError, match=r"too large .* in pairs\[1\], as float16"):
        data.write_frames(tmp_path / name, pairs, "float16")
    with pytest.raises(ValueError, match="`dtype` must be one of float32, float64, fl"):
        data.write_frames(tmp_path / name, pairs, "int8")
    assert not (tmp_path / name).exists()


def test_missing_values_ragged_rows_and_nul_are_refused(tmp_path):
    masked = np.ma.masked_equal(np.array([[1.0, 9.0], [2.0, 3.0]]), 9.0)
    ragged = [[1.0, 2.0], [3.0]]
    for frames, match in ((masked, "Received: 1 of 4"), (ragged, "the same length")):
        with pytest.raises(ValueError, match=rf"`pairs\[1\]` must .*{match}"):
            data.write_frames(
                tmp_path / "a.npz", [(np.ones((3, 2)), "a"), (frames, "b")]
            )
    with pytest.raises(ValueError, match=r"without NUL.*pairs\[0\] with 'a\\x00'"):
        data.write_frames(tmp_path / "a.npz", [(np.ones((3, 2)), "a\0")])
    assert not [*tmp_path.iterdir()]
