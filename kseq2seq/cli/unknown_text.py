"""Texts and features that a model has never seen, and what to do."""

import sys
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

# What may bring a text to the form of the training texts.
_FORMS: dict[str, Callable[[str], str]] = {
    "in Unicode's form NFC": lambda text: unicodedata.normalize("NFC", text),
    "in Unicode's form NFD": lambda text: unicodedata.normalize("NFD", text),
    "in small letters": str.lower,
    "in capital letters": str.upper,
}


def telling_of_unknown(translate: Any, tokenizer: Any, verb: str) -> Any:
    """A function that translates, and tells once of texts with unknown parts.

    Args:
        translate: Function of `texts` and other arguments by name.
        tokenizer: The `kseq2seq.Tokenizer` of the source.
        verb: Verb of the command, for the message.
    """
    told, count = False, 0

    def translate_and_tell(texts: Sequence[str], **arguments: Any) -> Any:
        nonlocal told, count
        message = "" if told else unknown_message(texts, tokenizer, count)
        count += len(texts)
        if message:
            told = True
            print(f"kseq2seq {verb}: {message}", file=sys.stderr)
        return translate(texts, **arguments)

    return translate_and_tell


def telling_of_unknown_features(translate: Any, vocabulary: Any, verb: str) -> Any:
    """A function that translates, and tells once of features that a model has not.

    Args:
        translate: Function of `texts`, and of `features` and others by name.
        vocabulary: The `kseq2seq.FeatureVocabulary` of the model.
        verb: Verb of the command, for the message.
    """
    told = False

    def translate_and_tell(texts: Sequence[str], **arguments: Any) -> Any:
        nonlocal told
        features = arguments.get("features") or []
        unknown = {} if told else vocabulary.unknown(features)
        if unknown:
            told = True
            print(
                f"kseq2seq {verb}: there are features that were not in the training, "
                f"such as {next(iter(unknown))[:40]!r}. Expected some of "
                f"{', '.join(vocabulary.symbols[:20])}, with {vocabulary.separator!r} "
                "between two of them.",
                file=sys.stderr,
            )
        return translate(texts, **arguments)

    return translate_and_tell


def unknown_message(texts: Sequence[str], tokenizer: Any, before: int = 0) -> str:
    """A warning of texts that a tokenizer does not know whole; "" if there are none.

    Args:
        texts: List of `str`.
        tokenizer: A `kseq2seq.Tokenizer`.
        before: Number of texts before these, all known.
    """
    unknown = _unknown(texts, tokenizer)
    if not unknown:
        return ""
    part = _unknown_part(unknown[0], tokenizer)
    known = [
        name
        for name, form in _FORMS.items()
        if not _unknown(list(map(form, unknown)), tokenizer)
    ]
    remedy = (
        f"Give the texts {known[0]}, as the training texts are"
        if known
        else "They are translated as well as the model can without: train with texts "
        "that have them"
    )
    codes = " ".join(f"U+{ord(x):04X}" for x in part[:4])
    return (
        f"{len(unknown)} of the first {before + len(texts)} texts have characters or "
        f"words that were not in the training, such as {part[:40]!r} ({codes}). "
        f"{remedy}."
    )


def _unknown(texts: Sequence[str], tokenizer: Any) -> list[str]:
    """The texts that have an unknown part."""
    from kseq2seq.utils import UNK_ID

    if not texts:
        return []
    ids = tokenizer.tokenize(texts).to_list()
    return [text for text, row in zip(texts, ids, strict=True) if UNK_ID in row]


def _unknown_part(text: str, tokenizer: Any) -> str:
    from kseq2seq.utils import UNK_ID

    pieces = [piece for piece, id_ in tokenizer.read(text) if id_ == UNK_ID]
    return (pieces[0].strip("▁") if pieces else "") or text
