"""Tokenizers, features and readers of frames, by which a training reads its data."""

import dataclasses
import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from kseq2seq import runs
from kseq2seq.data import FrameFile, wav_sample_rate
from kseq2seq.inference import FrameReader
from kseq2seq.layers import LogMel
from kseq2seq.tokenizers import (
    FeatureVocabulary,
    Tokenizer,
    train_tokenizer,
    train_tokenizers,
)
from kseq2seq.trainer.frame_settings import make_log_mel
from kseq2seq.trainer.readers import READERS, Pairs
from kseq2seq.trainer.settings import DataSettings, Settings

# Of the source: its tokenizer, or where it is frames their reader.
Source: TypeAlias = Tokenizer | FrameReader
Vocabularies: TypeAlias = tuple[Source, Tokenizer, FeatureVocabulary | None]

_logger = logging.getLogger("kseq2seq")
# Most unknown features that a warning names.
_NAMED = 10


def make_vocabularies(settings: Settings, pairs: Pairs) -> Vocabularies:
    """The tokenizers, and the features, of a new training.

    Args:
        settings: The `Settings`.
        pairs: List of `(source, target)`, or with features behind them.

    Returns:
        A tuple `(source, target, features)`, the last one `None` without features.
    """
    if READERS[settings.data.format].has_frames:
        options = dataclasses.asdict(settings.tokenizer)
        del options["shared"]
        texts = [text for _, text in pairs]
        tokenizer = train_tokenizer(texts, **options, allow_smaller=True)
        return make_frame_reader(settings, pairs), tokenizer, None
    return (*make_tokenizers(settings, pairs), make_features(settings.data, pairs))


def save_vocabularies(run: Path, vocabularies: Vocabularies) -> None:
    """Writes tokenizers and features into a run folder.

    Args:
        run: Path of the run folder.
        vocabularies: A tuple `(source, target, features)`.
    """
    source, target, features = vocabularies
    if isinstance(source, FrameReader):
        log_mel = source.log_mel
        runs.save_log_mel(run, None if log_mel is None else log_mel.get_config())
        target.save(run / runs.TARGET_FILE)
        return
    runs.save_tokenizers(run, source, target)
    runs.save_features(run, features)


def load_vocabularies(run: Path, settings: Settings, pairs: Pairs) -> Vocabularies:
    """Tokenizers and features of a run folder, as `save_vocabularies` wrote them.

    Args:
        run: Path of the run folder.
        settings: The `Settings`.
        pairs: As for `make_vocabularies`.
    """
    if not READERS[settings.data.format].has_frames:
        return (*runs.load_tokenizers(run), runs.load_features(run))
    config = runs.load_log_mel(run)
    if config is None:
        source = make_frame_reader(settings, pairs)
    else:
        log_mel = LogMel.from_config(config)
        source = FrameReader(log_mel.num_bands, log_mel)
    return source, Tokenizer.load(run / runs.TARGET_FILE), None


def make_frame_reader(settings: Settings, pairs: Pairs) -> FrameReader:
    """The reader of a training's sources, of the first one's size or sample rate.

    Args:
        settings: The `Settings`.
        pairs: List of `(path, text)`.
    """
    path = pairs[0][0]
    if settings.data.format == "frames":
        return FrameReader(FrameFile(path).shape[1])
    log_mel = make_log_mel(settings.log_mel, wav_sample_rate(path))
    return FrameReader(log_mel.num_bands, log_mel)


def source_size(source: Source) -> dict[str, int]:
    """The size of the source, as an argument of `kseq2seq.Seq2SeqConfig`.

    Args:
        source: Its tokenizer, or the reader of its frames.
    """
    if isinstance(source, FrameReader):
        return {"source_frame_size": source.frame_size}
    return {"source_vocabulary_size": source.vocabulary_size}


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


def warn_of_unknown_features(
    features: FeatureVocabulary | None, parts: Mapping[str, Pairs]
) -> None:
    """Warns of features that the training data do not have.

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
