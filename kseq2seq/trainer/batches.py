"""Batches of a training, in memory or streamed, with optional noise."""

import glob
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kseq2seq import data, tokenizers
from kseq2seq.inference import FrameReader
from kseq2seq.tokenizers import Tokenizer
from kseq2seq.trainer.batch_settings import BatchSettings
from kseq2seq.trainer.data_settings import DataSettings
from kseq2seq.trainer.frame_batches import frame_options
from kseq2seq.trainer.readers import Pairs, tsv_options
from kseq2seq.trainer.settings import Settings
from kseq2seq.trainer.vocabularies import Vocabularies

_logger = logging.getLogger("kseq2seq")
# Settings of [batches] that are arguments of `kseq2seq.data.add_noise`.
NOISES = ("source_mask", "target_mask", "source_swap", "shared_mask")


class TrainingBatches:
    """Endless batches to train on, from any step.

    Args:
        batches: The batches without noise.
        settings: The section [batches].
        seed: Seed of the noise.
        steps_per_epoch: Number of batches of an epoch.
        sides: The tokenizers of source and target, for noise; `None` if sources are
            frames, which get none.
        devices: Number of devices that share each batch; 0 or 1 for one.

    Attributes:
        batches: As given.
        steps_per_epoch: As given.
    """

    def __init__(
        self,
        batches: data.MemoryBatches | data.FrameBatches | data.Stream,
        settings: BatchSettings,
        seed: int,
        steps_per_epoch: int,
        sides: tuple[Tokenizer, Tokenizer] | None,
        devices: int = 0,
    ) -> None:
        self.batches, self.steps_per_epoch = batches, steps_per_epoch
        self._sides, self._devices = sides, devices
        if sides is None:
            return
        self._rates = {name: getattr(settings, name) for name in NOISES}
        copied_ids = tokenizers.copied_ids(*sides)
        self._options: dict[str, Any] = {"seed": seed, "copied_ids": copied_ids}
        size = settings.sampling_nbest_size
        self._sampling = *sides, size, settings.sampling_alpha

    def dataset(self, start: int = 0, place: Mapping[str, Any] | None = None) -> Any:
        """The batches from a step on, endless.

        Args:
            start: Number of the first batch, from 0.
            place: As `place` returned it for this number, or `None`.
        """
        batches = self.batches.dataset(start, dict(place or {}))
        if self._sides is not None:
            batches = data.sample_segmentations(batches, *self._sampling)
            if any(self._rates.values()):
                noise = {**self._rates, **self._options, "start": start}
                batches = data.add_noise(batches, **noise)
        return _in_equal_parts(batches, self._devices)

    def place(self, step: int) -> dict[str, Any]:
        """The place of a batch in the data, as a dict for JSON.

        Args:
            step: Number of the batch, from 0.
        """
        return self.batches.place(step)

    @property
    def left_out(self) -> dict[str, int]:
        """Numbers of pairs that a stream has left out so far, by reason."""
        return self.batches.left_out if isinstance(self.batches, data.Stream) else {}

    @property
    def error(self) -> Exception | None:
        """The error that a stream has ended with, which TensorFlow wraps."""
        return self.batches.error if isinstance(self.batches, data.Stream) else None


def make_training_batches(
    settings: Settings, folder: Path, pairs: Pairs, vocabularies: Vocabularies
) -> TrainingBatches:
    """The batches to train on, as the settings ask for.

    Args:
        settings: The `Settings`.
        folder: Path of the folder of the files.
        pairs: List of `(source, target)`, or with features behind them, or of frames
            and texts; of a stream a sample.
        vocabularies: A tuple `(source, target, features)`.
    """
    training = settings.training
    if settings.data.stream:
        corpora = make_corpora(settings.data, folder)
        batches = _stream(settings, corpora, vocabularies)
        steps = training.steps_per_epoch
        files = sum(len(corpus.parts) for corpus in corpora)
        origin = f"streamed, of files: {files:,}"
    else:
        batches = _batches_in_memory(settings, pairs, vocabularies)
        # Whole executions, the last of which may begin the next pass.
        at_once = training.steps_per_execution
        executions = math.ceil(batches.steps_per_pass / at_once)
        steps = training.steps_per_epoch or executions * at_once
        origin = "in memory"
    _log_batches(settings, steps, origin)
    source, target, _ = vocabularies
    return TrainingBatches(
        batches,
        settings.batches,
        training.seed,
        steps,
        None if isinstance(source, FrameReader) else (source, target),
        len(training.devices),
    )


