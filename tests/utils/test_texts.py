import sys
import unicodedata

import pytest

from kseq2seq.utils import is_blank


def test_white_space_control_and_format_characters_are_blank():
    for char in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp", "Zs"}:
            assert is_blank(char), hex(ord(char))
        if not char.strip():
            assert is_blank(char)


def test_nothing_that_is_drawn_is_blank():
    fillers = set("\u115f\u1160\u2800\u3164\uffa0")
    for char in map(chr, range(sys.maxunicode + 1)):
        if unicodedata.category(char)[0] in "LNPS" and char not in fillers:
            assert not is_blank(char), hex(ord(char))


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u200b\ufeff", "\u00ad", "\u2060\u200e", "\x00\x1b", "\u3164\ufe0f"],
)
def test_blank(text):
    assert is_blank(text)
    assert not is_blank(text + "a") and not is_blank("日" + text)
    assert not is_blank(text + "\u0301")
