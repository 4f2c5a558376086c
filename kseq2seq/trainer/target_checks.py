"""Warnings of targets that a training cannot be scored by, before its first step."""

import logging
from itertools import islice

import numpy as np
import tensorflow as tf
from keras import ops

from kseq2seq.decoding import Search, length_limits
from kseq2seq.inference import FrameReader
from kseq2seq.tokenizers import Tokenizer
from kseq2seq.trainer.readers import Pairs
from kseq2seq.trainer.settings import Settings
from kseq2seq.trainer.vocabularies import Vocabularies
from kseq2seq.utils import UNK_ID

_logger = logging.getLogger("kseq2seq")
# Rows that are looked at, half a second's work.
_MOST_ROWS = 10_000
# One long target among thousands is no mistake of the settings.
_LEAST_SHARE = 0.01


def warn_of_targets(
    settings: Settings, pairs: Pairs, vocabularies: Vocabularies
) -> None:
    """Warns of targets by which a perfect model would score less than it should.

    Args:
        settings: The `Settings`.
        pairs: List of `(source, target)`, or with features behind them, or of frames
            and texts: those of the validation set.
        vocabularies: A tuple `(source, target, features)`.
    """
    rows = list(islice(pairs, _MOST_ROWS))
    _warn_of_long_targets(Search(**settings.search), rows, vocabularies)
    texts = [row[1] for row in rows]
    if settings.training.metrics[0] == "bleu":
        _warn_of_texts_without_blanks(texts)
    normalization = settings.tokenizer.normalization
    if isinstance(normalization, tuple):
        normalization = normalization[1]
    if normalization != "identity":  # by which nothing is changed
        _warn_of_changed_targets(normalization, texts, vocabularies[1])


def _warn_of_long_targets(
    search: Search, rows: Pairs, vocabularies: Vocabularies
) -> None:
    """Warns of targets that the search would cut off."""
    source, target, features = vocabularies
    if isinstance(source, FrameReader):
        return  # of which one token has many
    size = source.tokenize([row[0] for row in rows]).row_lengths().numpy()
    if features is not None:
        size = size + features.tokenize([row[2] for row in rows]).row_lengths().numpy()
    ids = tf.cast(tf.sequence_mask(size), tf.int32)  # of which the number counts
    most = ops.convert_to_numpy(length_limits(ids, search)["max_length"])
    lengths = target.tokenize([row[1] for row in rows]).row_lengths().numpy()
    longer = np.flatnonzero(lengths > most)
    if len(longer) < _LEAST_SHARE * len(rows) or not len(longer):
        return
    first = longer[0]
    _logger.warning(
        "%d of %d targets of the validation set are longer than their sources may be "
        "translated to, such as %.40r of %d tokens, where the most is %d: translations "
        "are cut off there, in the scores too. Raise search.max_length_factor, "
        "search.max_length_offset or search.max_length",
        len(longer),
        len(rows),
        rows[first][1],
        lengths[first],
        most[first],
    )


def _warn_of_changed_targets(
    normalization: str, texts: list[str], target: Tokenizer
) -> None:
    """Warns of targets that the tokenizer writes in another form."""
    ids = target.tokenize(texts)
    unknown = tf.reduce_any(ids == UNK_ID, axis=1).numpy()
    backs = [text.decode() for text in target.detokenize(ids).numpy()]
    changed = [
        (text, back)
        for text, back, is_unknown in zip(texts, backs, unknown, strict=True)
        if not is_unknown and _words(text) != _words(back)
    ]
    if len(changed) < _LEAST_SHARE * len(texts) or not changed:
        return
    remedy = (
        "write it composed (NFC) in the files"
        if normalization == "nfd"
        else f'tokenizer.normalization = ["{normalization}", "identity"] leaves '
        "targets as they are"
    )
    _logger.warning(
        "%d of %d targets of the validation set are changed by tokenizer.normalization "
        "= %r, such as %.60s, which is written %.60s, so that right translations count "
        "as wrong: %s",
        len(changed),
        len(texts),
        normalization,
        *map(ascii, changed[0]),  # which tells forms of Unicode apart
        remedy,
    )


def _warn_of_texts_without_blanks(texts: list[str]) -> None:
    """Warns of BLEU as the metric of texts that are a word each, as it sees them."""
    single = sum(len(text.split()) < 2 for text in texts)
    if 2 * single <= len(texts):
        return
    _logger.warning(
        "%d of %d targets of the validation set have no blank, and BLEU counts words "
        "between blanks: it is near 0, and does not tell the best epoch. Set "
        "training.metrics, for sentences such as Chinese ones to ['chrf'], for words "
        "to ['exact_match']",
        single,
        len(texts),
    )


def _words(text: str) -> list[str]:
    """The words between blanks, of which a tokenizer may write one for several."""
    return [word for word in text.split(" ") if word]
