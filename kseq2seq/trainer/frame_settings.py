"""Section [log_mel], and checks of the settings of a training on frames."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from kseq2seq.layers import LogMel, SpecAugment
from kseq2seq.trainer.batch_settings import BatchSettings
from kseq2seq.trainer.readers import READERS
from kseq2seq.trainer.schema import SettingsError, boolean, integer, number, setting

# Settings of [batches] that change ids of the source, or count them.
_OF_IDS = (
    "batch_tokens",
    "source_mask",
    "target_mask",
    "source_swap",
    "shared_mask",
    "sampling_nbest_size",
)


@dataclasses.dataclass(frozen=True)
class LogMelSettings:
    """Section [log_mel]: frames of WAV files, as of `kseq2seq.layers.LogMel`."""

    num_bands: int = setting(80, integer(1), "Bands: the size of a frame")
    window: int = setting(0, integer(), "Samples of a frame; 0 for 25 ms")
    stride: int = setting(
        0, integer(), "Samples from one frame to the next; 0 for 10 ms"
    )
    min_frequency: float = setting(
        20.0, number(), "Lower edge of the lowest band, in hertz"
    )
    max_frequency: float = setting(
        0.0, number(), "Upper edge of the highest band; 0 for half of the sample rate"
    )
    normalize: bool = setting(
        True,
        boolean(),
        "Whether each band has mean 0 and variance 1 over a recording",
    )


def make_log_mel(settings: LogMelSettings, sample_rate: int) -> LogMel:
    """The layer that makes frames of a training's recordings.

    Args:
        settings: The section [log_mel].
        sample_rate: Samples in a second of all recordings.

    Raises:
        SettingsError: If a setting does not fit the sample rate.

    Example:

    >>> make_log_mel(LogMelSettings(num_bands=20), 8000).window
    200
    """
    try:
        return LogMel(
            settings.num_bands,
            sample_rate,
            window=settings.window or None,
            stride=settings.stride or None,
            min_frequency=settings.min_frequency,
            max_frequency=settings.max_frequency or None,
            normalize=settings.normalize,
            # Whatever the precision of the model, since logarithms need it.
            dtype="float32",
        )
    except ValueError as error:
        raise SettingsError(
            f"[log_mel] does not fit recordings of {sample_rate} samples a second: "
            f"{error}"
        ) from error


def check_frame_settings(
    sections: Mapping[str, Any], model: Mapping[str, Any], errors: list[str]
) -> bool:
    """Checks settings that recordings and frames need or exclude.

    Args:
        sections: Dict from names to sections.
        model: The section [model].
        errors: List to which a message is added for what cannot be used.

    Returns:
        Whether the sources are frames.
    """
    format_, batches = sections["data"].format, sections["batches"]
    if model.get("source_frame_size"):
        errors.append(
            "model.source_frame_size comes from the data, of the formats 'wav' and "
            "'frames': leave it out, and set log_mel.num_bands for 'wav'. Received: "
            f"model.source_frame_size={model['source_frame_size']!r}"
        )
    is_plain = sections["log_mel"] == LogMelSettings()
    if format_ != "wav" and not is_plain:
        errors.append(
            "[log_mel] makes frames of WAV files: leave it out, or set data.format to "
            f"'wav'. Received: data.format={format_!r}"
        )
    if READERS[format_].has_frames:
        _check_text_settings(sections, errors)
        _check_spec_augment(model.get("spec_augment", {}), errors)
        return True
    if batches.frame_buckets != BatchSettings.frame_buckets:
        errors.append(
            "batches.frame_buckets are lengths of sources of the formats 'wav' and "
            "'frames': set batches.buckets, or leave them out. Received: "
            f"data.format={format_!r}"
        )
    return False


def _check_text_settings(sections: Mapping[str, Any], errors: list[str]) -> None:
    """Refuses settings of source texts, beside sources that are frames."""
    received = f"data.format={sections['data'].format!r}"
    tokenizer, batches = sections["tokenizer"], sections["batches"]
    for name in ("kind", "vocabulary_size", "normalization"):
        value = getattr(tokenizer, name)
        if isinstance(value, tuple):
            errors.append(
                f"tokenizer.{name} must be one value: there is a tokenizer of the "
                f"texts alone. Received: {list(value)} with {received}"
            )
    if tokenizer.shared:
        errors.append(
            "tokenizer.shared needs texts on both sides: leave it out. Received: true "
            f"with {received}"
        )
    if sections["embeddings"].source:
        errors.append(
            "embeddings.source needs texts on both sides: leave it out. Received: "
            f"{sections['embeddings'].source!r} with {received}"
        )
    wrong = [
        f"batches.{name}"
        for name in _OF_IDS
        if getattr(batches, name) != getattr(BatchSettings, name)
    ]
    if wrong:
        errors.append(
            f"{', '.join(wrong)} must be left out where sources are frames: set "
            "batches.batch_size, and model.spec_augment to hide parts of them. "
            f"Received: {received}"
        )


def _check_spec_augment(options: Any, errors: list[str]) -> None:
    """Makes the layer, before any data are read."""
    try:
        SpecAugment(**options)
    except (TypeError, ValueError) as error:
        errors.append(
            "model.spec_augment must be arguments of `kseq2seq.layers.SpecAugment`, "
            f"such as {{time_width = 20}}. Received: {options!r} ({error})"
        )
