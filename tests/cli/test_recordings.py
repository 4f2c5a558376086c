"""Tables of recordings and of frames, and what is refused beside them."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from kseq2seq.cli import loading, recordings
from waves import write_recordings

TEXTS = ["ab", "c", "bca", "a", "bb"]


@pytest.fixture
def options(tmp_path):
    """Options of `kseq2seq score` for a run folder, whose model is not looked at."""
    run = tmp_path / "run"
    run.mkdir()
    return argparse.Namespace(
        path=str(run), modules=[], features=None, shortlist=None, input=None
    )


def write_log_mel(options, rate):
    path = Path(options.path) / "log_mel.json"
    path.write_text(json.dumps({"sample_rate": rate}))


def test_a_table_is_of_recordings_or_of_frames(options, tmp_path):
    table = write_recordings(tmp_path / "speech", TEXTS)
    write_log_mel(options, 8000)
    expected = [(str(table.parent / f"{n}.wav"), x) for n, x in enumerate(TEXTS)]
    assert recordings.read_table(options, str(table), (0, 1)) == expected
    write_log_mel(options, 16000)
    with pytest.raises(ValueError, match=r"all.tsv:1: .*must have 16000.*: 8000"):
        recordings.read_table(options, str(table), (0, 1))
    (tmp_path / "run" / "log_mel.json").unlink()
    np.save(tmp_path / "a.npy", np.zeros((7, 3)))
    (tmp_path / "frames.tsv").write_text("ab\ta.npy\n")
    rows = recordings.read_table(options, str(tmp_path / "frames.tsv"), (1, 0))
    assert [(frames.shape, text) for frames, text in rows] == [((7, 3), "ab")]


def test_options_for_texts_are_refused(options):
    recordings.refuse(options, "shortlist", "features")
    options.shortlist, options.features = True, 2
    with pytest.raises(ValueError, match="leave out --shortlist, --features, for mode"):
        recordings.refuse(options, "shortlist", "features")
    with pytest.raises(
        ValueError, match=r"run: this model reads.*out --shortlist, for"
    ):
        recordings.search_frames(options)
    with pytest.raises(ValueError, match=r"run: this model reads.*out --features, for"):
        recordings.score_table(options)
    options.features = 0  # the first column
    with pytest.raises(ValueError, match="out --features, for"):
        recordings.refuse(options, "features")
    options.features = None
    with pytest.raises(ValueError, match="name a table of paths and texts by --input"):
        recordings.score_table(options)


def test_sources_are_taken_window_by_window(options, tmp_path, monkeypatch):
    class Counter:
        """A transcriber that tells of each source and of those beside it."""

        def transcribe(self, sources, search, alignments):
            return [[(x, len(sources), search.beam_size, alignments)] for x in sources]

        def score(self, rows):
            return [(-len(text), len(rows)) for _, text in rows]

    monkeypatch.setattr(loading, "load_transcriber", lambda *_: Counter())
    monkeypatch.setattr(recordings, "WINDOW", 2)
    settings = {"search": {"beam_size": 7}}
    (tmp_path / "run" / "settings.json").write_text(json.dumps(settings))
    windows = recordings.transcribe_rows(options, [*"abcde"], alignments=True)
    assert [[row[0] for row in window] for window in windows] == [
        [("a", 2, 7, True), ("b", 2, 7, True)],
        [("c", 2, 7, True), ("d", 2, 7, True)],
        [("e", 1, 7, True)],
    ]
    write_log_mel(options, 8000)
    options.input = str(write_recordings(tmp_path / "speech", TEXTS))
    windows, count = recordings.score_table(options)
    windows = [*windows]
    assert count == 5
    assert [text for window in windows for _, text in window.pairs] == TEXTS
    assert [window.scores for window in windows] == [
        [(-2, 2), (-1, 2)],
        [(-3, 2), (-1, 2)],
        [(-2, 1)],
    ]
