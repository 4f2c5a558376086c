import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kseq2seq.utils import (
    check_boolean,
    check_choice,
    check_fraction,
    check_integer,
    check_integers,
    check_number,
    check_string,
)

INTEGERS = st.integers(-(2**70), 2**70)
BOUNDS = st.none() | st.integers(-5, 5)
NUMPY_INTEGERS = st.sampled_from([np.int8, np.int32, np.int64, np.uint8])
FLOATS = st.floats(-100, 100)
NO_NUMBERS = st.sampled_from(
    [True, False, np.bool_(True), "1", b"1", None, 1j, [1], (1,), {}, np.ones(1)]
)


def outcome(check, *args, **kwargs):
    try:
        return check(*args, **kwargs)
    except ValueError as error:
        return str(error)


@given(st.integers(-9, 9), BOUNDS, BOUNDS)
def test_integers_within_bounds_pass_and_no_others(value, least, most):
    result = outcome(check_integer, "n", value, least, most)
    fits = (least is None or value >= least) and (most is None or value <= most)
    assert result == value if fits else f"Received: n={value}" in result


@given(INTEGERS)
def test_integers_of_any_size_pass_without_bounds(value):
    assert check_integer("n", value) == value
    assert check_number("n", value) == value


def test_an_integer_too_large_for_a_float_is_a_number():
    assert check_number("n", 10**400) == 10**400


@given(NUMPY_INTEGERS, st.integers(0, 100))
def test_integers_of_numpy_become_those_of_python(dtype, value):
    for check in (check_integer, check_number):
        result = check("n", dtype(value))
        assert type(result) is int and result == value
    assert check_integers("n", [dtype(value)]) == (value,)
    assert type(check_integers("n", [dtype(value)])[0]) is int


@given(st.floats() | NO_NUMBERS)
def test_what_is_no_integer_is_refused_with_its_type(value):
    message = outcome(check_integer, "n", value, 1)
    assert message.startswith("`n` must be an integer of at least 1. Received: n=")
    if value is not None:
        assert message.endswith(f"{value!r} of type {type(value).__name__}")


@given(FLOATS, BOUNDS, BOUNDS, BOUNDS, BOUNDS)
def test_numbers_within_bounds_pass_and_no_others(value, least, most, above, below):
    bounds = {"least": least, "most": most, "above": above, "below": below}
    result = outcome(check_number, "rate", value, **bounds)
    fits = {
        "least": least is None or value >= least,
        "most": most is None or value <= most,
        "above": above is None or value > above,
        "below": below is None or value < below,
    }
    if all(fits.values()):
        assert result == value
    else:
        # What is said of the bounds is what was asked for.
        told = {"least": "at least", "most": "at most", "above": "above"}
        told["below"] = "less than"
        for name, bound in bounds.items():
            assert (f"{told[name]} {bound}" in result) == (bound is not None)
        assert result.endswith(f"Received: rate={value!r}")


@given(st.sampled_from([np.float16, np.float32, np.float64]), st.floats(0, 4, width=16))
def test_floats_of_numpy_become_those_of_python(dtype, value):
    result = check_number("rate", dtype(value))
    assert type(result) is float and result == value


@given(NO_NUMBERS)
def test_what_is_no_number_is_refused_with_its_type(value):
    message = outcome(check_number, "rate", value)
    assert message.startswith("`rate` must be a finite number. Received: rate=")
    if value is not None:
        assert message.endswith(f"{value!r} of type {type(value).__name__}")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_numbers_must_be_finite(value):
    with pytest.raises(ValueError, match=re.escape(f"rate={value!r}")):
        check_number("rate", value)
    with pytest.raises(ValueError, match="finite number of at least 0 and less than 1"):
        check_fraction("rate", value)


@given(st.floats(-2, 2))
def test_fractions_are_from_0_to_less_than_1(value):
    result = outcome(check_fraction, "dropout", value)
    assert result == value if 0 <= value < 1 else "less than 1. Received" in result


def test_none_passes_where_it_may():
    assert check_integer("n", None, 1, optional=True) is None
    assert check_number("n", None, 1, optional=True) is None
    assert check_string("n", None, optional=True) is None
    for check, kind in ((check_integer, "an integer"), (check_number, "a finite")):
        with pytest.raises(ValueError, match=f"`None` or {kind}.*least 1.*n=0"):
            check("n", 0, 1, optional=True)
    with pytest.raises(ValueError, match="must be `None` or a string.*7 of type int"):
        check_string("n", 7, optional=True)
    for check in (check_integer, check_number, check_string, check_boolean):
        with pytest.raises(ValueError, match="Received: n=None$"):
            check("n", None)


@pytest.mark.parametrize("value", [0, 1, "True", None, np.int64(1), np.ones(1, bool)])
def test_only_booleans_are_booleans(value):
    with pytest.raises(ValueError, match="`shuffle` must be True or False. Received"):
        check_boolean("shuffle", value)
    assert check_boolean("shuffle", np.bool_(False)) is False
    assert check_boolean("shuffle", True) is True


def test_choices():
    assert check_choice("kind", "b", ("a", "b")) == "b"
    assert check_choice("kind", "b", {"a": 1, "b": 2}) == "b"
    assert check_choice("kind", None, (None, "b")) is None
    for value in ("c", None, 1, ["b"], np.array(["a", "b"])):
        with pytest.raises(ValueError, match="`kind` must be one of a, b. Received"):
            check_choice("kind", value, ("a", "b"))
    # 1 and True are equal, and not the same choice.
    with pytest.raises(ValueError, match="one of 1, 2. Received: level=True"):
        check_choice("level", True, (1, 2))


def test_lists_of_integers():
    assert check_integers("n", []) == ()
    assert check_integers("n", (1, 2), least=1, count=2) == (1, 2)
    for values in (7, "12", [1, 2], [0, 1, 2], [1, 2, True], [1, 2, 3.0], {1, 2, 3}):
        message = outcome(check_integers, "n", values, 1, 3, "lengths in tokens")
        assert message.startswith(
            "`n` must be a list of 3 integers of at least 1, lengths in tokens. "
            f"Received: n={values!r}"
        )


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ({}, "an integer"),
        ({"least": 20}, "an integer of at least 20"),
        ({"most": 5}, "an integer of at most 5"),
        ({"least": 20, "most": 30}, "an integer from 20 to 30"),
        ({"least": 20, "note": "twice `n`"}, "an integer of at least 20, twice `n`"),
    ],
)
def test_the_range_of_integers_in_words(bounds, words):
    with pytest.raises(ValueError, match=f"^`m` must be {words}. Received: m='7' of"):
        check_integer("m", "7", **bounds)
