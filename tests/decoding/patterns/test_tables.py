"""Tables of tokens, beside the texts that these write."""

import itertools

import numpy as np

from kseq2seq.decoding import pattern_automaton, token_table

CHARACTERS = "ab0- "


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
