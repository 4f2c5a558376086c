"""Checks of the quantiles that a forecast states."""

import itertools
from typing import Any

from kseq2seq.utils.checks import is_number


def check_quantiles(name: str, values: Any) -> tuple[float, ...]:
    """Checks probabilities that rise, each above 0 and below 1.

    Args:
        name: Name of the argument.
        values: Value of the argument.

    Returns:
        The probabilities, as a tuple of floats.

    Raises:
        ValueError: If the value is anything else, or empty.

    Example:

    >>> check_quantiles("quantiles", [0.1, 0.5, 0.9])
    (0.1, 0.5, 0.9)
    """
    try:
        items = [] if isinstance(values, (str, set, dict)) else [*values]
    except TypeError:
        items = []
    inside = all(is_number(item) and 0 < item < 1 for item in items)
    if items and inside and all(a < b for a, b in itertools.pairwise(items)):
        return tuple(float(item) for item in items)
    raise ValueError(
        f"`{name}` must be a list of at least one probability, each above 0 and below "
        "1 and larger than the one before it, such as [0.1, 0.5, 0.9]. "
        f"Received: {name}={values!r}"
    )
