"""Vocabularies of a training: tokenizers, and features with those that they lack."""

import dataclasses
import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from kseq2seq import runs
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer, train_tokenizers
from kseq2seq.trainer.readers import Pairs
from kseq2seq.trainer.settings import DataSettings, Settings

Vocabularies: TypeAlias = tuple[Tokenizer, Tokenizer, FeatureVocabulary | None]

_logger = logging.getLogger("kseq2seq")
# Unknown features that a warning names.
_NAMED = 10


def make_vocabularies(settings: Settings, pairs: Pairs) -> Vocabularies:
    """The tokenizers, and the features, of a new training.

    Args:
        settings: The `Settings`.
        pairs: List of `(source, target)`, or with features behind them.

    Returns:
        A tuple `(source, target, features)`, the last one `None` without features.
    """
    return (*make_tokenizers(settings, pairs), make_features(settings.data, pairs))


def save_vocabularies(run: Path, vocabularies: Vocabularies) -> Vocabularies:
    """Writes tokenizers and features into a run folder, and returns them.

    Args:
        run: Path of the run folder.
        vocabularies: A tuple `(source, target, features)`.
    """
    source, target, features = vocabularies
    runs.save_tokenizers(run, source, target)
    runs.save_features(run, features)
    return vocabularies


def make_tokenizers(settings: Settings, pairs: Pairs) -> tuple[Tokenizer, Tokenizer]:
    """The tokenizers, trained on the pairs.

    Args:
        settings: The `Settings`.
        pairs: List of `(source, target)`, or with features behind them.

    Returns:
        A tuple `(source, target)`.
    """
    options = dataclasses.asdict(settings.tokenizer)
    texts = [row[:2] for row in pairs]
    return train_tokenizers(texts, **options, allow_smaller=True)


def make_features(settings: DataSettings, pairs: Pairs) -> FeatureVocabulary | None:
    """The vocabulary of the features in what is trained on.

    Args:
        settings: The section [data].
        pairs: List of `(source, target, features)` where there are features.

    Returns:
        A `kseq2seq.FeatureVocabulary`; `None` where there are none.
    """
    if settings.features_column == "":
        return None
    texts = [row[2] for row in pairs]
    features = FeatureVocabulary.from_texts(texts, settings.features_separator)
    missing = sum(not features.split(text) for text in texts)
    _logger.info(
        "features: %s symbols; missing in %s of %s pairs",
        f"{len(features.symbols):,}",
        f"{missing:,}",
        f"{len(texts):,}",
    )
    return features


def warn_of_unknown(
    features: FeatureVocabulary | None, parts: Mapping[str, Pairs]
) -> None:
    """Tells of features that are not of the vocabulary, those of training.

    Args:
        features: The vocabulary; `None` where there are no features.
        parts: Dict from the name of each part of the data to its rows.
    """
    if features is None:
        return
    for part, rows in parts.items():
        unknown = features.unknown(row[2] for row in rows)
        if unknown:
            named = [f"{symbol} ({n})" for symbol, n in islice(unknown.items(), _NAMED)]
            more = ", ..." if len(unknown) > _NAMED else ""
            _logger.warning(
                "features of %s that training has not, read as unknown: %d, %s%s",
                part,
                len(unknown),
                ", ".join(named),
                more,
            )
