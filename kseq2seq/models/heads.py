"""Heads: log-probabilities of a decoder's outputs, one step at a time."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from kseq2seq.layers import MarginalStep, masked_probabilities, zero_padding
from kseq2seq.utils import Tensor

# Of the memory of a model that copies.
COPIED = "copied_ids"
# Of the memory of a model of hard attention: what the encoder gave. The `value` beside
# it is the attention's own, which need not be the same: several heads project it.
ENCODED = "encoder_outputs"


class StepOutputs(NamedTuple):
    """Outputs of the decoder in a step of each hypothesis.

    Attributes:
        tokens: int32 of shape `(batch, beam)`, the last tokens.
        embedded: Their embeddings, of shape `(batch, beam, embedding_size)`.
        features: The decoder's outputs, of shape `(batch, beam, size)`.
        alignment: A list of one tensor of shape `(batch, beam, source_length)`, or an
            empty one without attention.
    """

    tokens: Tensor
    embedded: Tensor
    features: Tensor
    alignment: list[Tensor]


def head_memory(layers: dict[str, Any]) -> dict[str, Any]:
    """Tensors of a source that the head alone reads, beside the decoder's memory.

    Args:
        layers: Dict from the names of a model's layers to the layers.
    """
    memory = {}
    if "copying" in layers:
        memory[COPIED] = layers["copied_ids"].output
    if "marginal" in layers:
        mask = layers["source_mask"].output
        memory[ENCODED] = zero_padding(layers["memory"].output, mask)
    return memory


def head_states(layers: dict[str, Any], memory: dict[str, Any]) -> list[Any]:
    """The first states of the head.

    Args:
        layers: Dict from the names of a model's layers to the layers.
        memory: The memory of the decoder.
    """
    if "marginal" not in layers:
        return []
    size = layers["target_embedding"].input_dim
    return layers["marginal"].initial_state(memory["mask"], size)


def step_head(
    layers: dict[str, Any],
    outputs: StepOutputs,
    states: list[Any],
    memory: dict[str, Any],
) -> tuple[Any, list[Any], list[Any]]:
    """Logits of a step, the new states of the head, and the alignment.

    Args:
        layers: Dict from the names of a model's layers to the layers.
        outputs: The `StepOutputs`.
        states: Those of the head, of shape `(batch, beam, size)`.
        memory: The memory, with what `head_memory` gave.

    Returns:
        A tuple `(logits, states, alignment)`, the last one as in `StepOutputs`.
    """
    tokens, embedded, features, alignment = outputs
    query = features
    if "marginal" in layers:
        features = layers["pair_features"](features, memory[ENCODED])
    if "projection" in layers:
        logits = layers["projection"](features)
    else:
        logits = layers["target_embedding"](features, reverse=True)
    logits = layers["logits"](logits)
    if layers["logits"].probability_fn != "softmax":
        logits = log_probabilities(logits, layers["logits"].probability_fn)
    if "copying" in layers:
        copied = memory[COPIED]
        logits = layers["copying"](logits, features, embedded, *alignment, copied)
    if "marginal" in layers:
        step = MarginalStep(layers["marginal"], name="marginal_step")
        logits, states, positions = step(
            logits, *alignment, query, memory["mask"], tokens, states
        )
        alignment = [positions]
    return logits, states, alignment


def log_probabilities(logits: Tensor, probability_fn: str) -> Tensor:
    """Logits of which softmax makes the probabilities of another function.

    Args:
        logits: Tensor of shape `(batch, length, vocabulary)`.
        probability_fn: `"entmax15"` or `"sparsemax"`.

    Returns:
        Tensor of the same shape, with -inf for what is impossible.
    """
    probabilities = masked_probabilities(logits, None, probability_fn)
    possible = probabilities > 0
    return ops.where(
        possible, ops.log(ops.where(possible, probabilities, 1.0)), -np.inf
    )
