"""Automata over characters as tables of tokens."""

from collections.abc import Sequence

import numpy as np

from kseq2seq.decoding.patterns.automaton import Automaton
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID


def token_table(
    automaton: Automaton,
    texts: Sequence[str | None],
    blank_ahead: bool = True,
    others: str | None = None,
) -> np.ndarray:
    """The state that follows each state after each token.

    Args:
        automaton: The `Automaton`.
        texts: The text of each id; `None` for none.
        blank_ahead: Whether a blank at the very beginning is no part of an output, as
            SentencePiece writes one.
        others: Text of the ids that have none, such as U+FFFD; they may not come if
            `None`.

    Returns:
        int32 of shape `(states, vocabulary)`: -1 where a token may not come. EOS may
        where an output may end. The last state is the first one of an output.

    Example:

    >>> from kseq2seq.decoding.patterns import pattern_automaton
    >>> automaton = pattern_automaton("ab?", "ab ")
    >>> texts = [None, None, None, None, "a", "ab", "b", " a"]
    >>> token_table(automaton, texts)[-1].tolist()
    [-1, -1, -1, -1, 1, 2, -1, 1]
    """
    states = np.arange(len(automaton.table), dtype="int32")
    table = np.full((len(states) + 1, len(texts)), -1, "int32")
    for token, text in enumerate(texts):
        if token in (PAD_ID, BOS_ID, EOS_ID):
            continue
        text = others if text is None else text
        if text is None:
            continue
        table[:-1, token] = _follow(automaton, states, text)
        first = text[1:] if blank_ahead and text.startswith(" ") else text
        table[-1, token] = _follow(automaton, states[:1], first)[0]
    table[:-1, EOS_ID] = np.where(automaton.is_end, states, -1)
    table[-1, EOS_ID] = table[0, EOS_ID]
    return table


def _follow(automaton, states, text):
    for char in text:
        kind = automaton.kinds[char]
        states = np.where(states < 0, -1, automaton.table[states, kind])
    return states
