"""Batches of pairs in memory, pass after pass."""

import pytest

from kseq2seq import data, tokenizers
from shards import PAIRS, flat, read


@pytest.fixture(scope="module")
def tokenizer():
    return tokenizers.train_tokenizer(["0123456789"], kind="character")


def test_batches_of_memory_can_be_gone_back_to(tokenizer):
    memory = data.MemoryBatches(PAIRS[:100], tokenizer, tokenizer, 8, seed=3)
    count = memory.steps_per_pass
    batches = read(memory.dataset(), tokenizer, 3 * count)
    passes = [flat(batches[i * count : (i + 1) * count]) for i in range(3)]
    assert all(sorted(x) == sorted(PAIRS[:100]) for x in passes)
    assert passes[0] != passes[1] != passes[2]
    for step in (1, count, 2 * count + 5):
        assert memory.place(step) == {}
        assert read(memory.dataset(step), tokenizer, 4) == batches[step : step + 4]
