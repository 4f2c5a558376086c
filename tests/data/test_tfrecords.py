"""Frames in TFRecord files, against records written by hand."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import data

PAIRS = [
    (np.random.default_rng(n).normal(size=(n, 3)).astype("float32"), text)
    for n, text in ((5, "один"), (2, ""), (7, "two\n"))
]


def example(**features):
    kinds = {float: "float_list", int: "int64_list", bytes: "bytes_list"}
    made = {
        name: tf.train.Feature(**{kinds[type(values[0])]: {"value": values}})
        for name, values in features.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=made))


def write(path, *examples):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in examples:
            writer.write(content.SerializeToString())


@pytest.mark.parametrize("name", ["a.tfrecord", "a.tfrecord.gz"])
def test_what_is_written_is_read(tmp_path, name):
    data.write_tfrecords(tmp_path / name, iter(PAIRS))
    read = data.read_tfrecords(tmp_path / name)
    assert [text for _, text in read] == [text for _, text in PAIRS]
    for (ours, _), (theirs, _) in zip(read, PAIRS, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    packed = (tmp_path / name).read_bytes().startswith(b"\x1f\x8b")
    assert packed == name.endswith(".gz")


def test_records_of_others_are_read(tmp_path):
    path = tmp_path / "a"
    write(path, example(frames=[1.0, 2.0, 3.0, 4.0], frame_size=[2], text=[b"ab"]))
    ((frames, text),) = data.read_tfrecords(path)
    assert (frames.tolist(), text) == ([[1, 2], [3, 4]], "ab")


@pytest.mark.parametrize(
    ("features", "match"),
    [
        ({"frames": [1.0], "text": [b"a"]}, "frame_size"),
        ({"frames": [1.0], "frame_size": [2], "text": [b"a"]}, "cannot reshape"),
        ({"frames": [1.0], "frame_size": [1], "text": [b"\xff"]}, "can't decode"),
    ],
)
def test_a_record_of_another_kind_is_named(tmp_path, features, match):
    path = tmp_path / "a"
    write(path, example(frames=[1.0], frame_size=[1], text=[b"a"]), example(**features))
    with pytest.raises(data.DataError, match=f"(?s)record 1 .counted from 0.*{match}"):
        data.read_tfrecords(path)


@pytest.mark.parametrize(
    ("features", "match"),
    [
        ({"frames": [np.nan], "frame_size": [1]}, r"finite.*pairs\[1\]"),
        ({"frames": [1.0, 2.0], "frame_size": [2]}, r"pairs\[1\].*\(1, 2\)"),
    ],
    ids=["not finite", "of another size"],
)
def test_frames_that_do_not_fit_are_named(tmp_path, features, match):
    path, good = tmp_path / "a", example(frames=[1.0], frame_size=[1], text=[b"a"])
    write(path, good, example(**features, text=[b"b"]), good)
    with pytest.raises(data.DataError, match=f"(?s){path}: .*{match}") as error:
        data.read_tfrecords(path)
    assert "record 3" not in str(error.value)


def test_a_file_that_holds_no_records(tmp_path):
    (tmp_path / "a").write_bytes(b"no records")
    (tmp_path / "empty").touch()
    for name in ("a", "empty", "absent"):
        with pytest.raises(data.DataError, match="expected records .*record 0"):
            data.read_tfrecords(tmp_path / name)


def test_frames_on_the_disk_must_be_finite(tmp_path):
    """Frames in memory are looked at before; those of a memmap when they are read."""
    frames = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "float32", (5, 3))
    frames[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"finite.*infinite ones in pairs\[1\]"):
        data.write_tfrecords(tmp_path / "a.tfrecord", [PAIRS[0], (frames, "b")])
    assert not (tmp_path / "a.tfrecord").exists()


def test_a_folder_that_is_not_there_is_told_with_the_name_of_the_file(tmp_path):
    path = tmp_path / "no" / "a.tfrecord"
    with pytest.raises(FileNotFoundError) as error:
        data.write_tfrecords(path, [(np.zeros((2, 3)), "a")])
    assert error.value.filename == str(path)
