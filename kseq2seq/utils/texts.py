"""Text that shows nothing, and text of more lines than one."""

import re

# Code points that leave no mark: separators, control and format characters (Unicode's
# categories Z, Cc and Cf), and of the others those that Unicode says to ignore where
# they cannot be drawn (Default_Ignorable_Code_Point), and the blank of Braille. One
# table, since Python and TensorFlow's regular expressions know other versions of
# Unicode.
_INVISIBLE = (
    (0x0000, 0x0020), (0x007F, 0x00A0), (0x00AD, 0x00AD), (0x034F, 0x034F),
    (0x0600, 0x0605), (0x061C, 0x061C), (0x06DD, 0x06DD), (0x070F, 0x070F),
    (0x0890, 0x0891), (0x08E2, 0x08E2), (0x115F, 0x1160), (0x1680, 0x1680),
    (0x17B4, 0x17B5), (0x180B, 0x180F), (0x2000, 0x200F), (0x2028, 0x202F),
    (0x205F, 0x206F), (0x2800, 0x2800), (0x3000, 0x3000), (0x3164, 0x3164),
    (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB),
    (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
# For RE2, the regular expressions of TensorFlow.
BLANK_RE2 = "[" + "".join(rf"\x{{{a:X}}}-\x{{{b:X}}}" for a, b in _INVISIBLE) + "]*"
_BLANK = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in _INVISIBLE) + "]*")

_LINE_END = re.compile(r"\r\n|\r|\n")


def is_blank(text: str) -> bool:
    r"""Whether a text shows nothing: white space, zero-width and control characters.

    Args:
        text: A string.

    Example:

    >>> is_blank(" \u200b\t"), is_blank("\ufeff"), is_blank(" a\u200b")
    (True, True, False)
    """
    return _BLANK.fullmatch(text) is not None


def join_lines(text: str) -> str:
    r"""A text on one line: a blank in the place of each line end that files have.

    Others, such as U+2028, stay: neither `open` nor `kseq2seq.data.read_lines` ends a
    line there.

    Args:
        text: A string.

    Example:

    >>> join_lines("a\nb\r\nc\rd")
    'a b c d'
    """
    return _LINE_END.sub(" ", text)
