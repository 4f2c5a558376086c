"""The benchmark of streams, on next to nothing."""

import gzip
import sys

import pytest

from kseq2seq import tokenizers
from paths import BENCHMARKS


@pytest.fixture(scope="module")
def streaming():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import streaming
    finally:
        sys.path.remove(str(BENCHMARKS))
    return streaming


def test_shards_are_streamed_once(streaming, tmp_path):
    streaming.write_shards([("a", "b"), ("c", "d")], 31, tmp_path, 3)
    with gzip.open(tmp_path / "001.tsv.gz", "rt") as file:
        assert file.read().splitlines()[:2] == ["c 1\td 1", "a 4\tb 4"]
    texts = ["abcd 0123456789"]
    path = str(tmp_path / "tokenizer")
    tokenizers.train_tokenizer(texts, kind="character").save(path)
    result = streaming.measure(str(tmp_path), [path, path], 4, 10)
    assert (result["pairs"], result["left_out"]) == (31, {})
    assert result["target_tokens"] == 10 * 4 + 21 * 5
    assert "| 31 | " in streaming.table([result])


def test_there_must_be_a_file(streaming, tmp_path, capsys):
    with pytest.raises(SystemExit):
        streaming.parse_arguments([str(tmp_path / "no")])
    assert "no such file of pairs" in capsys.readouterr().err
