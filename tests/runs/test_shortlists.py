"""The shortlist of a run folder."""

import numpy as np
import pytest

from kseq2seq import runs
from kseq2seq.runs import Shortlist


def test_a_shortlist_is_loaded_as_it_was_saved(tmp_path):
    assert runs.load_shortlist(tmp_path) is None
    table = np.arange(15, dtype="int32").reshape(5, 3)
    saved = Shortlist(table, np.array([4, 6], "int32"))
    runs.save_shortlist(tmp_path, saved)
    for a, b in zip(runs.load_shortlist(tmp_path), saved, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)
    runs.clear(tmp_path)
    assert not [*tmp_path.iterdir()]
    runs.save_shortlist(tmp_path, saved)
    runs.save_shortlist(tmp_path, None)
    assert not [*tmp_path.iterdir()]


def test_a_damaged_shortlist_is_refused(tmp_path):
    path = tmp_path / runs.SHORTLIST_FILE
    np.savez(path, table=np.zeros((2, 2), "int32"))
    whole = path.read_bytes()
    np.save(tmp_path / "one.npy", np.zeros((2, 2)))
    single = (tmp_path / "one.npy").read_bytes()
    for content in (whole, whole[:50], b"", b"text", single):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="must hold a shortlist, .*write it again"):
            runs.load_shortlist(tmp_path)


@pytest.mark.parametrize("other", ["runs/a/shortlist.npz", (np.eye(5), [4])])
def test_what_is_no_shortlist_is_refused(other, tmp_path):
    match = r"(?s)`shortlist` must be `None` or a .*load_shortlist\(folder\).* of type "
    with pytest.raises(ValueError, match=match):
        runs.check_shortlist(other, 5, 7)
    with pytest.raises(ValueError, match=match):
        runs.save_shortlist(tmp_path, other)


@pytest.mark.parametrize("sizes", [(4, 7), (5, 6), (6, 9)])
def test_a_shortlist_of_other_vocabularies_is_refused(sizes):
    shortlist = Shortlist(np.full((5, 2), 4), np.array([6]))
    runs.check_shortlist(shortlist, 5, 7)
    with pytest.raises(ValueError, match="by 'kseq2seq shortlist RUN'. Received: a ta"):
        runs.check_shortlist(shortlist, *sizes)


@pytest.mark.parametrize(
    ("table", "frequent"), [([[0], [-1]], [6]), ([[0], [4]], [-1])]
)
def test_negative_ids_are_refused(table, frequent):
    shortlist = Shortlist(np.array(table), np.array(frequent))
    with pytest.raises(ValueError, match="with target ids from -1 to [46]"):
        runs.check_shortlist(shortlist, 2, 7)
