"""Schema of settings: what a setting may be, its default and its help.

A section of the settings is a frozen dataclass whose fields are made by `setting`.
"""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from kseq2seq.utils import (
    PathLike,
    check_boolean,
    check_choice,
    check_integer,
    check_integers,
    check_number,
    check_string,
    is_integer,
    is_number,
)

Section = TypeVar("Section")


class SettingsError(ValueError):
    """Settings that cannot be used.

    Args:
        messages: A sentence for each of them.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__("\n".join(messages))
        self.messages = messages


class Kind(NamedTuple):
    """The values that a setting may have.

    Attributes:
        description: It in words, such as "an integer of at least 1".
        check: Function from the setting's name and value to the value that is kept.
            It raises a `ValueError` for a value of another kind.
        choices: The values allowed, if they are few.
    """

    description: str
    check: Callable[[str, Any], Any]
    choices: Collection[str] = ()


def setting(default: Any, kind: Kind, text: str, may_change: bool = False) -> Any:
    """A field of a section.

    Args:
        default: Value of a setting that is not given.
        kind: The values that it may have.
        text: Its help, a sentence without a full stop.
        may_change: Whether a training may be resumed with another value.
    """
    metadata = {"kind": kind, "help": text, "may_change": may_change}
    return dataclasses.field(default=default, metadata=metadata)


def integer(least: int = 0, most: int | None = None) -> Kind:
    """An integer of at least `least`; of at most `most`, if given."""
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Kind(
        f"an integer {limits}",
        lambda name, value: check_integer(name, value, least, most),
    )


def none_or_integer(least: int) -> Kind:
    """0 for none, or an integer of at least `least`."""

    def check(name: str, value: Any) -> int:
        if is_integer(value) and value == 0:
            return 0
        try:
            return check_integer(name, value, least)
        except ValueError as error:
            raise ValueError(f"{error}; 0 is for none") from error

    return Kind(f"0 for none, or an integer of at least {least}", check)


def number(above: float | None = None, below: float | None = None) -> Kind:
    """A finite number above `above`, or else of at least 0, and less than `below`."""
    least = 0 if above is None else None
    words = "a number of at least 0" if above is None else f"a number above {above}"
    return Kind(
        words if below is None else f"{words} and less than {below}",
        lambda name, value: check_number(name, value, least, above=above, below=below),
    )


def boolean() -> Kind:
    """True or false."""
    return Kind("true or false", check_boolean)


def boolean_or_auto() -> Kind:
    """True, false, or "auto"."""

    def check(name: str, value: Any) -> bool | str:
        if isinstance(value, bool) or value == "auto":
            return value
        raise ValueError(
            f"`{name}` must be true, false or 'auto'. Received: {name}={value!r}"
        )

    return Kind("true, false or 'auto'", check)


def string() -> Kind:
    """Any string."""
    return Kind("a string", check_string)


def choice(choices: Collection[str], note: str = "") -> Kind:
    """One of a few strings, those of a table as it is when the value is checked.

    Args:
        choices: The strings.
        note: Text that the error adds, such as the choice for what has another name.
    """

    def check(name: str, value: Any) -> str:
        try:
            return check_choice(name, value, choices)
        except ValueError as error:
            raise ValueError(f"{error}{note}") from error

    return Kind("one of", check, choices)


def strings(choices: Collection[str] | None = None, least: int = 1) -> Kind:
    """A list of strings; a string alone becomes a list of one.

    Args:
        choices: The strings allowed; any, or none, if `None`.
        least: The least number of them.
    """

    def check(name: str, value: Any) -> tuple[str, ...]:
        _check_quoted(name, value)
        values = [value] if isinstance(value, str) else value
        is_list = isinstance(values, (list, tuple))
        if not is_list or not all(isinstance(x, str) for x in values):
            raise ValueError(
                f"`{name}` must be a string or a list of strings. Received: {value!r}"
            )
        if choices is not None:
            for item in values:
                check_choice(name, item, choices)
            if len(values) < least:
                raise ValueError(
                    f"`{name}` must be at least one of {', '.join(choices)}. "
                    f"Received: {value!r}"
                )
        return tuple(values)

    if choices is None:
        return Kind("a string or a list of strings", check)
    return Kind("one or several of" if least else "any of", check, choices)


def integers(least: int = 0, count: int | None = None) -> Kind:
    """A list of integers, each of at least `least`; `count` of them, if given."""
    many = "" if count is None else f"{count} "
    return Kind(
        f"a list of {many}integers of at least {least}",
        lambda name, value: check_integers(name, value, least, count),
    )


def numbers(above: float) -> Kind:
    """A list of finite numbers above `above`."""

    def check(name: str, value: Any) -> tuple[float, ...]:
        if not isinstance(value, (list, tuple)):
            raise ValueError(f"`{name}` must be a list of numbers. Received: {value!r}")
        return tuple(check_number(name, item, above=above) for item in value)

    return Kind(f"a list of numbers above {above}", check)


def column() -> Kind:
    """A column of a file, by its number or its name; an empty name for none."""

    def check(name: str, value: Any) -> int | str:
        if isinstance(value, str):
            return value
        return check_integer(name, value, 0, note="or the name of a column")

    return Kind("an integer of at least 0, or a name", check)


def columns(count: int) -> Kind:
    """A number of columns, all of them by their numbers or all by their names."""

    def check(name: str, value: Any) -> tuple[int, ...] | tuple[str, ...]:
        _check_quoted(name, value)
        is_list = isinstance(value, (list, tuple)) and len(value) == count
        if is_list and all(isinstance(item, str) and item for item in value):
            return tuple(value)
        return check_integers(name, value, 0, count, note="or of names of columns")

    return Kind(f"a list of {count} integers of at least 0, or of names", check)


def _check_quoted(name: str, value: Any) -> None:
    """Refuses a list whose quotes a shell took away."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        raise ValueError(
            f"`{name}` must be a list of TOML, with its strings in double quotes; on a "
            f"command line put all of it into single ones: --set '{name}=[\"...\"]'. "
            f"Received: {value!r}"
        )


