"""Searches in words, against the numbers."""

import re

import numpy as np
import pytest

from kseq2seq import Search
from kseq2seq.decoding import length_limits
from kseq2seq.export.search_words import (
    longest_in_words,
    shortest_in_words,
)

SEARCHES = [
    Search(max_length=9, max_length_factor=1.5, max_length_offset=2),
    Search(max_length=90, max_length_factor=0.0, max_length_offset=7),
    Search(max_length=90, min_length=4, min_length_factor=0.5),
]


def value_of(words, count):
    """The number that words such as "min(9, 1.5 n + 2)" say of a source."""
    words = re.sub(r"([\d.]+) n", rf"round({count} * \1)", words)
    return eval(words, {"min": min, "max": max, "round": round})


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("count", [1, 4, 13])
def test_lengths_in_words_are_those_of_the_graph(search, count):
    limits = length_limits(np.ones((1, count), "int32"), search)
    assert value_of(longest_in_words(search), count) == int(limits["max_length"][0])
    shortest = shortest_in_words(search)
    if shortest:
        assert value_of(shortest, count) == int(limits["min_length"][0])
    else:
        assert limits["min_length"] == 0
