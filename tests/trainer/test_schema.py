"""Kinds of settings, and their checks."""

import dataclasses

import pytest

from kseq2seq.trainer import schema
from kseq2seq.trainer.schema import SettingsError, setting


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        (schema.integer(2), 2, 2),
        (schema.number(above=0), 3, 3),
        (schema.number(below=1), 0.5, 0.5),
        (schema.boolean(), True, True),
        (schema.string(), "", ""),
        (schema.choice(["a", "b"]), "b", "b"),
        (schema.strings(), "a", ("a",)),
        (schema.strings(), ["a", "b"], ("a", "b")),
        (schema.strings(), [], ()),
        (schema.strings(["a", "b"]), "b", ("b",)),
        (schema.integers(), [0, 7], (0, 7)),
        (schema.numbers(above=0), [0.5, 7], (0.5, 7)),
        (schema.one_or_two(schema.integer()), 7, 7),
        (schema.one_or_two(schema.integer()), [7, 5], (7, 5)),
        (schema.count_or_share(), 3, 3),
        (schema.count_or_share(), 0.3, 0.3),
    ],
)
def test_values_that_can_be(kind, value, kept):
    actual = kind.check("a.b", value)
    assert actual == kept and type(actual) is type(kept)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (schema.integer(2), 1),
        (schema.integer(-1, 5), 6),
        (schema.integer(), 2.5),
        (schema.integer(), True),
        (schema.integer(), "2"),
        (schema.number(above=0), 0),
        (schema.number(), float("nan")),
        (schema.number(), float("inf")),
        (schema.number(below=1), 1.0),
        (schema.boolean(), 1),
        (schema.string(), 3),
        (schema.choice(["a", "b"]), "c"),
        (schema.choice(["a", "b"]), ["a"]),
        (schema.strings(), 3),
        (schema.strings(), ["a", 3]),
        (schema.strings(["a", "b"]), []),
        (schema.strings(["a", "b"]), ["a", "c"]),
        (schema.integers(), 3),
        (schema.numbers(above=0), 3),
        (schema.numbers(above=0), [0.5, 0]),
        (schema.integers(1), [3, 0]),
        (schema.integers(count=2), [3]),
        (schema.one_or_two(schema.integer()), [7]),
        (schema.one_or_two(schema.integer()), [7, "5"]),
        (schema.one_or_two(schema.choice(["a"])), ["a", "b"]),
        (schema.count_or_share(), 0),
        (schema.count_or_share(), 0.5),
        (schema.count_or_share(), 1.0),
        (schema.count_or_share(), True),
    ],
)
def test_values_that_cannot_be(kind, value):
    with pytest.raises(ValueError, match=r"`a\.b` must be .*Received: "):
        kind.check("a.b", value)


@dataclasses.dataclass(frozen=True)
class Shape:
    sides: int = setting(4, schema.integer(3), "Number of sides")
    color: str = setting("red", schema.choice(["red", "blue"]), "Color")


def test_a_section_has_defaults_and_tells_all_errors():
    errors = []
    assert schema.make_section(Shape, "shape", {"sides": 5}, errors) == Shape(5, "red")
    assert errors == []
    given = {"sides": 2, "color": "grey", "size": 1}
    assert schema.make_section(Shape, "shape", given, errors) == Shape()
    assert [error.split(" ")[0] for error in errors] == [
        "`shape.sides`",
        "`shape.color`",
        "`shape.size`",
    ]
    assert "[shape] has sides, color" in errors[2]


def test_an_error_has_a_message_for_each():
    error = SettingsError("one", "two")
    assert error.messages == ("one", "two") and str(error) == "one\ntwo"
