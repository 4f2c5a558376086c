"""Round trips: text that a tokenizer loses of its training texts."""

import logging
import re
import unicodedata

import tensorflow as tf

from kseq2seq.tokenizers.tokenizer import Tokenizer
from kseq2seq.utils import UNK_ID

_logger = logging.getLogger("kseq2seq")
# No piece of any vocabulary: SentencePiece keeps the first two for itself, and the
# last is no character.
_NO_PIECE = "\0\N{LOWER FIVE EIGHTHS BLOCK}\ufffe"
_NO_PIECES = re.compile(f"[{_NO_PIECE}]")
_META_SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
_SPECIAL_PIECE = re.compile("<(?=(?:pad|unk|s|/s)>)")
# Half a second's work.
_MOST_TEXTS = 20_000


def trainable(text: str, kind: str) -> str:
    """A text as SentencePiece learns the most from it.

    It would leave out the whole text for some characters, and the characters of its
    special pieces, such as "</s>", wherever they are written so.

    Args:
        text: A training text.
        kind: The kind of the tokenizer, a name in `KINDS`.

    Example:

    >>> trainable("cpu \u2585 </s>", "character")
    'cpu  < /s>'
    """
    text = _NO_PIECES.sub("", text)
    if kind == "word":
        # As SentencePiece reads it: a text of nothing else is none.
        return text.replace(_META_SPACE, " ")
    return _SPECIAL_PIECE.sub("< ", text)


def warn_of_lost_text(
    tokenizer: Tokenizer, texts: list[str], kind: str, normalization: str
) -> None:
    """Warns by the logger "kseq2seq" if texts do not come back from their ids.

    Args:
        tokenizer: A `Tokenizer`.
        texts: Its training texts, of which there is at least one.
        kind: Its kind, a name in `KINDS`.
        normalization: Its normalization. Where it changes texts for good, only
            characters that are unknown count.
    """
    total = len(texts)
    texts = texts[:: -(-total // _MOST_TEXTS)]
    ids = tokenizer.tokenize(texts)
    unknown = tf.reduce_any(ids == UNK_ID, axis=1).numpy()
    backs = [text.decode() for text in tokenizer.detokenize(ids).numpy()]

    def is_lost(text, back, has_unknown):
        if has_unknown or _META_SPACE in text:
            return True
        expected = re.sub(" +", " ", text).strip(" ") if kind == "word" else text
        if normalization == "nfd":
            expected = unicodedata.normalize("NFC", expected)
        return normalization in ("identity", "nfd") and back != expected

    rows = zip(texts, backs, unknown, strict=True)
    lost = [row[:2] for row in rows if is_lost(*row)]
    if not lost:
        return
    text, back = lost[0]
    checked = len(texts)
    _logger.warning(
        "%d of %d training texts%s do not come back from this tokenizer (%s) as they "
        "were, such as %s, which comes back as %s: %s.",
        len(lost),
        checked,
        "" if checked == total else f" looked at, of {total},",
        kind,
        _part(text, back),
        _part(back, text),
        _reason([text for text, _ in lost], kind),
    )


def _part(text: str, other: str) -> str:
    """A text for a message; of a long one, where it first differs from another."""
    same = next(
        (i for i, (a, b) in enumerate(zip(text, other, strict=False)) if a != b),
        min(len(text), len(other)),
    )
    start = max(0, same - 30)
    part = text[start : start + 60]
    return ("..." if start else "") + repr(part) + ("..." if text[start + 60 :] else "")


def _reason(texts: list[str], kind: str) -> str:
    """Why texts are lost, and what to do."""
    chars = sorted(set(_NO_PIECE).intersection("".join(texts)))
    names = [f"U+{ord(char):04X}" for char in chars]
    # As a word of its own: other kinds read its characters.
    if kind == "word" and any(map(_SPECIAL_PIECE.search, texts)):
        names.append("<pad>, <unk>, <s> or </s>")
    reasons = []
    if names:
        reasons.append(f"SentencePiece has no piece for {', '.join(names)}")
    if any(_META_SPACE in text for text in texts):
        reasons.append(
            f"{_META_SPACE!r} (U+2581) is how SentencePiece writes a blank, and comes "
            "back as one"
        )
    if reasons:
        return f"{'; '.join(reasons)}. Write something else for it"
    what = "words" if kind == "word" else "characters"
    return (
        f"some {what} are not in the vocabulary. Make `vocabulary_size` larger, or "
        "leave such texts out"
    )
