"""Patterns against Python's `re`, on all short texts."""

import itertools
import re

import pytest

from kseq2seq.decoding import pattern_automaton, words_automaton

CHARACTERS = "ab0- "
TEXTS = ["".join(x) for n in range(6) for x in itertools.product(CHARACTERS, repeat=n)]


@pytest.mark.parametrize(
    "pattern",
    [
        "", "a", "ab", "a|b", "a|", "(a|b0)*", "a*b+0?", "(ab){2}", "a{1,}",
        "a{0,2}b{3}", "(?:a|-){2,3}", "[ab]+", "[^ab]*", "[a-b0-]{2}", r"\d{2}-\d",
        r"\w+( \w+)*", r"\S\D\W", ".*0.*", "(a*)*b", "((a|b)(0|-))*", r"[\d\s]+",
        "(a|ab)(0|b0)", r"a\-b", "[]a]*", "(|a)(|b)", "(?:a{2}){2}", "[^-]*",
        r"[\]a]*", "(a?){3}b",
    ],
)  # fmt: skip
def test_a_pattern_matches_what_it_does_in_python(pattern):
    automaton = pattern_automaton(pattern, CHARACTERS)
    others = automaton.complement()
    expression = re.compile(pattern, re.DOTALL)
    for text in TEXTS:
        expected = expression.fullmatch(text) is not None
        assert automaton.matches(text) == expected, text
        assert others.matches(text) != expected, text


@pytest.mark.parametrize(
    "words", [["a"], ["ab", "b0"], ["a b"], ["a-"], ["-"], ["-a", "b0", "--"]]
)
def test_words_are_words_of_their_own(words):
    """If they end in a letter or a digit: a "-" is found in "a-b" as well."""
    automaton = words_automaton(words, CHARACTERS)
    choice = "|".join(
        (r"\b" if word[0] != "-" else "")
        + re.escape(word)
        + (r"\b" if word[-1] != "-" else "")
        for word in words
    )
    for text in TEXTS:
        assert automaton.matches(text) == bool(re.search(choice, text)), text


def test_patterns_of_too_many_states_are_refused(monkeypatch):
    from kseq2seq.decoding.patterns import automaton

    monkeypatch.setattr(automaton, "MAX_STATES", 60)
    for pattern in ("(a|b)*a(a|b){7}", "a{61}"):
        with pytest.raises(ValueError, match="at most 20000 states: lower its counts"):
            pattern_automaton(pattern, CHARACTERS)
