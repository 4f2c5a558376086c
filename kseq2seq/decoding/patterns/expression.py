r"""A subset of regular expressions: parsed into what an automaton is made of.

There are characters, `.`, classes such as `[a-z_]` and `[^0-9]`, `\d`, `\w`, `\s` and
their opposites in capitals, groups, `|`, and the counts `?`, `*`, `+`, `{2}`, `{2,}`
and `{2,5}`. They mean the same as in Python's `re.fullmatch`, and `.` is any character.
There are no anchors, no back references and no flags.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeAlias

# The most copies that a count may make of what is before it.
MAX_COUNT = 1000
_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": str.isdecimal,
    "w": lambda char: char.isalnum() or char == "_",
    "s": str.isspace,
}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}
_SPECIAL = "|)*+?{"


@dataclasses.dataclass(frozen=True)
class Characters:
    """A set of characters.

    Args:
        ranges: Pairs of the first and the last character of a range.
        classes: Names of classes such as "d", and "D" for all others.
        is_negated: Whether it is all other characters.
    """

    ranges: tuple[tuple[str, str], ...] = ()
    classes: str = ""
    is_negated: bool = False

    def __contains__(self, char: str) -> bool:
        inside = any(first <= char <= last for first, last in self.ranges) or any(
            _CLASSES[name.lower()](char) == name.islower() for name in self.classes
        )
        return inside != self.is_negated


@dataclasses.dataclass(frozen=True)
class InTurn:
    """Parts that follow one another."""

    parts: tuple["Node", ...]


@dataclasses.dataclass(frozen=True)
class Choice:
    """A choice between parts."""

    parts: tuple["Node", ...]


@dataclasses.dataclass(frozen=True)
class Repeat:
    """A part that is repeated `least` to `most` times; `None` for any number."""

    part: "Node"
    least: int
    most: int | None


Node: TypeAlias = Characters | InTurn | Choice | Repeat
ANY = Characters(is_negated=True)


def parse_pattern(pattern: str) -> Node:
    """The parts of a pattern.

    Args:
        pattern: The pattern, in the subset that the module describes.

    Raises:
        ValueError: If it is no such pattern.

    Example:

    >>> parse_pattern("a{2,5}").most
    5
    """
    if not isinstance(pattern, str):
        raise ValueError(
            f"`pattern` must be a string, or `None`. Received: pattern={pattern!r}"
        )
    return _Parser(pattern).parse()


class _Parser:
    """A parser that goes down from choices to single characters."""

    def __init__(self, pattern):
        self._pattern = pattern
        self._place = 0

    def parse(self):
        node = self._choice()
        if self._place < len(self._pattern):
            self._refuse("a `)` has no `(`")
        return node

    def _refuse(self, reason):
        raise ValueError(
            "`pattern` must be a regular expression of characters, classes, groups, "
            f"`|` and counts: {reason}, at character {self._place + 1}; put a "
            "backslash before a sign that stands for itself. "
            f"Received: pattern={self._pattern!r}"
        )

    def _next(self):
        return self._pattern[self._place : self._place + 1]

    def _take(self):
        char = self._next()
        if not char:
            self._refuse("it ends too early")
        self._place += 1
        return char

    def _skip(self, text):
        """Whether `text` comes next, which is then passed over."""
        comes = self._pattern.startswith(text, self._place)
        self._place += len(text) * comes
        return comes

    def _choice(self):
        parts = [self._sequence()]
        while self._skip("|"):
            parts.append(self._sequence())
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self):
        parts = []
        while self._next() not in ("", "|", ")"):
            parts.append(self._repeated(self._single()))
        return parts[0] if len(parts) == 1 else InTurn(tuple(parts))

    def _repeated(self, part):
        if self._next() not in ("*", "+", "?", "{"):
            return part
        sign = self._take()
        if sign == "{":
            least, most = self._counts()
        else:
            least, most = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        if self._next() in ("*", "+", "?", "{"):
            self._refuse("a count may not follow another one, and none is lazy")
        return Repeat(part, least, most)

    def _counts(self):
        end = self._pattern.find("}", self._place)
        inside = self._pattern[self._place : end] if end >= 0 else ""
        least, comma, most = inside.partition(",")
        if not least.isdecimal() or (most and not most.isdecimal()):
            self._refuse("a count must be as {2}, {2,} or {2,5}")
        self._place = end + 1
        first = int(least)
        last = first if not comma else int(most) if most else None
        if max(first, last or 0) > MAX_COUNT or (last is not None and last < first):
            self._refuse(f"a count must rise, up to {MAX_COUNT}")
        return first, last

    def _single(self):
        char = self._take()
        if char == "(":
            if not self._skip("?:") and self._next() == "?":
                self._refuse("a group must be as (...) or (?:...)")
            node = self._choice()
            if not self._skip(")"):
                self._refuse("a `(` has no `)`")
            return node
        if char == "[":
            return self._class()
        if char == ".":
            return ANY
        if char == "\\":
            return self._escaped()
        if char in _SPECIAL or char in "^$":
            self._place -= 1
            self._refuse(f"`{char}` has no meaning here")
        return Characters(((char, char),))

    def _escaped(self):
        char = self._take()
        if char.lower() in _CLASSES:
            return Characters(classes=char)
        if char in _ESCAPES:
            char = _ESCAPES[char]
        elif char.isalnum():
            self._refuse(f"`\\{char}` is not known")
        return Characters(((char, char),))

    def _class(self):
        is_negated = self._skip("^")
        ranges, classes = [], ""
        while (not ranges and not classes) or self._next() != "]":
            one = self._of_class()
            if one.classes:
                classes += one.classes
                continue
            first = last = one.ranges[0][0]
            if self._next() == "-" and self._pattern[self._place + 1 :][:1] != "]":
                self._take()
                end = self._of_class()
                if end.classes or end.ranges[0][0] < first:
                    self._refuse("a range must rise from one character to another")
                last = end.ranges[0][0]
            ranges.append((first, last))
        self._take()
        return Characters(tuple(ranges), classes, is_negated)

    def _of_class(self):
        char = self._take()
        return self._escaped() if char == "\\" else Characters(((char, char),))
