"""Patterns against Python's `re`, on all short texts."""

import itertools
import re

import numpy as np
import pytest

from kseq2seq.decoding import pattern_automaton, token_table, words_automaton
from kseq2seq.decoding.patterns import parse_pattern

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


def test_a_table_follows_the_texts_of_tokens():
    texts = [None, None, None, None, "a", "ab", " ", " b", "b", "b0", " a ", None]
    automaton = pattern_automaton("(a|b)+( [ab]+)?", CHARACTERS)
    table = token_table(automaton, texts)
    other = token_table(automaton, texts, blank_ahead=False, others="a")
    for tokens in itertools.product(range(4, 12), repeat=3):
        written = "".join(texts[token] or "a" for token in tokens)
        for one, text in (table, written.removeprefix(" ")), (other, written):
            state = len(one) - 1
            for token in tokens:
                state = one[state, token] if state >= 0 else -1
            ends = state >= 0 and one[state, 3] >= 0
            possible = 11 not in tokens or one is other
            assert ends == (possible and automaton.matches(text)), tokens
    assert (table[:, [0, 1, 2]] == -1).all() and (other[:, 1] >= 0).any()
    assert table.dtype == np.int32


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(a", r"a `\(` has no `\)`, at character 3.*Received: pattern='\(a'"),
        ("a)", r"a `\)` has no `\(`"),
        ("*a", r"`\*` has no meaning here, at character 1"),
        ("^a$", r"`\^` has no meaning here"),
        ("a{2", "a count must be as"),
        ("a{x}", "a count must be as"),
        ("a{3,2}", "a count must rise, up to 1000"),
        ("a{1001}", "a count must rise, up to 1000"),
        ("[a", "it ends too early"),
        ("[b-a]", "a range must rise"),
        (r"[a-\d]", "a range must rise"),
        ("a*?", "may not follow another one"),
        (r"\b", "is not known"),
        ("(?=a)", "a group must be as"),
        (3, "`pattern` must be a string"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern, message):
    with pytest.raises(ValueError, match=message):
        parse_pattern(pattern)


def test_patterns_of_too_many_states_are_refused(monkeypatch):
    from kseq2seq.decoding.patterns import automaton

    monkeypatch.setattr(automaton, "MAX_STATES", 60)
    for pattern in ("(a|b)*a(a|b){7}", "a{61}"):
        with pytest.raises(ValueError, match="at most 20000 states: lower its counts"):
            pattern_automaton(pattern, CHARACTERS)
