"""Training of tokenizers, which turn text to ids and back.

Every tokenizer is one SentencePiece model, trained by the sentencepiece package
and run by tensorflow-text, so that training, decoding and the SavedModel see the
same ids. The first four ids are those of `kseq2seq.utils.special_ids`.
"""

import io
import logging
import os
import random
import re
import sys
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kseq2seq.data import as_pairs, as_texts
from kseq2seq.tokenizers.round_trip import trainable, warn_of_lost_text
from kseq2seq.tokenizers.tokenizer import Tokenizer
from kseq2seq.utils import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    UNK_ID,
    check_boolean,
    check_choice,
    check_integer,
    is_blank,
)

_logger = logging.getLogger("kseq2seq")
# Our names of the kinds, and SentencePiece's.
KINDS = {"unigram": "unigram", "bpe": "bpe", "character": "char", "word": "word"}
SUBWORD_KINDS = ("unigram", "bpe")
# Unicode's own, of rules that are made here; the rest are SentencePiece's.
_DECOMPOSITIONS = {"nfd": "NFD", "nfkd": "NFKD"}
NORMALIZATIONS = (
    *("identity", *_DECOMPOSITIONS),
    *("nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf"),
)
# A normaliser without any rule has TensorFlow write a line to standard error each time
# it is made. This one is for a character that no text may hold (U+FFFE).
_IDENTITY_RULES = "FFFE\tFFFD\n"
# Training unigram or BPE on more text than this takes long and changes little.
_MAX_TRAINING_TEXTS = 2_000_000
# SentencePiece loads no longer piece; a blank of three bytes goes before a word.
_MAX_WORD_BYTES = 7_999 - len("▁".encode())


class _VocabularyTooLargeError(ValueError):
    """A vocabulary that texts cannot fill; `most` is the largest that they can."""

    def __init__(self, message, most):
        super().__init__(message)
        self.most = most


def train_tokenizer(
    texts: Iterable[str],
    vocabulary_size: int = 8000,
    kind: str = "unigram",
    normalization: str = "identity",
    split_digits: bool = False,
    allow_smaller: bool = False,
) -> Tokenizer:
    r"""Trains a tokenizer on texts; the same texts give the same tokenizer.

    The tokenizer then reads its own texts, 20,000 of them at most. If some do not come
    back from its ids as they were, a warning of the logger "kseq2seq" says how many,
    and why, with an example.

    Args:
        texts: An iterable of `str`. Of more than two million texts, unigram and
            BPE learn from a sample. Line ends at their ends, as `file.readlines()`
            leaves them there, are left out.
        vocabulary_size: Number of ids, the four special ones included. For
            "character" and "word" an upper bound: the most frequent ones are kept.
        kind: "unigram" or "bpe" (subwords), "character", or "word" (symbols that
            blanks separate, such as phones).
        normalization: Change of the text before it is read, here and in
            translation. "identity" keeps it as it is: the choice for targets, which
            are written as they were read. "nfd" decomposes characters, Hangul into
            jamo and letters from their accents, and composes outputs again (NFC):
            fewer symbols, each seen more often. "nfkd" also decomposes ligatures and
            look-alikes, which do not come back. "nfkc" reads look-alikes alike:
            full-width digits and letters as plain ones, half-width katakana as others,
            ligatures as letters, a no-break space as a blank: the choice for sources
            that people type and copy. "nmt_nfkc" also reads control and zero-width
            characters as blanks, or leaves them out; "nfkc_cf" and "nmt_nfkc_cf" fold
            case too. All but the first make the model 230 to 260 kB larger.
        split_digits: Whether each digit is a piece of its own, with "unigram" and
            "bpe". Numbers that training never saw are then written, or copied, digit
            by digit.
        allow_smaller: Whether a unigram or BPE vocabulary that the texts cannot fill
            becomes as large as they allow, with a warning of the logger "kseq2seq",
            instead of an error.

    Returns:
        A `Tokenizer`.

    Raises:
        ValueError: If an argument is not one of the above, if there is no text,
            or if `texts` are too few or too varied for `vocabulary_size`.

    Example:

    >>> phones = train_tokenizer(["HH AH L OW", "W ER L D"], kind="word")
    >>> phones.pieces(phones.tokenize(["W AH L"])[0])
    ['▁W', '▁AH', '▁L', '</s>']
    >>> tokenizer = train_tokenizer(["2017"], kind="character", normalization="nfkc")
    >>> full_width = "\N{FULLWIDTH DIGIT TWO}\N{FULLWIDTH DIGIT ZERO}"
    >>> tokenizer.pieces(tokenizer.tokenize([full_width])[0])
    ['2', '0', '</s>']

    Reference:
        [Kudo, 2018](https://arxiv.org/abs/1804.10959), section 3.2 (unigram);
        [Sennrich et al., 2016](https://arxiv.org/abs/1508.07909), section 3.2
        (BPE).
    """
    check_choice("kind", kind, KINDS)
    check_choice("normalization", normalization, NORMALIZATIONS)
    check_boolean("split_digits", split_digits)
    check_boolean("allow_smaller", allow_smaller)
    if split_digits and kind not in SUBWORD_KINDS:
        raise ValueError(
            "`split_digits` must be False unless `kind` is 'unigram' or 'bpe': "
            "characters are split already, and words stay whole. Received: "
            f"split_digits=True, kind={kind!r}"
        )
    vocabulary_size = check_integer(
        "vocabulary_size", vocabulary_size, 5, note="of which 4 are special ids"
    )
    given = [text for text in as_texts(texts) if not is_blank(text)]
    texts = [trainable(text, kind) for text in given]
    texts = [text for text in texts if not is_blank(text)]
    if not texts:
        raise ValueError(
            "`texts` must hold text to train a tokenizer on, in characters that show "
            "and that SentencePiece has pieces for ('▁', U+2581, is its blank). "
            f"Received: {given[:3]}"
        )
    try:
        model = _train(texts, vocabulary_size, kind, normalization, split_digits)
    except _VocabularyTooLargeError as error:
        if not allow_smaller:
            raise
        _logger.warning(
            "the texts give a vocabulary of %d pieces (%s) instead of %d",
            error.most,
            kind,
            vocabulary_size,
        )
        model = _train(texts, error.most, kind, normalization, split_digits)
    try:
        tokenizer = Tokenizer(model)
    except ValueError as error:
        raise _long_word_error(texts) from error
    warn_of_lost_text(tokenizer, given, kind, normalization)
    return tokenizer


