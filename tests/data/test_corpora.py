"""Corpora: the order in which files are read, and samples of them."""

import re

import numpy as np
import pytest

from kseq2seq import data
from kseq2seq.data.corpora import CorpusReader
from shards import PAIRS, flat


@pytest.mark.parametrize("count", [3, 10])
def test_workers_share_the_pairs(folder, tokenizer, count):
    """By files, or by rows where there are fewer files than workers."""
    corpus = data.corpus(folder / "*.tsv.gz")
    readers = [
        CorpusReader(corpus, 7, 1, shard=(index, count)) for index in range(count)
    ]
    parts = [reader.take(5000) for reader in readers]
    assert sorted(flat(parts)) == sorted(PAIRS) and all(parts)


def test_passes_have_another_order_of_files(folder):
    reader = CorpusReader(data.corpus(folder / "*.tsv.gz"), 7)
    passes = [reader.take(1201) for _ in range(3)]
    assert all(sorted(x) == sorted(PAIRS) for x in passes)
    assert passes[0] != passes[1] != passes[2]


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


def test_csv_is_read_by_the_name(tmp_path, tokenizer):
    path = tmp_path / "a.csv"
    path.write_text('en;de\n"1";"2\n3"\n4;5\n')
    assert data.sample(data.corpus(path, columns=("de", "en"))) == [
        ("2\n3", "1"),
        ("5", "4"),
    ]
    path.write_text('1;2\n3;"4"5\n')
    with pytest.raises(data.DataError, match=re.escape("a.csv:2: expected a row of")):
        data.sample(data.corpus(path))