def _stream(
    settings: Settings, corpora: list[data.Corpus], vocabularies: Vocabularies
) -> data.Stream:
    source, target, features = vocabularies
    return data.stream(
        corpora,
        source,
        target,
        **_options(settings.batches),
        seed=settings.training.seed,
        features=features,
        buffer_size=settings.data.buffer_size,
    )


def _batches_in_memory(
    settings: Settings, pairs: Pairs, vocabularies: Vocabularies
) -> data.MemoryBatches | data.FrameBatches:
    source, target, features = vocabularies
    seed = settings.training.seed
    if isinstance(source, FrameReader):
        options = frame_options(settings.batches)
        return data.FrameBatches(pairs, target, **options, seed=seed)
    return data.MemoryBatches(
        pairs,
        source,
        target,
        **_options(settings.batches),
        seed=seed,
        features=features,
        linked=bool(settings.data.links),
    )


def _log_batches(settings: Settings, steps: int, origin: str) -> None:
    """Logs the number and size of batches; warns of a size without effect."""
    size = _size(settings.batches)
    if settings.batches.batch_tokens and (
        settings.batches.batch_size != BatchSettings().batch_size
    ):
        _logger.warning(
            "batches.batch_size = %d has no effect beside batches.batch_tokens",
            settings.batches.batch_size,
        )
    _logger.info(
        "training pairs %s; %s batches an epoch, of %s", origin, f"{steps:,}", size
    )
    devices = settings.training.devices
    if devices:
        _logger.info(
            "devices: %s; each batch of %s is shared by all, at a learning rate of %g",
            ", ".join(devices),
            size,
            settings.optimizer.learning_rate,
        )


def make_batches(settings: Settings, pairs: Pairs, vocabularies: Vocabularies) -> Any:
    """The batches of a validation set, in order.

    Args:
        settings: The `Settings`.
        pairs: List of `(source, target)`, or with features behind them, or of frames
            and texts.
        vocabularies: A tuple `(source, target, features)`.

    Returns:
        A `tf.data.Dataset`.
    """
    source, target, features = vocabularies
    if isinstance(source, FrameReader):
        batches = data.frame_batches(pairs, target, **frame_options(settings.batches))
    else:
        options = {**_options(settings.batches), "features": features}
        batches = data.batches(pairs, source, target, **options)
    return _in_equal_parts(batches, len(settings.training.devices))


def _in_equal_parts(batches, devices):
    # MirroredStrategy cuts each batch into a part for each device. Keras 3.15 adds the
    # parts of the first batch, and fails if one has a row less.
    return data.shard_rows(batches, (0, 1), devices) if devices > 1 else batches


def _options(settings: BatchSettings) -> dict[str, Any]:
    return {
        "batch_size": settings.batch_size,
        "batch_tokens": settings.batch_tokens or None,
        "buckets": settings.buckets,
    }


def _size(settings: BatchSettings) -> str:
    if settings.batch_tokens:
        return f"at most {settings.batch_tokens:,} tokens a side"
    return f"{settings.batch_size:,} pairs"


def make_corpora(settings: DataSettings, folder: Path) -> list[data.Corpus]:
    """The corpora that the section [data] names: one, or with weights several.

    Args:
        settings: The section [data].
        folder: Path of the folder of the files.
    """
    names = settings.train
    if settings.format == "tfds":
        sides = settings.source or None, settings.target or None
        corpora = [data.tfds_corpus(settings.name, x, *sides) for x in names]
    elif settings.format == "parallel":
        twos = zip(names[::2], names[1::2], strict=True)
        corpora = [
            data.corpus([_path_or_pattern(folder, x) for x in two], "parallel")
            for two in twos
        ]
    else:
        column = settings.features_column
        others: tuple[Any, ...] = () if column == "" else (column,)
        columns: Any = (*settings.columns, *others)
        options: dict[str, Any] = {}
        if settings.format == "tsv":
            options = tsv_options(settings.header, settings.quoting)
        corpora = [
            data.corpus(
                _path_or_pattern(folder, x), settings.format, columns, **options
            )
            for x in names
        ]
    if settings.weights:
        weighted = zip(corpora, settings.weights, strict=True)
        return [one._replace(weight=weight) for one, weight in weighted]
    return [data.Corpus([part for one in corpora for part in one.parts])]


def _path_or_pattern(folder: Path, name: str) -> Path:
    """The path of a file, or the pattern of several, in a folder of any name."""
    path = folder / name
    return path if path.exists() else Path(glob.escape(str(folder))) / name
