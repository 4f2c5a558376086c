"""Pairs of letters in memory, and pairs of numbers in files.

A test file with other pairs has fixtures of its own of these names.
"""

import pytest

from kseq2seq.tokenizers import train_tokenizer
from letters import pairs_of_letters, tokenizers_of_letters
from shards import write_shards


@pytest.fixture(scope="session", name="tokenizers")
def tokenizers_():
    return tokenizers_of_letters()


@pytest.fixture(scope="session", name="pairs")
def pairs_():
    return pairs_of_letters()


@pytest.fixture(scope="session")
def tokenizer():
    """Of the digits, which all numbers are written with."""
    return train_tokenizer(["0123456789"], kind="character")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_shards(folder)
    return folder
