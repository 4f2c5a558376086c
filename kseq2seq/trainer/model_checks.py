"""Checks of settings of a training that depend on several sections."""

from collections.abc import Mapping
from typing import Any


def check_sampled(training: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks what an estimated softmax goes with.

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


def check_guided(settings: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks what guided alignment goes with.

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
