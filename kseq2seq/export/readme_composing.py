"""Parts of the READMEs of exports from ids to ids whose text is to be composed.

SentencePiece writes parts of characters as they are; `Tokenizer` composes them.
"""

import re
from collections.abc import Mapping

from kseq2seq.tokenizers import Tokenizer

_NOTE = (
    "- Tokens are parts of characters, such as accents: compose the text, in Unicode's "
    "NFC, as\n  the program does. What was cut off may end in a part of a Hangul "
    "syllable.\n"
)
_COPIES_NOTE = (
    "- A copy may be a part of a character, such as an accent: compose a text with "
    "copies, in\n  Unicode's NFC, as the program does.\n"
)


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

    >>> parts = {"writing": "    print(text)\n", "copying_setup": ""}
    >>> print(with_composing(parts, {"compose": "NFC"})["writing"], end="")
        written = text
        print(unicodedata.normalize("NFC", written))
    """
    parts = {"compose_import": "", "compose_note": "", **parts}
    if about:
        parts["compose_import"] = "import unicodedata\n"
    if "compose" in about:
        parts["compose_note"] = _NOTE
        parts["writing"] = re.sub(
            r"print\((.*)\)",
            r'written = \1\n    print(unicodedata.normalize("NFC", written))',
            parts["writing"],
        )
    elif "compose_copies" in about:
        parts["compose_note"] = _COPIES_NOTE
        parts["copying_setup"] = parts["copying_setup"].replace(
            'written = "".join(written)',
            'written = unicodedata.normalize("NFC", "".join(written))',
        )
    return parts
