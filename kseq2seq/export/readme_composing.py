"""Parts of the READMEs of exports from ids to ids whose text is to be composed.

SentencePiece writes parts of characters as they are; `Tokenizer` composes them.
"""

from collections.abc import Mapping
from string import Template

from kseq2seq.tokenizers import Tokenizer

_NOTE = (
    "- Tokens are parts of characters, such as accents: compose the text, in Unicode's "
    "NFC, as\n  the program does. What was cut off loses a begun Hangul syllable at "
    "its end.\n"
)
_COPIES_NOTE = (
    "- A copy may be a part of a character, such as an accent: compose a text with "
    "copies, in\n  Unicode's NFC, as the program does.\n"
)

_COMPOSE = """\
    if target.eos_id() not in ids:  # cut off: without a begun Hangul syllable
        written = written.rstrip("".join(map(chr, range(0x1100, 0x115F))))
    written = unicodedata.normalize("NFC", written)
"""


def about_composing(
    copies: bool, source_tokenizer: Tokenizer, target_tokenizer: Tokenizer
) -> dict[str, str]:
    """Entries of `kseq2seq.json` for programs that write text; none for most models.

    Args:
        copies: Whether the model copies.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.

    Returns:
        A dict of the form of Unicode that texts are to have: of `compose` for all
        texts, or of `compose_copies` for those with copies alone.

    Example:

    >>> from kseq2seq import train_tokenizers
    >>> both = train_tokenizers([("a", "b")], kind="character", normalization="nfd")
    >>> about_composing(False, *both)
    {'compose': 'NFC'}
    """
    if target_tokenizer.decomposes:
        return {"compose": "NFC"}
    if copies and source_tokenizer.decomposes:
        return {"compose_copies": "NFC"}
    return {}


def with_composing(
    parts: Mapping[str, str], about: Mapping[str, str]
) -> dict[str, str]:
    r"""The parts of a README, whose program composes what is to be composed.

    Args:
        parts: The parts of `readme_copying`.
        about: Result of `about_composing`.

    Example:

    >>> parts = {"writing": "    written = text\n$compose    print(written)\n"}
    >>> parts = with_composing({**parts, "copying_setup": ""}, {"compose": "NFC"})
    >>> print(parts["writing"], end="")
        written = text
        if target.eos_id() not in ids:  # cut off: without a begun Hangul syllable
            written = written.rstrip("".join(map(chr, range(0x1100, 0x115F))))
        written = unicodedata.normalize("NFC", written)
        print(written)
    """
    note = ""
    if "compose" in about:
        note = _NOTE
    elif "compose_copies" in about:
        note = _COPIES_NOTE

    def filled(name, entry):
        line = _COMPOSE if entry in about else ""
        return Template(parts[name]).substitute(compose=line)

    return {
        **parts,
        "compose_import": "import unicodedata\n" if about else "",
        "compose_note": note,
        "writing": filled("writing", "compose"),
        "copying_setup": filled("copying_setup", "compose_copies"),
    }
