"""Rules of whole hypotheses, a row's own, that constraints keep to."""

import re

import numpy as np

# The first two begin alike, and of the next two one is within the other.
IN_ORDER = np.array(
    [[[4, 5, 0], [4, 0, 0]], [[6, 0, 0], [6, 6, 0]], [[4, 0, 0], [1, 1, 0]]], "int32"
)


def holds_in_order(row, ids, phrases=IN_ORDER):
    """One behind the other, without overlap."""
    phrases = ["".join(str(id_) for id_ in phrase if id_) for phrase in phrases[row]]
    return bool(re.search(".*".join(phrases), "".join(map(str, ids))))


PHRASES = [[5, 4], [6, 1, 6], [1, 1]]


def no_phrase(row, ids):
    return not any(
        list(ids[n : n + len(phrase)]) == phrase
        for phrase in PHRASES
        for n in range(len(ids))
    )


def anything(row, ids):
    return True


FORCED = np.array(
    [[[4, 5, 0], [5, 0, 0]], [[6, 6, 0], [0, 0, 0]], [[1, 4, 1], [4, 0, 0]]], "int32"
)
