"""Patterns of outputs: regular expressions as tables of tokens."""

from kseq2seq.decoding.patterns.automaton import (
    Automaton,
    pattern_automaton,
    words_automaton,
)
from kseq2seq.decoding.patterns.expression import (
    parse_pattern,
)
from kseq2seq.decoding.patterns.tables import (
    token_table,
)

__all__ = [
    "Automaton",
    "parse_pattern",
    "pattern_automaton",
    "token_table",
    "words_automaton",
]
