"""Checks of settings of a training that depend on the section [model]."""

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
