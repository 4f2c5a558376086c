"""Fonts for text in any script, and text as it can be drawn."""

import logging
import unicodedata
from collections.abc import Sequence

_logger = logging.getLogger("kseq2seq")

# Families that begin so are looked at, in this order, for characters that the
# user's own font lacks.
FALLBACK_FONTS = (
    "DejaVu Sans",
    "Noto Sans",
    "Source Han Sans",
    "Droid Sans",
    "WenQuanYi",
    "Lohit",
    "FreeSans",
    "FreeSerif",
    "Arial Unicode",
    "Segoe UI",
    "Nirmala UI",
    "Microsoft YaHei",
    "Yu Gothic",
    "Meiryo",
    "Malgun Gothic",
    "SimHei",
    "Tahoma",
    "Leelawadee UI",
    "Ebrima",
    "PingFang",
    "Hiragino Sans",
    "Apple SD Gothic Neo",
    "Geeza Pro",
    "Kohinoor",
    "Devanagari",
    "Thonburi",
    "Symbola",
    "Unifont",
)
# Characters that were reported as missing; the report comes once in a process.
_reported: set[str] = set()


def drawable(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Texts as they can be drawn, and the font families to draw them with.

    Accents are composed, since more fonts have "é" than an accent of its own. A
    character without a glyph becomes its code point, `U+4E2D` say, and a text of
    blanks becomes `␣`. The first time that a character has no glyph, the logger
    "kseq2seq" warns and says what to install.

    Args:
        texts: Strings.

    Returns:
        A tuple `(texts, families)`.

    Raises:
        ValueError: If one of them is no string.

    Example:

    >>> texts, _ = drawable(["a\u0301", " "])
    >>> texts
    ['á', '␣']
    """
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(
                "Words, tokens and titles of a plot must be strings: make one of "
                f"everything else, str(value). Received: {text!r:.80} of type "
                f"{type(text).__name__}"
            )
    texts = [unicodedata.normalize("NFC", text) for text in texts]
    families, missing = font_families("".join(texts))
    _report(missing)
    return [_clean(text, missing) for text in texts], families


def font_families(text: str) -> tuple[list[str], set[str]]:
    """The font families that `text` needs, and the characters that all of them lack.

    Args:
        text: Any text.

    Returns:
        A tuple `(families, missing)`: the user's own family, then fallbacks; a set of
        characters.

    Example:

    >>> families, missing = font_families("é")
    >>> len(families), missing
    (1, set())
    """
    from matplotlib import font_manager

    path = font_manager.findfont(font_manager.FontProperties())  # the user's own
    font = font_manager.get_font(path)
    families, missing = [font.family_name], set(text)
    missing -= {chr(code) for code in font.get_charmap()}
    installed = sorted(
        {
            entry.name
            for entry in font_manager.fontManager.ttflist
            if (entry.style, entry.stretch) == ("normal", "normal")
            and entry.weight in (400, 500, "normal", "regular", "medium")
            and "Color" not in entry.name  # emoji that cannot be drawn
        }
    )
    for start in FALLBACK_FONTS:
        for family in installed:
            if not missing:
                return families, missing
            if family.startswith(start):
                wanted = font_manager.FontProperties(family=[family])
                font = font_manager.get_font(font_manager.findfont(wanted))
                covered = {
                    character
                    for character in missing
                    if ord(character) in font.get_charmap()
                }
                families += [family] if covered else []
                missing -= covered
    return families, missing


def _report(missing):
    """Warns of characters without a glyph, once in a process."""
    missing = sorted(missing - {each for each in missing if not _is_visible(each)})
    if not missing or _reported:
        return
    _reported.update(missing)
    import matplotlib

    examples = ", ".join(f"U+{ord(each):04X}" for each in missing[:5])
    _logger.warning(
        "No installed font has %d characters of a figure, such as %s; they are drawn "
        "as code points. Install a font that has them, such as Google's Noto fonts "
        "(fonts-noto-core and fonts-noto-cjk on Debian and Ubuntu), then delete "
        "Matplotlib's font cache, %s/fontlist-*.json, and start Python anew.",
        len(missing),
        examples,
        matplotlib.get_cachedir(),
    )


def _is_visible(character):
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn")


def _clean(text, missing):
    """`text` with code points for characters without a glyph."""
    pieces = []
    for character in text:
        kind = unicodedata.category(character)
        if character in missing or kind in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp"):
            # Joiners, marks of direction and variation selectors are invisible anyway.
            invisible = kind == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F
            pieces.append("" if invisible else f" U+{ord(character):04X} ")
        else:
            pieces.append(character)
    return "".join(pieces).replace("  ", " ").strip() or "␣" * len(text)