def one_or_two(kind: Kind) -> Kind:
    """One value for source and target, or a list of two."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, (list, tuple)):
            return kind.check(name, value)
        if len(value) != 2:
            raise ValueError(
                f"`{name}` must be one value, or a list of two, for source and target. "
                f"Received: {value!r}"
            )
        return tuple(kind.check(name, item) for item in value)

    description = f"{kind.description}, or a list of two for source and target"
    if kind.choices:
        description = "one, or a list of two for source and target, of"
    return Kind(description, check, kind.choices)


def count_or_share() -> Kind:
    """A positive integer, or a share of less than a half."""

    def check(name: str, value: Any) -> int | float:
        if is_integer(value) and value > 0:
            return int(value)
        if is_number(value) and not is_integer(value) and 0 < value < 0.5:
            return float(value)
        raise ValueError(
            f"`{name}` must be a positive integer, or a share of less than 0.5. "
            f"Received: {value!r}"
        )

    return Kind("a positive integer, or a share of less than 0.5", check)


def only_tables(
    given: Mapping[str, Any], path: PathLike, errors: list[str]
) -> dict[str, dict[str, Any]]:
    """The sections of a file of settings.

    Args:
        given: The content of the file.
        path: Its path, for messages.
        errors: List to which a message is added for each setting outside of a section.
    """
    errors += [
        f"{path}: settings must stand in a [section]. Received: {section!r}"
        for section, values in given.items()
        if not isinstance(values, dict)
    ]
    return {section: x for section, x in given.items() if isinstance(x, dict)}


def make_section(
    cls: type[Section], section: str, values: Mapping[str, Any], errors: list[str]
) -> Section:
    """A section from the values given for it, and defaults.

    Args:
        cls: The dataclass of the section.
        section: Its name.
        values: Dict from the names of settings to their values.
        errors: List to which a message is added for each value that cannot be used; the
            default stands in its place.

    Returns:
        An instance of `cls`.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore
    checked = {}
    for name, value in values.items():
        if name not in fields:
            errors.append(unknown_name(section, name, list(fields)))
            continue
        try:
            checked[name] = (
                fields[name].metadata["kind"].check(f"{section}.{name}", value)
            )
        except ValueError as error:
            errors.append(str(error))
    return cls(**checked)


def unknown_name(section: str, name: str, names: Sequence[str]) -> str:
    """The error for a setting that there is not."""
    return (
        f"`{section}.{name}` is no setting: [{section}] has {', '.join(names)}. "
        f"Received: {section}.{name}"
    )
