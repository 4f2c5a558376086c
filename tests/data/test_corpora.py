"""Corpora: how their files are read, and in which order."""

import re

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


def test_headers_and_quotes_are_as_said(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text('Wort\tLaute\n"a\tb"\tc\n')
    assert data.sample(data.corpus(path, header=True, quoting=True)) == [("a\tb", "c")]
    corpus = data.corpus(path, header=True, quoting=False)
    assert data.sample(corpus) == [('"a', 'b"')]
    assert len(data.sample(data.corpus(path, quoting=False))) == 2
    for format in ("jsonl", "parallel"):
        with pytest.raises(ValueError, match="`header` is for the format 'tsv'"):
            data.corpus([path, path], format, header=False)
    with pytest.raises(ValueError, match="`quoting` must be True or False"):
        data.corpus(path, quoting="csv")


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
