"""Calls of the command `kseq2seq` in this process, and what it refuses."""

import re

PAIRS = [
    ("ein Hund", "a dog"),
    ("eine Katze läuft", "a cat runs"),
    ("ja", "yes"),
    ("nein", "no"),
]


def assert_refused(result, match):
    assert result.code == 2
    assert result.out == ""
    assert re.search(match, result.err), result.err
    assert result.err.count("\n") == 1 and result.err.startswith("kseq2seq")
    assert "Traceback" not in result.err