def _train(texts, vocabulary_size, kind, normalization, split_digits):
    """Trains by the sentencepiece package; returns the serialised model."""
    import sentencepiece

    is_subword = kind in SUBWORD_KINDS
    if is_subword and len(texts) > _MAX_TRAINING_TEXTS:
        # SentencePiece's own sampling cannot be repeated.
        texts = random.Random(0).sample(texts, _MAX_TRAINING_TEXTS)
    # Longer ones would be left out.
    longest = max(len(text.encode()) for text in texts)
    model = io.BytesIO()
    try:
        with tempfile.TemporaryDirectory() as folder:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=KINDS[kind],
                vocab_size=vocabulary_size,
                hard_vocab_limit=is_subword,
                character_coverage=1.0,
                split_digits=split_digits,
                **_normalizer(normalization, folder),
                # A word keeps its blank, so that "</s>" is never looked up as such.
                add_dummy_prefix=kind != "character",
                remove_extra_whitespaces=kind == "word",
                max_sentence_length=max(4192, longest),
                pad_id=PAD_ID,
                unk_id=UNK_ID,
                bos_id=BOS_ID,
                eos_id=EOS_ID,
                minloglevel=2,
            )
    except (RuntimeError, ValueError) as error:
        raise _training_error(str(error), vocabulary_size, kind) from error
    # The model remembers the path of the rules, which is another at each training and
    # of no use to anybody. Of the same length, since the model says how long it is.
    path = os.fsencode(folder)
    return model.getvalue().replace(path, b"-" * len(path))


def _normalizer(normalization: str, folder: str) -> dict[str, Any]:
    """Arguments of the trainer for the normalisation."""
    if normalization == "identity":
        rules = _IDENTITY_RULES
    elif normalization in _DECOMPOSITIONS:
        rules = _decomposition_rules(_DECOMPOSITIONS[normalization])
    else:
        return {"normalization_rule_name": normalization}
    path = Path(folder, "rules.tsv")
    path.write_text(rules, encoding="utf-8")
    return {"normalization_rule_tsv": str(path)}


