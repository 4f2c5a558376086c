"""Checks of arguments. Each returns the value that it accepts, as a Python value.

NumPy's scalars pass as numbers; booleans do not.
"""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, overload

Choice = TypeVar("Choice")


def is_integer(value: Any) -> bool:
    """Whether a value is an integer of Python or NumPy, and no boolean.

    Args:
        value: Any value.

    Example:

    >>> import numpy as np
    >>> is_integer(3), is_integer(np.int64(3)), is_integer(True), is_integer(3.0)
    (True, True, False, False)
    """
    # NumPy registers its scalars with these base classes, so it need not be imported.
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is a real number of Python or NumPy, and no boolean.

    Args:
        value: Any value.

    Example:

    >>> import numpy as np
    >>> is_number(0.5), is_number(np.float32(1)), is_number(False), is_number("1")
    (True, True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool)


@overload
def check_integer(
    name: str,
    value: Any,
    least: int | None = ...,
    most: int | None = ...,
    optional: Literal[False] = ...,
    note: str = ...,
) -> int: ...


@overload
def check_integer(
    name: str,
    value: Any,
    least: int | None = ...,
    most: int | None = ...,
    optional: bool = ...,
    note: str = ...,
) -> int | None: ...


def check_integer(
    name: str,
    value: Any,
    least: int | None = None,
    most: int | None = None,
    optional: bool = False,
    note: str = "",
) -> int | None:
    """Checks an integer argument.

    Args:
        name: Name of the argument.
        value: Value of the argument.
        least: The smallest integer allowed, if there is one.
        most: The largest integer allowed, if there is one.
        optional: Whether `None` is allowed.
        note: Text that the error adds to the range: its reason, or a remedy.

    Returns:
        The value as an `int`, or `None`.

    Raises:
        ValueError: If the value is not an integer in this range.

    Example:

    >>> check_integer("units", 8, least=1)
    8
    >>> try:
    ...     check_integer("units", 0, least=1)
    ... except ValueError as error:
    ...     print(error)
    `units` must be an integer of at least 1. Received: units=0
    """
    if optional and value is None:
        return None
    fits = is_integer(value)
    if fits and (least is None or value >= least) and (most is None or value <= most):
        return int(value)
    if least is not None and most is not None:
        limits = f" from {least} to {most}"
    else:
        limits = _range(least=least, most=most)
    raise ValueError(
        f"`{name}` must be {_none(optional)}an integer{limits}{_noted(note)}. "
        f"Received: {name}={_received(value, fits)}"
    )


@overload
def check_number(
    name: str,
    value: Any,
    least: float | None = ...,
    most: float | None = ...,
    optional: Literal[False] = ...,
    above: float | None = ...,
    below: float | None = ...,
) -> float: ...


@overload
def check_number(
    name: str,
    value: Any,
    least: float | None = ...,
    most: float | None = ...,
    optional: bool = ...,
    above: float | None = ...,
    below: float | None = ...,
) -> float | None: ...


def check_number(
    name: str,
    value: Any,
    least: float | None = None,
    most: float | None = None,
    optional: bool = False,
    above: float | None = None,
    below: float | None = None,
) -> float | None:
    """Checks a finite real number.

    Args:
        name: Name of the argument.
        value: Value of the argument.
        least: Inclusive lower bound, if there is one.
        most: Inclusive upper bound, if there is one.
        optional: Whether `None` is allowed.
        above: Exclusive lower bound, if there is one.
        below: Exclusive upper bound, if there is one.

    Returns:
        The value as a `float`, as an `int` if it was an integer, or `None`.

    Raises:
        ValueError: If the value is not a finite number within the bounds.

    Example:

    >>> check_number("top_p", 0.9, above=0, most=1)
    0.9
    >>> try:
    ...     check_number("top_p", 0, above=0, most=1)
    ... except ValueError as error:
    ...     print(error)
    `top_p` must be a finite number above 0 and at most 1. Received: top_p=0
    """
    if optional and value is None:
        return None
    fits = is_number(value)
    within = fits and (is_integer(value) or math.isfinite(value))
    within = within and (least is None or value >= least)
    within = within and (most is None or value <= most)
    within = within and (above is None or value > above)
    if within and (below is None or value < below):
        return int(value) if is_integer(value) else float(value)
    limits = _range(least=least, most=most, above=above, below=below)
    raise ValueError(
        f"`{name}` must be {_none(optional)}a finite number{limits}. "
        f"Received: {name}={_received(value, fits)}"
    )


def check_fraction(name: str, value: Any) -> float:
    """Checks a share that may be 0 but not the whole, such as a rate of dropout.

    Args:
        name: Name of the argument.
        value: Value of the argument.

    Returns:
        The value, as of `check_number`.

    Raises:
        ValueError: If the value is not a number of at least 0 and less than 1.

    Example:

    >>> check_fraction("dropout", 0.25)
    0.25
    """
    return check_number(name, value, least=0, below=1)


