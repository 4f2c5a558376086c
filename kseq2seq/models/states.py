"""States of decoders before their first step."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kseq2seq.models.sizes import layers_by_name
from kseq2seq.models.transformer import is_transformer, mean_memory
from kseq2seq.utils import Tensor


def make_room(states: Any, length: int | Tensor) -> Any:
    """First states with room for a number of steps.

    Args:
        states: Nested structure of the `states` that `encode` gave. Those of shape
            `(batch, places, size)`, as a Transformer has them, get more places.
        length: Number of steps, an integer or a scalar tensor.

    Returns:
        The same structure.

    Example:

    >>> states = [keras.ops.zeros((2, 1), "int32"), keras.ops.zeros((2, 0, 6))]
    >>> [tuple(state.shape) for state in make_room(states, 7)]
    [(2, 1), (2, 7, 6)]
    """

    def with_room(state):
        if len(state.shape) != 3:
            return state
        batch, _, size = ops.shape(state)
        room = ops.zeros((batch, length, size), state.dtype)
        return ops.concatenate([state, room], axis=1)

    return keras.tree.map_structure(with_room, states)


def final_states(
    models: Sequence[keras.Model], encoded: dict[str, Sequence[Any]]
) -> Tensor:
    """One vector for each source.

    Args:
        models: As for `encode_and_step`.
        encoded: The dict of `states` and `memory` that `encode` gave for them.

    Returns:
        Tensor of shape `(batch, size)` in float32: the first states of all decoders,
        without those of attention and input feeding, side by side; of a Transformer,
        which has none, the mean of its memory.
    """
    vectors = []
    for model, states, memory in zip(
        models, encoded["states"], encoded["memory"], strict=True
    ):
        layers = layers_by_name(model)
        if is_transformer(layers):
            vectors.append(mean_memory(memory))
        else:
            vectors += states[: num_bridged_states(layers)]
    return ops.concatenate([ops.cast(x, "float32") for x in vectors], axis=-1)


def num_bridged_states(layers: dict[str, Any]) -> int:
    """Number of the states, the first ones, that a decoder gets from the encoder.

    Args:
        layers: Dict from the names of a model's layers to the layers.
    """
    return sum(name.startswith("bridge_") for name in layers)