def _decomposition_rules(form: Any) -> str:
    """A line of code points for each character that a form of Unicode takes apart."""
    lines = []
    for char in map(chr, range(sys.maxunicode + 1)):
        parts = unicodedata.normalize(form, char)
        if parts != char:
            codes = " ".join(f"{ord(part):X}" for part in parts)
            lines.append(f"{ord(char):X}\t{codes}\n")
    return "".join(lines)


def _training_error(message, vocabulary_size, kind):
    """The error, in our words, for an error of SentencePiece's trainer."""
    received = f"Received: vocabulary_size={vocabulary_size}, kind={kind!r}"
    if match := re.search(r"too high .* value <= (\d+)", message):
        return _VocabularyTooLargeError(
            "The texts give too few pieces for this vocabulary. Set "
            f"`vocabulary_size` to at most {match[1]}, or train on more text. "
            + received,
            int(match[1]),
        )
    if match := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return ValueError(
            "The texts hold more distinct characters than the vocabulary has room "
            f"for. Set `vocabulary_size` to at least {match[1]}, better several times "
            "that. " + received
        )
    return ValueError(
        f"SentencePiece cannot train on these texts: {message} " + received
    )


def _long_word_error(texts):
    """The error for what SentencePiece trains, and then does not load."""
    longest = max((word for text in texts for word in text.split(" ")), key=len)
    return ValueError(
        f"`texts` must have words of at most {_MAX_WORD_BYTES:,} bytes for "
        "kind='word': put blanks between symbols, or choose 'character' or 'unigram'. "
        f"Received: one of {len(longest.encode()):,} bytes, '{longest[:40]}...'"
    )


def train_tokenizers(
    pairs: Any,
    vocabulary_size: int | Sequence[int] = 8000,
    kind: str | Sequence[str] = "unigram",
    shared: bool = False,
    normalization: str | Sequence[str] = "identity",
    split_digits: bool | Sequence[bool] = False,
    allow_smaller: bool = False,
) -> tuple[Tokenizer, Tokenizer]:
    """Trains the tokenizers of source and target.

    Args:
        pairs: `(source, target)` strings, as `kseq2seq.data.as_pairs` takes them.
        vocabulary_size: As in `train_tokenizer`; or a tuple, one for the source
            and one for the target.
        kind: As in `train_tokenizer`; or a tuple, as above.
        shared: Whether one tokenizer, trained on both sides, serves both.
        normalization: As in `train_tokenizer`; or a tuple, as above.
        split_digits: As in `train_tokenizer`; or a tuple, as above.
        allow_smaller: As in `train_tokenizer`.

    Returns:
        A tuple `(source, target)` of `Tokenizer`s: the same object twice if
        `shared`.

    Raises:
        ValueError: As in `train_tokenizer`, if `pairs` are no pairs, or if `shared`
            is given together with a tuple of two different values.

    Example:

    >>> source, target = train_tokenizers([("dog", "D AO G"), ("god", "G AA D")],
    ...                                   kind=("character", "word"))
    >>> source.vocabulary_size, target.vocabulary_size
    (7, 8)
    """
    check_boolean("shared", shared)
    sides = list(
        zip(
            _two("vocabulary_size", vocabulary_size, shared),
            _two("kind", kind, shared),
            _two("normalization", normalization, shared),
            _two("split_digits", split_digits, shared),
            strict=True,
        )
    )
    pairs = as_pairs(pairs)
    sources = [source for source, _ in pairs]
    targets = [target for _, target in pairs]
    if shared:
        tokenizer = train_tokenizer(sources + targets, *sides[0], allow_smaller)
        return tokenizer, tokenizer
    tokenizers: list[Tokenizer] = []
    for name, texts, side in zip(
        ("Source", "Target"), (sources, targets), sides, strict=True
    ):
        try:
            tokenizers.append(train_tokenizer(texts, *side, allow_smaller))
        except ValueError as error:
            raise ValueError(f"{name} tokenizer: {error}") from error
    return tokenizers[0], tokenizers[1]


def _two(name: str, value: Any, shared: bool) -> tuple[Any, Any]:
    """`value` for the source and for the target."""
    if not isinstance(value, (tuple, list)):
        return value, value
    if len(value) != 2 or (shared and value[0] != value[1]):
        expected = "one value" if shared else "one value or a pair of them"
        raise ValueError(
            f"`{name}` must be {expected} with shared={shared}. "
            f"Received: {name}={value!r}"
        )
    return value[0], value[1]
