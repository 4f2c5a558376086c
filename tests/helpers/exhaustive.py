"""Parameters of tests that only `make exhaustive` runs."""

import pytest


def with_exhaustive(cases, combinations):
    """Cases that always run, then the other combinations, marked `exhaustive`.

    Example:

    >>> len(with_exhaustive([("a", 1)], [("a", 1), ("a", 2), ("b", 1)]))
    3
    """
    others = [x for x in combinations if x not in cases]
    return [*cases, *(pytest.param(*x, marks=pytest.mark.exhaustive) for x in others)]
