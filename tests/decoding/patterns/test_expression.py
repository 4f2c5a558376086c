"""Patterns that are none, and what is said of them."""

import pytest

from kseq2seq.decoding.patterns import parse_pattern


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
