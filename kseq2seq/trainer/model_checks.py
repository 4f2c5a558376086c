"""Checks of settings of a training that depend on several sections."""

from collections.abc import Mapping
from typing import Any

from kseq2seq.config import Seq2SeqConfig

VOCABULARY_SIZES = (
    "source_vocabulary_size",
    "target_vocabulary_size",
    "feature_vocabulary_size",
)
# Any size that a config accepts.
_PLACEHOLDER = 1000


def placeholder_sizes(frame_size: int, has_features: bool) -> dict[str, int]:
    """Sizes to check a config with, before there are vocabularies.

    Args:
        frame_size: Size of the frames that sources are; 0 for texts.
        has_features: Whether sources have features.

    Returns:
        Dict from arguments of `kseq2seq.Seq2SeqConfig` to sizes.

    Example:

    >>> config = Seq2SeqConfig(**placeholder_sizes(frame_size=80, has_features=False))
    >>> config.source_vocabulary_size, config.source_frame_size
    (0, 80)
    """
    return {
        "source_vocabulary_size": 0 if frame_size else _PLACEHOLDER,
        "source_frame_size": frame_size,
        "target_vocabulary_size": _PLACEHOLDER,
        "feature_vocabulary_size": _PLACEHOLDER if has_features else 0,
    }


def check_vocabulary_sizes(model: Mapping[str, Any], errors: list[str]) -> None:
    """Refuses sizes of vocabularies, which come from the tokenizers.

    Args:
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    for name in VOCABULARY_SIZES:
        if name in model:
            errors.append(
                f"model.{name} comes from the data: leave it out, and set "
                "tokenizer.vocabulary_size for the tokenizers. "
                f"Received: model.{name}={model[name]!r}"
            )


def check_sampled(training: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks settings that a sampled softmax excludes.

    Args:
        training: The section [training].
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    if training.num_sampled and training.label_smoothing:
        errors.append(
            "training.num_sampled has no label smoothing: set training.label_smoothing "
            f"to 0. Received: {training.label_smoothing}"
        )
    if training.num_sampled and model.get("copying"):
        errors.append(
            "training.num_sampled estimates a softmax, which model.copying mixes with "
            "copies: set it to 0, or model.copying to false. "
            f"Received: num_sampled = {training.num_sampled}"
        )
    probability_fn = model.get("output_probability_fn", "softmax")
    if training.num_sampled and probability_fn != "softmax":
        errors.append(
            "training.num_sampled estimates a softmax: set it to 0, or "
            "model.output_probability_fn to 'softmax'. Received: num_sampled = "
            f"{training.num_sampled} with {probability_fn!r}"
        )


def check_consistency(
    training: Any, model: Mapping[str, Any], errors: list[str]
) -> None:
    """Checks settings that training.consistency needs or excludes.

    Args:
        training: The section [training].
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    if not training.consistency:
        return
    received = f"Received: training.consistency = {training.consistency}"
    noises = ("recurrent_dropout", "zoneout", "spec_augment")
    has_dropout = model.get("dropout", Seq2SeqConfig.dropout)
    if not has_dropout and not any(model.get(name) for name in noises):
        errors.append(
            "training.consistency compares two passes that differ by dropout: set "
            f"model.dropout, or leave it out. {received} without dropout"
        )
    probability_fn = model.get("output_probability_fn", "softmax")
    if training.num_sampled or probability_fn != "softmax":
        errors.append(
            "training.consistency compares a softmax over the whole vocabulary: set "
            "training.num_sampled to 0 and model.output_probability_fn to 'softmax', "
            f"or leave it out. {received}, num_sampled = {training.num_sampled}, "
            f"{probability_fn!r}"
        )


def check_search(
    search: Any, model: Mapping[str, Any], has_frames: bool, errors: list[str]
) -> None:
    """Checks options of a search that need a certain kind of model.

    Args:
        search: The `kseq2seq.Search`.
        model: The section [model].
        has_frames: Whether sources are recordings or frames.
        errors: List to which a message is added for what cannot be used.
    """
    has_attention = model.get("attention") != "none"
    if search.coverage_penalty and not has_attention:
        errors.append(
            "search.coverage_penalty needs a model with attention. Received: "
            f"{search.coverage_penalty} with model.attention = 'none'"
        )
    if search.replace_unknown and (has_frames or not has_attention):
        errors.append(
            "search.replace_unknown needs a source of text and a model with attention. "
            f"Received: {search.replace_unknown!r:.80}"
        )
    if search.shortlist:
        errors.append(
            "search.shortlist must be false in a training, before there is a shortlist:"
            " ask for it when you translate or export. Received: true"
        )


def check_hard(sampling: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks settings that hard attention excludes.

    Args:
        sampling: The section [scheduled_sampling].
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    if model.get("hard_attention", "none") != "none" and sampling.schedule != "none":
        errors.append(
            "scheduled_sampling.schedule must be none with model.hard_attention, whose "
            f"positions depend on the true tokens. Received: {sampling.schedule!r}"
        )


def check_guided(settings: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks settings that guided alignment needs or excludes.

    Args:
        settings: The `Settings`.
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    weight, links = settings.training.guided_alignment, settings.data.links
    if bool(weight) != bool(links):
        errors.append(
            "training.guided_alignment, a weight, and data.links, a file, go together: "
            f"set both or none. Received: {weight} and {links!r}"
        )
    if not links:
        return
    if settings.data.format != "parallel" or settings.data.stream:
        errors.append(
            "data.links are those of pairs in two files and in memory: set data.format "
            "to 'parallel' and data.stream to false. Received: "
            f"{settings.data.format!r}, {settings.data.stream}"
        )
    if model.get("attention") == "none" and model.get("architecture") != "transformer":
        errors.append(
            "training.guided_alignment needs a model with attention. Received: "
            f"{weight} with model.attention = 'none'"
        )
    batches = settings.batches
    sizes = batches.sampling_nbest_size
    sizes = sizes if isinstance(sizes, tuple) else (sizes,)
    if batches.source_swap or any(size not in (0, 1) for size in sizes):
        errors.append(
            "data.links are of tokens that stay as they are: set batches.source_swap "
            "and batches.sampling_nbest_size to 0. Received: "
            f"{batches.source_swap} and {batches.sampling_nbest_size}"
        )
