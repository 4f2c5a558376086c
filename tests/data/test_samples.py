"""Random samples of corpora."""

import numpy as np

from kseq2seq import data
from shards import PAIRS


def test_a_sample_is_drawn_by_seed_from_all(folder):
    corpus = data.corpus(folder / "*.tsv.gz")
    rows = data.sample(corpus, 300, seed=1)
    assert len(set(rows)) == 300 and set(rows) <= set(PAIRS)
    assert rows == data.sample(corpus, 300, seed=1) != data.sample(corpus, 300, seed=2)
    # Each seventh of the pairs has about a seventh of the sample.
    places = np.histogram([int(source) for source, _ in rows], bins=7)[0]
    assert places.min() > 20
    assert sorted(data.sample(corpus, 5000)) == sorted(PAIRS)
    assert len(data.sample(corpus, 5000, most=99)) == 99


def test_a_sample_of_many_files_is_of_all_of_them(tmp_path):
    """More of them than are open at the same time."""
    for number in range(19):
        lines = "".join(f"{number}\t{row}\n" for row in range(101))
        (tmp_path / f"{number}.tsv").write_text(lines)
    rows = data.sample(data.corpus(tmp_path / "*.tsv"), 500, most=200)
    assert len({source for source, _ in rows}) == 19 and len(rows) <= 200
    assert len(data.sample(data.corpus(tmp_path / "*.tsv"), 5000)) == 19 * 101
