"""Strings that no sane client would send, of many kinds, the same for the same seed."""

import itertools
import random

GOOD_TEXTS = (
    "Saturday, March 4, 2017",
    "dimanche 20 juillet 1969",
    "9. November 1989",
    "2024年2月29日",
    "keskiviikko 6. joulukuuta 2017",
    "1 de enero de 2000",
    "perjantai 13.",
)
LONGEST = 100_000
SYMBOLS = ("▁", "</s>", "<s>", "<unk>", "<pad>", "⁇", " ⁇ ", "<0x41>", "▁▁", "<2de>")


def characters(draw, *ranges):
    """A character of one of some ranges of code points, none of them a surrogate."""
    while True:
        code = draw.randint(*draw.choice(ranges))
        if not 0xD800 <= code <= 0xDFFF:
            return chr(code)


def text_of(draw, *ranges):
    """A text of such characters, most often a short one."""
    length = int(draw.expovariate(1 / 20))
    return "".join(characters(draw, *ranges) for _ in range(length)).encode()


def cut(draw):
    """UTF-8 that ends, or begins, within a character."""
    text = "".join(characters(draw, (0x80, 0x10FFFF)) for _ in range(3)).encode()
    return text[:-1] if draw.random() < 0.5 else text[1:]


def overlong(draw):
    """Bytes like UTF-8 that are none: overlong, or beyond the last character."""
    return draw.choice((b"\xc0\xaf", b"\xe0\x80\x80", b"\xf4\x90\x80\x80", b"\xfe\xff"))


def surrogates(draw):
    return b"a" + chr(draw.randint(0xD800, 0xDFFF)).encode("utf-8", "surrogatepass")


def combining(draw):
    """A letter with more marks than any writing has."""
    marks = (characters(draw, (0x300, 0x36F), (0x1AB0, 0x1ACE)) for _ in range(60))
    return ("e" + "".join(marks) * draw.randint(1, 4)).encode()


def right_to_left(draw):
    marks = "\u200f\u202e\u2067\u2069"
    return text_of(draw, (0x5D0, 0x5EA), (0x620, 0x64A)) + draw.choice(marks).encode()


def blanks(draw):
    kinds = " \t\n\r\v\f\u00a0\u2003\u2028\u200b\u3000\ufeff"
    return "".join(draw.choices(kinds, k=draw.randint(1, 30))).encode()


def long_line(draw):
    unit = draw.choice(
        (b"a", b"ab ", "犬".encode(), b"\xff", b"\0", b" ", b"1/", b"\n")
    )
    return (unit * LONGEST)[: draw.randint(LONGEST // 10, LONGEST)]


def mutated(draw):
    """A good text with some bytes changed, put in or left out."""
    text = bytearray(draw.choice(GOOD_TEXTS).encode())
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text))
        text[at : at + draw.randint(0, 2)] = draw.randbytes(draw.randint(0, 2))
    return bytes(text)


KINDS = {
    "random bytes": lambda draw: draw.randbytes(int(draw.expovariate(1 / 40))),
    "characters of all planes": lambda draw: text_of(draw, (0, 0x10FFFF)),
    "characters of the first plane": lambda draw: text_of(draw, (0, 0xFFFF)),
    "cut UTF-8": cut,
    "overlong UTF-8": overlong,
    "surrogates": surrogates,
    "NUL": lambda draw: draw.choice((b"\0", b"a\0b", b"\0" * 17, b"1999\0")),
    "combining marks": combining,
    "right to left": right_to_left,
    "emoji": lambda draw: "\u200d".join("👩🏽🚀🇫🇮"[: draw.randint(1, 5)]).encode(),
    "nothing": lambda draw: b"",
    "blanks": blanks,
    "control characters": lambda draw: text_of(draw, (1, 31), (127, 159)),
    "symbols": lambda draw: "".join(draw.choices(SYMBOLS, k=3)).encode(),
    "mutated": mutated,
    "long lines": long_line,
}
# One in so many strings; the others are dealt out evenly.
LONG_LINES = 50


def strange_texts(count, seed):
    """Strings of every kind, as a list of pairs `(kind, bytes)`."""
    draw = random.Random(seed)
    short = itertools.cycle(kind for kind in KINDS if kind != "long lines")
    kinds = ["long lines" if n % LONG_LINES == 0 else next(short) for n in range(count)]
    draw.shuffle(kinds)
    return [(kind, KINDS[kind](draw)) for kind in kinds]