def check_boolean(name: str, value: Any) -> bool:
    """Checks an argument that is True or False; 0 and 1 are neither.

    Args:
        name: Name of the argument.
        value: Value of the argument.

    Returns:
        The value as a `bool`.

    Raises:
        ValueError: If the value is no boolean of Python or NumPy.

    Example:

    >>> check_boolean("shuffle", True)
    True
    """
    if isinstance(value, bool):
        return value
    import numpy as np  # takes long, and commands check settings ahead of it

    if isinstance(value, np.bool_):
        return bool(value)
    raise ValueError(
        f"`{name}` must be True or False. Received: {name}={_received(value, False)}"
    )


@overload
def check_string(name: str, value: Any, optional: Literal[False] = ...) -> str: ...


@overload
def check_string(name: str, value: Any, optional: bool = ...) -> str | None: ...


def check_string(name: str, value: Any, optional: bool = False) -> str | None:
    """Checks an argument that is a string.

    Args:
        name: Name of the argument.
        value: Value of the argument.
        optional: Whether `None` is allowed.

    Returns:
        The value.

    Raises:
        ValueError: If the value is no string.

    Example:

    >>> check_string("name", "encoder")
    'encoder'
    """
    if isinstance(value, str) or (optional and value is None):
        return value
    raise ValueError(
        f"`{name}` must be {_none(optional)}a string. "
        f"Received: {name}={_received(value, False)}"
    )


def check_choice(name: str, value: Any, choices: Iterable[Choice]) -> Choice:
    """Checks an argument that is one of a few values.

    Args:
        name: Name of the argument.
        value: Value of the argument.
        choices: The values allowed; `None` may be one of them.

    Returns:
        The choice that the value equals.

    Raises:
        ValueError: If the value equals none of them.

    Example:

    >>> try:
    ...     check_choice("kind", "words", ("unigram", "bpe"))
    ... except ValueError as error:
    ...     print(error)
    `kind` must be one of unigram, bpe. Received: kind='words'
    """
    choices = tuple(choices)
    for choice in choices:
        if type(value) is type(choice) and value == choice:
            return choice
    raise ValueError(
        f"`{name}` must be one of {', '.join(map(str, choices))}. "
        f"Received: {name}={value!r}"
    )


def check_integers(
    name: str,
    values: Any,
    least: int | None = None,
    count: int | None = None,
    note: str = "",
) -> tuple[int, ...]:
    """Checks a list or tuple of integers.

    Args:
        name: Name of the argument.
        values: Value of the argument.
        least: The smallest integer allowed, if there is one.
        count: Number of integers; any if `None`.
        note: Text that the error adds: the use of the integers, or a remedy.

    Returns:
        The integers, as a tuple of `int`.

    Raises:
        ValueError: If the value is anything else.

    Example:

    >>> check_integers("columns", [0, 1], least=0, count=2)
    (0, 1)
    """
    is_list = isinstance(values, (list, tuple))
    items = values if is_list else ()
    fits = is_list and count in (None, len(items)) and all(map(is_integer, items))
    if fits and (least is None or all(item >= least for item in items)):
        return tuple(int(item) for item in items)
    number = "" if count is None else f"{count} "
    raise ValueError(
        f"`{name}` must be a list of {number}integers{_range(least=least)}"
        f"{_noted(note)}. Received: {name}={_received(values, is_list)}"
    )


def check_words(name: str, values: Any) -> tuple[str, ...]:
    """Checks a list or tuple of strings, none of them empty.

    Args:
        name: Name of the argument.
        values: Value of the argument.

    Returns:
        The strings, as a tuple.

    Raises:
        ValueError: If the value is anything else.

    Example:

    >>> check_words("words", ["a", "dog"])
    ('a', 'dog')
    """
    is_list = isinstance(values, (list, tuple))
    if is_list and all(isinstance(item, str) and item for item in values):
        return tuple(values)
    raise ValueError(
        f"`{name}` must be a list of strings, none of them empty. "
        f"Received: {name}={_received(values, is_list)}"
    )


def _range(least=None, most=None, above=None, below=None):
    """Bounds in words, with a space ahead; nothing if there are none."""
    bounds = (
        ("at least", least),
        ("above", above),
        ("at most", most),
        ("less than", below),
    )
    words = [f"{word} {bound}" for word, bound in bounds if bound is not None]
    if not words:
        return ""
    return (" " if above is not None else " of ") + " and ".join(words)


def _none(optional):
    return "`None` or " if optional else ""


def _noted(note):
    return f", {note}" if note else ""


def _received(value, has_right_type):
    """The value, with its type where that is what is wrong."""
    told = has_right_type or value is None
    return f"{value!r}" if told else f"{value!r} of type {type(value).__name__}"
