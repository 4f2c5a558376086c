"""The benchmark of streams, on next to nothing."""

import gzip
import sys

import pytest

from kseq2seq import tokenizers, trainer
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


def test_a_training_reads_the_shards(streaming, tmp_path, monkeypatch):
    small = tmp_path / "small.toml"
    small.write_text(
        '[data]\nformat = "tsv"\ntrain = "x"\nvalidation = "x"\n'
        '[tokenizer]\nkind = "character"\n[model]\nunits = 6\nembedding_size = 3\n'
        '[training]\nmetrics = "exact_match"\n[search]\nmax_length = 7\n'
    )
    monkeypatch.setattr(trainer, "find_recipe", lambda name: small)
    streaming.write_shards([("a", "b"), ("c", "d")], 31, tmp_path, 3)
    (tmp_path / "dev.tsv").write_text("a\tb\n")
    result = streaming.train(str(tmp_path), 2, "float32", 4, 10)
    assert result["steps"] == 2 and 0 < result["loss"] < 10
    assert 0 < result["memory_before"] <= result["peak_memory"]
    assert "| 2 | " in streaming.training_table(result)


def test_there_must_be_a_file(streaming, tmp_path, capsys):
    with pytest.raises(SystemExit):
        streaming.parse_arguments([str(tmp_path / "no")])
    assert "no such file of pairs" in capsys.readouterr().err
