"""Deterministic automata over characters."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from kseq2seq.decoding.patterns.expression import (
    ANY,
    Characters,
    Choice,
    InTurn,
    Node,
    Repeat,
    parse_pattern,
)

MAX_STATES = 20_000
TOO_LARGE = (
    f"A pattern must take at most {MAX_STATES} states: lower its counts, or give fewer "
    "words. Received: a pattern that takes more"
)


@dataclasses.dataclass(frozen=True)
class Automaton:
    """A deterministic automaton; its first state is 0.

    Args:
        table: int32 of shape `(states, kinds)`: the next state after a character of a
            kind; -1 where there is none.
        kinds: Dict from each character to its kind.
        is_end: Booleans of shape `(states,)`: where a text may end.
    """

    table: np.ndarray
    kinds: dict[str, int]
    is_end: np.ndarray

    def complement(self) -> "Automaton":
        """The automaton of all other texts of these characters."""
        sink = len(self.table)
        table = np.where(self.table < 0, sink, self.table)
        table = np.concatenate([table, np.full((1, table.shape[1]), sink, "int32")])
        return Automaton(table, self.kinds, ~np.append(self.is_end, False))

    def matches(self, text: str) -> bool:
        """Whether it is a text of the automaton, whose characters must all be known.

        Args:
            text: The text.
        """
        state = 0
        for char in text:
            state = self.table[state, self.kinds[char]]
            if state < 0:
                return False
        return bool(self.is_end[state])


def pattern_automaton(pattern: str, characters: Iterable[str]) -> Automaton:
    r"""The automaton of the texts that a pattern matches from end to end.

    Args:
        pattern: The pattern; `kseq2seq.decoding.patterns.expression` tells what it may
            hold.
        characters: All that texts may be made of.

    Raises:
        ValueError: If the pattern is none, or takes too many states.

    Example:

    >>> automaton = pattern_automaton(r"\d{2}", "0123456789ab")
    >>> automaton.matches("42"), automaton.matches("4a")
    (True, False)
    """
    return _deterministic(parse_pattern(pattern), characters)


def words_automaton(words: Sequence[str], characters: Iterable[str]) -> Automaton:
    """The automaton of the texts that hold one of some words, as a word of its own.

    An end of a word that is a letter, a digit or a `_` has none of these beside it. Any
    other end, as both of "!", may have any character there.

    Args:
        words: The words; they may hold blanks.
        characters: All that texts may be made of.

    Example:

    >>> automaton = words_automaton(["cat"], " .acts")
    >>> [automaton.matches(text) for text in ("a cat.", "cats", "cat")]
    [True, False, True]
    """
    no_word, anything = Characters(classes="W"), Repeat(ANY, 0, None)
    before = Repeat(InTurn((anything, no_word)), 0, 1)
    after = Repeat(InTurn((no_word, anything)), 0, 1)

    # One way in and one way out for all words of a kind, which keeps states few.
    ways_out = []
    for last, way_out in ((True, after), (False, anything)):
        ways_in = []
        for first, way_in in ((True, before), (False, anything)):
            some = [
                InTurn(tuple(Characters(((char, char),)) for char in word))
                for word in words
                if (word[0] not in no_word, word[-1] not in no_word) == (first, last)
            ]
            if some:
                ways_in.append(InTurn((way_in, Choice(tuple(some)))))
        if ways_in:
            ways_out.append(InTurn((Choice(tuple(ways_in)), way_out)))
    choice = Choice(tuple(ways_out))
    return _deterministic(choice, characters)


class _States:
    """States of a nondeterministic automaton."""

    def __init__(self):
        self.skips: list[list[int]] = []  # states reached without a character
        self.steps: list[tuple[Characters, int] | None] = []

    def add(self):
        if len(self.skips) >= MAX_STATES:
            raise ValueError(TOO_LARGE)
        self.skips.append([])
        self.steps.append(None)
        return len(self.skips) - 1

    def build(self, node: Node, start: int) -> int:
        """Adds states from `start` on; gives the state behind the node."""
        if isinstance(node, Characters):
            end, here = self.add(), self.add()
            self.skips[start].append(here)
            self.steps[here] = (node, end)
            return end
        if isinstance(node, InTurn):
            for part in node.parts:
                start = self.build(part, start)
            return start
        if isinstance(node, Choice):
            end = self.add()
            for part in node.parts:
                self.skips[self.build(part, start)].append(end)
            return end
        for _ in range(node.least):
            start = self.build(node.part, start)
        if node.most is None:
            loop, end = self.add(), self.add()
            self.skips[start].append(loop)
            self.skips[loop].append(end)
            self.skips[self.build(node.part, loop)].append(loop)
            return end
        end = self.add()
        for _ in range(node.most - node.least):
            self.skips[start].append(end)
            start = self.build(node.part, start)
        self.skips[start].append(end)
        return end

    def closure(self, states):
        """All states that are reached from some without a character."""
        reached, waiting = set(states), list(states)
        while waiting:
            for state in self.skips[waiting.pop()]:
                if state not in reached:
                    reached.add(state)
                    waiting.append(state)
        return frozenset(x for x in reached if self.steps[x] or not self.skips[x])


def _deterministic(node, characters):
    """The deterministic automaton of a pattern, by the subset construction.

    Characters that are in the same sets of the pattern are of one kind.
    """
    states = _States()
    start = states.add()
    end = states.build(node, start)
    sets = list(dict.fromkeys(step[0] for step in states.steps if step))
    signatures: dict[tuple[bool, ...], int] = {}
    kinds = {}
    for char in dict.fromkeys(characters):
        signature = tuple(char in one for one in sets)
        kinds[char] = signatures.setdefault(signature, len(signatures))
    numbers = {states.closure([start]): 0}
    rows, waiting = [], [states.closure([start])]
    for subset in waiting:
        row = []
        for signature in signatures:
            inside = dict(zip(sets, signature, strict=True))
            steps = [step for x in subset if (step := states.steps[x]) is not None]
            reached = states.closure([to for one, to in steps if inside[one]])
            if reached and reached not in numbers:
                if len(numbers) >= MAX_STATES:
                    raise ValueError(TOO_LARGE)
                numbers[reached] = len(numbers)
                waiting.append(reached)
            row.append(numbers[reached] if reached else -1)
        rows.append(row)
    table = np.array(rows, "int32").reshape(len(rows), len(signatures))
    return Automaton(table, kinds, np.array([end in subset for subset in numbers]))
