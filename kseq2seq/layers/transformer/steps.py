"""A Transformer's decoder step by step, which keeps the keys and values of the past."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention import check_memory, zero_padding
from kseq2seq.layers.nested import NestedLayers
from kseq2seq.layers.transformer.blocks import TransformerDecoderLayer
from kseq2seq.utils import Tensor


class _DecoderLayers(NestedLayers, keras.layers.Layer):
    """A layer that uses decoder layers that another layer may own."""

    def __init__(
        self, layers: Sequence[TransformerDecoderLayer], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.layers = list(layers)
        self.supports_masking = True

    def build(self, *shapes: Any, **named_shapes: Any) -> None:
        for layer in self.layers:
            if not layer.built:
                layer.build()

    def compute_mask(self, *inputs: Any) -> None:
        # The outputs include the mask.
        return None

    def get_config(self) -> dict[str, Any]:
        layers = [keras.saving.serialize_keras_object(x) for x in self.layers]
        return {**super().get_config(), "layers": layers}


@keras.saving.register_keras_serializable(package="kseq2seq")
class TransformerStart(_DecoderLayers):
    """First states of decoding, and the memory as each decoder layer compares it.

    Args:
        layers: List of the `TransformerDecoderLayer`s.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        memory: Tensor of shape `(batch, source_length, units)`.
        memory_mask: Boolean tensor of shape `(batch, source_length)`.

    Returns:
        A tuple `(states, memory)`. States are a list of the position, zeros of shape
        `(batch, 1)`, and for each layer of its keys and its values, of shape `(batch,
        0, units)`: caches without room for a step, which `kseq2seq.models.make_room`
        makes. The memory is a dict of `value`, with zeros at padding, and `mask`, and
        for the layer i of `keys_i` and `value_i`.

    Raises:
        ValueError: If memory or mask have other shapes, or if the mask is not boolean.

    Example:

    >>> start = TransformerStart([TransformerDecoderLayer(units=6, num_heads=2)])
    >>> states, memory = start(keras.ops.ones((2, 5, 6)))
    >>> [tuple(state.shape) for state in states], sorted(memory)
    ([(2, 1), (2, 0, 6), (2, 0, 6)], ['keys_0', 'mask', 'value', 'value_0'])
    """

    def call(self, memory: Tensor, memory_mask: Tensor | None = None) -> Any:
        check_memory(type(self).__name__, memory, memory_mask)
        batch, length = ops.shape(memory)[:2]
        made: dict[str, Tensor] = {"value": zero_padding(memory, memory_mask)}
        for level, layer in enumerate(self.layers):
            own = layer.prepare(memory, memory_mask)
            made["mask"] = own["mask"]
            made |= {f"{name}_{level}": own[name] for name in ("keys", "value")}
        states = [ops.zeros((batch, 1), "int32")]
        for layer in self.layers:
            # Not a constant 0: in a graph the length of the caches must stay unknown,
            # since later steps have other lengths.
            shape = (batch, 0 * length, layer.units)
            states += [ops.zeros(shape, self.compute_dtype) for _ in range(2)]
        return states, made

    def compute_output_spec(
        self, memory: keras.KerasTensor, memory_mask: keras.KerasTensor | None = None
    ) -> Any:
        check_memory(type(self).__name__, memory, memory_mask)
        batch, length = memory.shape[:2]
        room = None if length is None else 0
        dtype = self.compute_dtype
        made = {
            "value": keras.KerasTensor(memory.shape, dtype),
            "mask": keras.KerasTensor((batch, length), "bool"),
        }
        states = [keras.KerasTensor((batch, 1), "int32")]
        for level, layer in enumerate(self.layers):
            for name in ("keys", "value"):
                shape = (batch, length, layer.units)
                made[f"{name}_{level}"] = keras.KerasTensor(shape, dtype)
                states.append(keras.KerasTensor((batch, room, layer.units), dtype))
        return states, made


@keras.saving.register_keras_serializable(package="kseq2seq")
class TransformerStep(_DecoderLayers):
    """One step of a Transformer's decoder for the hypotheses of each source.

    Args:
        layers: List of the `TransformerDecoderLayer`s.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, beam, units)`.
        states: List of tensors as of `TransformerStart`, with an axis for the beam
            behind that of the batch, and with room in the caches for this step.
        memory: Dict as of `TransformerStart`.

    Returns:
        A tuple `(outputs, states, alignment)`: a tensor of the shape of `inputs`, a
        list as `states`, and a tensor of shape `(batch, beam, source_length)`, the mean
        over the heads of the last layer.

    Raises:
        ValueError: If the caches have no room at all.

    Example:

    >>> layers = [TransformerDecoderLayer(units=6, num_heads=2)]
    >>> _, memory = TransformerStart(layers)(keras.ops.ones((2, 5, 6)))
    >>> position = keras.ops.zeros((2, 3, 1), "int32")
    >>> cache = keras.ops.ones((2, 3, 7, 6))
    >>> outputs, states, alignment = TransformerStep(layers)(
    ...     keras.ops.ones((2, 3, 6)), [position, cache, cache], memory
    ... )
    >>> tuple(outputs.shape), tuple(states[1].shape), tuple(alignment.shape)
    ((2, 3, 6), (2, 3, 7, 6), (2, 3, 5))
    """

    def call(self, inputs: Tensor, states: list[Tensor], memory: dict[str, Any]) -> Any:
        position, *caches = states
        if caches[0].shape[2] == 0:
            raise ValueError(
                "`states` must have room for the step in their caches: call "
                "`kseq2seq.models.make_room(states, length)` ahead of the first one. "
                f"Received: a cache of shape {tuple(caches[0].shape)}"
            )
        outputs, new, alignment = inputs, [position + 1], None
        for level, layer in enumerate(self.layers):
            own = {name: memory[f"{name}_{level}"] for name in ("keys", "value")}
            own["mask"] = memory["mask"]
            cache = caches[2 * level], caches[2 * level + 1]
            outputs, cache, alignment = layer.step(outputs, position, cache, own)
            new += cache
        return outputs, new, alignment

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        states: list[keras.KerasTensor],
        memory: dict[str, keras.KerasTensor],
    ) -> Any:
        dtype = self.compute_dtype
        shape = (*inputs.shape[:2], memory["mask"].shape[1])
        return (
            keras.KerasTensor(inputs.shape, dtype),
            [keras.KerasTensor(x.shape, x.dtype) for x in states],
            keras.KerasTensor(shape, dtype),
        )
